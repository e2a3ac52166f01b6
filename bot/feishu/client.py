"""The calls to the Feishu Open Platform, by name: sent once over pooled connections, and read within their limits.

Most refusals come as 400, some as 200 (a wrong App Secret, often an expired token): only the body's ``code`` decides
(api-call-guide/server-error-codes). The pages in brackets are below https://open.feishu.cn/document/server-docs/.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.error_codes import TOKEN_REFUSED, action_of
from bot.feishu.network import network
from bot.logs import get_logger
from bot.models import value_at
from bot.text import storable

log = get_logger(__name__)

TIMEOUT = httpx.Timeout(connect=5, read=10, write=10, pool=10)
SLOW_TIMEOUT = httpx.Timeout(connect=5, read=30, write=30, pool=10)
"""Seconds per phase of a call, and of one that carries an image."""

DEADLINE = 60.0  # seconds from the start of a call after which no more of its answer is read
LARGEST_ANSWER = 1024 * 1024  # bytes of JSON
_ACTIVE, _GRANTED = 2, 1


class HttpResponse(NamedTuple):
    """The answer to the ``call`` of this name, read to its end; ``headers`` are looked up in any case."""

    call: str
    status: int
    headers: Mapping[str, str]
    content: bytes


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
    value = value_at(body, *path)
    if not isinstance(value, str) or not value:
        raise FeishuUnreachable(f"the answer has no {'.'.join(path)}", call=call)
    return value


def _error_of(response: HttpResponse, body: Mapping[str, Any], code: int) -> FeishuError:
    help_url: str | None = None
    match body.get("error"):
        case {"helps": [{"url": str(url)}, *_]}:
            help_url = url
    reset = response.headers.get("x-ogw-ratelimit-reset", "")
    return FeishuError(
        storable(str(body.get("msg") or "")),
        call=response.call,
        code=code,
        action=action_of(code, status=response.status, call=response.call),
        status=response.status,
        log_id=response.headers.get("x-tt-logid"),
        retry_after=float(reset) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", reset) else None,
        help_url=help_url,
    )


class BotInfo(NamedTuple):
    """The bot itself; ``active`` is whether its tenant has switched it on."""

    open_id: str
    name: str
    active: bool


class TenantToken:
    """The tenant access token of one app, for any number of threads.

    It is renewed when a tenth of its lifetime, and at most five minutes, is left. While no new one can be fetched, the
    old one is used to its end (authentication-management/access-token/tenant_access_token_internal). ``fetch`` returns
    a token and its lifetime in seconds; ``clock`` gives seconds since 1970.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], *, clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._value, self._renew_at, self._expires_at = "", 0.0, 0.0

    def get(self) -> str:
        """A valid token, fetched if there is none; raises what ``fetch`` raises."""
        with self._lock:
            now = self._clock()
            if now >= self._renew_at:
                try:
                    self._value, lifetime = self._fetch()
                except FeishuError:
                    if now >= self._expires_at:
                        raise
                else:
                    self._expires_at = now + lifetime
                    self._renew_at = self._expires_at - min(300.0, 0.1 * lifetime)
            return self._value

    def invalidate(self, value: str) -> None:
        """Discards this token, which the platform refuses, unless a new one was fetched since."""
        with self._lock:
            if self._value == value:
                self._renew_at = self._expires_at = 0.0


@dataclass(kw_only=True, eq=False, repr=False)
class FeishuClient:
    """Calls one app's platform, from any number of threads.

    A call is made once; only a refused token is replaced and the call repeated. Everything else is repeated by the
    caller, as :attr:`FeishuError.action` says. Every call raises:

    - ``FeishuError`` if the platform refuses,
    - ``FeishuUnreachable`` if there is no answer or none of the platform's; the call may have been applied, so a send
      is repeated with the same ``uuid``. An upload has no such id: repeated, it wastes a key.
    """

    domain: str  # the platform's origin: https://open.feishu.cn, https://open.larksuite.com or a stand-in's
    app_id: str
    app_secret: str  # may be replaced at any time; the next token is fetched with it
    transport: httpx.BaseTransport | None = None  # replaces the network
    proxy: str = ""  # replaces the proxy that the environment names
    ca_file: str = ""  # certificate authorities that are trusted in addition
    timeout: httpx.Timeout | None = None
    deadline: float = DEADLINE
    # Called after every call with its name, its seconds, and the platform's code (0 is good, None no answer).
    on_call: Callable[[str, float, int | None], None] = lambda _name, _seconds, _code: None
    on_date: Callable[[str | None], None] = lambda _date: None  # called with the Date header of every answer
    clock: Callable[[], float] = time.time
    # Put around each call, by its name; what it raises stops the call.
    guard: Callable[[str], AbstractContextManager[None]] = lambda _name: nullcontext()

    def __post_init__(self) -> None:
        headers = {"User-Agent": "feishu-glm-image-bot"}
        transport = self.transport or network(self.domain, proxy=self.proxy, ca_file=self.ca_file)
        self._http = httpx.Client(transport=transport, headers=headers)
        self.token = TenantToken(self._fetch_token, clock=self.clock)

    def bot_info(self) -> BotInfo:
        """The bot itself (../client-docs/bot-v3/obtain-bot-information); the call counts towards the monthly quota."""
        body = self.call("bot_info", "GET", "bot/v3/info")
        open_id, bot = require_str(body, "bot", "open_id", call="bot_info"), body["bot"]
        return BotInfo(open_id, str(bot.get("app_name") or ""), bot.get("activate_status") == _ACTIVE)

    def granted_scopes(self) -> frozenset[str]:
        """The scopes that the tenant has granted to the app; the call needs none (application-v6/scope/list)."""
        match self.call("scopes", "GET", "application/v6/scopes"):
            case {"data": {"scopes": list(scopes)}}:
                return frozenset(
                    str(scope.get("scope_name"))
                    for scope in scopes
                    if isinstance(scope, Mapping) and scope.get("grant_status") == _GRANTED
                )
        raise FeishuUnreachable("the answer has no data.scopes", call="scopes")

    def reply(self, message_id: str, *, msg_type: str, content: str, uuid: str, in_thread: bool) -> str:
        """Replies to a message; returns the reply's ``message_id`` (im-v1/message/reply).

        Args:
            message_id: the message replied to.
            msg_type: ``text``, ``image``, ``file`` or ``interactive``.
            content: JSON as text; at most 150 KB for text, 30 KB for a card.
            uuid: at most 50 characters; for an hour, the same one sends nothing new and returns the first reply.
            in_thread: true only if that message has a ``thread_id``: elsewhere it would open a topic.
        """
        body = {"msg_type": msg_type, "content": content, "uuid": uuid, "reply_in_thread": in_thread}
        answer = self.call("reply", "POST", "im/v1/messages/{}/reply", message_id, body=body)
        return require_str(answer, "data", "message_id", call="reply")

    def send(self, receive_id: str, *, msg_type: str, content: str, uuid: str) -> str:
        """Sends a message that quotes none to a chat (``oc_``) or a person (``ou_``) (im-v1/message/create).

        The other arguments and the result are those of :meth:`reply`.
        """
        body = {"receive_id": receive_id, "msg_type": msg_type, "content": content, "uuid": uuid}
        query = {"receive_id_type": "chat_id" if receive_id.startswith("oc_") else "open_id"}
        answer = self.call("create", "POST", "im/v1/messages", params=query, body=body)
        return require_str(answer, "data", "message_id", call="create")

    def patch(self, message_id: str, *, content: str) -> None:
        """Replaces a card that the bot sent in the last 14 days; at most five times a second each.

        ``content`` is the new card, JSON as text, at most 30 KB (im-v1/message-card/patch).
        """
        self.call("patch", "PATCH", "im/v1/messages/{}", message_id, body={"content": content})

    def recall(self, message_id: str) -> None:
        """Recalls a message that the bot sent (im-v1/message/delete)."""
        self.call("recall", "DELETE", "im/v1/messages/{}", message_id)

    def react(self, message_id: str, *, emoji_type: str) -> None:
        """Puts an emoji on a message; needs ``im:message.reactions:write_only`` (im-v1/message-reaction/create)."""
        body = {"reaction_type": {"emoji_type": emoji_type}}
        self.call("react", "POST", "im/v1/messages/{}/reactions", message_id, body=body)

    def upload_image(self, content: bytes, *, filename: str) -> str:
        """Uploads an image of at most 10 MB and 12,000 by 12,000 pixels; returns its key (im-v1/image/create)."""
        data, files = {"image_type": "message"}, {"image": (filename, content)}
        answer = self.call("image", "POST", "im/v1/images", data=data, files=files)
        return require_str(answer, "data", "image_key", call="image")

    def upload_file(self, content: bytes, *, filename: str) -> str:
        """Uploads a file of at most 30 MB under the name that people see; returns its key (im-v1/file/create)."""
        data, files = {"file_type": "stream", "file_name": filename}, {"file": (filename, content)}
        answer = self.call("file", "POST", "im/v1/files", data=data, files=files)
        return require_str(answer, "data", "file_key", call="file")

    def download_own_image(self, image_key: str, *, largest: int) -> bytes:
        """Downloads an image that this app uploaded, of at most ``largest`` bytes (im-v1/image/get)."""
        content: bytes = self.call("own_image", "GET", "im/v1/images/{}", image_key, read=parse_file, largest=largest)
        return content

    def call(self, name: str, method: str, path: str, *ids: str, **parts: Any) -> Any:
        """Makes a call with the app's token: :meth:`exchange` with ``ids`` in the places of ``{}`` in the path."""
        path = "/open-apis/" + path.format(*(quote(one, safe="") for one in ids))
        with self.guard(name):
            token = self.token.get()
            try:
                return self.exchange(name, method, path, token=token, **parts)
            except FeishuError as error:
                if error.code not in TOKEN_REFUSED:
                    raise
            self.token.invalidate(token)
            return self.exchange(name, method, path, token=self.token.get(), **parts)

    def exchange(
        self, name: str, method: str, path: str, *, read: Callable[[HttpResponse], Any] = parse_json, **parts: Any
    ) -> Any:
        """Makes one call; ``name``, such as ``reply``, is its name in logs, metrics and errors.

        The result is the JSON object of a good answer, unless ``read`` makes another of it. The ``parts`` of the
        request are ``body`` for JSON, ``headers``, ``largest`` for the bytes of the answer, and what httpx takes.
        """
        started = time.monotonic()
        code: int | None = None
        log_id: str | None = None
        try:
            response = self._send(name, method, path, **parts)
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
        self._http.close()

    def _fetch_token(self) -> tuple[str, float]:
        path = "/open-apis/auth/v3/tenant_access_token/internal"
        # The secret of this moment: a new one may have been set since the start.
        body = {"app_id": self.app_id, "app_secret": self.app_secret}
        match self.exchange("token", "POST", path, body=body):
            case {"tenant_access_token": str(token), "expire": int() | float() as lifetime} if token:
                return token, float(lifetime)
        raise FeishuUnreachable("the answer has no token and lifetime", call="token")

    def _send(
        self,
        name: str,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        largest: int = LARGEST_ANSWER,
        **parts: Any,
    ) -> HttpResponse:
        headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
            # A lone surrogate, which JSON may carry and UTF-8 may not, is sent as a question mark.
            parts["content"] = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        slow = "files" in parts or largest > LARGEST_ANSWER
        timeout = self.timeout or (SLOW_TIMEOUT if slow else TIMEOUT)
        url, ends_at, answer = self.domain.rstrip("/") + path, time.monotonic() + self.deadline, bytearray()
        try:
            with self._http.stream(method, url, headers=headers, timeout=timeout, **parts) as response:
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
