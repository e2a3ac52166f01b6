"""Arbitrary requests at the door, over real sockets: it answers each, never with a 5xx."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.sandbox.feishu.crypto import encrypt
from tests.service.door_client import KEY, Door, challenge, door, event, sealed, signature

bounded = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
header_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=80)


@pytest.fixture(name="served", scope="module")
def served_() -> Iterator[Door]:
    """A door with key and token."""
    with door() as served:
        yield served


def is_answered(answer: httpx.Response) -> bool:
    """Whether an answer is one of those that the door gives: 200, or a refusal with one fixed word."""
    if answer.status_code == 200:
        return isinstance(answer.json(), dict)
    refusals = {400: "bad_request", 401: "unauthorized", 413: "too_large"}
    return bool(answer.json() == {"error": refusals.get(answer.status_code)})


def wrapped(plain: bytes) -> bytes:
    """A body with an encrypted content."""
    return json.dumps({"encrypt": encrypt(KEY, plain)}).encode()


@bounded
@given(body=st.binary(max_size=2048), signed=st.booleans())
def test_arbitrary_bytes(served: Door, body: bytes, *, signed: bool) -> None:
    """Bytes of all kinds are refused, signed or not."""
    answer = served.post(body, signature(body) if signed else {})
    assert is_answered(answer)
    assert answer.status_code in (400, 401)


@bounded
@given(plain=st.binary(max_size=512))
def test_arbitrary_bytes_inside_the_encryption(served: Door, plain: bytes) -> None:
    """What is encrypted and signed may be anything."""
    body = wrapped(plain)
    assert is_answered(served.post(body, signature(body)))
    assert served.post(body).status_code == 401


@bounded
@given(content=anything)
def test_arbitrary_json_inside_the_encryption(served: Door, content: Any) -> None:
    """JSON of every shape is answered, and no shape of it passes for an event."""
    body = wrapped(json.dumps(content).encode())
    answer = served.post(body, signature(body))
    assert is_answered(answer)
    assert answer.status_code in (400, 401)


@bounded
@given(
    name=st.sampled_from(["schema", "header", "event", "type", "token", "challenge", "encrypt"]),
    field=st.none() | st.sampled_from(["event_id", "event_type", "create_time", "token", "app_id"]),
    value=anything,
)
def test_an_event_with_one_value_replaced(served: Door, name: str, field: str | None, value: Any) -> None:
    """An authentic event in which one thing is of another kind is taken or refused, never a fault."""
    content = event(**{field: value}) if field else {**event(), name: value}
    body = wrapped(json.dumps(content).encode())
    assert is_answered(served.post(body, signature(body)))


@bounded
@given(
    names=st.dictionaries(st.sampled_from(list(signature(b""))), header_text),
    content=st.sampled_from([event(), challenge()]),
)
def test_arbitrary_signature_headers(served: Door, names: dict[str, str], content: dict[str, Any]) -> None:
    """No signature but the right one lets an event in."""
    served.taken.clear()
    assert is_answered(served.post(sealed(content), names))
    assert served.taken == []


@bounded
@given(place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7), signed=st.booleans())
def test_one_flipped_bit_of_the_ciphertext(served: Door, place: int, bit: int, *, signed: bool) -> None:
    """A bit changed on the way is a wrong signature; without one, an unsigned request like any other."""
    original = sealed(challenge())
    raw = bytearray(base64.b64decode(json.loads(original)["encrypt"]))
    raw[place % len(raw)] ^= 1 << bit
    body = json.dumps({"encrypt": base64.b64encode(raw).decode()}).encode()
    answer = served.post(body, signature(original) if signed else {})
    assert is_answered(answer)
    assert answer.status_code == 401 or not signed
