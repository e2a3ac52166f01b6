"""How Feishu pushes events: at least once, in no order, again after 15 s, 5 min, 1 h and 6 h without a good answer.

Encryption and signatures are written from the documentation, not from the SDK:
https://open.feishu.cn/document/server-docs/event-subscription-guide/overview
https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from bot.sandbox.feishu.state import FeishuState
from bot.sandbox.http import shared_tls

Event = dict[str, Any]
Outcome = Literal["acknowledged", "refused", "late", "unreachable", "no_address"]

Push = Callable[[Event, float], tuple[Outcome, int | None, bytes]]
"""Pushes an event and waits so many seconds; returns how it ended, the status and the body."""

_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """How events are pushed; seconds.

    ``ladder`` is the wait before each further attempt. ``duplicates`` copies follow a good answer, as the platform
    reserves the right to, with ``new_event_id`` under ids of their own.
    """

    answer_seconds: float = 3.0
    ladder: tuple[float, ...] = (15.0, 300.0, 3600.0, 21600.0)
    duplicates: int = 0
    new_event_id: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One push ``at`` seconds since 1970, its ``number`` from 1, and how it ended; tokens in ``event`` are masked."""

    at: float
    event_id: str
    event_type: str
    number: int
    outcome: Outcome
    status: int | None
    seconds: float
    body: bytes
    event: Event
    over: bool = True  # as an ``ApiCall``


class EventPusher:
    """Pushes events to the bot at ``webhook_url``, or as ``push_over`` does where that is set."""

    def __init__(self, *, state: FeishuState, delivery: RetrySchedule) -> None:
        self.state = state
        self.delivery = delivery
        self.webhook_url: str | None = None
        self.push_over: Push = self._post
        self._attempts: deque[Attempt] = deque(maxlen=5000)
        self._closing = threading.Event()
        self._deliveries: list[threading.Thread] = []
        self._client = httpx.Client(trust_env=False, verify=shared_tls(), limits=httpx.Limits(max_connections=None))

    @property
    def attempts(self) -> list[Attempt]:
        """The last five thousand, oldest first."""
        return list(self._attempts)

    def seal(self, event: Event) -> tuple[bytes, dict[str, str]]:
        """The body and headers of a push; plain and unsigned without an Encrypt Key."""
        headers = {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": secrets.token_hex(16)}
        body = json.dumps(event, ensure_ascii=False).encode()
        if key := self.state.encrypt_key:
            body = json.dumps({"encrypt": encrypt(key, body)}).encode()
            timestamp, nonce = str(int(self.state.clock())), secrets.token_hex(8)
            headers |= {"X-Lark-Request-Timestamp": timestamp, "X-Lark-Request-Nonce": nonce}
            headers["X-Lark-Signature"] = sign(key, timestamp=timestamp, nonce=nonce, body=body)
        return body, headers

    def deliver(self, event: Event) -> str:
        """Pushes an event until it is acknowledged or the ladder ends, in the background; returns its id."""
        thread = threading.Thread(target=self._deliver, args=(event,), daemon=True)
        with self.state.lock:
            self._deliveries = [*(known for known in self._deliveries if known.is_alive()), thread]
            thread.start()
        return str(event["header"]["event_id"])

    def stop_pushing(self) -> None:
        """Gives up what is still to be delivered; waits for a push that is under way."""
        self._closing.set()
        for thread in list(self._deliveries):
            thread.join(self.delivery.answer_seconds)
        self._client.close()

    def push(self, event: Event, *, number: int = 1) -> Attempt:
        """Pushes an event as it is, and waits for the answer."""
        at, began, header = self.state.clock(), time.perf_counter(), event.get("header", {})
        outcome, status, answer = self.push_over(event, self.delivery.answer_seconds)
        attempt = Attempt(
            at=at,
            event_id=header.get("event_id", ""),
            event_type=header.get("event_type") or event.get("type", ""),
            number=number,
            outcome=outcome,
            status=status,
            seconds=time.perf_counter() - began,
            body=answer,
            event={name: _masked(part) if isinstance(part, dict) else part for name, part in _masked(event).items()},
        )
        self._attempts.append(attempt)
        return attempt

    def _deliver(self, event: Event) -> None:
        delivery = self.delivery
        good = self.push(event).outcome == "acknowledged"
        for number, wait in enumerate(delivery.ladder, start=2):
            if good or self._closing.wait(wait):
                break
            good = self.push(event, number=number).outcome == "acknowledged"
        for _ in range(delivery.duplicates if good else 0):
            copy = {**event, "header": {**event["header"], "event_id": secrets.token_hex(16)}}
            self.push(copy if delivery.new_event_id else event)

    def _post(self, event: Event, allowed: float) -> tuple[Outcome, int | None, bytes]:
        if self.webhook_url is None or self._closing.is_set():
            return "no_address", None, b""
        body, headers = self.seal(event)
        began = time.perf_counter()
        try:
            answer = self._client.post(self.webhook_url, content=body, headers=headers, timeout=allowed)
        except httpx.ConnectError:
            return "unreachable", None, b""
        except httpx.TimeoutException:
            return "late", None, b""
        except httpx.HTTPError:
            return "refused", None, b""
        if time.perf_counter() - began > allowed:
            return "late", answer.status_code, b""
        return ("acknowledged" if answer.status_code == _OK else "refused"), answer.status_code, answer.content


def encrypt(encrypt_key: str, plain: bytes, *, iv: bytes | None = None) -> str:
    """Base64 of the 16-byte IV and the AES-256-CBC ciphertext (PKCS7)."""
    iv = iv or secrets.token_bytes(AES.block_size)
    cipher = AES.new(hashlib.sha256(encrypt_key.encode()).digest(), AES.MODE_CBC, iv)
    return base64.b64encode(iv + cipher.encrypt(pad(plain, AES.block_size))).decode()


def sign(encrypt_key: str, *, timestamp: str, nonce: str, body: bytes) -> str:
    """The ``X-Lark-Signature``."""
    return hashlib.sha256(f"{timestamp}{nonce}{encrypt_key}".encode() + body).hexdigest()


def _masked(part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "token": "***"} if "token" in part else part
