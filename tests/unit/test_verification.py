"""What the verifier lets in, in which order it looks, and how old an event may be."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from bot.errors import EventRejected
from bot.models import Event
from bot.web import verification
from bot.web.verification import Verifier
from tests.support.events import challenge, event, sealed, signature, verifier, wrapped

VECTORS = json.loads((Path(__file__).parents[1] / "facts" / "event_vectors.json").read_text(encoding="utf-8"))
FULL = VECTORS["full_vector"]
OF_THE_VECTORS = Verifier(
    app_id="cli_9f5343c580712544",
    encrypt_key=VECTORS["encrypt_key"],
    verification_token="rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV",
)


def refusal(body: bytes, given: dict[str, str], **settings: Any) -> EventRejected:
    """The refusal that a request meets."""
    with pytest.raises(EventRejected) as refused:
        verifier(**settings).verify(body, given)
    return refused.value


def vector(body: str, digest: str) -> Event | str:
    """What a recorded body with a recorded signature is."""
    given = {"X-Lark-Request-Timestamp": FULL["timestamp"], "X-Lark-Request-Nonce": FULL["nonce"]}
    return OF_THE_VECTORS.verify(body.encode(), {**given, "X-Lark-Signature": digest})


def test_the_vectors_are_read() -> None:
    """The recorded push opens, whatever the case of its hexadecimal digits; the official text passes its signature."""
    for digest in (FULL["signature"], FULL["signature"].upper()):
        seen = vector(FULL["body"], digest)
        assert isinstance(seen, Event)
        assert (seen.event_id, seen.event_type) == ("5e3702a84e847582be8db7fb73283c02", "im.message.receive_v1")
        assert (seen.created_at, seen.body) == (1608725989.0, json.loads(FULL["plain"])["event"])
    official = json.dumps({"encrypt": VECTORS["official_vector"]["encrypt"]}).replace(" ", "")
    with pytest.raises(EventRejected, match="not JSON"):
        vector(official, "21b279029a3bdf7b9f02a4935c76c53f09876d9d0e45add77a99d55d1bc7e79e")


SIGNATURES = [
    ({"X-Lark-Signature": "0" * 64}, "wrong signature"),
    ({"X-Lark-Signature": "ü"}, "wrong signature"),
    ({"X-Lark-Signature": ""}, "not signed"),
    ({"X-Lark-Request-Nonce": "nonce2"}, "wrong signature"),
    ({"X-Lark-Request-Nonce": ""}, "signature headers missing"),
    ({"X-Lark-Request-Timestamp": "1700000001"}, "wrong signature"),
    ({"X-Lark-Request-Timestamp": "garbage"}, "signature headers missing"),
]


def test_a_wrong_signature_is_refused_before_anything_is_read() -> None:
    body = b'{"encrypt": "not base64'
    for changes, reason in SIGNATURES:
        refused = refusal(body, {**signature(body), **changes})
        assert (refused.status, refused.reason[: len(reason)]) == (401, reason)


PLAIN = json.dumps(challenge()).encode()
NONSENSE: list[tuple[bytes, str]] = [
    *((body, "not JSON") for body in (b"", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b"9" * 10_000)),
    *((body, "not a JSON object") for body in (b"[]", b"7")),
    *((body, "not an event of schema 2.0") for body in (b"{}", b'{"schema": "2.0", "header": [], "event": {}}')),
    (b'{"uuid": "1", "token": "x", "ts": "1", "type": "event_callback", "event": {}}', "not an event of schema 2.0"),
    *((json.dumps(challenge(challenge=answer)).encode(), "not a challenge") for answer in (1, "猫")),
    (b'{"encrypt": "AAAA"}', "encrypted, but no Encrypt Key is set here"),
]
HEADERS: list[tuple[str, list[Any], int, str]] = [
    ("token", [None, "wrong", ["rvaY"], "\ud800"], 401, "wrong verification token"),
    ("app_id", [None, "cli_other"], 401, "another app's event"),
    ("event_id", [None, "e" * 129, "a\x00b"], 400, "no event_id or event_type"),
    ("event_type", [{}], 400, "no event_id or event_type"),
    ("create_time", [None, "-1", "²", "9" * 5000], 400, "no create_time"),
]


def test_what_is_signed_but_no_event_for_this_app_is_refused() -> None:
    deep = {**event(), "event": {"a": json.loads("[" * 70 + "]" * 70)}}
    cases = [(plain, 400, reason) for plain, reason in [*NONSENSE, (json.dumps(deep).encode(), "nested too deeply")]]
    for name, values, status, reason in HEADERS:
        cases += [
            (json.dumps({**event(), "header": {**event()["header"], name: value}}).encode(), status, reason)
            for value in values
        ]
    for plain, status, reason in cases:
        body = wrapped(plain)
        refused = refusal(body, signature(body))
        assert (refused.status, refused.reason) == (status, reason), plain[:500]


CONSOLE: list[tuple[bytes, dict[str, Any], str]] = [
    (sealed(challenge()), {"key": "another key"}, "FEISHU_ENCRYPT_KEY differs from its Encrypt Key"),
    (PLAIN, {}, "not encrypted, but FEISHU_ENCRYPT_KEY is set"),
    (sealed(challenge()), {"token": "another token"}, "wrong verification token"),
    (sealed(challenge()), {"key": None}, "encrypted, but no Encrypt Key is set here"),
]


def test_the_consoles_challenge_passes_encrypted_and_the_log_says_why_it_is_refused() -> None:
    """With and without a signature; whoever sets up the app reads which of the two secrets differs."""
    body = sealed(challenge())
    for given in (signature(body), {}):
        assert verifier().verify(body, given) == "ajls384kdjx98XX"
    for body, settings, reason in CONSOLE:
        assert reason in refusal(body, {}, **settings).reason


def test_the_encrypt_key_or_the_token_decides() -> None:
    """Plain pushes pass with the right token alone, encrypted ones without any; with neither nothing is verified."""
    assert isinstance(verifier(key="").verify(json.dumps(event()).encode(), {}), Event)
    for token in (None, "", "wrong", 7):
        body = json.dumps(event(token=token)).encode()
        assert refusal(body, signature(body), key="").status == 401
    assert verifier(key=None).verify(PLAIN, {}) == "ajls384kdjx98XX"
    assert refusal(PLAIN, {}, key="", token="another token").status == 401
    body = sealed(event(token="anything"))
    assert isinstance(verifier(token=None).verify(body, signature(body)), Event)
    assert isinstance(verifier(token=None).verify(sealed(challenge(token=None)), {}), str)
    for nothing in (None, ""):
        with pytest.raises(ValueError, match="Encrypt Key or a Verification Token"):
            verifier(key=nothing, token=nothing)


UNSIGNED = [
    *(PLAIN, b'{"encrypt": 7}', b'{"encrypt": "AAAA"}', b"[]", b"", wrapped(b"\xff"), sealed(event())),
    *(sealed(challenge(token=token)) for token in ("wrong", None)),
    *(sealed(challenge(challenge=text)) for text in ("猫", "a" * 4096)),
]


def test_everything_else_unsigned_meets_one_refusal() -> None:
    """Without a signature, the status does not tell what was wrong inside; the reason is for the log alone."""
    for body in UNSIGNED:
        refused = refusal(body, {})
        assert (refused.status, refused.reason[:10]) == (401, "not signed"), body


def test_secrets_are_compared_in_constant_time() -> None:
    """Nothing is compared by ``==`` but with a constant, and a signature or token by digest."""
    nodes = list(ast.walk(ast.parse(Path(verification.__file__).read_text(encoding="utf-8"))))
    compared = [node for node in nodes if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)]
    assert [ast.unparse(node) for node in compared if not isinstance(node.comparators[0], ast.Constant)] == []
    assert any(isinstance(node, ast.Attribute) and node.attr == "compare_digest" for node in nodes)
