"""Verification of pushed events: size, signature, encryption, token and app, in this order.

The rules: https://open.feishu.cn/document/event-subscription-guide/event-subscriptions/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from Crypto.Cipher import AES
from werkzeug.datastructures import Headers

from bot.errors import EventRejected
from bot.models import Event

MAX_BODY = 1024 * 1024  # bytes of a request; the platform's have a few thousand

_BAD_REQUEST, _UNAUTHORIZED, _TOO_LARGE = 400, 401, 413
_MAX_CHALLENGE = 4096
_MAX_DEPTH = 64
_MAX_IDENTIFIER, _MAX_TIMESTAMP = 128, 20


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verifier:
    """Verifies and opens the requests of one app's platform.

    With an Encrypt Key, a request must be signed and encrypted; the verification of the URL, which need not be signed,
    must be encrypted. With only a Verification Token, requests are plain and must carry it; with neither, anybody could
    send anything. Replays are not detected here but by the age of the event and the message id.
    """

    app_id: str
    encrypt_key: str | None
    verification_token: str | None

    def __post_init__(self) -> None:
        if not self.encrypt_key and not self.verification_token:
            raise ValueError("an Encrypt Key or a Verification Token is needed")

    def verify(self, body: bytes, headers: Headers | Mapping[str, str]) -> Event | str:
        """The event of a request, or the console's challenge, which the answer repeats.

        Raises ``EventRejected``: 413 too large, 401 not the platform's or this app's, 400 no event.
        """
        if len(body) > MAX_BODY:
            raise EventRejected(_TOO_LARGE, "too large")
        if not self.encrypt_key:
            content = parse_json(body)
        elif signature := headers.get("X-Lark-Signature"):
            timestamp, nonce = headers.get("X-Lark-Request-Timestamp") or "", headers.get("X-Lark-Request-Nonce") or ""
            if not (timestamp.isascii() and timestamp.isdigit() and nonce):
                raise EventRejected(_UNAUTHORIZED, "signature headers missing")
            digest = hashlib.sha256(f"{timestamp}{nonce}{self.encrypt_key}".encode() + body)
            if not _is_same(signature.lower(), digest.hexdigest()):
                raise EventRejected(_UNAUTHORIZED, "wrong signature")
            content = self._decrypt(body)
        else:
            return self._verify_unsigned(body)
        if content.get("type") == "url_verification":
            return self._challenge(content)
        return validate_event(content, app_id=self.app_id, token=self.verification_token)

    def _decrypt(self, body: bytes) -> dict[str, Any]:
        encrypted = parse_json(body).get("encrypt")
        if not isinstance(encrypted, str):
            raise EventRejected(_UNAUTHORIZED, "not encrypted, but FEISHU_ENCRYPT_KEY is set")
        try:
            raw = base64.b64decode(encrypted, validate=True)
            key = hashlib.sha256((self.encrypt_key or "").encode()).digest()
            plain = AES.new(key, AES.MODE_CBC, raw[: AES.block_size]).decrypt(raw[AES.block_size :])
        except ValueError:
            raise EventRejected(_BAD_REQUEST, "not decryptable") from None
        # The JSON shows where it ends, so the padding is never inspected: there is no padding oracle.
        return parse_json(plain, padded=True)

    def _verify_unsigned(self, body: bytes) -> str:
        """Accepts an encrypted challenge; everything else gets the same answer, and only the log says why."""
        reason = "not signed"
        if len(body) <= _MAX_CHALLENGE:
            try:
                content = self._decrypt(body)
                if content.get("type") == "url_verification":
                    return self._challenge(content)
            except EventRejected as error:
                # A challenge encrypted with another key decrypts to anything but JSON, which is a bad request.
                is_garbage = error.status < _UNAUTHORIZED
                why = "FEISHU_ENCRYPT_KEY differs from its Encrypt Key" if is_garbage else error.reason
                reason = f"not signed; if it is the console's challenge: {why}"
        raise EventRejected(_UNAUTHORIZED, reason)

    def _challenge(self, content: Mapping[str, Any]) -> str:
        _check_token(content.get("token"), self.verification_token)
        value = content.get("challenge")
        # Plain characters only: blocks of other ciphertexts, spliced into a challenge, must not come back decrypted.
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise EventRejected(_BAD_REQUEST, "not a challenge")
        return value


def validate_event(content: dict[str, Any], *, app_id: str, token: str | None = None) -> Event:
    """An event of schema 2.0, for this app and not nested too deeply; ``EventRejected`` 401 or 400 otherwise."""
    header, body = content.get("header"), content.get("event")
    if "encrypt" in content:
        raise EventRejected(_BAD_REQUEST, "encrypted, but no Encrypt Key is set here")
    if content.get("schema") != "2.0" or not isinstance(header, dict) or not isinstance(body, dict):
        raise EventRejected(_BAD_REQUEST, "not an event of schema 2.0")
    _check_token(header.get("token"), token)
    if not _is_same(header.get("app_id"), app_id):
        raise EventRejected(_UNAUTHORIZED, "another app's event")
    level: list[Any] = [content]
    for _ in range(_MAX_DEPTH):
        containers = [value for value in level if isinstance(value, dict | list)]
        level = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
    if level:
        # It would exhaust the stack of whatever reads the event.
        raise EventRejected(_BAD_REQUEST, "nested too deeply")
    event_id, event_type = _parse_identifier(header.get("event_id")), _parse_identifier(header.get("event_type"))
    created_at = _parse_timestamp(header.get("create_time"))
    return Event(event_id=event_id, event_type=event_type, created_at=created_at, body=body)


def parse_json(data: bytes, *, padded: bool = False) -> dict[str, Any]:
    """The JSON object in UTF-8 ``data``, or ``EventRejected`` 400; if ``padded``, whatever follows it is ignored."""
    try:
        text = data.decode().lstrip()
        value, end = _decoder.raw_decode(text)
    except (ValueError, RecursionError):
        raise EventRejected(_BAD_REQUEST, "not JSON") from None
    if not isinstance(value, dict) or (not padded and text[end:].strip()):
        raise EventRejected(_BAD_REQUEST, "not a JSON object")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_reject_constant)


def _parse_identifier(value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= _MAX_IDENTIFIER and value.isascii() and value.isprintable():
        return value
    raise EventRejected(_BAD_REQUEST, "no event_id or event_type")


def _parse_timestamp(value: object) -> float:
    """Seconds since 1970 of a ``create_time``: text in milliseconds, or in microseconds for a card action."""
    digits = str(value)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _MAX_TIMESTAMP:
        raise EventRejected(_BAD_REQUEST, "no create_time")
    # Milliseconds reach this number in the year 5138, microseconds did in 1973: so the size tells them apart.
    return int(digits) / (1_000_000 if int(digits) >= 10**14 else 1000)


def _check_token(given: object, expected: str | None) -> None:
    if expected and not _is_same(given, expected):
        raise EventRejected(_UNAUTHORIZED, "wrong verification token")


def _is_same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())
