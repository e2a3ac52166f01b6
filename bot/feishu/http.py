"""One call of the Open Platform over pooled connections: sent once, read within its limits, timed and recorded.

Most refusals come as 400, some as 200 (a wrong App Secret, often an expired token): only the body's ``code`` decides.
https://open.feishu.cn/document/server-docs/api-call-guide/server-error-codes
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable, SettingsError
from bot.feishu import sdk
from bot.feishu.error_codes import action_of
from bot.feishu.proxies import proxy_for
from bot.logs import get_logger
from bot.text import storable

log = get_logger(__name__)

Result = TypeVar("Result")
OnCall = Callable[[str, float, int | None], None]
"""Called after every call with its name, its seconds, and the platform's code (0 is good, ``None`` no answer)."""

TIMEOUT = httpx.Timeout(connect=5, read=10, write=10, pool=10)
"""Seconds a phase of a call; those that carry an image have three times as long to read and to write."""

DEADLINE = 60.0
"""Seconds from the start of a call after which no more of its answer is read."""

LARGEST_ANSWER = 1024 * 1024
"""Bytes of a JSON answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    """Looked up in any case."""
    content: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class HttpSession:
    """The connections to one platform. It does not retry, follow redirects, or know about tokens.

    Args:
        domain: the platform's origin: ``https://open.feishu.cn``, ``https://open.larksuite.com`` or a stand-in's.
        transport: replaces the network.
        timeout: seconds a phase of a call.
        deadline: seconds a call.
        on_date: called with the ``Date`` header of every answer.

    Raises:
        SettingsError: the environment names a proxy, or certificates, that cannot be used.
    """

    domain: str
    transport: httpx.BaseTransport | None = None
    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    deadline: float = DEADLINE
    on_call: OnCall = lambda _name, _seconds, _code: None
    on_date: Callable[[str | None], None] = lambda _date: None

    def __post_init__(self) -> None:
        self._http = httpx.Client(
            transport=self.transport or _network(self.domain),
            follow_redirects=False,
            headers={"User-Agent": "feishu-glm-image-bot"},
        )

    def exchange(
        self,
        name: str,
        request: Any,
        read: Callable[[HttpResponse, str], Result],
        *,
        token: str | None = None,
        largest: int = LARGEST_ANSWER,
    ) -> Result:
        """Makes one call.

        Args:
            name: of the call in logs, metrics and errors, such as ``reply``.
            request: a ``BaseRequest`` of the SDK.
            read: makes the result of the answer and the call's name, or raises its error.
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
            response = self._send(name, request, token=token, largest=largest)
            log_id = response.headers.get("x-tt-logid")
            result = read(response, name)
            code = 0
        except FeishuError as error:
            code = error.code
            raise
        finally:
            seconds = time.monotonic() - started
            log.debug("Feishu called", call=name, code=code, ms=round(seconds * 1000), log_id=log_id)
            self.on_call(name, seconds, code)
        return result

    def close(self) -> None:
        """Closes the connections; no call can be made after that."""
        self._http.close()

    def _send(self, name: str, request: Any, *, token: str | None, largest: int) -> HttpResponse:
        headers = dict(request.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = {} if request.body is None else request.body if isinstance(request.body, dict) else vars(request.body)
        fields = {key: value for key, value in body.items() if value is not None}
        # The SDK's own transport omits the file name, which the platform refuses with 99992402.
        files = {key: fields.pop(key) for key, value in list(fields.items()) if isinstance(value, tuple)}
        content = None
        if fields and not files:
            headers["Content-Type"] = "application/json; charset=utf-8"
            # A lone surrogate, which JSON may carry and UTF-8 may not, is sent as a question mark.
            content = sdk.JSON.marshal(fields).encode("utf-8", "replace")
        path = re.sub(r":(\w+)", lambda key: quote(request.paths[key[1]], safe=""), request.uri)
        ends_at = time.monotonic() + self.deadline
        try:
            with self._http.stream(
                request.http_method.name,
                self.domain.rstrip("/") + path,
                params=tuple(request.queries) or None,
                headers=headers,
                content=content,
                data={key: str(value) for key, value in fields.items()} if files else None,
                files=files or None,
                timeout=_slow(self.timeout) if files or largest > LARGEST_ANSWER else self.timeout,
            ) as response:
                self.on_date(response.headers.get("Date"))
                answer = _read(response, name, largest=largest, ends_at=ends_at)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            # An impossible host name, such as open..feishu.cn, is a UnicodeError of Python's.
            raise FeishuUnreachable(f"{type(error).__name__}: {error}", call=name) from error
        return HttpResponse(status=response.status_code, headers=response.headers, content=answer)


def _slow(timeout: httpx.Timeout) -> httpx.Timeout:
    read, write = (seconds and 3 * seconds for seconds in (timeout.read, timeout.write))
    return httpx.Timeout(connect=timeout.connect, read=read, write=write, pool=timeout.pool)


def parse_json(response: HttpResponse, call: str) -> Mapping[str, Any]:
    """The JSON object of a good answer.

    Raises:
        FeishuError: the platform refused.
        FeishuUnreachable: the answer is not the platform's: HTML of a gateway, nothing, a part of it, another format.
    """
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    body = body if isinstance(body, dict) else {}
    code = body.get("code")
    if isinstance(code, bool) or not isinstance(code, int):
        raise FeishuUnreachable(f"status {response.status} without a code", call=call, status=response.status)
    if code != 0:
        raise _error_of(response, body, code, call)
    if response.status != HTTPStatus.OK:
        raise FeishuUnreachable(f"status {response.status} with code 0", call=call, status=response.status)
    return body


def parse_file(response: HttpResponse, call: str) -> bytes:
    """The bytes of a good answer that is a file; raises what :func:`parse_json` raises."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    if response.status != HTTPStatus.OK or is_json:
        parse_json(response, call)
        raise FeishuUnreachable(f"status {response.status} without a file", call=call, status=response.status)
    if not response.content:
        raise FeishuUnreachable("an empty file", call=call, status=response.status)
    return response.content


def require_str(body: Mapping[str, Any], *path: str, call: str) -> str:
    """The text at ``path`` of a good answer's body; ``FeishuUnreachable`` if the answer is not the documented one."""
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value:
        raise FeishuUnreachable(f"the answer has no {'.'.join(path)}", call=call)
    return value


def _error_of(response: HttpResponse, body: Mapping[str, Any], code: int, call: str) -> FeishuError:
    details = body.get("error")
    details = details if isinstance(details, dict) else {}
    log_id = response.headers.get("x-tt-logid") or details.get("log_id")
    helps = details.get("helps")
    first = helps[0] if isinstance(helps, list) and helps else None
    help_url = first.get("url") if isinstance(first, dict) else None
    try:
        retry_after = float(response.headers.get("x-ogw-ratelimit-reset", ""))
    except ValueError:
        retry_after = math.nan
    return FeishuError(
        storable(str(body.get("msg") or "")),
        call=call,
        code=code,
        action=action_of(code, status=response.status, call=call),
        status=response.status,
        log_id=log_id if isinstance(log_id, str) else None,
        retry_after=retry_after if math.isfinite(retry_after) and retry_after >= 0 else None,
        help_url=help_url if isinstance(help_url, str) else None,
    )


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
            # The same answer would come again, so it is not retried.
            message = f"more than {largest} bytes"
            raise FeishuError(message, call=name, action=FeishuAction.REPORT, status=response.status_code)
        if time.monotonic() > ends_at:
            raise FeishuUnreachable("the answer did not end in time", call=name, status=response.status_code)
    return bytes(content)
