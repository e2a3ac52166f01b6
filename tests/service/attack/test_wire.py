"""Malformed and oversized requests, and how many connections stock waitress holds without its proxy."""

from __future__ import annotations

import gzip
import http.client
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from importlib.metadata import version

import httpx
import pytest

from bot.models import Event
from tests.repo.lock import TOP
from tests.service.webhook_client import WebhookClient, event, sealed, signature, webhook_server

HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: bot\r\n"
MIB = 1024 * 1024
SECONDS = 30
FLOODS, BODIES = 8, 4
BOMB = gzip.compress(bytes(16 * MIB), 9)
PUSH = sealed(event())
SIGNED = "".join(f"{name}: {value}\r\n" for name, value in signature(PUSH).items()).encode()
SMUGGLED = HEAD + SIGNED + b"Content-Length: %d\r\n\r\n" % len(PUSH) + PUSH


@pytest.fixture(name="served", scope="module")
def served_() -> Iterator[WebhookClient]:
    """A webhook with key and token."""
    with webhook_server() as served:
        yield served


def answers(served: WebhookClient, request: bytes) -> bytes:
    """Everything that comes back until the server has closed the connection, or has nothing more to say."""
    received = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS) as client, suppress(OSError):
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        while part := client.recv(65536):
            received += part
    return received


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: -5",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding : chunked",
        b"Content-Length : 5",
    ],
)
def test_an_ambiguous_length_smuggles_nothing(served: WebhookClient, lengths: bytes) -> None:
    """It is rejected or read in one way: what follows runs once at the most, and honest pushes go on."""
    served.handled.clear()
    received = answers(served, HEAD + lengths + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
    statuses = [int(line.split()[1]) for line in received.splitlines() if line.startswith(b"HTTP/1.")]
    # A server that closes with something unread may take its own answer back.
    assert set(statuses) <= {200, 400, 401, 501}
    assert len(served.handled) <= 1
    assert served.push(event()).status_code == 200


def test_an_endless_head_is_rejected(served: WebhookClient) -> None:
    """A head of more than 32 KiB is rejected before it ends, in many headers as in one."""
    for header in (b"X-Long: " + b"x" * 65536, b"X-Many: x\r\n" * 8192):
        received = answers(served, HEAD + header + b"\r\n\r\n")
        assert received == b"" or received.startswith((b"HTTP/1.1 400", b"HTTP/1.0 431", b"HTTP/1.1 431"))
    assert served.push(event()).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br"])
def test_a_compressed_body_is_not_unpacked(served: WebhookClient, encoding: str) -> None:
    """A body that would unpack into megabytes is what it is: bytes without a signature, or no JSON."""
    served.handled.clear()
    packed = {"Content-Encoding": encoding}
    for body in (BOMB, gzip.compress(PUSH)):
        assert served.post(body, packed).status_code == 401
        assert served.post(body, {**packed, **signature(body)}).status_code == 400
    assert served.handled == []


def test_large_bodies_at_full_rate_let_honest_messages_through(served: WebhookClient) -> None:
    """While bodies of 1 MiB come on eight connections as fast as they are answered, each honest message is accepted."""
    served.handled.clear()
    statuses: list[int] = []

    def flood() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=SECONDS)) as connection:
            for _ in range(BODIES):
                connection.request("POST", "/webhook/event", b" " * MIB, {"X-Lark-Signature": "0"})
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)

    threads = [threading.Thread(target=flood) for _ in range(FLOODS)]
    for thread in threads:
        thread.start()
    assert [served.push(event()).status_code for _ in range(10)] == [200] * 10
    for thread in threads:
        thread.join()
    assert len(served.handled) == 10
    assert statuses == [401] * (FLOODS * BODIES)


FEW_FILES = """
import logging, resource
from flask import Flask
from bot.settings import ServerSettings
from bot.web.server import Server
resource.setrlimit(resource.RLIMIT_NOFILE, (600, {hard}))
server = Server(Flask("web"), port=0, bounds=ServerSettings(connections=1000))
print(server.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("hard", "connections", "files"), [(1000, 244, 1000), (4000, 1000, 2512)])
def test_open_files_bound_the_connections(hard: int, connections: int, files: int) -> None:
    """Each connection may need two files and the process 512: the limit is raised, or there are fewer connections."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("this process may open too few files")
    program = FEW_FILES.format(hard=hard)
    ran = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(connections), str(files)]
    assert ("configured=1000" in ran.stderr) is (connections < 1000)


def release_when_closed(port: int, release: threading.Event) -> None:
    """Releases a handler once nobody listens any more."""
    with suppress(OSError):
        while True:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
    release.set()


def test_a_response_under_way_is_sent_before_the_server_closes() -> None:
    """Stock waitress would discard it, and a card action is never delivered again.

    The drain reads internals of waitress, so a new minor release has to be checked before the cap is raised.
    """
    entered, release = threading.Event(), threading.Event()

    def handle(_: Event) -> Mapping[str, object]:
        entered.set()
        assert release.wait(SECONDS)
        return {"toast": "x" * 1_000_000}

    with ThreadPoolExecutor(2) as threads:
        with webhook_server(handle=handle) as served:
            url = f"http://127.0.0.1:{served.port}/webhook/event"
            push = threads.submit(httpx.post, url, content=PUSH, headers=signature(PUSH), timeout=SECONDS)
            assert entered.wait(SECONDS)
            threads.submit(release_when_closed, served.port, release)
        assert len(push.result(SECONDS).json()["toast"]) == 1_000_000
    assert version("waitress").startswith("3.0.")
