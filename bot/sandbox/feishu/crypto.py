"""How Feishu encrypts and signs what it pushes, written from its documentation and not from its SDK.

https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad, unpad

_BLOCK = AES.block_size


def encrypt(encrypt_key: str, plain: bytes, *, iv: bytes | None = None) -> str:
    """``plain`` as the ``encrypt`` field holds it: base64 of the 16-byte IV and the AES-256-CBC ciphertext (PKCS7)."""
    iv = iv or secrets.token_bytes(_BLOCK)
    return base64.b64encode(iv + _cipher(encrypt_key, iv).encrypt(pad(plain, _BLOCK))).decode()


def decrypt(encrypt_key: str, encrypted: str) -> bytes:
    """The plain bytes of an ``encrypt`` field.

    Raises:
        ValueError: it is not base64, or was not encrypted with this key.
    """
    raw = base64.b64decode(encrypted, validate=True)
    return unpad(_cipher(encrypt_key, raw[:_BLOCK]).decrypt(raw[_BLOCK:]), _BLOCK)


def sign(encrypt_key: str, *, timestamp: str, nonce: str, body: bytes) -> str:
    """The ``X-Lark-Signature`` of a push: lower-case hexadecimal SHA-256 over the raw body and what precedes it."""
    return hashlib.sha256(f"{timestamp}{nonce}{encrypt_key}".encode() + body).hexdigest()


def seal(value: Any, *, encrypt_key: str | None, now: float, signed: bool = True) -> tuple[bytes, dict[str, str]]:
    """The body and headers with which Feishu pushes ``value``.

    Args:
        value: the event, as JSON.
        encrypt_key: without one the body is plain and nothing is signed, as on the platform.
        now: seconds since 1970, for the timestamp header.
        signed: the challenge at the console is encrypted but not signed.
    """
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": secrets.token_hex(16)}
    plain = json.dumps(value, ensure_ascii=False).encode()
    if not encrypt_key:
        return plain, headers
    body = json.dumps({"encrypt": encrypt(encrypt_key, plain)}).encode()
    if signed:
        timestamp, nonce = str(int(now)), secrets.token_hex(8)
        headers["X-Lark-Request-Timestamp"] = timestamp
        headers["X-Lark-Request-Nonce"] = nonce
        headers["X-Lark-Signature"] = sign(encrypt_key, timestamp=timestamp, nonce=nonce, body=body)
    return body, headers


def _cipher(encrypt_key: str, iv: bytes) -> Any:
    return AES.new(hashlib.sha256(encrypt_key.encode()).digest(), AES.MODE_CBC, iv)
