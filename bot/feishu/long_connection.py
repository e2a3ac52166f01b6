"""The long connection: the bot connects to the platform, which then pushes events over a WebSocket.

Of the SDK only the frame type and the constants are used. Its client runs the handler on its event loop, where a slow
one stops the pings; drops frames of cards; asks for its address without a timeout; cannot be stopped; and reconnects in
a task that nobody awaits, so that a refusal leaves a process that only looks alive.

https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/request-url-configuration-case
https://github.com/larksuite/oapi-sdk-python/blob/v2_main/lark_oapi/ws/client.py
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import websockets
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu import sdk
from bot.feishu.http import HttpSession, parse_json, require_str
from bot.feishu.proxies import is_loopback, proxy_for
from bot.logs import get_logger

_Frame, _const = sdk.load_frames()

log = get_logger(__name__)

Handle = Callable[[bytes], Mapping[str, object] | None]
"""Stores a payload durably and returns the JSON to answer with, ``None`` if the platform has to send it again."""

TIMEOUT = httpx.Timeout(5)
"""Seconds a phase of the call that asks where to connect to."""

SHORTEST = 1.0
"""Seconds; a connection that is lost sooner counts as failed, or the platform could make the bot reconnect at once."""

DRAIN_SECONDS = 5.0
"""How long a connection that is closed waits for the answers to what came."""

PING_SECONDS = 10.0
"""Between two pings of the WebSocket, and how long each is waited for: a connection whose packets vanish is noticed
within three times as long. The platform's own pings go one way, minutes apart."""

UNANSWERED_PINGS = 3
"""After so many intervals of Feishu's own pings without a frame, a connection counts as lost. The far end may be deaf
while its WebSocket pongs go on: https://github.com/riba2534/happyclaw/issues/650"""

_DOWN = "the long connection to Feishu is down"
_CONTROL = 0
"""The method of a frame with a ping or pong."""

_PARTS_SECONDS = 5.0
"""How long the parts of a payload are kept for the others."""


@dataclass(kw_only=True, eq=False, repr=False)
class LongConnection:
    """Keeps one connection open, in a thread of its own, and hands on what comes over it.

    The platform sends each event to one of an app's connections (50 at most), chosen at random.

    Args:
        domain: the platform's origin, as for the client, like ``app_id`` and ``app_secret``.
        handle: called with each event and card action, from several threads at once. It has less than three seconds.
        on_end: called when the platform has refused for good, and after ``close``.
        timeout: seconds a phase of the call that asks where to connect to.
        ping: seconds; see :data:`PING_SECONDS`.
        down: why nothing can come at the moment, ``None`` if it can.

    Raises:
        SettingsError: the environment names a proxy that cannot be used.
    """

    domain: str
    app_id: str
    app_secret: str
    handle: Handle
    on_end: Callable[[], None] = lambda: None
    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    ping: float = PING_SECONDS
    down: str | None = "the long connection to Feishu has not been opened yet"

    def __post_init__(self) -> None:
        self._session = HttpSession(domain=self.domain, timeout=self.timeout)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="long-connection")
        self._handlers = ThreadPoolExecutor(8, thread_name_prefix="push")
        self._ended: Future[None] | None = None
        self._closing = False
        self._cancel: Callable[[], object] = lambda: None
        # Until the platform configures its own; seconds, and -1 for no limit of attempts.
        self._config = {"ReconnectCount": -1, "ReconnectInterval": 5.0, "ReconnectNonce": 1.0, "PingInterval": 120.0}
        self._opened_at = math.inf
        self._heard_at = 0.0
        self._parts: dict[str, tuple[float, dict[int, bytes]]] = {}

    def start(self) -> None:
        """Opens the connection, and opens it again whenever it is lost."""
        self._ended = self._thread.submit(asyncio.run, self._run())
        self._ended.add_done_callback(lambda _: self.on_end())

    def close(self) -> None:
        """Accepts nothing new, answers what came, and closes the connection.

        Raises:
            FeishuError: the platform had refused for good before.
            SettingsError: the environment names a proxy that cannot be used.
        """
        self._closing = True
        # A loop that has ended meanwhile refuses.
        with suppress(RuntimeError):
            self._cancel()
        try:
            if self._ended is not None:
                self._ended.result()
        finally:
            self._thread.shutdown()
            self._handlers.shutdown(wait=False)
            self._session.close()

    async def _run(self) -> None:
        task = asyncio.ensure_future(self._reconnect_forever())
        loop = asyncio.get_running_loop()
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._closing:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _reconnect_forever(self) -> None:
        """Keeps a connection open; a lost one is replaced when and as often as the platform configures.

        Raises:
            FeishuError: the platform refuses for good, or cannot be reached in as many attempts as it allows.
        """
        failures = 0
        while True:
            reason = await self._connect_once()
            failures = failures + 1 if time.monotonic() - self._opened_at < SHORTEST else 0
            self.down = f"{_DOWN}: {reason}"
            if 0 <= self._config["ReconnectCount"] <= failures:
                raise FeishuUnreachable(f"no long connection after {failures} attempts: {reason}")
            spread = self._config["ReconnectNonce"] * random.random()  # noqa: S311 - spreads load, guards nothing
            wait = self._config["ReconnectInterval"] if failures else spread
            log.warning("long connection down", reason=reason, wait=round(wait, 1))
            await asyncio.sleep(wait)

    async def _connect_once(self) -> str:
        """Opens a connection and serves it until it is lost; returns why it was."""
        self._opened_at, self._heard_at = math.inf, time.monotonic()
        try:
            connection, service = await self._open()
            await self._serve(connection, service)
        except FeishuError as error:
            if error.action is not FeishuAction.RETRY:
                raise
            return f"{error} (code {error.code})" if error.code else str(error)
        except InvalidURI as error:
            # Its message contains the whole address, with its ticket.
            return type(error).__name__
        except (OSError, WebSocketException) as error:
            reason = str(error) or type(error).__name__
        else:
            reason = "closed by the platform"
        return reason if self._silent_intervals < UNANSWERED_PINGS else "Feishu has answered no pings"

    async def _open(self) -> tuple[websockets.ClientConnection, int]:
        data = await asyncio.to_thread(self._ask_endpoint)
        self._configure(data.get("ClientConfig"))
        url = require_str(data, "URL", call="endpoint")
        host, query = _parse_address(url)
        ping, proxy = self.ping, proxy_for(host)
        try:
            connection = await websockets.connect(
                url, proxy=proxy, ping_interval=ping, ping_timeout=ping, close_timeout=ping
            )
        except InvalidStatus as error:
            raise _handshake_error(error) from error
        self._opened_at = time.monotonic()
        self.down = None
        log.info("long connection open", conn_id=query.get(_const.DEVICE_ID, ""))
        service = query.get(_const.SERVICE_ID, "")
        return connection, int(service) if service.isascii() and service.isdigit() else 0

    async def _serve(self, connection: websockets.ClientConnection, service: int) -> None:
        self._heard_at = time.monotonic()
        handling: set[asyncio.Task[None]] = set()
        beside = [asyncio.create_task(one) for one in (self._send_pings(connection, service), self._watch(connection))]
        try:
            async for data in connection:
                self._heard_at = time.monotonic()
                self.down = None
                task = asyncio.create_task(self._on_frame(connection, data))
                handling.add(task)
                task.add_done_callback(handling.discard)
        except asyncio.CancelledError:
            if handling:
                await asyncio.wait(handling, timeout=DRAIN_SECONDS)
            raise
        finally:
            for task in beside:
                task.cancel()
            await connection.close()

    async def _send_pings(self, connection: websockets.ClientConnection, service: int) -> None:
        """Sends Feishu's own pings, until the connection is closed."""
        ping = _Frame(SeqID=0, LogID=0, service=service, method=_CONTROL)
        ping.headers.add(key=_const.HEADER_TYPE, value="ping")
        with suppress(WebSocketException):
            while True:
                await connection.send(ping.SerializeToString())
                await asyncio.sleep(self._config["PingInterval"])

    @property
    def _silent_intervals(self) -> float:
        """Intervals of Feishu's pings since the last frame."""
        return (time.monotonic() - self._heard_at) / self._config["PingInterval"]

    async def _watch(self, connection: websockets.ClientConnection) -> None:
        """Closes a connection over which nothing comes any more."""
        while self._silent_intervals < UNANSWERED_PINGS:
            if self._silent_intervals >= UNANSWERED_PINGS - 1:
                self.down = f"{_DOWN}: Feishu answers no pings"
            await asyncio.sleep(self._config["PingInterval"] / 4)
        await connection.close()

    async def _on_frame(self, connection: websockets.ClientConnection, data: bytes | str) -> None:
        try:
            answer = await self._answer(data)
            if answer is not None:
                await connection.send(answer)
        except WebSocketException:
            pass  # the connection was lost meanwhile, and the platform sends again
        except Exception:
            # Neither a bad frame nor a failing handler may end the connection; after silence the platform sends again.
            log.exception("long connection frame failed")

    async def _answer(self, data: bytes | str) -> bytes | None:
        """The frame that answers a frame, ``None`` for one that is not answered."""
        frame = _Frame()
        frame.ParseFromString(data)
        headers = {header.key: header.value for header in frame.headers}
        kind = headers[_const.HEADER_TYPE]
        if kind == "pong" and frame.payload:
            self._configure(json.loads(frame.payload))
        payload = self._join_parts(headers, frame.payload) if kind in {"event", "card"} else None
        if payload is None:
            return None
        started = time.monotonic()
        body = await asyncio.get_running_loop().run_in_executor(self._handlers, self.handle, payload)
        frame.headers.add(key=_const.HEADER_BIZ_RT, value=str(round(1000 * (time.monotonic() - started))))
        # 500 is the SDK's own answer to a failure, after which the platform sends again.
        answer: dict[str, object] = {"code": HTTPStatus.INTERNAL_SERVER_ERROR if body is None else HTTPStatus.OK}
        if body:
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            answer["data"] = base64.b64encode(content).decode()
        frame.payload = json.dumps(answer).encode()
        return bytes(frame.SerializeToString())

    def _join_parts(self, headers: Mapping[str, str], payload: bytes) -> bytes | None:
        """The whole payload once all its parts have come."""
        count, number = int(headers[_const.HEADER_SUM]), int(headers[_const.HEADER_SEQ])
        if count <= 1:
            return payload
        now = time.monotonic()
        self._parts = {name: one for name, one in self._parts.items() if one[0] > now - _PARTS_SECONDS}
        _, parts = self._parts.setdefault(headers[_const.HEADER_MESSAGE_ID], (now, {}))
        parts[number] = payload
        if len(parts) < count:
            return None
        del self._parts[headers[_const.HEADER_MESSAGE_ID]]
        return b"".join(parts[place] for place in sorted(parts))

    def _ask_endpoint(self) -> Mapping[str, Any]:
        """Asks where to connect to; the answer has the address and the platform's configuration."""
        uri = _const.GEN_ENDPOINT_URI
        credentials = {"AppID": self.app_id, "AppSecret": self.app_secret}
        request = sdk.plain_request("POST", uri, headers={"locale": "zh"}, body=credentials)
        data = self._session.exchange("endpoint", request, parse_json).get("data")
        return data if isinstance(data, dict) else {}

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


def _handshake_error(error: InvalidStatus) -> FeishuError:
    """The error of a refused handshake, from headers of its own."""
    status, headers = error.response.status_code, error.response.headers
    code = headers.get(_const.HEADER_HANDSHAKE_STATUS, "")
    if not code.isdigit():
        return FeishuUnreachable(f"status {status}", call="handshake", status=status)
    action = FeishuAction.TELL_ADMIN if int(code) == _const.FORBIDDEN else FeishuAction.RETRY
    return FeishuError(headers.get(_const.HEADER_HANDSHAKE_MSG) or "", call="handshake", code=int(code), action=action)
