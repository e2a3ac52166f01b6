"""The padding-oracle attack that breaks the SDK's own webhook, replayed in full: this webhook reveals nothing."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import closing, suppress
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from Crypto.Cipher import AES

from bot.errors import EventRejected
from tests.service.webhook_client import KEY, event, sealed, signature, verifier, webhook_server

Oracle = Callable[[bytes], Hashable]
"""Answers a ciphertext; an attacker sees no more than that."""

BLOCK = 16
CAPTURED = sealed(event())
CIPHERTEXT = base64.b64decode(json.loads(CAPTURED)["encrypt"])


def body_of(forged: bytes) -> bytes:
    """The request body with a ciphertext."""
    return json.dumps({"encrypt": base64.b64encode(forged).decode()}).encode()


def stolen(oracle: Oracle, captured: bytes) -> bytes:
    """What the attack of Vaudenay (2002) learns of a ciphertext without its key: 256 questions or more a block."""
    blocks = [captured[place : place + BLOCK] for place in range(0, len(captured), BLOCK)]
    return b"".join(_stolen_block(oracle, before, block) for before, block in pairwise(blocks))


def _stolen_block(oracle: Oracle, before: bytes, block: bytes) -> bytes:
    """One block's plaintext from its end; nothing if all forgeries are answered alike."""
    inner = b""
    for padding in range(1, BLOCK + 1):
        tail = bytes(known ^ padding for known in inner)
        answers = [oracle(bytes(BLOCK - padding) + bytes([guess]) + tail + block) for guess in range(256)]
        usual = Counter(answers).most_common(1)[0][0]
        telling = [guess for guess, answer in enumerate(answers) if answer != usual]
        if not telling:
            return b""
        inner = bytes([telling[0] ^ padding]) + inner
    return bytes(one ^ other for one, other in zip(inner, before, strict=True))


def leaky(forged: bytes) -> Hashable:
    """The answer of a webhook that checks the padding before the signature."""
    plain = AES.new(hashlib.sha256(KEY.encode()).digest(), AES.MODE_CBC, forged[:BLOCK]).decrypt(forged[BLOCK:])
    return plain.endswith(bytes([plain[-1]]) * plain[-1]) if 0 < plain[-1] <= BLOCK else False


def test_the_attack_works_on_a_leaky_webhook() -> None:
    """Where the answer depends on the padding, the attack recovers a captured event without the key."""
    assert stolen(leaky, CIPHERTEXT[: 4 * BLOCK]) == json.dumps(event(), ensure_ascii=False).encode()[: 3 * BLOCK]


@pytest.mark.parametrize(("signed", "blocks"), [(False, 10), (True, 4)], ids=["unsigned", "captured signature"])
def test_the_attack_learns_nothing_here(*, signed: bool, blocks: int) -> None:
    """Thousands of forgeries, 256 a block, get the same answer, so nothing is stolen and nothing runs."""
    headers = {"Content-Type": "application/json", **(signature(CAPTURED) if signed else {})}
    seen: Counter[Hashable] = Counter()
    with (
        webhook_server() as served,
        closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection,
    ):

        def ask(forged: bytes) -> Hashable:
            connection.request("POST", "/webhook/event", body_of(forged), headers)
            answer = connection.getresponse()
            fields = tuple((name, value) for name, value in answer.getheaders() if name != "Date")
            everything = answer.status, fields, answer.read()
            seen[everything] += 1
            return everything

        assert stolen(ask, CIPHERTEXT[: (blocks + 1) * BLOCK]) == b""
        assert served.handled == []
    ((status, _, body),) = seen  # type: ignore[misc]
    assert (status, json.loads(body)) == (401, {"error": "unauthorized"})  # type: ignore[has-type]
    assert seen.total() == 256 * blocks


def operations(body: bytes) -> Counter[str]:
    """What the webhook and its JSON parser call, and how often, when a body without a signature is verified."""
    counts: Counter[str] = Counter()
    unsigned = verifier()

    def count(frame: FrameType, kind: str, function: Any) -> None:
        # Other frames are the garbage collector's.
        if frame.f_globals.get("__name__", "").startswith(("bot.web", "json")):
            counts[f"{kind} {getattr(function, '__name__', frame.f_code.co_name)}"] += 1

    sys.setprofile(count)
    try:
        with suppress(EventRejected):
            unsigned.verify(body, {})
    finally:
        sys.setprofile(None)
    return counts


def test_right_padding_costs_no_other_work_than_wrong_padding() -> None:
    """Of 256 forgeries one has right padding; the calls made for it are those for the others."""
    forged = [bytes(BLOCK - 1) + bytes([guess]) + CIPHERTEXT[4 * BLOCK : 5 * BLOCK] for guess in range(256)]
    (right,) = [one for one in forged if leaky(one)]
    wrong = next(one for one in forged if not leaky(one))
    # The first call loads the cipher.
    operations(body_of(wrong))
    assert operations(body_of(right)) == operations(body_of(wrong))
    assert operations(body_of(right)).total() > 10
