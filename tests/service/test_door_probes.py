"""The holes that were found in the SDK's own webhook, tried at this door: all of them are closed."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from bot.models import Event
from bot.sandbox.feishu.crypto import encrypt
from bot.web.verification import Verifier
from tests.service.door_client import KEY, NOW, TOKEN, Door, challenge, door, event, sealed, signature

YEAR = 365 * 24 * 3600
SEALED = sealed(event())
SPLICED = 'a","x":"b'


@pytest.fixture(name="served", scope="module")
def served_() -> Iterator[Door]:
    """A door with key and token."""
    with door() as served:
        yield served


def post(served: Door, body: bytes, **changes: str | None) -> httpx.Response:
    """Sends a body with its right signature, but for the headers that are changed or, with ``None``, left out."""
    names = {"timestamp": "X-Lark-Request-Timestamp", "nonce": "X-Lark-Request-Nonce", "signature": "X-Lark-Signature"}
    headers: dict[str, str | None] = {**signature(body), **{names[name]: value for name, value in changes.items()}}
    return served.post(body, {name: value for name, value in headers.items() if value is not None})


def plain(content: object) -> bytes:
    """Content that is not encrypted."""
    return json.dumps(content).encode()


def wrapped(value: object) -> bytes:
    """A body whose ``encrypt`` is ``value``."""
    return json.dumps({"encrypt": value}).encode()


SIGNED: list[Any] = [
    pytest.param(plain(event()), 401, id="d: plain, though a key is set"),
    pytest.param(sealed(event(token=None)), 401, id="e: no token"),
    pytest.param(sealed({**event(), "header": {**event()["header"], "token": None}}), 401, id="e: token null"),
    pytest.param(sealed(event(token="wrong")), 401, id="e: wrong token"),
    pytest.param(plain(challenge()), 401, id="f: plain challenge"),
    pytest.param(sealed(challenge(token="wrong")), 401, id="f: challenge with a wrong token"),
    pytest.param(sealed({"type": "url_verification", "challenge": "a"}), 401, id="f: challenge without a token"),
    pytest.param(b"", 400, id="j: nothing"),
    pytest.param(b"{", 400, id="j: bad JSON"),
    pytest.param(b"[]", 400, id="j: a list"),
    pytest.param(b"{}", 401, id="j: an empty object"),
    pytest.param(wrapped(7), 401, id="j: a number in encrypt"),
    pytest.param(wrapped("!"), 400, id="j: not base64"),
    pytest.param(wrapped("AAAA"), 400, id="j: half a block"),
    pytest.param(b"[" * 500_000, 400, id="j: deep nesting"),
    pytest.param(b'{"encrypt":' * 90_000, 400, id="j: deep objects"),
    pytest.param(sealed({"schema": "2.0"}), 400, id="j: schema without a header"),
    pytest.param(sealed({**event(), "event": [1]}), 400, id="n: event of the wrong type"),
    pytest.param(sealed({**event(), "event": None}), 400, id="n: no event"),
    pytest.param(b" " * 10 * 1024 * 1024, 413, id="o: 10 MB"),
    pytest.param(sealed(event(app_id="cli_other")), 401, id="q: another app"),
    pytest.param(sealed(event(app_id=None)), 401, id="q: no app"),
]


@pytest.mark.parametrize(("body", "status"), SIGNED)
def test_a_right_signature_does_not_help(served: Door, body: bytes, status: int) -> None:
    """Probes d, e, f, j, n, o, p, q: each is refused with its own status, runs nothing and says nothing."""
    served.taken.clear()
    answer = post(served, body)
    assert answer.status_code == status
    assert served.taken == []
    assert len(answer.content) < 200
    assert b"Traceback" not in answer.content


def test_an_old_capture_runs_nothing(served: Door) -> None:
    """Probe a: what was signed a year ago is acknowledged and dropped, twice as well as once."""
    served.taken.clear()
    body = sealed(event(create_time=str(int((NOW - YEAR) * 1000))))
    for _ in range(2):
        assert post(served, body).status_code == 200
    assert served.taken == []


def test_a_timestamp_that_is_none_is_refused(served: Door) -> None:
    """Probe a: a signature over ``garbage`` as its timestamp is not one of the platform's."""
    headers = signature(SEALED, timestamp="garbage")
    assert served.post(SEALED, headers).status_code == 401


@pytest.mark.parametrize(
    "changes", [{"signature": None}, {"signature": "0" * 64}, {"nonce": None}, {"timestamp": None}, {"nonce": "other"}]
)
def test_every_tampered_ciphertext_gets_the_same_answer(served: Door, changes: dict[str, str | None]) -> None:
    """Probe b: the 256 forgeries of a padding-oracle step are refused alike, byte for byte, as they are not signed."""
    served.taken.clear()
    raw = base64.b64decode(json.loads(SEALED)["encrypt"])
    forged = [raw[:15] + bytes([last]) + raw[16:32] for last in range(256)]
    answers = {
        (answer.status_code, answer.content, str({**answer.headers, "date": ""}))
        for answer in (post(served, wrapped(base64.b64encode(body).decode()), **changes) for body in forged)
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    assert served.taken == []


def test_a_ciphertext_in_a_challenge_is_not_decrypted_for_anybody(served: Door) -> None:
    """Probe b: blocks of a captured event, set into a captured challenge, do not come back in the echo."""
    inner = base64.b64decode(json.loads(SEALED)["encrypt"])
    outer = base64.b64decode(encrypt(KEY, json.dumps(challenge(challenge="a" * 64)).encode()))
    for place in range(16, len(outer), 16):
        body = wrapped(base64.b64encode(outer[:place] + inner + outer[place:]).decode())
        assert served.post(body).status_code == 401


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_the_case_of_the_signature_does_not_matter(served: Door, change: Any) -> None:
    """Probe c: capitals are as good as small letters."""
    assert post(served, SEALED, signature=change(signature(SEALED)["X-Lark-Signature"])).status_code == 200


@pytest.mark.parametrize("body", [plain(challenge()), sealed(challenge(token="wrong")), sealed(challenge(token=None))])
def test_an_unsigned_challenge_needs_encryption_and_token(served: Door, body: bytes) -> None:
    """Probe f: whoever has neither key nor token gets no echo."""
    answer = served.post(body)
    assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})


def test_the_echo_is_escaped(served: Door) -> None:
    """Probe g: quotes in a challenge come back as quotes and add no field."""
    assert served.post(sealed(challenge(challenge=SPLICED))).json() == {"challenge": SPLICED}


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_door_without_a_lock_does_not_open(nothing: str | None) -> None:
    """Probe h: with neither key nor token there is no verifier, instead of one that takes forgeries."""
    with pytest.raises(ValueError, match="needed"):
        Verifier(app_id="cli_sandbox", encrypt_key=nothing, verification_token=nothing)


def test_an_empty_key_leaves_the_token_in_force() -> None:
    """Probe i: without an Encrypt Key a push needs the token, and an encrypted one is refused."""
    with door(key="") as served:
        assert served.post(plain(event())).status_code == 200
        assert served.post(plain(event(token="wrong"))).status_code == 401
        assert served.post(plain(event(token=None))).status_code == 401
        assert served.post(SEALED).status_code == 400
        assert [taken.event_id for taken in served.taken] == ["e-1"]


def test_a_fault_inside_does_not_show_outside(caplog: pytest.LogCaptureFixture) -> None:
    """Probe k: what a failing taker raises is logged, and not a word of it answered."""

    def fail(_: Event) -> Mapping[str, object]:
        raise LookupError('db at "postgres://user:not-a-password@host"')

    caplog.set_level(logging.CRITICAL)
    with door(take=fail) as served:
        answer = served.push(event())
    assert answer.status_code == 500
    assert b"postgres" not in answer.content


@pytest.mark.parametrize("content", [event("of.an.unknown_v1"), event("card.action.trigger"), {**event(), "event": {}}])
def test_authentic_events_are_always_acknowledged(served: Door, content: dict[str, Any]) -> None:
    """Probes l, m, n: an unknown type, a card action without a toast, an event without a message get ``{}``."""
    answer = served.push(content)
    assert (answer.status_code, answer.json()) == (200, {})


def test_refusals_hold_no_word_of_the_secrets(served: Door) -> None:
    """Probe j, p: the answers to all probes are three fixed words, whatever was wrong."""
    bodies = [parameters.values[0] for parameters in SIGNED if len(parameters.values[0]) < 4096]
    texts = {post(served, body).text.strip() for body in bodies}
    assert texts == {'{"error":"bad_request"}', '{"error":"unauthorized"}'}
    assert not [text for text in texts if KEY in text or TOKEN in text]
