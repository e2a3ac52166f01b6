"""The SDK's client of the long connection, as far as it serves; what it does badly is done here.

https://github.com/larksuite/oapi-sdk-python/blob/v2_main/lark_oapi/ws/client.py
"""

from __future__ import annotations

import asyncio
import base64
import math
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websockets
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu import sdk
from bot.feishu.proxies import is_loopback, proxy_for
from bot.feishu.responses import text_in
from bot.logs import get_logger

_ws = sdk.import_long_connection()
_SdkClient: Any = _ws.Client

log = get_logger(__name__)

Take = Callable[[bytes], Mapping[str, object] | None]
"""Stores a payload durably and gives the JSON to answer with, ``None`` where the platform has to send it again."""

SHORTEST = 1.0
"""Seconds; a connection that is lost sooner counts as one that failed, or a platform at odds would be run after."""

FINISH_SECONDS = 5.0
"""For how long a client that is told to leave waits for the answers to what came."""

PING_SECONDS = 10.0
"""Between two pings of the WebSocket, and for how long each, and after it a goodbye, is waited for: a connection whose
packets vanish is noticed within three times as many. The platform's own pings go one way, minutes apart."""

UNANSWERED_PINGS = 3
"""After so many intervals of Feishu's own pings without a frame, a connection counts as lost. The far end may have gone
deaf while its socket, and even its WebSocket pongs, go on: https://github.com/riba2534/happyclaw/issues/650"""

_FIRST_NONCE, _FIRST_INTERVAL = 1.0, 5.0


class WsClient(_SdkClient):  # type: ignore[misc]  # the SDK has no types
    """One app's client; of the SDK's it keeps the frames, the joining of parts, the pings and the sending.

    As it comes, it runs the handler on its event loop, where a slow one stops the pings; drops frames of cards; asks
    for its address without a timeout and on the loop; heeds no proxy; keeps its lock for good when it connects twice;
    cannot be stopped; and reconnects in a task that nobody awaits, so that a refusal leaves a process that only looks
    alive. At INFO its log names the address of the connection, which holds a ticket.

    Args:
        app_id: the App ID.
        ask: asks the platform where to connect to; it is called in a thread.
        take: takes a payload; it is called in a thread.
        tell: told why there is no connection, ``None`` when there is one.
        ping: seconds; see :data:`PING_SECONDS`.
    """

    def __init__(
        self,
        app_id: str,
        *,
        ask: Callable[[], Mapping[str, Any]],
        take: Take,
        tell: Callable[[str | None], None],
        ping: float,
    ) -> None:
        super().__init__(app_id, "", log_level=_ws.LogLevel.WARNING, auto_reconnect=False)
        # Until the platform has told its own.
        self._reconnect_nonce, self._reconnect_interval = _FIRST_NONCE, _FIRST_INTERVAL
        self._ask = ask
        self._take = take
        self._tell = tell
        self._ping = ping
        self._opened_at = math.inf
        self._heard_at = 0.0
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="push")
        self._taking: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Keeps a connection open; after one that was lost it makes another, when and as often as the platform wants.

        Raises:
            FeishuError: the platform refuses for good, or cannot be reached in as many attempts as it allows.
            SettingsError: the environment names a proxy that cannot be used.
        """
        failed = 0
        try:
            while True:
                reason = await self._stay()
                failed = failed + 1 if time.monotonic() - self._opened_at < SHORTEST else 0
                self._tell(reason)
                if 0 <= self._reconnect_count <= failed:
                    raise FeishuUnreachable(f"no long connection after {failed} attempts: {reason}")
                spread = self._reconnect_nonce * random.random()  # noqa: S311 - spreads load, guards nothing
                wait = self._reconnect_interval if failed else spread
                log.warning("long connection down", reason=reason, wait=round(wait, 1))
                await asyncio.sleep(wait)
        finally:
            self._threads.shutdown(wait=False)

    async def _stay(self) -> str:
        """Opens a connection and takes what comes over it until it is lost; tells why it was."""
        self._opened_at, self._heard_at = math.inf, time.monotonic()
        try:
            await self._listen(await self._open())
        except FeishuError as error:
            if error.action is not FeishuAction.RETRY:
                raise
            return f"{error} (code {error.code})" if error.code else str(error)
        except InvalidURI as error:
            # Its words hold the whole address, with its ticket.
            return type(error).__name__
        except (OSError, WebSocketException) as error:
            reason = str(error) or type(error).__name__
        else:
            reason = "closed by the platform"
        return reason if self._silent_for < UNANSWERED_PINGS else "Feishu has answered no pings"

    async def _open(self) -> websockets.ClientConnection:
        data = await asyncio.to_thread(self._ask)
        wishes = data.get("ClientConfig")
        self._configure(_ws.ClientConfig(wishes if isinstance(wishes, dict) else {}))
        url = text_in(data, "URL", call="endpoint")
        host, query = _checked(url)
        try:
            connection = await websockets.connect(
                url,
                proxy=proxy_for(host),
                ping_interval=self._ping,
                ping_timeout=self._ping,
                close_timeout=self._ping,
            )
        except InvalidStatus as error:
            raise _refused(error) from error
        self._conn = connection
        self._conn_id = query.get("device_id", "")
        self._service_id = query.get("service_id", "0")
        self._opened_at = time.monotonic()
        self._was_open = True
        self._tell(None)
        log.info("long connection open", conn_id=self._conn_id)
        return connection

    async def _listen(self, connection: websockets.ClientConnection) -> None:
        self._heard_at = time.monotonic()
        beside = [asyncio.create_task(self._ping_loop()), asyncio.create_task(self._watch(connection))]
        try:
            async for frame in connection:
                self._heard_at = time.monotonic()
                self._tell(None)
                taking = asyncio.create_task(self._handle_message(frame))
                self._taking.add(taking)
                taking.add_done_callback(self._taking.discard)
        except asyncio.CancelledError:
            if self._taking:
                await asyncio.wait(self._taking, timeout=FINISH_SECONDS)
            raise
        finally:
            for task in beside:
                task.cancel()
            await self._disconnect()

    @property
    def _silent_for(self) -> float:
        """Intervals of Feishu's pings since the last frame."""
        return (time.monotonic() - self._heard_at) / float(self._ping_interval)

    async def _watch(self, connection: websockets.ClientConnection) -> None:
        """Closes a connection over which neither pongs nor other frames come any more."""
        while self._silent_for < UNANSWERED_PINGS:
            if self._silent_for >= UNANSWERED_PINGS - 1:
                self._tell("Feishu answers no pings")
            await asyncio.sleep(self._ping_interval / 4)
        await connection.close()

    async def _handle_data_frame(self, frame: Any) -> None:
        told = {header.key: header.value for header in frame.headers}
        payload: bytes | None = frame.payload
        if int(told["sum"]) > 1:
            payload = self._combine(told["message_id"], int(told["sum"]), int(told["seq"]), payload)
        if payload is None or told["type"] not in {"event", "card"}:
            return
        began = time.monotonic()
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._take, payload)
        took = frame.headers.add()
        took.key, took.value = _ws.HEADER_BIZ_RT, str(round(1000 * (time.monotonic() - began)))
        # 500 is the SDK's own word for what failed; after it, as after silence, the platform sends again.
        response = _ws.Response(HTTPStatus.INTERNAL_SERVER_ERROR if answer is None else HTTPStatus.OK)
        if answer:
            response.data = base64.b64encode(sdk.JSON.marshal(answer).encode())
        frame.payload = sdk.JSON.marshal(response).encode()
        await self._write_message(frame.SerializeToString())

    def _configure(self, conf: Any) -> None:
        """Takes over the platform's wishes, as far as they are numbers to go by."""
        if isinstance(conf.ReconnectCount, int):
            self._reconnect_count = conf.ReconnectCount
        if _is_seconds(conf.ReconnectInterval):
            self._reconnect_interval = conf.ReconnectInterval
        if _is_seconds(conf.ReconnectNonce) or conf.ReconnectNonce == 0:
            self._reconnect_nonce = conf.ReconnectNonce
        if _is_seconds(conf.PingInterval):
            self._ping_interval = conf.PingInterval


def _checked(url: str) -> tuple[str, Mapping[str, str]]:
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


def _refused(error: InvalidStatus) -> FeishuError:
    """What a refused handshake tells in headers of its own."""
    status, headers = error.response.status_code, error.response.headers
    code = headers.get(_ws.HEADER_HANDSHAKE_STATUS, "")
    if not code.isdigit():
        return FeishuUnreachable(f"status {status}", call="handshake", status=status)
    action = FeishuAction.TELL_ADMIN if int(code) == _ws.FORBIDDEN else FeishuAction.RETRY
    return FeishuError(headers.get(_ws.HEADER_HANDSHAKE_MSG) or "", call="handshake", code=int(code), action=action)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0
