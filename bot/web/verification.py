"""What comes in at the door, checked: size, signature, encryption, token, app and age, in this order.

The rules: https://open.feishu.cn/document/event-subscription-guide/event-subscriptions/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from Crypto.Cipher import AES

from bot.errors import EventRejected
from bot.models import Event
from bot.web.event_json import BAD_REQUEST, check_depth, name_of, parse, seconds_of

LARGEST_BODY = 1024 * 1024
"""Bytes of a request; the platform's own are a few thousand."""

OLDEST = 8 * 3600.0
"""Seconds after which an event is dropped. The platform's last repetition comes after 7.1 hours."""

TIMESTAMP = "X-Lark-Request-Timestamp"
NONCE = "X-Lark-Request-Nonce"
SIGNATURE = "X-Lark-Signature"

_UNAUTHORIZED, _TOO_LARGE = 401, 413
_LARGEST_CHALLENGE = 4096


class Headers(Protocol):
    """HTTP headers whose names may be asked for in any case."""

    def get(self, key: str, /) -> str | None:
        """The value of a header, ``None`` when it was not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlVerification:
    """The console asks whether this address is ours; the answer repeats ``value``."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredEvent:
    """An authentic event that is too old to be acted on; ``age`` in seconds."""

    event: Event
    age: float


class Verifier:
    """Opens what the platform pushes to one app.

    With an Encrypt Key, a request must be signed and encrypted; the console's check of the address, which need not be
    signed, must be encrypted. With only a Verification Token, requests are plain and must carry it. Replays within
    :data:`OLDEST` are not noticed here: whoever takes the event knows its message.

    Args:
        app_id: the App ID.
        encrypt_key: the Encrypt Key, ``None`` or empty when the console has none.
        verification_token: the Verification Token, ``None`` or empty when it is not to be compared.
        clock: seconds since 1970.

    Raises:
        ValueError: there is neither key nor token, so anybody could send anything.
    """

    def __init__(
        self,
        *,
        app_id: str,
        encrypt_key: str | None,
        verification_token: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not encrypt_key and not verification_token:
            raise ValueError("an Encrypt Key or a Verification Token is needed")
        self._app_id = app_id
        self._encrypt_key = (encrypt_key or "").encode()
        self._token = verification_token or None
        self._clock = clock

    def open(self, body: bytes, headers: Headers) -> Event | UrlVerification | ExpiredEvent:
        """Opens one request.

        Args:
            body: its bytes as they came.
            headers: its headers.

        Raises:
            EventRefused: 413 too large, 401 not from the platform or not for this app, 400 not an event.
        """
        if len(body) > LARGEST_BODY:
            raise EventRejected(_TOO_LARGE, "too large")
        if not self._encrypt_key:
            return self._admit(parse(body))
        signature = headers.get(SIGNATURE)
        if not signature:
            return self._admit_unsigned(body)
        self._check_signature(body, headers, signature)
        return self._admit(self._unseal(body))

    def _check_signature(self, body: bytes, headers: Headers, signature: str) -> None:
        timestamp, nonce = headers.get(TIMESTAMP) or "", headers.get(NONCE) or ""
        if not (timestamp.isascii() and timestamp.isdigit() and nonce):
            raise EventRejected(_UNAUTHORIZED, "signature headers missing")
        digest = hashlib.sha256(f"{timestamp}{nonce}".encode() + self._encrypt_key + body)
        if not _same(signature.lower(), digest.hexdigest()):
            raise EventRejected(_UNAUTHORIZED, "wrong signature")

    def _unseal(self, body: bytes) -> dict[str, Any]:
        sealed = parse(body).get("encrypt")
        if not isinstance(sealed, str):
            raise EventRejected(_UNAUTHORIZED, "not encrypted, but FEISHU_ENCRYPT_KEY is set")
        try:
            raw = base64.b64decode(sealed, validate=True)
            key = hashlib.sha256(self._encrypt_key).digest()
            plain = AES.new(key, AES.MODE_CBC, raw[: AES.block_size]).decrypt(raw[AES.block_size :])
        except ValueError:
            raise EventRejected(BAD_REQUEST, "not decryptable") from None
        # The JSON tells where it ends, so the padding is never looked at: nothing here can be an oracle about it.
        return parse(plain, padded=True)

    def _admit_unsigned(self, body: bytes) -> UrlVerification:
        """Lets an encrypted challenge pass; the answer to everything else is the same, and only the log says why."""
        reason = "not signed"
        if len(body) <= _LARGEST_CHALLENGE:
            try:
                content = self._unseal(body)
                if content.get("type") == "url_verification":
                    return self._challenge(content)
            except EventRejected as refused:
                # A challenge that another key encrypted comes out as anything but JSON, which is a bad request.
                malformed = refused.status < _UNAUTHORIZED
                why = "FEISHU_ENCRYPT_KEY differs from its Encrypt Key" if malformed else refused.reason
                reason = f"not signed; if it is the console's challenge: {why}"
        raise EventRejected(_UNAUTHORIZED, reason)

    def _admit(self, content: dict[str, Any]) -> Event | UrlVerification | ExpiredEvent:
        if content.get("type") == "url_verification":
            return self._challenge(content)
        return admit(content, app_id=self._app_id, now=self._clock(), check=self._check_token)

    def _challenge(self, content: Mapping[str, Any]) -> UrlVerification:
        self._check_token(content.get("token"))
        value = content.get("challenge")
        # Plain characters only: pieces of other ciphertexts, spliced into a challenge, must not come back decrypted.
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise EventRejected(BAD_REQUEST, "not a challenge")
        return UrlVerification(value=value)

    def _check_token(self, given: object) -> None:
        if self._token is not None and not _same(given, self._token):
            raise EventRejected(_UNAUTHORIZED, "wrong verification token")


def admit(
    content: dict[str, Any], *, app_id: str, now: float, check: Callable[[object], None] = lambda _token: None
) -> Event | ExpiredEvent:
    """Lets an event in that was opened: of schema 2.0, for this app, not nested too deeply, and not too old.

    Args:
        content: the JSON object.
        app_id: the App ID.
        now: seconds since 1970.
        check: raises ``EventRefused`` where the event's verification token is not the one it should be.

    Raises:
        EventRefused: 401 for another app, 400 not an event.
    """
    header, body = content.get("header"), content.get("event")
    if "encrypt" in content:
        raise EventRejected(BAD_REQUEST, "encrypted, but no Encrypt Key is set here")
    if content.get("schema") != "2.0" or not isinstance(header, dict) or not isinstance(body, dict):
        raise EventRejected(BAD_REQUEST, "not an event of schema 2.0")
    check(header.get("token"))
    if not _same(header.get("app_id"), app_id):
        raise EventRejected(_UNAUTHORIZED, "another app's event")
    check_depth(content)
    event_id, event_type = name_of(header.get("event_id")), name_of(header.get("event_type"))
    created_at = seconds_of(header.get("create_time"))
    event = Event(event_id=event_id, event_type=event_type, created_at=created_at, body=body)
    age = now - created_at
    return ExpiredEvent(event=event, age=age) if age > OLDEST else event


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())
