"""The long connection: the bot connects to the platform, which then pushes events over a WebSocket.

Of the SDK only the frame type and the constants are used. Its client runs the handler on its event loop, where a slow
one stops the pings; drops frames of cards; asks for its address without a timeout; cannot be stopped; and reconnects in
a task that nobody awaits, so that a refusal leaves a process that only looks alive.

https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/request-url-configuration-case
https://github.com/larksuite/oapi-sdk-python/blob/v2_main/lark_oapi/ws/client.py
"""

from __future__ import annotations

import base64
import json
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosedOK, InvalidStatus, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

from bot.addresses import is_loopback
from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu import sdk
from bot.feishu.client import FeishuClient, require_str
from bot.feishu.network import proxy_for, trusted
from bot.logs import get_logger

_Frame, _const = sdk.load_frames()

log = get_logger(__name__)

SHORTEST = 1.0
"""Seconds; a connection that is lost sooner counts as failed, or the platform could make the bot reconnect at once."""

DRAIN_SECONDS = 5.0  # how long a connection that is closed waits for the answers to what came
PING_SECONDS = 10.0
"""Between two pings of the WebSocket, and how long each is waited for: a connection whose packets vanish is noticed
within three times as long. The platform's own pings go one way, minutes apart."""

UNANSWERED_PINGS = 3
"""After so many intervals of Feishu's own pings without a frame, a connection counts as lost. The far end may be deaf
while its WebSocket pongs go on: https://github.com/riba2534/happyclaw/issues/650"""

_DOWN = "the long connection to Feishu is down"
_CONTROL = 0  # the method of a frame with a ping or pong
_PARTS_SECONDS = 60.0  # how long the parts of a payload are kept for the others, which a busy machine may read late


@dataclass(kw_only=True, eq=False, repr=False)
class LongConnection:
    """Keeps one connection open, in a thread of its own, and hands on what comes over it.

    The platform sends each event to one of an app's connections (50 at most), chosen at random.
    """

    client: FeishuClient  # asks where to connect to; its app, proxy and certificates are those of the connection
    handle: Callable[[bytes], Mapping[str, object] | None]
    """Stores a payload durably and returns the JSON to answer with, ``None`` if the platform has to send it again.

    It is called from several threads at once and has less than three seconds."""
    on_end: Callable[[], None] = lambda: None  # called when the platform has refused for good, and after close
    ping: float = PING_SECONDS
    down: str | None = "the long connection to Feishu has not been opened yet"  # None if events can come

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="long-connection")
        self._handlers = ThreadPoolExecutor(8, thread_name_prefix="push")
        self._handling: set[Future[None]] = set()
        self._ended: Future[None] | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        """Held while a payload is handed on or the connection starts to close: what is not answered is not taken."""
        self._connection: ClientConnection | None = None
        # Until the platform configures its own; seconds, and -1 for no limit of attempts.
        self._config = {"ReconnectCount": -1, "ReconnectInterval": 5.0, "ReconnectNonce": 1.0, "PingInterval": 120.0}
        self._opened_at = math.inf
        self._parts: dict[str, tuple[float, dict[int, bytes]]] = {}

    def start(self) -> None:
        """Opens the connection, and opens it again whenever it is lost."""
        self._ended = self._thread.submit(self._reconnect_forever)
        self._ended.add_done_callback(lambda _: self.on_end())

    def close(self) -> None:
        """Accepts nothing new, answers what came, and closes the connection.

        Raises ``FeishuError`` if the platform had refused for good before, and ``SettingsError`` for a wrong proxy.
        """
        with self._lock:
            self._closing.set()
            handling = self._handling.copy()
        wait(handling, timeout=DRAIN_SECONDS)
        try:
            if self._connection is not None:
                self._connection.close()
            if self._ended is not None:
                self._ended.result()
        finally:
            self._thread.shutdown()
            self._handlers.shutdown(wait=False)

    def _reconnect_forever(self) -> None:
        failures = 0
        while True:
            reason = self._connect_once()
            if self._closing.is_set():
                return
            failures = failures + 1 if time.monotonic() - self._opened_at < SHORTEST else 0
            self.down = f"{_DOWN}: {reason}"
            if 0 <= self._config["ReconnectCount"] <= failures:
                raise FeishuUnreachable(f"no long connection after {failures} attempts: {reason}")
            spread = self._config["ReconnectNonce"] * random.random()  # noqa: S311 - spreads load, guards nothing
            seconds = self._config["ReconnectInterval"] if failures else spread
            log.warning("long connection down", reason=reason, wait=round(seconds, 1))
            self._closing.wait(seconds)

    def _connect_once(self) -> str:
        """Opens a connection and serves it until it is lost; returns why it was."""
        self._opened_at = math.inf
        try:
            body = {"AppID": self.client.app_id, "AppSecret": self.client.app_secret}
            path, headers = _const.GEN_ENDPOINT_URI, {"locale": "zh"}
            given = self.client.exchange("endpoint", "POST", path, headers=headers, body=body).get("data")
            data: Mapping[str, Any] = given if isinstance(given, dict) else {}
            self._configure(data.get("ClientConfig"))
            url = require_str(data, "URL", call="endpoint")
            host, query = _parse_address(url)
            with closing(self._open(url, proxy=proxy_for(host, configured=self.client.proxy))) as self._connection:
                self._opened_at, self.down = time.monotonic(), None
                log.info("long connection open", conn_id=query.get(_const.DEVICE_ID, ""))
                service = query.get(_const.SERVICE_ID, "")
                return self._serve(self._connection, int(service) if service.isascii() and service.isdigit() else 0)
        except FeishuError as error:
            if error.action is not FeishuAction.RETRY:
                raise
            return f"{error} (code {error.code})" if error.code else str(error)
        except InvalidURI as error:
            # Its message contains the whole address, with its ticket.
            return type(error).__name__
        except ConnectionClosedOK:
            return "closed by the platform"
        except (OSError, WebSocketException) as error:
            return str(error) or type(error).__name__

    def _open(self, url: str, *, proxy: str | None) -> ClientConnection:
        ping = self.ping
        options: dict[str, Any] = {}
        if self.client.ca_file:
            tls = trusted(self.client.ca_file)
            options |= {"ssl": tls} if url.startswith("wss:") else {}
            options |= {"proxy_ssl": tls} if proxy and proxy.startswith("https:") else {}
        try:
            return connect_websocket(
                url, proxy=proxy, ping_interval=ping, ping_timeout=ping, close_timeout=ping, **options
            )
        except InvalidStatus as error:
            # A refused handshake has headers of its own.
            status, headers = error.response.status_code, error.response.headers
            code = headers.get(_const.HEADER_HANDSHAKE_STATUS, "")
            if not code.isdigit():
                raise FeishuUnreachable(f"status {status}", call="handshake", status=status) from error
            action = FeishuAction.TELL_ADMIN if int(code) == _const.FORBIDDEN else FeishuAction.RETRY
            message = headers.get(_const.HEADER_HANDSHAKE_MSG) or ""
            raise FeishuError(message, call="handshake", code=int(code), action=action) from error

    def _serve(self, connection: ClientConnection, service: int) -> str:
        """Sends Feishu's pings and takes its frames; returns why it ends, where the connection itself does not."""
        ping = _Frame(SeqID=0, LogID=0, service=service, method=_CONTROL)
        ping.headers.add(key=_const.HEADER_TYPE, value="ping")
        ping_at = heard_at = time.monotonic()
        while not self._closing.is_set():
            now, interval = time.monotonic(), self._config["PingInterval"]
            if now >= ping_at:
                connection.send(ping.SerializeToString())
                ping_at = now + interval
            if now - heard_at >= UNANSWERED_PINGS * interval:
                return "Feishu has answered no pings"
            if now - heard_at >= (UNANSWERED_PINGS - 1) * interval:
                self.down = f"{_DOWN}: Feishu answers no pings"
            try:
                data = connection.recv(timeout=min(interval / 4, ping_at - now))
            except TimeoutError:
                continue
            heard_at, self.down = time.monotonic(), None
            self._on_frame(connection, data)
        # What came is answered over this connection, which is closed after this.
        wait(self._handling.copy(), timeout=DRAIN_SECONDS)
        return "closing"

    def _on_frame(self, connection: ClientConnection, data: bytes | str) -> None:
        try:
            frame = _Frame()
            frame.ParseFromString(data)
            headers = {header.key: header.value for header in frame.headers}
            kind = headers[_const.HEADER_TYPE]
            if kind == "pong" and frame.payload:
                self._configure(json.loads(frame.payload))
            payload = self._join_parts(headers, frame.payload) if kind in {"event", "card"} else None
        except Exception:
            # A bad frame may not end the connection.
            log.exception("long connection frame failed")
            return
        if payload is None:
            return
        with self._lock:
            if self._closing.is_set():
                return
            task = self._handlers.submit(self._answer, connection, frame, payload)
            self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    def _answer(self, connection: ClientConnection, frame: Any, payload: bytes) -> None:
        started = time.monotonic()
        try:
            body = self.handle(payload)
            frame.headers.add(key=_const.HEADER_BIZ_RT, value=str(round(1000 * (time.monotonic() - started))))
            # 500 is the SDK's own answer to a failure, after which the platform sends again.
            answer: dict[str, object] = {"code": HTTPStatus.INTERNAL_SERVER_ERROR if body is None else HTTPStatus.OK}
            if body:
                content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
                answer["data"] = base64.b64encode(content).decode()
            frame.payload = json.dumps(answer).encode()
            # Where the connection was lost meanwhile, the platform sends again, as it does after silence.
            with suppress(WebSocketException, OSError):
                connection.send(frame.SerializeToString())
        except Exception:
            log.exception("long connection frame failed")

    def _join_parts(self, headers: Mapping[str, str], payload: bytes) -> bytes | None:
        """The whole payload once all its parts have come."""
        count, number = int(headers[_const.HEADER_SUM]), int(headers[_const.HEADER_SEQ])
        if count <= 1:
            return payload
        now, message_id = time.monotonic(), headers[_const.HEADER_MESSAGE_ID]
        self._parts = {name: one for name, one in self._parts.items() if one[0] > now - _PARTS_SECONDS}
        _, parts = self._parts.setdefault(message_id, (now, {}))
        parts[number] = payload
        if len(parts) < count:
            return None
        del self._parts[message_id]
        return b"".join(parts[place] for place in sorted(parts))

    def _configure(self, config: Any) -> None:
        """Applies the platform's configuration, as far as its values are usable."""
        least = {"ReconnectCount": -math.inf, "ReconnectNonce": 0.0}
        for name in self._config:
            value = config.get(name) if isinstance(config, dict) else None
            if isinstance(value, int | float) and (value > 0 or value >= least.get(name, math.inf)):
                self._config[name] = value


def _parse_address(url: str) -> tuple[str, Mapping[str, str]]:
    """The host and the query of the connection's address, whose ticket must not travel unencrypted."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in {"ws", "wss"}:
        raise FeishuUnreachable("the answer's URL is none", call="endpoint")
    if parts.scheme != "wss" and not is_loopback(host):
        raise FeishuUnreachable("the answer's URL is not encrypted", call="endpoint")
    return host, {name: values[0] for name, values in parse_qs(parts.query).items()}
