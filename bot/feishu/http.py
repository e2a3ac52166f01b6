"""One call of the Open Platform over pooled connections: sent once, read within its limits, timed and recorded.

Most refusals come as 400, some as 200 (a wrong App Secret, often an expired token): only the body's ``code`` decides.
https://open.feishu.cn/document/server-docs/api-call-guide/server-error-codes
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
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

TIMEOUT = httpx.Timeout(connect=5, read=10, write=10, pool=10)
"""Seconds a phase of a call."""

SLOW_TIMEOUT = httpx.Timeout(connect=5, read=30, write=30, pool=10)
"""The same for a call that carries an image."""

DEADLINE = 60.0
"""Seconds from the start of a call after which no more of its answer is read."""

LARGEST_ANSWER = 1024 * 1024
"""Bytes of a JSON answer."""


class HttpResponse(NamedTuple):
    """The answer to the ``call`` of this name, read to its end; ``headers`` are looked up in any case."""

    call: str
    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class HttpSession:
    """The connections to one platform. It does not retry, follow redirects, or know about tokens.

    Raises:
        SettingsError: the environment names a proxy, or certificates, that cannot be used.
    """

    domain: str
    """The platform's origin: ``https://open.feishu.cn``, ``https://open.larksuite.com`` or a stand-in's."""
    transport: httpx.BaseTransport | None = None
    """Replaces the network."""
    proxy: str = ""
    """Replaces the proxy that the environment names."""
    ca_file: str = ""
    """Certificate authorities that are trusted in addition."""
    timeout: httpx.Timeout | None = None
    deadline: float = DEADLINE
    on_call: Callable[[str, float, int | None], None] = lambda _name, _seconds, _code: None
    """Called after every call with its name, its seconds, and the platform's code (0 is good, ``None`` no answer)."""
    on_date: Callable[[str | None], None] = lambda _date: None
    """Called with the ``Date`` header of every answer."""

    def __post_init__(self) -> None:
        headers = {"User-Agent": "feishu-glm-image-bot"}
        transport = self.transport or network(self.domain, proxy=self.proxy, ca_file=self.ca_file)
        self._http = httpx.Client(transport=transport, headers=headers)

    def exchange(
        self,
        name: str,
        request: Any,
        read: Callable[[HttpResponse], Result],
        *,
        token: str | None = None,
        largest: int = LARGEST_ANSWER,
    ) -> Result:
        """Makes one call; ``name``, such as ``reply``, is its name in logs, metrics and errors.

        ``request`` is a ``BaseRequest`` of the SDK; ``read`` makes the result of the answer, which may have ``largest``
        bytes, or raises its error. Errors are those of :class:`FeishuClient`.
        """
        started = time.monotonic()
        code: int | None = None
        log_id: str | None = None
        try:
            response = self._send(name, request, token=token, largest=largest)
            log_id = response.headers.get("x-tt-logid")
            result = read(response)
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
        body = request.body if isinstance(request.body, dict) else vars(request.body) if request.body else {}
        fields = {key: value for key, value in body.items() if value is not None}
        # The SDK's own transport omits the file name, which the platform refuses with 99992402.
        files = {key: fields.pop(key) for key, value in list(fields.items()) if isinstance(value, tuple)}
        content = None
        if fields and not files:
            headers["Content-Type"] = "application/json; charset=utf-8"
            # A lone surrogate, which JSON may carry and UTF-8 may not, is sent as a question mark.
            content = sdk.JSON.marshal(fields).encode("utf-8", "replace")
        path = re.sub(r":(\w+)", lambda key: quote(request.paths[key[1]], safe=""), request.uri)
        slow = bool(files) or largest > LARGEST_ANSWER
        ends_at = time.monotonic() + self.deadline
        answer = bytearray()
        try:
            with self._http.stream(
                request.http_method.name,
                self.domain.rstrip("/") + path,
                params=tuple(request.queries) or None,
                headers=headers,
                content=content,
                data={key: str(value) for key, value in fields.items()} if files else None,
                files=files or None,
                timeout=self.timeout or (SLOW_TIMEOUT if slow else TIMEOUT),
                follow_redirects=False,
            ) as response:
                status = response.status_code
                self.on_date(response.headers.get("Date"))
                for part in response.iter_bytes():
                    answer += part
                    if len(answer) > largest:
                        # The same answer would come again, so it is not retried.
                        message = f"more than {largest} bytes"
                        raise FeishuError(message, call=name, action=FeishuAction.REPORT, status=status)
                    if time.monotonic() > ends_at:
                        raise FeishuUnreachable("the answer did not end in time", call=name, status=status)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            # An impossible host name, such as open..feishu.cn, is a UnicodeError of Python's.
            raise FeishuUnreachable(f"{type(error).__name__}: {error}", call=name) from error
        return HttpResponse(name, status, response.headers, bytes(answer))


def network(origin: str, *, proxy: str, ca_file: str) -> httpx.HTTPTransport:
    """Connections to an origin; the arguments and the errors are those of :class:`HttpSession`."""
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20, keepalive_expiry=30)
    try:
        tls = trusted(ca_file)
    except OSError as error:
        expected = "must name a file of PEM certificates, or not be set"
        raise SettingsError([f"SSL_CERT_FILE: {expected} ({error.strerror or type(error).__name__})"]) from error
    address = proxy_for(httpx.URL(origin).host, configured=proxy)
    through = httpx.Proxy(address, ssl_context=tls if address.startswith("https:") else None) if address else None
    return httpx.HTTPTransport(verify=tls, limits=limits, proxy=through)


def trusted(ca_file: str) -> ssl.SSLContext:
    """The usual certificate authorities, or those of ``SSL_CERT_FILE``, and those of a file."""
    tls = httpx.create_ssl_context()
    if ca_file:
        tls.load_verify_locations(ca_file)
    return tls


def parse_json(response: HttpResponse) -> Mapping[str, Any]:
    """The JSON object of a good answer.

    ``FeishuUnreachable`` if the answer is not the platform's: HTML of a gateway, nothing, a part of it, another format.
    """
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    body = body if isinstance(body, dict) else {}
    code, call, status = body.get("code"), response.call, response.status
    if isinstance(code, bool) or not isinstance(code, int):
        raise FeishuUnreachable(f"status {status} without a code", call=call, status=status)
    if code != 0:
        raise _error_of(response, body, code)
    if status != HTTPStatus.OK:
        raise FeishuUnreachable(f"status {status} with code 0", call=call, status=status)
    return body


def parse_file(response: HttpResponse) -> bytes:
    """The bytes of a good answer that is a file; raises what :func:`parse_json` raises."""
    if response.status != HTTPStatus.OK or response.headers.get("content-type", "").startswith("application/json"):
        parse_json(response)
    elif response.content:
        return response.content
    raise FeishuUnreachable(f"status {response.status} without a file", call=response.call, status=response.status)


def require_str(body: Mapping[str, Any], *path: str, call: str) -> str:
    """The text at ``path`` of a good answer's body; ``FeishuUnreachable`` if the answer is not the documented one."""
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value:
        raise FeishuUnreachable(f"the answer has no {'.'.join(path)}", call=call)
    return value


def _error_of(response: HttpResponse, body: Mapping[str, Any], code: int) -> FeishuError:
    details = body.get("error")
    details = details if isinstance(details, dict) else {}
    log_id = response.headers.get("x-tt-logid") or details.get("log_id")
    helps = details.get("helps")
    first = helps[0] if isinstance(helps, list) and helps and isinstance(helps[0], dict) else {}
    help_url = first.get("url")
    reset = response.headers.get("x-ogw-ratelimit-reset", "")
    return FeishuError(
        storable(str(body.get("msg") or "")),
        call=response.call,
        code=code,
        action=action_of(code, status=response.status, call=response.call),
        status=response.status,
        log_id=log_id if isinstance(log_id, str) else None,
        retry_after=float(reset) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", reset) else None,
        help_url=help_url if isinstance(help_url, str) else None,
    )
