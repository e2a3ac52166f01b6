"""Requests that no client of good will sends: two lengths, endless heads, packed bodies, large ones in a flood."""

from __future__ import annotations

import gzip
import http.client
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.web.verification import LARGEST_BODY
from tests.service.door_client import Door, door, event, sealed, signature

HEAD = b"POST /webhook/event HTTP/1.1\r\nHost: door\r\n"
SECONDS = 30
FLOODS, BODIES = 8, 4


@pytest.fixture(name="served", scope="module")
def served_() -> Iterator[Door]:
    """A door with key and token."""
    with door() as served:
        yield served


def signed(body: bytes) -> bytes:
    """The headers that sign a body, as lines."""
    return "".join(f"{name}: {value}\r\n" for name, value in signature(body).items()).encode()


def answers(served: Door, request: bytes) -> bytes:
    """Everything that comes back until the server has closed the connection, or has nothing more to say."""
    told = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS) as client, suppress(OSError):
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        while part := client.recv(65536):
            told += part
    return told


BOMB = gzip.compress(bytes(16 * 1024 * 1024), 9)
PUSH = sealed(event())
SMUGGLED = HEAD + signed(PUSH) + b"Content-Length: %d\r\n\r\n" % len(PUSH) + PUSH


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
def test_a_length_that_can_be_read_in_two_ways(served: Door, lengths: bytes) -> None:
    """It is refused or read in one way: what stands behind runs once at the most, and honest pushes go on."""
    served.taken.clear()
    told = answers(served, HEAD + lengths + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
    statuses = [int(line.split()[1]) for line in told.splitlines() if line.startswith(b"HTTP/1.")]
    # A server that closes with something unread may take its own answer back.
    assert set(statuses) <= {200, 400, 401, 501}
    assert len(served.taken) <= 1
    assert served.push(event()).status_code == 200


@pytest.mark.parametrize("line", [b"f" * 2000, b"1;x=" + b"y" * 2000, b"0\r\nX-Trailer: " + b"z" * 2000])
def test_an_endless_line_between_chunks_is_refused(served: Door, line: bytes) -> None:
    """What stands between the chunks of a body is held in memory, so that it may not be as long as a body."""
    assert answers(served, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + line).startswith(b"HTTP/1.1 400")


METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PRI"]) | st.text("ABZaz!#~ ", max_size=8)
PIECES = [
    "/webhook/event",
    "http://",
    "//",
    "[",
    "]",
    ":",
    "::1",
    "@",
    "?",
    "#",
    "%",
    "%00",
    "%ff",
    "*",
    "..",
    " ",
    "\t",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(st.characters(codec="latin-1"), max_size=6), max_size=6).map("".join)
VERSIONS = st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "", "http/1.1", "HTTP/1.1 x"])
LENGTHS = st.sampled_from(["0", "1", "2", "-1", "+1", "0x1", "1e9", "1 1", "\xb2", "9" * 20, "9" * 5000, ""])
HEADERS = st.builds("Content-Length: {}".format, LENGTHS) | st.sampled_from(
    ["Transfer-Encoding: chunked", "Transfer-Encoding: \xb2", "Expect: 100-continue", "X"]
)
HEADS = st.builds("{} {} {}\r\nHost: {}\r\n{}\r\n\r\n".format, METHODS, TEXTS, VERSIONS, TEXTS, HEADERS)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=HEADS)
@example(head="POST http://[ HTTP/1.1\r\nHost: door\r\nX: x\r\n\r\n")
@example(head=f"POST /webhook/event HTTP/1.1\r\nHost: [\r\nContent-Length: {'9' * 5000}\r\n\r\n")
def test_no_head_leaves_a_stack_in_the_log(served: Door, caplog: pytest.LogCaptureFixture, head: str) -> None:
    """Whatever the first line, the host and the lengths are, the answer is a refusal, and the server logs nothing."""
    caplog.set_level(logging.INFO, logger="waitress")
    told = answers(served, head.encode("latin-1") + b"{}")
    # What ends before its body does is not answered.
    assert not told or told.split()[1][:2] in (b"40", b"41", b"43") or told.split()[1] == b"501"
    assert [line.getMessage() for line in caplog.records if line.name.startswith("waitress")] == []


@pytest.mark.parametrize("head", [b"POST http://[ HTTP/1.1\r\nHost: door", HEAD + b"Content-Length: " + b"9" * 5000])
def test_a_head_that_cannot_be_read_is_answered(served: Door, head: bytes) -> None:
    """Half a bracket in the address and a length of five thousand digits are bad requests like any other."""
    assert answers(served, head + b"\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_an_endless_head_is_refused(served: Door) -> None:
    """A head of more than 32 KiB is refused before it ends, in many headers as in one."""
    for header in (b"X-Long: " + b"x" * 65536, b"X-Many: x\r\n" * 8192):
        told = answers(served, HEAD + header + b"\r\n\r\n")
        assert told == b"" or told.startswith((b"HTTP/1.1 400", b"HTTP/1.0 431", b"HTTP/1.1 431"))
    assert served.push(event()).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_a_packed_body_stays_packed(served: Door, encoding: str) -> None:
    """A body that would unpack into megabytes is what it is: bytes without a signature, or no JSON."""
    served.taken.clear()
    packed = {"Content-Encoding": encoding}
    push = gzip.compress(PUSH)
    assert [served.post(body, packed).status_code for body in (BOMB, push)] == [401, 401]
    assert [served.post(body, {**packed, **signature(body)}).status_code for body in (BOMB, push)] == [400, 400]
    assert served.taken == []


def test_large_bodies_at_full_rate_let_honest_messages_through(served: Door) -> None:
    """While bodies of 1 MiB come on eight connections as fast as they are answered, each honest message is taken."""
    served.taken.clear()
    body = b" " * LARGEST_BODY
    told: list[int] = []

    def flood() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=SECONDS)) as line:
            for _ in range(BODIES):
                line.request("POST", "/webhook/event", body, {"X-Lark-Signature": "0"})
                answer = line.getresponse()
                answer.read()
                told.append(answer.status)

    threads = [threading.Thread(target=flood) for _ in range(FLOODS)]
    for thread in threads:
        thread.start()
    statuses = [served.push(event()).status_code for _ in range(10)]
    for thread in threads:
        thread.join()
    assert statuses == [200] * 10 == [200] * len(served.taken)
    assert told == [401] * (FLOODS * BODIES)
