"""The HTTP server of every stand-in: real sockets on loopback, routes as functions, wire faults on demand."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

LARGEST_BODY = 64 * 1024 * 1024
TRICKLE_SECONDS = 0.2
"""Between two bytes of a body that trickles."""


@cache
def shared_tls() -> ssl.SSLContext:
    """One TLS context per process for all clients of the stand-ins: creating one takes 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as a stand-in received it; header names in lower case, ``values`` are the named parts of the path."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    values: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON, or ``None`` when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response after ``delay`` seconds; ``stream`` replaces ``body``, without an announced length."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    wire_fault: str | None = None
    delay: float = 0.0

    @classmethod
    def of_json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        return cls(status=status, headers=headers, body=json.dumps(value, ensure_ascii=False).encode())


Route = Callable[[Request], Response]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer
    # Small responses are sent at once, or the timings that the sandbox shows would be Nagle's.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            self._send(Response(status=413))
            return
        body, parts, closing = self.rfile.read(length), urlsplit(self.path), self.server.closing
        # A connection that was kept alive outlives the listening socket.
        if closing.is_set():
            self.close_connection = True
            return
        response = Response(status=404)
        for method, pattern, route in self.server.routes:
            if method == self.command and (match := pattern.fullmatch(parts.path)):
                request = Request(
                    method=method,
                    path=parts.path,
                    query={name: given[-1] for name, given in parse_qs(parts.query, keep_blank_values=True).items()},
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=body,
                    values={name: unquote(value) for name, value in match.groupdict().items()},
                )
                response = route(request)
                break
        if response.delay and closing.wait(response.delay):
            self.close_connection = True
        else:
            self._send(response)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the standard library's names

    def _send(self, response: Response) -> None:
        status, headers, body, fault = response.status, response.headers, response.body, response.wire_fault
        match fault:
            case "hang":
                self.server.closing.wait()
                self.close_connection = True
                return
            case "reset_before" | "reset_after":
                self.close_connection = True
                # SO_LINGER with a time of zero makes the close a RST instead of a FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.shutdown(socket.SHUT_RD)
                self.connection.close()
                return
            case "html_502":
                status, headers = 502, {"Content-Type": "text/html"}
                body = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
            case "empty_body":
                status, body = 200, b""
        self.send_response_only(status)
        length = {"Connection": "close"} if response.stream is not None else {"Content-Length": str(len(body))}
        for name, value in {"Date": self.date_time_string(), **headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        pieces = iter([body]) if response.stream is None else response.stream
        if fault == "truncated":
            self.close_connection, pieces = True, iter([body[: len(body) // 2]])
        elif fault == "trickle":
            pieces = (bytes([byte]) for byte in body)
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            if fault == "trickle" and self.server.closing.wait(TRICKLE_SECONDS):
                break

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Stand-ins keep their own record of calls."""


class LoopbackServer(ThreadingHTTPServer):
    """A threaded HTTP/1.1 server on 127.0.0.1; a context manager. The first matching route answers, else 404."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.routes: list[tuple[str, re.Pattern[str], Route]] = []
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._accept_all, name="stand-in", daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def route(self, method: str, path: str, answer: Route) -> None:
        """Adds a route; ``:name`` in the path matches one segment, ``*name`` the rest."""
        pattern = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", re.sub(r"\*(\w+)", r"(?P<\1>.+)", path))
        self.routes.append((method, re.compile(pattern), answer))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            # One more connection wakes the thread that waits for one.
            self._thread.join(5)
        self.server_close()

    def _accept_all(self) -> None:
        while not self.closing.is_set():
            self.handle_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a client that went away."""


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.01) -> bool:
    """Waits until ``condition`` is true; returns whether it became so within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
