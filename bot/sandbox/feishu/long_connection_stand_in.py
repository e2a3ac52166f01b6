"""The stand-in of the platform for an app that receives its events over long connections."""

from __future__ import annotations

import base64
import json
import random
import secrets
import socket
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.http11 import Request as Handshake
from websockets.http11 import Response as HandshakeResponse
from websockets.sync.server import ServerConnection, serve

from bot.feishu import sdk
from bot.sandbox.feishu.delivery import Event, Outcome, RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import Request, Response

PATH = "/callback/ws/endpoint"  # where an app asks for the address of its connection

CLIENT_CONFIG = {"ReconnectCount": -1, "ReconnectInterval": 120.0, "ReconnectNonce": 30.0, "PingInterval": 120.0}
"""What the platform asks of its clients: attempts (-1: no end) and seconds."""

_WRONG_APP, _WRONG_SECRET, _AUTH_FAILED = 10003, 10014, 514
_SERVICE = 33554678
_CONTROL, _DATA = 0, 1

_Frame, _ = sdk.load_frames()


@dataclass(kw_only=True)
class LongConnections:
    """Any number of connections of one app, on a port of 127.0.0.1; each event goes to one of them at random.

    The codes of a wrong id or secret are those of the token call; the endpoint's own are not documented.

    ``client_config`` is sent at each connection and with each pong. Payloads are split into parts of at most
    ``part_bytes``; their frames are of ``frame_type``, ``event`` or ``card``. While ``away``, a gateway answers for the
    endpoint; while ``deaf``, only WebSocket pings are answered. ``origin`` replaces the address that the endpoint
    gives. ``rejections`` are codes and texts that the endpoint answers with next, ``turned_away`` those with which the
    next handshakes fail. ``asked``, ``opened`` and ``pings`` count.
    """

    app_id: str
    app_secret: str
    client_config: dict[str, float] = field(default_factory=CLIENT_CONFIG.copy)
    part_bytes: int = 1024 * 1024
    frame_type: str = "event"
    away: bool = False
    deaf: bool = False
    origin: str | None = None
    rejections: deque[tuple[int, str]] = field(default_factory=deque)
    turned_away: deque[tuple[int, str]] = field(default_factory=deque)
    asked: int = 0
    opened: int = 0
    pings: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: set[str] = set()
        self._connections: list[ServerConnection] = []
        self._awaited: dict[str, tuple[ServerConnection, Future[bytes]]] = {}
        self._server = serve(self._read_all, "127.0.0.1", 0, process_request=self._admit)
        threading.Thread(target=self._server.serve_forever, name="long-connections", daemon=True).start()

    @property
    def open(self) -> int:
        with self._lock:
            return len(self._connections)

    @property
    def port(self) -> int:
        return int(self._server.socket.getsockname()[1])

    def give_address(self, request: Request) -> Response:
        """The address of a connection, with a ticket that is valid for one handshake."""
        self.asked += 1
        fields = request.json()
        if self.away or not isinstance(fields, dict):
            return Response(status=502, body=b"<html>bad gateway</html>", headers={"Content-Type": "text/html"})
        rejection = None
        if self.rejections:
            rejection = self.rejections.popleft()
        elif fields.get("AppID") != self.app_id:
            rejection = _WRONG_APP, "invalid param"
        elif fields.get("AppSecret") != self.app_secret:
            rejection = _WRONG_SECRET, "app secret invalid"
        if rejection:
            return Response.of_json({"code": rejection[0], "msg": rejection[1]})
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        query = urlencode({"device_id": secrets.randbelow(10**18), "service_id": _SERVICE, "ticket": ticket})
        url = f"{self.origin or f'ws://127.0.0.1:{self.port}'}/ws/v2?{query}"
        return Response.of_json({"code": 0, "msg": "", "data": {"URL": url, "ClientConfig": self.client_config}})

    def push(self, event: Event, seconds: float) -> tuple[Outcome, int | None, bytes]:
        with self._lock:
            connection = random.choice(self._connections) if self._connections else None  # noqa: S311 - no secret
        if connection is None:
            return "unreachable", None, b""
        message_id = secrets.token_hex(16)
        answered: Future[bytes] = Future()
        self._awaited[message_id] = connection, answered
        try:
            for frame in self._frames(event, message_id):
                connection.send(frame)
            answer = json.loads(answered.result(seconds))
        except ConnectionClosed:
            return "unreachable", None, b""
        except TimeoutError:
            return "late", None, b""
        finally:
            del self._awaited[message_id]
        good = answer["code"] == HTTPStatus.OK
        return "acknowledged" if good else "refused", answer["code"], base64.b64decode(answer.get("data", "")) or b"{}"

    def cut(self) -> None:
        """Breaks every connection without a close frame, as a network does."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.away = True
        self._server.shutdown()
        self.cut()

    def _frames(self, event: Event, message_id: str) -> Iterator[bytes]:
        payload, size = json.dumps(event, ensure_ascii=False).encode(), self.part_bytes
        parts = [payload[start : start + size] for start in range(0, len(payload), size)]
        headers = {"type": self.frame_type, "message_id": message_id, "trace_id": secrets.token_hex(16)}
        for index, part in enumerate(parts):
            numbered = {**headers, "sum": str(len(parts)), "seq": str(index)}
            yield _encode(_DATA, part, **numbered)

    def _admit(self, connection: ServerConnection, request: Handshake) -> HandshakeResponse | None:
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        with self._lock:
            good = ticket in self._tickets and not self.turned_away
            self._tickets.discard(ticket)
        if good:
            return None
        code, text = self.turned_away.popleft() if self.turned_away else (_AUTH_FAILED, "auth failed")
        response = connection.respond(HTTPStatus.FORBIDDEN, "no valid ticket")
        response.headers["Handshake-Status"] = str(code)
        response.headers["Handshake-Msg"] = text
        return response

    def _read_all(self, connection: ServerConnection) -> None:
        with self._lock:
            self._connections.append(connection)
            self.opened += 1
        try:
            for data in connection:
                if isinstance(data, bytes):
                    self._read(connection, _Frame.FromString(data))
        except ConnectionClosed:
            pass
        finally:
            with self._lock:
                self._connections.remove(connection)
            # What was not answered before the connection was lost is sent again.
            for used, answered in list(self._awaited.values()):
                if used is connection and not answered.done():
                    answered.set_exception(ConnectionClosedError(None, None))

    def _read(self, connection: ServerConnection, frame: Any) -> None:
        headers = {header.key: header.value for header in frame.headers}
        if frame.method == _CONTROL and headers.get("type") == "ping":
            self.pings += 1
            config = json.dumps(self.client_config).encode()
            # What the client sent before it left is read all the same.
            with suppress(ConnectionClosed):
                if not self.deaf:
                    connection.send(_encode(_CONTROL, config, type="pong"))
        elif frame.method == _DATA:
            _, answered = self._awaited.get(headers.get("message_id", ""), (None, None))
            if answered is not None and not answered.done():
                answered.set_result(frame.payload)


class ConnectedStandIn(FeishuStandIn):
    """The platform after "receive through a persistent connection" was chosen: all events go over ``line``, plain."""

    def __init__(self, *, delivery: RetrySchedule | None = None) -> None:
        super().__init__(delivery=delivery)
        self.line = LongConnections(app_id=self.app_id, app_secret=self.app_secret)
        self.route("POST", PATH, self.line.give_address)
        self.push_over = self.line.push

    def __exit__(self, *error: object) -> None:
        self.line.close()
        super().__exit__(*error)


def _encode(method: int, payload: bytes, **headers: str) -> bytes:
    pairs = [{"key": key, "value": value} for key, value in headers.items()]
    frame = _Frame(SeqID=0, LogID=0, service=_SERVICE, method=method, headers=pairs, payload=payload)
    return bytes(frame.SerializeToString())
