"""The long connection: the bot calls the platform, which then pushes events and card actions over a WebSocket.

https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/request-url-configuration-case
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx

from bot.feishu import sdk
from bot.feishu.http import Pool
from bot.feishu.responses import Answer, body_of
from bot.feishu.ws_client import PING_SECONDS, Take, WsClient

TIMEOUT = httpx.Timeout(5)
"""Seconds a phase of the call that asks where to connect to."""

_ENDPOINT = "/callback/ws/endpoint"


class LongConnection:
    """Keeps one connection to the platform open, in a thread of its own, and hands on what comes over it.

    The platform hands each event to one of an app's connections (50 at the most), picked at random.

    Args:
        domain: the platform's origin, as for the client.
        app_id: the App ID.
        app_secret: the App Secret.
        take: called with each event and card action, from several threads at once. It has less than three seconds.
        on_end: called when the platform has refused for good, and after ``close``.
        timeout: seconds a phase of the call that asks where to connect to.
        ping: seconds; see :data:`bot.feishu.ws_client.PING_SECONDS`.

    ``down`` tells in words why nothing can come at the moment, ``None`` when it can.

    Raises:
        SettingsError: the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        *,
        domain: str,
        app_id: str,
        app_secret: str,
        take: Take,
        on_end: Callable[[], None] = lambda: None,
        timeout: httpx.Timeout = TIMEOUT,
        ping: float = PING_SECONDS,
    ) -> None:
        self.down: str | None = "the long connection to Feishu has not been opened yet"
        self._credentials = {"AppID": app_id, "AppSecret": app_secret}
        self._take = take
        self._on_end = on_end
        self._ping = ping
        self._pool = Pool(domain=domain, timeout=timeout)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="long-connection")
        self._ended: Future[None] | None = None
        self._closing = False
        self._cancel: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Opens the connection, and opens it again whenever it is lost."""
        self._ended = self._thread.submit(asyncio.run, self._run())
        self._ended.add_done_callback(lambda _: self._on_end())

    def close(self) -> None:
        """Takes nothing new, answers what was taken, and closes the connection.

        Raises:
            FeishuError: the platform had refused for good before.
            SettingsError: the environment names a proxy that cannot be used.
        """
        self._closing = True
        self._cancel()
        try:
            if self._ended is not None:
                self._ended.result()
        finally:
            self._thread.shutdown()
            self._pool.close()

    async def _run(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            return
        self._cancel = lambda: _from_outside(loop, task.cancel)
        if self._closing:
            return
        app_id = self._credentials["AppID"]
        client = WsClient(app_id, ask=self._ask, take=self._take, tell=self._tell, ping=self._ping)
        with suppress(asyncio.CancelledError):
            await client.serve()

    def _tell(self, reason: str | None) -> None:
        self.down = reason and f"the long connection to Feishu is down: {reason}"

    def _ask(self) -> Mapping[str, Any]:
        """Asks where to connect to; the answer holds the address and the platform's wishes about reconnecting."""
        request = sdk.BaseRequest.builder().http_method(sdk.HttpMethod.POST).uri(_ENDPOINT)
        request = request.headers({"locale": "zh"}).body(self._credentials).build()
        return self._pool.call("endpoint", request, _data_of)


def _data_of(answer: Answer, call: str) -> Mapping[str, Any]:
    data = body_of(answer, call).get("data")
    return data if isinstance(data, dict) else {}


def _from_outside(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    # A loop that has ended meanwhile refuses.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
