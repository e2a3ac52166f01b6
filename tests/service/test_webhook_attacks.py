"""Attacks on the webhook: the padding oracle that breaks the SDK's own, smuggled requests, and large bodies."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import resource
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from importlib.metadata import version
from itertools import pairwise
from types import FrameType
from typing import Any

import httpx
import pytest
from Crypto.Cipher import AES

from bot.errors import EventRejected
from bot.models import Event
from tests.repo.lock import TOP
from tests.service.webhook_client import KEY, WebhookClient, event, sealed, signature, verifier, webhook_server

Oracle = Callable[[bytes], Hashable]
"""Answers a ciphertext; an attacker sees no more than that."""

BLOCK = 16
CAPTURED = sealed(event())
CIPHERTEXT = base64.b64decode(json.loads(CAPTURED)["encrypt"])


def body_of(forged: bytes) -> bytes:
    return json.dumps({"encrypt": base64.b64encode(forged).decode()}).encode()


def stolen(oracle: Oracle, captured: bytes) -> bytes:
    """What the attack of Vaudenay (2002) learns of a ciphertext without its key: 256 questions or more a block."""
    blocks = [captured[place : place + BLOCK] for place in range(0, len(captured), BLOCK)]
    return b"".join(_stolen_block(oracle, before, block) for before, block in pairwise(blocks))


def _stolen_block(oracle: Oracle, before: bytes, block: bytes) -> bytes:
    inner = b""
    for padding in range(1, BLOCK + 1):
        tail = bytes(known ^ padding for known in inner)
        answers = [oracle(bytes(BLOCK - padding) + bytes([guess]) + tail + block) for guess in range(256)]
        usual = Counter(answers).most_common(1)[0][0]
        telling = [guess for guess, answer in enumerate(answers) if answer != usual]
        if not telling:
            return b""
        inner = bytes([telling[0] ^ padding]) + inner
    return bytes(one ^ other for one, other in zip(inner, before, strict=True))


def leaky(forged: bytes) -> Hashable:
    """The answer of a webhook that checks the padding before the signature."""
    plain = AES.new(hashlib.sha256(KEY.encode()).digest(), AES.MODE_CBC, forged[:BLOCK]).decrypt(forged[BLOCK:])
    return plain.endswith(bytes([plain[-1]]) * plain[-1]) if 0 < plain[-1] <= BLOCK else False


def test_the_attack_works_on_a_leaky_webhook() -> None:
    assert stolen(leaky, CIPHERTEXT[: 4 * BLOCK]) == json.dumps(event(), ensure_ascii=False).encode()[: 3 * BLOCK]


@pytest.mark.parametrize(("signed", "blocks"), [(False, 10), (True, 4)], ids=["unsigned", "captured signature"])
def test_the_attack_learns_nothing_here(*, signed: bool, blocks: int) -> None:
    """Thousands of forgeries, 256 a block, get the same answer, so nothing is stolen and nothing runs."""
    headers = {"Content-Type": "application/json", **(signature(CAPTURED) if signed else {})}
    seen: Counter[Hashable] = Counter()
    with (
        webhook_server() as served,
        closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection,
    ):

        def ask(forged: bytes) -> Hashable:
            connection.request("POST", "/webhook/event", body_of(forged), headers)
            answer = connection.getresponse()
            fields = tuple((name, value) for name, value in answer.getheaders() if name != "Date")
            everything = answer.status, fields, answer.read()
            seen[everything] += 1
            return everything

        assert stolen(ask, CIPHERTEXT[: (blocks + 1) * BLOCK]) == b""
        assert served.handled == []
    ((status, _, body),) = seen  # type: ignore[misc]
    assert (status, json.loads(body)) == (401, {"error": "unauthorized"})  # type: ignore[has-type]
    assert seen.total() == 256 * blocks


def operations(body: bytes) -> Counter[str]:
    """What the webhook and its JSON parser call, and how often, when a body without a signature is verified."""
    counts: Counter[str] = Counter()
    unsigned = verifier()

    def count(frame: FrameType, kind: str, function: Any) -> None:
        # Other frames are the garbage collector's.
        if frame.f_globals.get("__name__", "").startswith(("bot.web", "json")):
            counts[f"{kind} {getattr(function, '__name__', frame.f_code.co_name)}"] += 1

    sys.setprofile(count)
    try:
        with suppress(EventRejected):
            unsigned.verify(body, {})
    finally:
        sys.setprofile(None)
    return counts


def test_right_padding_costs_no_other_work_than_wrong_padding() -> None:
    """Of 256 forgeries one has right padding; the calls made for it are those for the others."""
    forged = [bytes(BLOCK - 1) + bytes([guess]) + CIPHERTEXT[4 * BLOCK : 5 * BLOCK] for guess in range(256)]
    (right,) = [one for one in forged if leaky(one)]
    wrong = next(one for one in forged if not leaky(one))
    # The first call loads the cipher.
    operations(body_of(wrong))
    assert operations(body_of(right)) == operations(body_of(wrong))
    assert operations(body_of(right)).total() > 10


HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: bot\r\n"
MIB = 1024 * 1024
SECONDS = 30
BOMB = gzip.compress(bytes(16 * MIB), 9)
PUSH = sealed(event())
SIGNED = "".join(f"{name}: {value}\r\n" for name, value in signature(PUSH).items()).encode()
SMUGGLED = HEAD + SIGNED + b"Content-Length: %d\r\n\r\n" % len(PUSH) + PUSH


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
        b"Content-Length: 0x5",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding : chunked",
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
    served.handled.clear()
    packed = {"Content-Encoding": encoding}
    for body in (BOMB, gzip.compress(PUSH)):
        assert served.post(body, packed).status_code == 401
        assert served.post(body, {**packed, **signature(body)}).status_code == 400
    assert served.handled == []


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
