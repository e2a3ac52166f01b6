"""The platform's end of the long connections: where to connect to, frames out, answers in, pings answered."""

from __future__ import annotations

import base64
import json
import math
import random
import secrets
import socket
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from bot.sandbox.feishu.delivery import Outcome
from bot.sandbox.feishu.events import Event
from bot.sandbox.feishu.frames import CONTROL, DATA, Frame, decode, encode
from bot.sandbox.server import Answer, Call

PATH = "/callback/ws/endpoint"
"""Where an app asks for the address of its connection."""

WISHES: Mapping[str, float] = {
    "ReconnectCount": -1,
    "ReconnectInterval": 120,
    "ReconnectNonce": 30,
    "PingInterval": 120,
}
"""What the platform wants of its clients: attempts (-1: no end) and seconds."""

TOO_MANY = 1000040350
_WRONG_APP, _WRONG_SECRET = 10003, 10014
_AUTH_FAILED = 514
_SERVICE = 33554678


class LongConnections:
    """Any number of connections of one app, on a port of 127.0.0.1; each event goes to one of them, picked at random.

    The codes of a wrong id or secret are those of the token call; the endpoint's own are not documented.

    Args:
        app_id: the app's id.
        app_secret: its secret.

    ``wishes`` are told at each connection and with each pong. ``most`` connections may be open. Payloads are split
    into parts of at most ``part_bytes``; their frames are of ``frame_type``, ``event`` or ``card``. While ``away``, a
    gateway answers in the endpoint's place. While ``deaf``, only WebSocket pings are answered. ``origin`` is what the
    endpoint tells in the place of its own, such as ``wss://`` and a name that a proxy knows. ``refusals`` are codes and
    texts that the next askers are answered with, ``turned_away`` those with which the next handshakes fail, as one
    without a good ticket does (514). ``asked``, ``opened`` and ``pings`` count.
    """

    def __init__(self, *, app_id: str, app_secret: str) -> None:
        self.wishes = dict(WISHES)
        self.most = 50
        self.part_bytes = 1024 * 1024
        self.frame_type = "event"
        self.away = False
        self.deaf = False
        self.origin: str | None = None
        self.refusals: deque[tuple[int, str]] = deque()
        self.turned_away: deque[tuple[int, str]] = deque()
        self.asked = self.opened = self.pings = 0
        self._credentials = (app_id, app_secret)
        self._lock = threading.Lock()
        self._tickets: set[str] = set()
        self._connections: list[ServerConnection] = []
        self._awaited: dict[str, Future[bytes]] = {}
        self._server: Server | None = None

    @property
    def open(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._connections)

    def listen(self) -> int:
        """Opens the port of the connections, unless it is open; tells its number."""
        with self._lock:
            if self._server is None:
                self._server = serve(self._keep, "127.0.0.1", 0, process_request=self._admit)
                threading.Thread(target=self._server.serve_forever, name="long-connections", daemon=True).start()
            return int(self._server.socket.getsockname()[1])

    def tell(self, call: Call) -> Answer:
        """The endpoint: tells an app where to connect to, with a ticket that is good for one handshake."""
        self.asked += 1
        fields = call.json()
        if self.away or not isinstance(fields, dict):
            return Answer(status=502, body=b"<html>bad gateway</html>", headers={"Content-Type": "text/html"})
        if self.refusals:
            return _refusal(*self.refusals.popleft())
        if fields.get("AppID") != self._credentials[0]:
            return _refusal(_WRONG_APP, "invalid param")
        if fields.get("AppSecret") != self._credentials[1]:
            return _refusal(_WRONG_SECRET, "app secret invalid")
        if self.open >= self.most:
            return _refusal(TOO_MANY, "the number of connections exceeded the limit")
        ticket = secrets.token_hex(8)
        with self._lock:
            self._tickets.add(ticket)
        query = urlencode({"device_id": secrets.randbelow(10**18), "service_id": _SERVICE, "ticket": ticket})
        url = f"{self.origin or f'ws://127.0.0.1:{self.listen()}'}/ws/v2?{query}"
        return Answer.of_json({"code": 0, "msg": "", "data": {"URL": url, "ClientConfig": self.wishes}})

    def push(self, event: Event, seconds: float) -> tuple[Outcome, int | None, bytes]:
        """Pushes an event, plain, over one of the connections and waits for the answer."""
        with self._lock:
            connection = random.choice(self._connections) if self._connections else None  # noqa: S311 - no secret
        if connection is None:
            return "unreachable", None, b""
        message_id = secrets.token_hex(16)
        awaited = self._awaited[message_id] = Future()
        try:
            for frame in self._frames(event, message_id):
                connection.send(frame)
            answer = json.loads(awaited.result(seconds))
        except ConnectionClosed:
            return "unreachable", None, b""
        except TimeoutError:
            return "late", None, b""
        finally:
            del self._awaited[message_id]
        good = answer["code"] == HTTPStatus.OK
        return "acknowledged" if good else "refused", answer["code"], base64.b64decode(answer.get("data", "")) or b"{}"

    def cut(self) -> None:
        """Breaks every connection without a goodbye, as a network does."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends it all."""
        self.away = True
        if self._server is not None:
            self._server.shutdown()
        self.cut()

    def _frames(self, event: Event, message_id: str) -> list[bytes]:
        payload = json.dumps(event, ensure_ascii=False).encode()
        size = self.part_bytes
        count = math.ceil(len(payload) / size)
        told = {"type": self.frame_type, "message_id": message_id, "trace_id": secrets.token_hex(16), "sum": str(count)}
        return [
            encode(
                Frame(
                    method=DATA,
                    service=_SERVICE,
                    headers={**told, "seq": str(place)},
                    payload=payload[place * size : (place + 1) * size],
                )
            )
            for place in range(count)
        ]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        with self._lock:
            good = ticket in self._tickets and not self.turned_away
            self._tickets.discard(ticket)
        if good:
            return None
        code, text = self.turned_away.popleft() if self.turned_away else (_AUTH_FAILED, "auth failed")
        response = connection.respond(HTTPStatus.FORBIDDEN, "no good ticket")
        response.headers["Handshake-Status"] = str(code)
        response.headers["Handshake-Msg"] = text
        return response

    def _keep(self, connection: ServerConnection) -> None:
        with self._lock:
            self._connections.append(connection)
            self.opened += 1
        try:
            for data in connection:
                if isinstance(data, bytes):
                    self._read(connection, decode(data))
        except ConnectionClosed:
            pass
        finally:
            with self._lock:
                self._connections.remove(connection)

    def _read(self, connection: ServerConnection, frame: Frame) -> None:
        if frame.method == CONTROL and frame.headers.get("type") == "ping":
            self.pings += 1
            if self.deaf:
                return
            pong = Frame(
                method=CONTROL,
                service=frame.service,
                headers={"type": "pong"},
                payload=json.dumps(self.wishes).encode(),
            )
            # What the client sent before it left is read all the same.
            with suppress(ConnectionClosed):
                connection.send(encode(pong))
        elif frame.method == DATA:
            awaited = self._awaited.get(frame.headers.get("message_id", ""))
            if awaited is not None and not awaited.done():
                awaited.set_result(frame.payload)


def _refusal(code: int, text: str) -> Answer:
    body: dict[str, Any] = {"code": code, "msg": text}
    return Answer.of_json(body)
