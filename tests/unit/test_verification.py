"""What the verifier lets in, in which order it looks, and how old an event may be."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from bot.errors import EventRejected
from bot.models import Event
from bot.sandbox.feishu.delivery import encrypt, seal, sign
from bot.web import verification
from bot.web.verification import UrlVerification, Verifier

VECTORS = json.loads((Path(__file__).parents[1] / "facts" / "event_vectors.json").read_text(encoding="utf-8"))
FULL = VECTORS["full_vector"]
APP = "cli_9f5343c580712544"
TOKEN = "rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV"
CREATED = 1608725989.0


def verifier(*, key: str | None = VECTORS["encrypt_key"], token: str | None = TOKEN, app_id: str = APP) -> Verifier:
    return Verifier(app_id=app_id, encrypt_key=key, verification_token=token)


def headers(body: bytes, *, timestamp: str = "1700000000", nonce: str = "nonce1") -> dict[str, str]:
    signature = sign(VECTORS["encrypt_key"], timestamp=timestamp, nonce=nonce, body=body)
    return {"X-Lark-Request-Timestamp": timestamp, "X-Lark-Request-Nonce": nonce, "X-Lark-Signature": signature}


def sealed(plain: str | bytes) -> bytes:
    """A body whose encrypted content is ``plain``."""
    content = plain.encode() if isinstance(plain, str) else plain
    return json.dumps({"encrypt": encrypt(VECTORS["encrypt_key"], content)}).encode()


def event(**changes: Any) -> dict[str, Any]:
    """The documentation's event with other values in its header; ``None`` takes one away."""
    content: dict[str, Any] = json.loads(FULL["plain"])
    header = {**content["header"], **changes}
    return {**content, "header": {name: value for name, value in header.items() if value is not None}}


def challenge(**changes: Any) -> bytes:
    """The console's check of the address, with other values."""
    return json.dumps({"challenge": "a", "token": TOKEN, "type": "url_verification", **changes}).encode()


def opened(content: Any, **settings: Any) -> Event | UrlVerification:
    body = sealed(json.dumps(content))
    return verifier(**settings).verify(body, headers(body))


def refusal(body: bytes, given: dict[str, str], **settings: Any) -> EventRejected:
    """The refusal that a request meets."""
    with pytest.raises(EventRejected) as refused:
        verifier(**settings).verify(body, given)
    return refused.value


def test_the_full_vector_opens() -> None:
    """The recorded push, signature and ciphertext; hexadecimal digits count the same in either case."""
    given = {"X-Lark-Request-Timestamp": FULL["timestamp"], "X-Lark-Request-Nonce": FULL["nonce"]}
    for signature in (FULL["signature"], FULL["signature"].upper()):
        event = verifier().verify(FULL["body"].encode(), {**given, "X-Lark-Signature": signature})
        assert isinstance(event, Event)
        assert (event.event_id, event.event_type) == ("5e3702a84e847582be8db7fb73283c02", "im.message.receive_v1")
        assert (event.created_at, event.body) == (CREATED, json.loads(FULL["plain"])["event"])


def test_the_official_ciphertext_passes_its_signature() -> None:
    body = json.dumps({"encrypt": VECTORS["official_vector"]["encrypt"]}).replace(" ", "").encode()
    signature = "21b279029a3bdf7b9f02a4935c76c53f09876d9d0e45add77a99d55d1bc7e79e"
    refused = refusal(body, {**headers(body), "X-Lark-Signature": signature})
    assert (refused.status, refused.reason) == (400, "not JSON")


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
        refused = refusal(body, {**headers(body), **changes})
        assert (refused.status, refused.reason[: len(reason)]) == (401, reason)


NONSENSE: list[tuple[str | bytes, str]] = [
    *((body, "not JSON") for body in (b"", b"\xff\xfe", "[" * 100_000, '{"a": NaN}', '{"a": ' + "9" * 10_000 + "}")),
    *((body, "not a JSON object") for body in ("[]", "7")),
    ("{}", "not an event of schema 2.0"),
    ('{"schema": "2.0", "header": [], "event": {}}', "not an event of schema 2.0"),
    ('{"uuid": "1", "token": "x", "ts": "1", "type": "event_callback", "event": {}}', "not an event of schema 2.0"),
    *((challenge(challenge=answer), "not a challenge") for answer in (1, "猫")),
    ('{"encrypt": "AAAA"}', "encrypted, but no Encrypt Key is set here"),
]


HEADERS: list[tuple[str, list[Any], int, str]] = [
    ("token", [None, "wrong", ["rvaY"], "\ud800"], 401, "wrong verification token"),
    ("app_id", [None, "cli_other"], 401, "another app's event"),
    ("event_id", [None, "e" * 129, "a\x00b"], 400, "no event_id or event_type"),
    ("event_type", [{}], 400, "no event_id or event_type"),
    ("create_time", [None, "-1", "²", "9" * 5000], 400, "no create_time"),
]


def test_what_is_signed_but_no_event_for_this_app_is_refused() -> None:
    cases = [(plain, 400, reason) for plain, reason in NONSENSE]
    for name, values, status, reason in HEADERS:
        cases += [(json.dumps(event(**{name: value})), status, reason) for value in values]
    cases += [(json.dumps({**event(), "event": {"a": json.loads("[" * 70 + "]" * 70)}}), 400, "nested too deeply")]
    for plain, status, reason in cases:
        body = sealed(plain)
        refused = refusal(body, headers(body))
        assert (refused.status, refused.reason) == (status, reason), plain[:500]


def test_milliseconds_of_events_and_microseconds_of_card_actions_are_told_apart() -> None:
    times = {"im.message.receive_v1": "1608725989000", "card.action.trigger": "1608725989000000"}
    for event_type, create_time in times.items():
        seen = opened(event(event_type=event_type, create_time=create_time))
        assert isinstance(seen, Event)
        assert (seen.event_type, seen.created_at) == (event_type, CREATED)


CONSOLE: list[tuple[bytes, dict[str, Any], str]] = [
    (sealed(challenge()), {"key": "another key"}, "FEISHU_ENCRYPT_KEY differs from its Encrypt Key"),
    (challenge(), {}, "not encrypted, but FEISHU_ENCRYPT_KEY is set"),
    (sealed(challenge()), {"token": "another token"}, "wrong verification token"),
    (sealed(challenge()), {"key": None}, "encrypted, but no Encrypt Key is set here"),
]


def test_the_consoles_challenge_passes_encrypted_and_the_log_says_why_it_is_refused() -> None:
    """With and without a signature; whoever sets up the app reads which of the two secrets differs."""
    content = json.loads(challenge(challenge="ajls384kdjx98XX"))
    body, signed = seal(content, encrypt_key=VECTORS["encrypt_key"], now=CREATED)
    for given in (signed, {}):
        assert verifier().verify(body, given) == UrlVerification(challenge="ajls384kdjx98XX")
    for body, settings, reason in CONSOLE:
        assert reason in refusal(body, {}, **settings).reason


def test_the_encrypt_key_or_the_token_decides() -> None:
    """Plain pushes pass with the right token alone, encrypted ones without any; with neither nothing is verified."""
    assert isinstance(verifier(key="").verify(json.dumps(event()).encode(), {}), Event)
    for token in (None, "", "wrong", 7):
        body = json.dumps(event(token=token)).encode()
        assert refusal(body, headers(body), key="").status == 401
    assert verifier(key=None).verify(challenge(), {}) == UrlVerification(challenge="a")
    assert refusal(challenge(token="wrong"), {}, key="").status == 401
    assert isinstance(opened(event(token="anything"), token=None), Event)
    assert verifier(token=None).verify(sealed(challenge(token=None)), {}) == UrlVerification(challenge="a")
    for nothing in (None, ""):
        with pytest.raises(ValueError, match="Encrypt Key or a Verification Token"):
            verifier(key=nothing, token=nothing)


UNSIGNED = [
    *(challenge(), sealed(challenge(token="wrong")), sealed(challenge(token=None)), sealed(challenge(challenge="猫"))),
    *(sealed(challenge(challenge="a" * 4096)), FULL["body"].encode(), sealed(b"\xff"), b'{"encrypt": "AAAA"}'),
    *(b'{"encrypt": 7}', b"[]", b""),
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
