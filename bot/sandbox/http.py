"""The HTTP server of every stand-in: real sockets on loopback, routes as functions, wire faults on demand."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

TRICKLE_SECONDS = 0.2  # between two bytes of a body that trickles

_POLL_SECONDS = 0.02  # how soon a server notices that it is to end

_WIRE_STATUS = {"hang": None, "reset_before": None, "reset_after": None, "html_502": 502, "empty_body": 200}


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
    values: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON, or ``None`` when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response; ``stream`` replaces ``body``, without an announced length."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    wire_fault: str | None = None

    @classmethod
    def of_json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        return cls(status=status, headers=headers, body=json.dumps(value, ensure_ascii=False).encode())

    @property
    def sent_status(self) -> int | None:
        """The status that the client gets; ``None`` where a fault of the connection keeps it from getting one."""
        return _WIRE_STATUS.get(self.wire_fault or "", self.status)


Route = Callable[[Request], Response]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer
    # Small responses are sent at once, or the timings that the sandbox shows would be Nagle's.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        body, parts = self.rfile.read(int(self.headers.get("Content-Length") or 0)), urlsplit(self.path)
        # A connection that was kept alive outlives the listening socket.
        if self.server.closing.is_set():
            self.close_connection = True
            return
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        self._send(self.server.answer(request))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the standard library's names

    def _send(self, response: Response) -> None:
        headers, body, fault = response.headers, response.body, response.wire_fault
        pieces = response.stream
        if response.sent_status is None:
            self.close_connection = True
            if fault == "hang":
                self.server.closing.wait()
            else:
                # SO_LINGER with a time of zero makes the close a RST instead of a FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.shutdown(socket.SHUT_RD)
                self.connection.close()
            return
        match fault:
            case "html_502":
                headers = {"Content-Type": "text/html"}
                body = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
            case "empty_body":
                body = b""
            case "truncated":
                self.close_connection, pieces = True, iter([body[: len(body) // 2]])
            case "trickle":
                pieces = self._trickle(body)
        self.send_response_only(response.sent_status)
        length = {"Connection": "close"} if response.stream is not None else {"Content-Length": str(len(body))}
        for name, value in {"Date": self.date_time_string(), **headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces or [body]:
            self.wfile.write(piece)

    def _trickle(self, body: bytes) -> Iterator[bytes]:
        for byte in body:
            yield bytes([byte])
            if self.server.closing.wait(TRICKLE_SECONDS):
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

    def answer(self, request: Request) -> Response:
        for method, pattern, route in self.routes:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                values = {name: unquote(value) for name, value in match.groupdict().items()}
                return route(replace(request, values=values))
        return Response(status=404)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="stand-in", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a client that went away."""
