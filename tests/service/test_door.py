"""What the two addresses answer, over real sockets."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping

import pytest

from bot.errors import DatabaseUnavailable, EventRejected
from bot.logs import LINES_A_MINUTE, LogRateLimit
from bot.models import Event
from bot.web.verification import LARGEST_BODY
from bot.web.webhook import ROUTES, RefusalLog
from tests.service.door_client import NOW, Door, challenge, door, event, sealed, signature


@pytest.fixture(name="served", scope="module")
def served_() -> Iterator[Door]:
    """A door with key and token."""
    with door() as served:
        yield served


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("event_type", ["im.message.receive_v1", "card.action.trigger", "of.a.type.yet.unknown_v9"])
def test_either_address_takes_every_event(served: Door, path: str, event_type: str) -> None:
    """Messages, card actions and types that nobody knows come through both addresses and are answered 200."""
    served.taken.clear()
    answer = served.push(event(event_type), path=path)
    assert (answer.status_code, answer.json()) == (200, {})
    assert [(taken.event_type, taken.created_at) for taken in served.taken] == [(event_type, NOW)]


def test_the_answer_is_what_the_taker_returns() -> None:
    """A toast goes back as JSON, its Chinese intact."""
    toast = {"toast": {"type": "info", "content": "已加入队列"}}
    with door(take=lambda _: toast) as served:
        answer = served.push(event("card.action.trigger"))
    assert answer.json() == toast
    assert answer.headers["Content-Type"] == "application/json"


def test_an_event_that_could_not_be_stored_is_asked_for_again() -> None:
    """A database that is away becomes 503, which makes Feishu send the event again, and says nothing of the reason."""

    def refuse(_: Event) -> Mapping[str, object]:
        raise DatabaseUnavailable("postgres://user:not-a-password@host refused")

    with door(take=refuse) as served:
        answer = served.push(event())
    assert (answer.status_code, answer.json()) == (503, {"error": "unavailable"})


def test_a_stale_event_is_acknowledged_and_dropped(served: Door, caplog: pytest.LogCaptureFixture) -> None:
    """An event of nine hours ago is answered 200, runs nothing and leaves one line."""
    served.taken.clear()
    caplog.set_level(logging.INFO, logger="bot.web.webhook")
    answer = served.push(event(create_time=str(int((NOW - 9 * 3600) * 1000))))
    assert (answer.status_code, answer.json(), served.taken) == (200, {}, [])
    assert [line.message for line in caplog.records if line.name == "bot.web.webhook"] == [
        "event dropped type=im.message.receive_v1 age=32400 event_id=e-1 message_id=om_1"
    ]


def test_the_challenge_is_answered_at_either_address(served: Door) -> None:
    """The console's check is encrypted, unsigned, and gets its own words back."""
    for path in ROUTES:
        answer = served.post(sealed(challenge()), path=path)
        assert (answer.status_code, answer.json()) == (200, {"challenge": "ajls384kdjx98XX"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_taken(served: Door, method: str) -> None:
    """Every other method is not allowed."""
    assert served.http.request(method, "/webhook/event").status_code == 405


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 10 * 1024 * 1024])
def test_a_large_body_is_refused(served: Door, *, size: int, chunked: bool) -> None:
    """More than 1 MiB gets 413, whether its length is announced or not, and the server goes on."""
    served.taken.clear()
    parts = [b" " * 65536] * (size // 65536) + [b" " * (size % 65536)]
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        client.sendall(b"POST /webhook/event HTTP/1.1\r\nHost: door\r\n%s\r\n\r\n" % length)
        try:
            for part in filter(None, parts):
                client.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            client.sendall(b"0\r\n\r\n" if chunked else b"")
        except ConnectionError:
            pass  # refused before all of it was sent
        assert client.recv(12) == b"HTTP/1.1 413"
    assert served.push(event()).status_code == 200


def test_a_large_body_is_refused_unread(served: Door) -> None:
    """Who announces 3 MiB and sends nothing of them has the answer at once."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as client:
        client.sendall(b"POST /webhook/event HTTP/1.1\r\nHost: door\r\nContent-Length: 3145728\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 413"


def test_a_body_of_the_largest_size_is_read(served: Door) -> None:
    """Exactly 1 MiB is refused for its signature, not for its size."""
    assert served.post(b" " * LARGEST_BODY, {"X-Lark-Signature": "0"}).status_code == 401


def test_a_length_that_lies_harms_nobody(served: Door) -> None:
    """A body shorter or longer than announced is refused or waited for, and honest pushes go on."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as short:
        short.sendall(b"POST /webhook/event HTTP/1.1\r\nHost: door\r\nContent-Length: 100\r\n\r\n{}")
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as long:
            long.sendall(b"POST /webhook/event HTTP/1.1\r\nHost: door\r\nContent-Length: 2\r\n\r\n{}{}{}{}")
            assert long.recv(12) == b"HTTP/1.1 401"
        assert served.push(event()).status_code == 200


def test_refusals_are_logged_without_a_word_of_the_sender(caplog: pytest.LogCaptureFixture) -> None:
    """Of fifty refusals ten leave a line each, none with a byte of what was sent."""
    with door() as served:
        for number in range(50):
            body = b"marked-%d" % number
            served.post(body, {**signature(body), "X-Lark-Signature": f"marked-{number}"})
    lines = [line.message for line in caplog.records if line.name == "bot.web.webhook"]
    assert lines == ['event rejected status=401 reason="wrong signature" suppressed=0'] * LINES_A_MINUTE
    assert "marked" not in caplog.text


def test_the_log_tells_how_many_refusals_it_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """After a minute the next line has the count, and the one after it starts anew."""
    now = [0.0]
    refusals = RefusalLog(LogRateLimit(clock=lambda: now[0]))
    for _ in range(LINES_A_MINUTE + 7):
        refusals.record(EventRejected(401, "not signed"))
    now[0] = 60.0
    refusals.record(EventRejected(401, "not signed"))
    refusals.record(EventRejected(413, "too large"))
    assert [line.message for line in caplog.records[LINES_A_MINUTE:]] == [
        'event rejected status=401 reason="not signed" suppressed=7',
        'event rejected status=413 reason="too large" suppressed=0',
    ]
