"""What the web server answers: events, over the webhook and the long connection, and everything else."""

from __future__ import annotations

import base64
import json
import logging
import socket
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server

from bot.app import create_app
from bot.errors import DatabaseUnavailable, SettingsError
from bot.logs import LogRateLimit
from bot.models import Event
from bot.sandbox.http import shared_tls
from bot.settings import load
from bot.web.routes import MAX_AGE, WEBHOOKS, EventEndpoint
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
from tests.support.dsl import DEADLINE, BotUnderTest, variables_for

MIB = 1024 * 1024
HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: bot\r\n"
LOGGER = "bot.web.routes"


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
    def fail(_: Event) -> Mapping[str, object]:
        raise error

    caplog.set_level(logging.CRITICAL)
    with webhook_server(handle=fail) as served:
        answer = served.push(event())
    assert answer.status_code == status
    assert b"not-a-password" not in answer.content


def test_an_expired_event_is_acknowledged_and_dropped(served: WebhookClient, caplog: pytest.LogCaptureFixture) -> None:
    served.handled.clear()
    answer = served.push(event(create_time=str(int((NOW - 9 * 3600) * 1000))))
    assert (answer.status_code, answer.json(), served.handled) == (200, {}, [])
    (line,) = logged(caplog)
    assert line.startswith(f"event dropped type=im.message.receive_v1 age={9 * 3600} ")
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
        pytest.param(sealed(event(app_id="cli_other")), 401, id="another app"),
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b'{"encrypt":' * 90_000, 400, id="deep nesting"),
        pytest.param(sealed({**event(), "event": [1]}), 400, id="event of the wrong type"),
    ],
)
def test_a_right_signature_does_not_help(served: WebhookClient, body: bytes, status: int) -> None:
    served.handled.clear()
    answer = served.post(body, signature(body))
    word = {400: "bad_request", 401: "unauthorized"}[status]
    assert (answer.status_code, answer.text) == (status, f'{{"error":"{word}"}}\n')
    assert served.handled == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_rejected(served: WebhookClient, *, chunked: bool) -> None:
    served.handled.clear()
    size, parts = MIB + 1, [b" " * 65536] * 16 + [b" "]
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(
            HEAD + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size) + b"\r\n\r\n"
        )
        try:
            for part in parts:
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


def is_answered(answer: httpx.Response) -> bool:
    """Whether an answer is 200, or a rejection with its fixed word."""
    if answer.status_code == 200:
        return isinstance(answer.json(), dict)
    return bool(answer.json() == {"error": {400: "bad_request", 401: "unauthorized"}.get(answer.status_code)})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["schema", "header", "event", "type", "token", "challenge", "encrypt"]),
    field=st.none() | st.sampled_from(["event_id", "event_type", "create_time", "token", "app_id"]),
    value=anything,
    junk=st.binary(max_size=2048),
)
def test_anything_at_all_is_answered(
    served: WebhookClient, name: str, field: str | None, value: Any, junk: bytes
) -> None:
    """An authentic event in which one value is of another kind, JSON of every shape, and bytes: never a fault."""
    content = event(**{field: value}) if field else {**event(), name: value}
    for body in (*(wrapped(json.dumps(one).encode()) for one in (content, value)), wrapped(junk), junk):
        assert is_answered(served.post(body, signature(body)))
        assert served.post(body).status_code in (400, 401)


@pytest.mark.parametrize("path", ["/webhook//event", "/webhook/event/", "//webhook/event", "/webhook//card/"])
def test_slashes_too_many_are_the_same_route(bot: BotUnderTest, path: str) -> None:
    """Nobody is redirected to an address made from the Host header."""
    body, headers = bot.feishu.seal(challenge(challenge="abc", token=bot.feishu.verification_token))
    given = {**headers, "Host": "evil.example"}
    answer = httpx.post(
        bot.origin + path, content=body, headers=given, trust_env=False, verify=shared_tls(), timeout=DEADLINE
    )
    assert (answer.status_code, answer.json()) == (200, {"challenge": "abc"})
    assert "evil.example" not in str(answer.headers)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 200, None),
        ("HEAD", "/", 200, ""),
        ("POST", "/", 405, "method not allowed\n"),
        ("GET", "/healthz/", 200, "ok\n"),
        ("GET", "/webhook/event", 405, "method not allowed\n"),
        ("GET", "/static/x.js", 404, "not found\n"),
        ("GET", "/metrics", 404, "not found\n"),  # without a token in the settings
        ("GET", "/nothing//else/", 404, "not found\n"),
        ("POST", "/Webhook/Event", 404, "not found\n"),
    ],
)
def test_other_paths_have_short_plain_answers(
    bot: BotUnderTest, method: str, path: str, status: int, text: str | None
) -> None:
    answer = httpx.request(method, bot.origin + path, trust_env=False, timeout=DEADLINE)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    if text is None:
        assert "Feishu" in answer.text
        assert answer.text.count("\n") == 1
    else:
        assert answer.text == text
    assert (answer.status_code == 405) is ("Allow" in answer.headers)
    assert "Location" not in answer.headers


def test_any_server_can_take_events_that_another_process_works_on(tmp_path: Path) -> None:
    """The application starts no thread, knows the bot's id from the database, and its messages are answered."""
    with BotUnderTest(folder=tmp_path) as bot:
        threads = threading.active_count()
        app = create_app(load(variables_for(bot.feishu, folder=tmp_path)))
        assert threading.active_count() == threads
        assert app.test_client().get("/readyz").status_code == 200
        with make_server("127.0.0.1", 0, app, threaded=True) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            bot.feishu.webhook_url = f"http://127.0.0.1:{server.server_port}/webhook/event"
            talk = bot.new_user(kind="group")
            talk.wait_for_end(talk.send())
            server.shutdown()
            thread.join()
        assert len(bot.glm.calls) == 1


def test_an_application_that_could_not_authenticate_events_is_not_built() -> None:
    with pytest.raises(SettingsError, match="FEISHU_ENCRYPT_KEY: neither it nor"):
        create_app(load({"FEISHU_APP_ID": "cli_a", "FEISHU_APP_SECRET": "not-a-secret"}))


TOAST = {"toast": {"type": "info", "content": "好"}}


class Recorder:
    """Records events and outcomes; while ``is_away``, stores nothing."""

    def __init__(self) -> None:
        self.handled: list[Event] = []
        self.outcomes: list[tuple[str, str]] = []
        self.is_away = False
        endpoint = EventEndpoint(
            handle=self._handle,
            clock=lambda: NOW,
            on_answer=lambda kind, outcome, _seconds: self.outcomes.append((kind, outcome)),
        )
        self.push = partial(endpoint.push, app_id="cli_own")

    def _handle(self, event: Event) -> Mapping[str, object]:
        if self.is_away:
            raise DatabaseUnavailable("away")
        self.handled.append(event)
        return TOAST


def pushed(**header: Any) -> bytes:
    """A card action as the platform pushes it, without a token."""
    own = {
        "event_id": "e1",
        "event_type": "card.action.trigger",
        "create_time": str(int(NOW * 1e6)),
        "app_id": "cli_own",
    }
    body = {"schema": "2.0", "header": {**own, **header}, "event": {"operator": {"open_id": "ou_lin"}}}
    return json.dumps(body).encode()


def test_a_push_needs_no_token() -> None:
    recorder = Recorder()
    assert recorder.push(pushed()) == recorder.push(pushed(token="whatever")) == TOAST
    assert [(one.event_id, one.created_at) for one in recorder.handled] == [("e1", NOW)] * 2
    assert recorder.outcomes == [("card.action.trigger", "accepted")] * 2


def test_a_push_that_is_not_stored_is_not_acknowledged() -> None:
    recorder = Recorder()
    recorder.is_away = True
    assert recorder.push(pushed()) is None
    assert recorder.outcomes == [("card.action.trigger", "unavailable")]


def test_an_expired_push_is_acknowledged_and_dropped() -> None:
    """What is older than eight hours is not acted on; a clock that runs behind is no reason."""
    recorder = Recorder()
    for age in (-3600, MAX_AGE):
        assert recorder.push(pushed(create_time=str(int((NOW - age) * 1e6)))) == TOAST
    recorder.handled.clear()
    recorder.outcomes.clear()
    assert recorder.push(pushed(create_time=str(int((NOW - MAX_AGE - 1) * 1e6)))) == {}
    assert (recorder.handled, recorder.outcomes) == ([], [("card.action.trigger", "expired")])


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"[]", b"{}", b"[" * 5000, pushed(app_id="cli_other"), pushed(event_id=None)]
)
def test_any_other_push_is_rejected(payload: bytes) -> None:
    recorder = Recorder()
    assert recorder.push(payload) is None
    assert recorder.handled == []
    assert recorder.outcomes[0][0] == "unknown"
