"""Connections that are opened and left, or send a byte now and then, keep no honest message out."""

from __future__ import annotations

import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from flask import Flask

from bot.models import Event
from bot.sandbox.server import wait_until
from bot.web.server import OWN_FILES, Server
from bot.web.verification import Verifier
from bot.web.webhook import webhook
from tests.repo.lock import TOP
from tests.service.door_client import APP, KEY, NOW, TOKEN, ServerConfig, Take, event, sealed, signature

HTTP_OK = b"HTTP/1.1 200"
PLACES = 20
CROWD = 3 * PLACES
SPARE = 5
MANY = 100
ALLOWED = 3.0
DEADLINE = 30.0
REPLAYS = 20
ANSWER_CHARACTERS = 200_000
"""More than the system buffers for somebody who does not read, once for each replay."""

HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: door\r\n"


def server_of(take: Take, *, places: int = PLACES) -> Server:
    """A door with few places, on which nobody is closed for being idle; it does not serve yet."""
    app = Flask("door")
    verifier = Verifier(app_id=APP, encrypt_key=KEY, verification_token=TOKEN, clock=lambda: NOW)
    app.register_blueprint(webhook(verifier=verifier, take=take))
    return Server(app, port=0, bounds=ServerConfig(connections=places, idle_seconds=300))


@contextmanager
def small_door(take: Take, *, places: int = PLACES) -> Iterator[int]:
    """Serves such a door; gives its port."""
    server = server_of(take, places=places)
    server.start()
    try:
        yield server.port
    finally:
        server.close()


@contextmanager
def crowd(port: int, start: bytes, *, size: int = CROWD) -> Iterator[list[socket.socket]]:
    """More connections than there are places, each of which has said ``start`` and is left."""
    with ExitStack() as ends:
        opened = [ends.enter_context(socket.create_connection(("127.0.0.1", port), 5)) for _ in range(size)]
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
                assert answer_of(honest) == HTTP_OK
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
        return answer_of(honest) == HTTP_OK
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
            assert answer_of(honest) == HTTP_OK


def test_a_byte_now_and_then_keeps_no_place() -> None:
    """Of connections that drip and one that was answered before their last drip, those that drip make room."""
    with (
        small_door(lambda _: {}) as port,
        crowd(port, HEAD + b"X-Slow: ", size=PLACES - SPARE) as dripping,
        socket.create_connection(("127.0.0.1", port), DEADLINE) as honest,
    ):
        honest.sendall(push())
        assert whole_answer_of(honest).startswith(HTTP_OK)
        for one in dripping:
            one.sendall(b"x")
        with crowd(port, b"", size=SPARE + 2):
            assert wait_until(lambda: any(is_closed(one) for one in dripping), seconds=DEADLINE)
            honest.sendall(push())
            assert whole_answer_of(honest).startswith(HTTP_OK)


def test_whoever_reads_no_answer_keeps_a_place_for_a_moment_only() -> None:
    """One answer that nobody reads, on each of all connections there may be, keeps no honest message out."""
    large = {"toast": {"type": "info", "content": "长" * (10 * ANSWER_CHARACTERS)}}
    ends_at = time.monotonic() + DEADLINE
    with small_door(lambda _: large) as port, crowd(port, push()) as opened:
        for one in opened[-PLACES // 2 :]:
            assert select.select([one], [], [], DEADLINE)[0]
        while not taken_in(port):
            assert time.monotonic() < ends_at


def test_one_round_accepts_all_who_wait() -> None:
    """Accepting one connection a round, where a round looks at every open one, would let a crowd delay newcomers."""
    server = server_of(lambda _: {}, places=200)
    with ExitStack() as ends:
        waiting = [ends.enter_context(socket.create_connection(("127.0.0.1", server.port), 5)) for _ in range(15)]
        before = open_files()
        server.look(seconds=DEADLINE)
        assert open_files() - before == len(waiting)
        server.start()
        server.close()


def test_large_bodies_leave_files_for_everybody_else() -> None:
    """A body on every connection, none held in memory, uses up no file that an honest message needs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    half = HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 100_000
    try:
        with small_door(lambda _: {}, places=MANY) as port, ExitStack() as own:
            # What the process itself may need, the other ends of the crowd's connections among it.
            while open_files() < OWN_FILES - MANY - SPARE:
                own.enter_context(Path(os.devnull).open("rb"))
            files = open_files()
            with crowd(port, half, size=MANY - 3 * SPARE) as opened:
                assert wait_until(lambda: open_files() >= files + 3 * len(opened), seconds=DEADLINE)
                assert taken_in(port)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_where_the_system_allows_few_files_there_are_fewer_places() -> None:
    """A process that may not open more than a thousand files holds fewer connections instead of running out of them."""
    program = """
import resource
from flask import Flask
from bot.web.server import Server
from tests.service.door_client import Bounds
resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
print(Server(Flask("door"), port=0, bounds=Bounds(connections=1000)).places)
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=True)
    assert int(ran.stdout) == (1000 - OWN_FILES) // 2
    assert f"fewer connections than configured connections={ran.stdout.strip()} configured=1000" in ran.stderr


def open_files() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def whole_answer_of(connection: socket.socket) -> bytes:
    """An answer up to the end of its JSON, so that the next one begins with its first line."""
    answer = b""
    while not answer.endswith(b"}\n"):
        answer += connection.recv(65536)
    return answer


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end has closed a connection on which nothing was answered."""
    with suppress(ConnectionError):
        return bool(select.select([connection], [], [], 0)[0]) and connection.recv(1) == b""
    return True


def test_the_process_may_open_as_many_files_as_it_may_have_connections() -> None:
    """The usual limit of 1,024 open files would be used up by the connections alone, so the server raises it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        with small_door(lambda _: {}):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(2 * PLACES + OWN_FILES, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
