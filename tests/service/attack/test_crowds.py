"""Connections that are opened and left, or send a byte now and then, keep no honest message out."""

from __future__ import annotations

import resource
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import pytest
from flask import Flask

from bot.models import Event
from bot.web.server import OWN_FILES, Server
from bot.web.verification import Verifier
from bot.web.webhook import webhook
from tests.service.door_client import APP, KEY, NOW, TOKEN, Bounds, Take, event, sealed, signature

PLACES = 20
CROWD = 3 * PLACES
ALLOWED = 3.0
DEADLINE = 30.0
REPLAYS = 20
ANSWER_CHARACTERS = 200_000
"""More than the system buffers for somebody who does not read, once for each replay."""

HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: door\r\n"


@contextmanager
def small_door(take: Take) -> Iterator[int]:
    """A door with few places, on which nobody is closed for being idle; gives its port."""
    app = Flask("door")
    verifier = Verifier(app_id=APP, encrypt_key=KEY, verification_token=TOKEN, clock=lambda: NOW)
    app.register_blueprint(webhook(verifier=verifier, take=take))
    server = Server(app, port=0, bounds=Bounds(connections=PLACES, idle_seconds=300))
    server.start()
    try:
        yield server.port
    finally:
        server.close()


@contextmanager
def crowd(port: int, start: bytes) -> Iterator[list[socket.socket]]:
    """More connections than there are places, each of which has said ``start`` and is left."""
    with ExitStack() as ends:
        opened = [ends.enter_context(socket.create_connection(("127.0.0.1", port), 5)) for _ in range(CROWD)]
        for one in opened:
            # Those that came first have been closed to make room.
            with suppress(ConnectionError):
                one.sendall(start)
        yield opened


def push() -> bytes:
    """An authentic event as it goes over the wire."""
    body = sealed(event())
    headers = "".join(f"{name}: {value}\r\n" for name, value in signature(body).items()).encode()
    return HEAD + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def answer_of(connection: socket.socket) -> bytes:
    """The first line of an answer, without its words."""
    return connection.recv(12)


@pytest.mark.parametrize(
    "start",
    [b"", HEAD, HEAD + b"X-Slow: x", HEAD + b"Content-Length: 9000\r\n\r\n{"],
    ids=["silent", "no end of headers", "half a header", "half a body"],
)
def test_a_crowd_beyond_the_limit_keeps_nobody_out(start: bytes) -> None:
    """With three times as many connections held as there are places, each honest message is taken within 3 s."""
    taken: list[Event] = []

    def take(event: Event) -> Mapping[str, object]:
        taken.append(event)
        return {}

    with small_door(take) as port, crowd(port, start):
        for _ in range(5):
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", port), ALLOWED) as honest:
                honest.sendall(push())
                assert answer_of(honest) == b"HTTP/1.1 200"
            assert time.monotonic() - began < ALLOWED
    assert len(taken) == 5


def test_a_crowd_that_reads_no_answer_keeps_nobody_out() -> None:
    """Whoever sends request upon request and leaves the answers unread loses the place to an honest message."""
    large = {"toast": {"type": "info", "content": "长" * ANSWER_CHARACTERS}}
    ends_at = time.monotonic() + DEADLINE
    with small_door(lambda _: large) as port, crowd(port, push() * REPLAYS) as opened:
        # What a connection may hold unread is then held by all of them.
        for one in opened[-PLACES // 2 :]:
            assert select.select([one], [], [], DEADLINE)[0]
        while not taken_in(port):
            assert time.monotonic() < ends_at


def taken_in(port: int) -> bool:
    """Whether an honest message gets its answer; Feishu would send it again where it does not."""
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), DEADLINE) as honest:
        honest.sendall(push())
        return answer_of(honest) == b"HTTP/1.1 200"
    return False


def test_a_message_that_is_being_taken_is_not_closed_to_make_room() -> None:
    """A connection whose request was read keeps its place until it has its answer."""
    entered, free = threading.Event(), threading.Event()

    def take(_: Event) -> Mapping[str, object]:
        entered.set()
        free.wait(10)
        return {}

    with small_door(take) as port, socket.create_connection(("127.0.0.1", port), 10) as honest:
        honest.sendall(push())
        assert entered.wait(5)
        with crowd(port, b""):
            free.set()
            assert answer_of(honest) == b"HTTP/1.1 200"


def test_the_process_may_open_as_many_files_as_it_may_have_connections() -> None:
    """The usual limit of 1,024 open files would be used up by the connections alone, so the server raises it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        with small_door(lambda _: {}):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(PLACES + OWN_FILES, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
