"""Pushed events, encrypted and signed as the platform does it, and the verifier that lets them in."""

from __future__ import annotations

import json
from typing import Any

from bot.sandbox.feishu.delivery import encrypt, sign
from bot.web.verification import Verifier

APP = "cli_sandbox"
KEY = "not-a-real-encrypt-key"
TOKEN = "not-a-real-token"
NOW = 1_700_000_000.0


def verifier(*, key: str | None = KEY, token: str | None = TOKEN) -> Verifier:
    return Verifier(app_id=APP, encrypt_key=key, verification_token=token)


def event(event_type: str = "im.message.receive_v1", **changes: Any) -> dict[str, Any]:
    """An event of this moment, with other values in its header; ``None`` takes one away."""
    header = {
        "event_id": "e-1",
        "event_type": event_type,
        "create_time": str(int(NOW * 1000)),
        "token": TOKEN,
        "app_id": APP,
        **changes,
    }
    kept = {name: value for name, value in header.items() if value is not None}
    return {"schema": "2.0", "header": kept, "event": {"message": {"message_id": "om_1", "content": "一只猫"}}}


def challenge(**changes: Any) -> dict[str, Any]:
    return {"type": "url_verification", "token": TOKEN, "challenge": "ajls384kdjx98XX", **changes}


def wrapped(plain: bytes) -> bytes:
    """A body with encrypted content."""
    return json.dumps({"encrypt": encrypt(KEY, plain, iv=bytes(range(16)))}).encode()


def sealed(content: object) -> bytes:
    return wrapped(json.dumps(content, ensure_ascii=False).encode())


def signature(body: bytes) -> dict[str, str]:
    digest = sign(KEY, timestamp="1700000000", nonce="n-1", body=body)
    return {"X-Lark-Request-Timestamp": "1700000000", "X-Lark-Request-Nonce": "n-1", "X-Lark-Signature": digest}
