"""What the webhook routes answer, over real sockets."""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import DatabaseUnavailable
from bot.logs import LogRateLimit
from bot.models import Event
from bot.web.routes import WEBHOOKS, EventEndpoint
from tests.service.webhook_client import (
    NOW,
    WebhookClient,
    challenge,
    event,
    sealed,
    signature,
    verifier,
    webhook_server,
    wrapped,
)

MIB = 1024 * 1024
HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: bot\r\n"
LOGGER = "bot.web.routes"


@pytest.fixture(name="served", scope="module")
def served_() -> Iterator[WebhookClient]:
    """A webhook with key and token."""
    with webhook_server() as served:
        yield served


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the webhook's logger."""
    return [line.getMessage() for line in caplog.records if line.name == LOGGER]


@pytest.mark.parametrize("path", WEBHOOKS)
@pytest.mark.parametrize("event_type", ["im.message.receive_v1", "card.action.trigger", "of.a.type.yet.unknown_v9"])
def test_both_routes_accept_every_event(served: WebhookClient, path: str, event_type: str) -> None:
    """Messages, card actions and unknown types are passed on and answered 200."""
    served.handled.clear()
    answer = served.push(event(event_type), path=path)
    assert (answer.status_code, answer.json()) == (200, {})
    assert [(one.event_type, one.created_at) for one in served.handled] == [(event_type, NOW)]


def test_the_handlers_json_is_the_answer() -> None:
    """A toast goes back as JSON, its Chinese intact."""
    toast = {"toast": {"type": "info", "content": "已加入队列"}}
    with webhook_server(handle=lambda _: toast) as served:
        answer = served.push(event("card.action.trigger"))
    assert answer.json() == toast
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "status"),
    [(DatabaseUnavailable("postgres://user:not-a-password@host"), 503), (LookupError("not-a-password"), 500)],
)
def test_an_event_that_is_not_stored_is_not_acknowledged(
    caplog: pytest.LogCaptureFixture, error: Exception, status: int
) -> None:
    """A 5xx makes Feishu send the event again, and shows nothing of the reason."""

    def fail(_: Event) -> Mapping[str, object]:
        raise error

    caplog.set_level(logging.CRITICAL)
    with webhook_server(handle=fail) as served:
        answer = served.push(event())
    assert answer.status_code == status
    assert b"not-a-password" not in answer.content


@pytest.mark.parametrize("hours", [9, 365 * 24])
def test_an_expired_event_is_acknowledged_and_dropped(
    served: WebhookClient, caplog: pytest.LogCaptureFixture, hours: int
) -> None:
    """An event of nine hours ago, or a capture of last year, is answered 200, runs nothing and leaves one line."""
    served.handled.clear()
    answer = served.push(event(create_time=str(int((NOW - hours * 3600) * 1000))))
    assert (answer.status_code, answer.json(), served.handled) == (200, {}, [])
    (line,) = logged(caplog)
    assert line.startswith(f"event dropped type=im.message.receive_v1 age={hours * 3600} ")
    assert "event_id=e-1" in line


@pytest.mark.parametrize("path", WEBHOOKS)
@pytest.mark.parametrize("text", ["ajls384kdjx98XX", 'a","x":"b'])
def test_an_encrypted_challenge_is_echoed(served: WebhookClient, path: str, text: str) -> None:
    """The console's unsigned verification gets its own words back; quotes in them add no field."""
    answer = served.post(sealed(challenge(challenge=text)), path=path)
    assert (answer.status_code, answer.json()) == (200, {"challenge": text})


def test_a_ciphertext_in_a_challenge_is_not_decrypted_for_the_sender(served: WebhookClient) -> None:
    """Blocks of a captured event, spliced into a captured challenge, do not come back in the echo."""
    inner, outer = (
        base64.b64decode(json.loads(body)["encrypt"])
        for body in (sealed(event()), sealed(challenge(challenge="a" * 64)))
    )
    for place in range(16, len(outer), 16):
        spliced = base64.b64encode(outer[:place] + inner + outer[place:]).decode()
        assert served.post(json.dumps({"encrypt": spliced}).encode()).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(json.dumps(event()).encode(), 401, id="plain, though a key is set"),
        pytest.param(sealed(event(token="wrong")), 401, id="wrong token"),
        pytest.param(sealed(event(app_id="cli_other")), 401, id="another app"),
        pytest.param(sealed(challenge(token="wrong")), 401, id="challenge with a wrong token"),
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"[]", 400, id="a list"),
        pytest.param(b'{"encrypt":' * 90_000, 400, id="deep nesting"),
        pytest.param(b'{"encrypt": "AAAA"}', 400, id="half a block"),
        pytest.param(sealed({**event(), "event": [1]}), 400, id="event of the wrong type"),
    ],
)
def test_a_right_signature_does_not_help(served: WebhookClient, body: bytes, status: int) -> None:
    """Each is rejected with its status, runs nothing and gets one fixed word."""
    served.handled.clear()
    answer = served.post(body, signature(body))
    word = {400: "bad_request", 401: "unauthorized"}[status]
    assert (answer.status_code, answer.text) == (status, f'{{"error":"{word}"}}\n')
    assert served.handled == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [MIB + 1, 10 * MIB])
def test_a_large_body_is_rejected(served: WebhookClient, *, size: int, chunked: bool) -> None:
    """More than 1 MiB gets 413, whether its length is announced or not, and the server goes on."""
    served.handled.clear()
    parts = [b" " * 65536] * (size // 65536) + [b" " * (size % 65536)]
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(
            HEAD + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size) + b"\r\n\r\n"
        )
        try:
            for part in filter(None, parts):
                client.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            client.sendall(b"0\r\n\r\n" if chunked else b"")
        except ConnectionError:
            pass  # rejected before all of it was sent
        assert client.recv(12) == b"HTTP/1.1 413"
    assert served.push(event()).status_code == 200


def test_lengths_are_checked_before_the_body_is_read(served: WebhookClient) -> None:
    """3 MiB announced get 413 at once; exactly 1 MiB is read; a short body is waited for, a long one cut."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(HEAD + b"Content-Length: 3145728\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 413"
    assert served.post(b" " * MIB, {"X-Lark-Signature": "0"}).status_code == 401
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as short:
        short.sendall(HEAD + b"Content-Length: 100\r\n\r\n{}")
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as long:
            long.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}{}{}{}")
            assert long.recv(12) == b"HTTP/1.1 401"
        assert served.push(event()).status_code == 200


def test_rejections_are_logged_without_anything_that_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    """Ten lines a minute, none with a byte of the request; the next minute's first line counts what was omitted."""
    now = 0.0
    app = Flask("webhook")
    endpoint = EventEndpoint(handle=lambda _: {}, limit=LogRateLimit(clock=lambda: now))
    app.register_blueprint(endpoint.webhook(verifier()))
    for number in range(50):
        body = b"marked-%d" % number
        headers = {**signature(body), "X-Lark-Signature": f"marked-{number}"}
        app.test_client().post("/webhook/event", data=body, headers=headers)
    now = 60.0
    for body in (b" " * 5000, b" " * (MIB + 1)):
        app.test_client().post("/webhook/event", data=body)
    assert logged(caplog) == [
        *['event rejected status=401 reason="wrong signature" suppressed=0'] * 10,
        'event rejected status=401 reason="not signed" suppressed=40',
        'event rejected status=413 reason="too large" suppressed=0',
    ]
    assert "marked" not in caplog.text


bounded = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
header_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=80)


def is_answered(answer: httpx.Response) -> bool:
    """Whether an answer is 200, or a rejection with its fixed word."""
    if answer.status_code == 200:
        return isinstance(answer.json(), dict)
    words = {400: "bad_request", 401: "unauthorized", 413: "too_large"}
    return bool(answer.json() == {"error": words.get(answer.status_code)})


@bounded
@given(content=st.binary(max_size=2048) | anything.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_content_is_rejected(served: WebhookClient, content: bytes) -> None:
    """Bytes and JSON of every shape are rejected: plain or encrypted, signed or not."""
    for body in (content, wrapped(content)):
        for headers in ({}, signature(body)):
            answer = served.post(body, headers)
            assert is_answered(answer)
            assert answer.status_code in (400, 401)


@bounded
@given(
    name=st.sampled_from(["schema", "header", "event", "type", "token", "challenge", "encrypt"]),
    field=st.none() | st.sampled_from(["event_id", "event_type", "create_time", "token", "app_id"]),
    value=anything,
)
def test_an_event_with_one_value_replaced_is_answered(
    served: WebhookClient, name: str, field: str | None, value: Any
) -> None:
    """An authentic event in which one value is of another kind is accepted or rejected, never a fault."""
    content = event(**{field: value}) if field else {**event(), name: value}
    body = wrapped(json.dumps(content).encode())
    assert is_answered(served.post(body, signature(body)))


@bounded
@given(
    names=st.dictionaries(st.sampled_from(list(signature(b""))), header_text),
    content=st.sampled_from([event(), challenge()]),
)
def test_no_other_signature_lets_an_event_in(
    served: WebhookClient, names: dict[str, str], content: dict[str, Any]
) -> None:
    """Arbitrary signature headers, alone or in place of some of the right ones, are not accepted."""
    served.handled.clear()
    assert is_answered(served.post(sealed(content), names))
    assert served.handled == []
