"""The HTTP server under every stand-in: real sockets on loopback, routes as functions, wire faults on demand."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

LARGEST_BODY = 64 * 1024 * 1024

TRICKLE_SECONDS = 0.2
"""Between two bytes of an answer that trickles."""

WIRE_FAULTS = {
    "hang": "the request is read and never answered",
    "trickle": "the answer's body comes one byte at a time",
    "reset_before": "the connection is reset before the request is applied",
    "reset_after": "the request is applied, then the connection is reset",
    "html_502": "a gateway answers 502 with HTML",
    "empty_body": "200 without a body",
    "truncated": "the body ends before its announced length",
}
"""Faults of the connection that any stand-in can have, by name, with what happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as a stand-in received it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Header names in lower case."""
    body: bytes
    values: Mapping[str, str] = field(default_factory=dict)
    """The named parts of the route's path."""

    def json(self) -> Any:
        """The body as JSON, or ``None`` when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a stand-in answers; ``stream`` replaces ``body`` for an answer that goes on."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    wire_fault: str | None = None
    delay: float = 0.0
    """Seconds before the answer is sent."""

    @classmethod
    def of_json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """An answer that holds ``value`` as JSON."""
        return cls(
            status=status,
            headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
            body=json.dumps(value, ensure_ascii=False).encode(),
        )


Route = Callable[[Call], Answer]


class Abort(Exception):
    """The connection is reset before the request is applied; raised by a route that finds such a fault armed."""


class LoopbackServer:
    """A threaded HTTP/1.1 server on 127.0.0.1.

    Args:
        port: the port; 0 takes a free one, which ``port`` then tells.

    Routes are added with :meth:`route`; the first match answers, others get 404. A context manager: it serves from
    ``__enter__`` to ``__exit__``. It is made for tests and for trying out, not to face a network.
    """

    def __init__(self, *, port: int = 0) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []
        self.closing = threading.Event()
        server = self

        class Handler(_Handler):
            owner = server

        self._http = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._accept_all, name="stand-in", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._http.server_address[1])

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    def route(self, method: str, path: str, answer: Route) -> None:
        """Answers ``method path`` with ``answer``; a ``:name`` in the path takes one segment, ``*name`` the rest."""
        pattern = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", re.sub(r"\*(\w+)", r"(?P<\1>.+)", path))
        self._routes.append((method, re.compile(pattern), answer))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request and the named parts of its path."""
        for known, pattern, answer in self._routes:
            if known == method and (match := pattern.fullmatch(path)):
                return answer, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            # One more connection wakes the thread that waits for one.
            self._thread.join(5)
        self._http.server_close()

    def _accept_all(self) -> None:
        while not self.closing.is_set():
            self._http.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the stand-in."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: LoopbackServer
    # Small answers are sent at once, or the timings that the sandbox shows would be Nagle's.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            self._send(Answer(status=413))
            return
        body = self.rfile.read(length)
        if self.owner.closing.is_set():
            # A connection that was kept alive outlives the listening socket.
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        found = self.owner.find(self.command, parts.path)
        if found is None:
            self._send(Answer(status=404))
            return
        route, values = found
        call = Call(
            method=self.command,
            path=parts.path,
            query={name: given[-1] for name, given in parse_qs(parts.query, keep_blank_values=True).items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            values=values,
        )
        try:
            answer = route(call)
        except Abort:
            self._reset()
            return
        if answer.delay and self.owner.closing.wait(answer.delay):
            self.close_connection = True
            return
        self._send(answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the standard library's names

    def _send(self, answer: Answer) -> None:
        match answer.wire_fault:
            case "hang":
                self.owner.closing.wait()
                self.close_connection = True
                return
            case "reset_before" | "reset_after":
                self._reset()
                return
            case "html_502":
                page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
                answer = Answer(status=502, headers={"Content-Type": "text/html"}, body=page)
            case "empty_body":
                answer = Answer(status=200, headers=answer.headers)
        self.send_response_only(answer.status)
        for name, value in {"Date": self.date_time_string(), **answer.headers}.items():
            self.send_header(name, value)
        if answer.stream is not None:
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for part in answer.stream:
                self.wfile.write(part)
                self.wfile.flush()
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.wire_fault == "truncated":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        elif answer.wire_fault == "trickle":
            self._trickle(answer.body)
        else:
            self.wfile.write(answer.body)

    def _trickle(self, body: bytes) -> None:
        for place in range(len(body)):
            self.wfile.write(body[place : place + 1])
            self.wfile.flush()
            if self.owner.closing.wait(TRICKLE_SECONDS):
                break

    def _reset(self) -> None:
        self.close_connection = True
        # SO_LINGER with a time of zero makes the close a RST instead of a FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Stand-ins keep their own record of calls."""


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.01) -> bool:
    """Waits until ``condition`` is true; tells whether it became so within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
