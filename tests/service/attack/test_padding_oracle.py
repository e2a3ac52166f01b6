"""The padding-oracle attack that opens the SDK's own webhook, replayed in full: this door gives nothing away."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, suppress
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from Crypto.Cipher import AES

from bot.errors import EventRejected
from bot.web.verification import Verifier
from tests.service.door_client import APP, KEY, NOW, TOKEN, Door, door, event, sealed, signature

Oracle = Callable[[bytes], Hashable]
"""Tells how a door answers a ciphertext; an attacker sees no more than that."""

BLOCK = 16
CAPTURED = sealed(event())


@pytest.fixture(name="served", scope="module")
def served_() -> Iterator[Door]:
    """A door with key and token."""
    with door() as served:
        yield served


def ciphertext(body: bytes) -> bytes:
    """The bytes that a push has encrypted, the initialisation vector first."""
    return base64.b64decode(json.loads(body)["encrypt"])


def stolen(oracle: Oracle, captured: bytes) -> bytes:
    """What the attack of Vaudenay (2002) learns of a ciphertext without its key: 256 questions or more a block."""
    blocks = [captured[place : place + BLOCK] for place in range(0, len(captured), BLOCK)]
    return b"".join(_stolen_block(oracle, before, block) for before, block in pairwise(blocks))


def _stolen_block(oracle: Oracle, before: bytes, block: bytes) -> bytes:
    """One block's plaintext from its end; nothing when all forgeries are answered alike."""
    inner = b""
    for padding in range(1, BLOCK + 1):
        tail = bytes(known ^ padding for known in inner)
        fronts = [bytes(BLOCK - padding) + bytes([guess]) + tail for guess in range(256)]
        answers = [oracle(front + block) for front in fronts]
        usual = Counter(answers).most_common(1)[0][0]
        telling = [guess for guess, answer in enumerate(answers) if answer != usual]
        if not telling:
            return b""
        inner = bytes([telling[0] ^ padding]) + inner
    return bytes(one ^ other for one, other in zip(inner, before, strict=True))


def leaky(forged: bytes) -> Hashable:
    """How a door answers that looks at the padding before it looks at the signature."""
    plain = AES.new(hashlib.sha256(KEY.encode()).digest(), AES.MODE_CBC, forged[:BLOCK]).decrypt(forged[BLOCK:])
    return plain.endswith(bytes([plain[-1]]) * plain[-1]) if 0 < plain[-1] <= BLOCK else False


def test_the_attack_opens_a_leaky_door() -> None:
    """Against a door that tells about the padding, the attack recovers the token of a captured event without a key."""
    captured = ciphertext(CAPTURED)[: 4 * BLOCK]
    plain = json.dumps(event(), ensure_ascii=False).encode()
    assert stolen(leaky, captured) == plain[: 3 * BLOCK]


@pytest.mark.parametrize(
    ("signed", "blocks"), [(False, 10), (True, 4)], ids=["unsigned", "with the captured signature"]
)
def test_the_attack_learns_nothing_here(served: Door, *, signed: bool, blocks: int) -> None:
    """Thousands of forgeries, 256 a block, meet one and the same answer, so nothing is stolen and nothing runs."""
    served.taken.clear()
    headers = {"Content-Type": "application/json", **(signature(CAPTURED) if signed else {})}
    seen: Counter[tuple[int, tuple[tuple[str, str], ...], bytes]] = Counter()
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as line:

        def ask(forged: bytes) -> Hashable:
            line.request("POST", "/webhook/event", json.dumps({"encrypt": base64.b64encode(forged).decode()}), headers)
            answer = line.getresponse()
            told = tuple((name, value) for name, value in answer.getheaders() if name != "Date")
            everything = answer.status, told, answer.read()
            seen[everything] += 1
            return everything

        assert stolen(ask, ciphertext(CAPTURED)[: (blocks + 1) * BLOCK]) == b""
    ((status, _, body),) = seen
    assert (status, json.loads(body)) == (401, {"error": "unauthorized"})
    assert seen.total() == 256 * blocks
    assert served.taken == []


def operations(verifier: Verifier, body: bytes) -> Counter[str]:
    """What the door and its JSON parser call, and how often, when a body without a signature is opened."""
    counts: Counter[str] = Counter()

    def count(frame: FrameType, kind: str, function: Any) -> None:
        # Other frames are the garbage collector's, which comes when it likes.
        if frame.f_globals.get("__name__", "").startswith(("bot.web", "json")):
            counts[f"{kind} {getattr(function, '__name__', frame.f_code.co_name)}"] += 1

    sys.setprofile(count)
    try:
        with suppress(EventRejected):
            verifier.open(body, {})
    finally:
        sys.setprofile(None)
    return counts


def test_right_padding_costs_no_other_work_than_wrong_padding() -> None:
    """Of 256 forgeries one has right padding; the calls that the door makes for it are those for all the others."""
    verifier = Verifier(app_id=APP, encrypt_key=KEY, verification_token=TOKEN, clock=lambda: NOW)
    block = ciphertext(CAPTURED)[4 * BLOCK : 5 * BLOCK]
    forged = [bytes(BLOCK - 1) + bytes([guess]) + block for guess in range(256)]
    bodies = [json.dumps({"encrypt": base64.b64encode(one).decode()}).encode() for one in forged]
    # The first call loads the cipher.
    operations(verifier, bodies[0])
    costs = [operations(verifier, body) for body in bodies]
    assert [leaky(one) for one in forged].count(True) == 1
    assert costs[0].total() > 10
    assert all(cost == costs[0] for cost in costs)
