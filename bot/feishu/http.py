"""One call over pooled connections: sent once, read within its limits, timed, and recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable, SettingsError
from bot.feishu.http_request import wire
from bot.feishu.proxies import proxy_for
from bot.feishu.responses import Answer
from bot.logs import get_logger

log = get_logger(__name__)

Made = TypeVar("Made")
OnCall = Callable[[str, float, int | None], None]
"""Told of every call: its name, its seconds, and the platform's code (0 is good, ``None`` no answer)."""

TIMEOUT = httpx.Timeout(connect=5, read=10, write=10, pool=10)
"""Seconds a phase of a call; those that carry a picture have three times as long to read and to write."""

DEADLINE = 60.0
"""Seconds from the start of a call after which no more of its answer is waited for."""

LARGEST_ANSWER = 1024 * 1024
"""Bytes of a JSON answer."""


class Pool:
    """The connections to one platform. It does not retry, follow redirects, or know about tokens.

    Args:
        domain: the platform's origin, such as ``https://open.feishu.cn``.
        transport: sends the requests in place of the network.
        timeout: seconds a phase.
        deadline: seconds a call.
        on_call: told of every call, from the thread that made it.
        on_date: called with the ``Date`` header of every answer.

    Raises:
        SettingsError: the environment names a proxy, or certificates, that cannot be used.
    """

    def __init__(
        self,
        *,
        domain: str,
        transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        deadline: float = DEADLINE,
        on_call: OnCall | None = None,
        on_date: Callable[[str | None], None] = lambda _date: None,
    ) -> None:
        self._timeout = timeout
        self._slow = httpx.Timeout(
            connect=timeout.connect, read=_thrice(timeout.read), write=_thrice(timeout.write), pool=timeout.pool
        )
        self._deadline = deadline
        self._on_call = on_call
        # Whole addresses, as httpx would read each of them three times to put them together.
        self._origin = domain.rstrip("/")
        self._http = httpx.Client(
            transport=transport or _network(domain),
            follow_redirects=False,
            event_hooks={"response": [lambda response: on_date(response.headers.get("Date"))]},
            headers={"User-Agent": "feishu-glm-image-bot"},
        )

    def call(
        self,
        name: str,
        request: Any,
        read: Callable[[Answer, str], Made],
        *,
        token: str | None = None,
        largest: int = LARGEST_ANSWER,
    ) -> Made:
        """Makes one call.

        Args:
            name: what the call is named in logs and figures.
            request: a ``BaseRequest`` of the SDK.
            read: makes the result of the answer and the call's name, or raises the error that the answer tells of.
            token: the tenant token to send along.
            largest: bytes of an answer; a call that allows more than the usual may also take more time.

        Raises:
            FeishuError: the platform refused, or the answer is larger.
            FeishuUnreachable: no answer, or one that is not the platform's; the call may have been applied.
        """
        started = time.monotonic()
        code: int | None = None
        log_id: str | None = None
        try:
            answer = self._exchange(name, request, token=token, largest=largest)
            log_id = answer.log_id
            made = read(answer, name)
            code = 0
        except FeishuError as error:
            code = error.code
            raise
        else:
            return made
        finally:
            seconds = time.monotonic() - started
            log.debug("Feishu called", call=name, code=code, ms=round(seconds * 1000), log_id=log_id)
            if self._on_call is not None:
                self._on_call(name, seconds, code)

    def close(self) -> None:
        """Closes the connections; no call can be made after that."""
        self._http.close()

    def _exchange(self, name: str, request: Any, *, token: str | None, largest: int) -> Answer:
        sent = wire(request)
        headers = dict(sent.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if sent.json is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        ends_at = time.monotonic() + self._deadline
        try:
            with self._http.stream(
                sent.method,
                self._origin + sent.path,
                params=sent.query or None,
                headers=headers,
                content=sent.json,
                data=sent.fields or None,
                files=sent.files or None,
                timeout=self._slow if sent.files or largest > LARGEST_ANSWER else self._timeout,
            ) as response:
                content = _read(response, name, largest=largest, ends_at=ends_at)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            # A host name that cannot be one, such as open..feishu.cn, is a UnicodeError of Python's.
            raise FeishuUnreachable(f"{type(error).__name__}: {error}", call=name) from error
        headers = {key.lower(): value for key, value in response.headers.items()}
        return Answer(status=response.status_code, headers=headers, content=content)


def _network(domain: str) -> httpx.HTTPTransport:
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20, keepalive_expiry=30)
    proxy = proxy_for(httpx.URL(domain).host)
    try:
        return httpx.HTTPTransport(limits=limits, proxy=proxy)
    except OSError as error:
        expected = "must name a file of PEM certificates, or not be set"
        raise SettingsError([f"SSL_CERT_FILE: {expected} ({error.strerror or type(error).__name__})"]) from error


def _read(response: httpx.Response, name: str, *, largest: int, ends_at: float) -> bytes:
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > largest:
            # The same answer would come again, so this is no case for a retry.
            message = f"more than {largest} bytes"
            raise FeishuError(message, call=name, action=FeishuAction.REPORT, status=response.status_code)
        if time.monotonic() > ends_at:
            raise FeishuUnreachable("the answer did not end in time", call=name, status=response.status_code)
    return bytes(content)


def _thrice(seconds: float | None) -> float | None:
    return None if seconds is None else 3 * seconds
