"""The stand-in encrypts and signs as the platform's published vectors do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.feishu.delivery import decrypt, encrypt, seal, sign

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("feishu_vectors.json").read_text(encoding="utf-8"))
KEY = VECTORS["encrypt_key"]
FULL = VECTORS["full_vector"]


def test_the_official_vector_decrypts() -> None:
    """The ciphertext of Feishu's documentation yields its plain text."""
    vector = VECTORS["official_vector"]
    assert decrypt(KEY, vector["encrypt"]) == vector["plain"].encode()


def test_a_whole_event_encrypts_to_the_known_ciphertext() -> None:
    """With a known IV the same event gives the same bytes."""
    encrypted = encrypt(KEY, FULL["plain"].encode(), iv=bytes.fromhex(FULL["iv_hex"]))
    assert json.loads(FULL["body"]) == {"encrypt": encrypted}
    assert decrypt(KEY, encrypted).decode() == FULL["plain"]


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (FULL["body"], FULL["signature"]),
        (
            '{"encrypt":"P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="}',
            "21b279029a3bdf7b9f02a4935c76c53f09876d9d0e45add77a99d55d1bc7e79e",
        ),
    ],
)
def test_signatures_are_the_known_ones(body: str, signature: str) -> None:
    """The signature covers the raw body, after timestamp, nonce and key."""
    assert sign(KEY, timestamp="1700000000", nonce="nonce1", body=body.encode()) == signature


def test_a_sealed_event_carries_its_own_signature() -> None:
    """What is pushed can be verified and read with the key alone."""
    body, headers = seal({"a": "猫"}, encrypt_key=KEY, now=1700000000.9)
    timestamp, nonce = headers["X-Lark-Request-Timestamp"], headers["X-Lark-Request-Nonce"]
    assert timestamp == "1700000000"
    assert headers["X-Lark-Signature"] == sign(KEY, timestamp=timestamp, nonce=nonce, body=body)
    assert json.loads(decrypt(KEY, json.loads(body)["encrypt"])) == {"a": "猫"}


def test_without_a_key_events_are_plain_and_unsigned() -> None:
    """An app without an Encrypt Key gets readable bodies and no signature."""
    body, headers = seal({"a": "猫"}, encrypt_key="", now=0)
    assert json.loads(body) == {"a": "猫"}
    assert "X-Lark-Signature" not in headers


def test_another_key_does_not_decrypt() -> None:
    """A body that was encrypted with another key is no event."""
    with pytest.raises(ValueError, match=r"[Pp]adding|PKCS"):
        decrypt("another key", json.loads(FULL["body"])["encrypt"])
