"""The calls to the Feishu Open Platform, by name: sent once over pooled connections, and read within their limits.

Most refusals come as 400, some as 200 (a wrong App Secret, often an expired token): only the body's ``code`` decides.
https://open.feishu.cn/document/server-docs/api-call-guide/server-error-codes
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
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote

import httpx

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu import sdk
from bot.feishu.error_codes import TOKEN_REFUSED, action_of
from bot.feishu.network import network
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

_ACTIVE, _GRANTED = 2, 1


class HttpResponse(NamedTuple):
    """The answer to the ``call`` of this name, read to its end; ``headers`` are looked up in any case."""

    call: str
    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BotInfo:
    """The bot itself; ``active`` is whether its tenant has switched it on."""

    open_id: str
    name: str
    active: bool


class TenantToken:
    """The tenant access token of one app, for any number of threads.

    It is renewed when a tenth of its lifetime, and at most five minutes, is left. While no new one can be fetched, the
    old one is used to its end. ``fetch`` asks the platform, and returns a token and its lifetime in seconds; ``clock``
    gives seconds since 1970.

    https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], *, clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._value, self._renew_at, self._expires_at = "", 0.0, 0.0

    def get(self) -> str:
        """A valid token; raises what ``fetch`` raises if there is none."""
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

    ``app_id`` and ``app_secret`` belong to one of the two platforms; ``clock`` gives seconds since 1970.
    """

    domain: str
    """The platform's origin: ``https://open.feishu.cn``, ``https://open.larksuite.com`` or a stand-in's."""
    app_id: str
    app_secret: str
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
    clock: Callable[[], float] = time.time
    guard: Callable[[str], AbstractContextManager[None]] = lambda _name: nullcontext()
    """Put around each call, by its name; what it raises stops the call."""

    def __post_init__(self) -> None:
        headers = {"User-Agent": "feishu-glm-image-bot"}
        transport = self.transport or network(self.domain, proxy=self.proxy, ca_file=self.ca_file)
        self._http = httpx.Client(transport=transport, headers=headers)
        self._token = TenantToken(self._fetch_token, clock=self.clock)

    def bot_info(self) -> BotInfo:
        """The bot itself. The call counts towards the monthly quota.

        https://open.feishu.cn/document/client-docs/bot-v3/obtain-bot-information
        """
        body = self.call("bot_info", "GET", "/open-apis/bot/v3/info")
        open_id, bot = require_str(body, "bot", "open_id", call="bot_info"), body["bot"]
        name, active = str(bot.get("app_name") or ""), bot.get("activate_status") == _ACTIVE
        return BotInfo(open_id=open_id, name=name, active=active)

    def granted_scopes(self) -> frozenset[str]:
        """The scopes that the tenant has granted to the app; the call itself needs none.

        https://open.feishu.cn/document/server-docs/application-v6/scope/list
        """
        match self.call("scopes", "GET", "/open-apis/application/v6/scopes"):
            case {"data": {"scopes": list(scopes)}}:
                return frozenset(
                    str(scope.get("scope_name"))
                    for scope in scopes
                    if isinstance(scope, Mapping) and scope.get("grant_status") == _GRANTED
                )
        raise FeishuUnreachable("the answer has no data.scopes", call="scopes")

    def reply(self, message_id: str, *, msg_type: str, content: str, uuid: str, in_thread: bool) -> str:
        """Replies to a message; returns the reply's ``message_id``.

        https://open.feishu.cn/document/server-docs/im-v1/message/reply

        Args:
            message_id: the message replied to.
            msg_type: ``text``, ``image``, ``file`` or ``interactive``.
            content: JSON as text; at most 150 KB for text, 30 KB for a card.
            uuid: at most 50 characters; for an hour, the same one sends nothing new and returns the first reply.
            in_thread: true only if that message has a ``thread_id``: elsewhere it would open a topic.
        """
        body = sdk.im.ReplyMessageRequestBody.builder().content(content).msg_type(msg_type)
        body = body.reply_in_thread(in_thread).uuid(uuid).build()
        request = sdk.im.ReplyMessageRequest.builder().message_id(message_id).request_body(body).build()
        return self._call_for("message_id", "reply", request)

    def send(
        self, receive_id: str, *, receive_id_type: Literal["chat_id", "open_id"], msg_type: str, content: str, uuid: str
    ) -> str:
        """Sends a message that quotes none to a chat or a person; arguments and result as for :meth:`reply`.

        https://open.feishu.cn/document/server-docs/im-v1/message/create
        """
        body = sdk.im.CreateMessageRequestBody.builder().receive_id(receive_id).msg_type(msg_type)
        body = body.content(content).uuid(uuid).build()
        request = sdk.im.CreateMessageRequest.builder().receive_id_type(receive_id_type).request_body(body).build()
        return self._call_for("message_id", "create", request)

    def patch(self, message_id: str, *, content: str) -> None:
        """Replaces a card that the bot sent in the last 14 days; at most five times a second each.

        ``content`` is the new card, JSON as text, at most 30 KB.
        https://open.feishu.cn/document/server-docs/im-v1/message-card/patch
        """
        body = sdk.im.PatchMessageRequestBody.builder().content(content).build()
        request = sdk.im.PatchMessageRequest.builder().message_id(message_id).request_body(body).build()
        self._call("patch", request, parse_json)

    def recall(self, message_id: str) -> None:
        """Recalls a message that the bot sent.

        https://open.feishu.cn/document/server-docs/im-v1/message/delete
        """
        self._call("recall", sdk.im.DeleteMessageRequest.builder().message_id(message_id).build(), parse_json)

    def react(self, message_id: str, *, emoji_type: str) -> None:
        """Puts an emoji on a message, for which the scope ``im:message.reactions:write_only`` is needed.

        https://open.feishu.cn/document/server-docs/im-v1/message-reaction/create
        """
        uri, body = "/open-apis/im/v1/messages/:message_id/reactions", {"reaction_type": {"emoji_type": emoji_type}}
        self.call("react", "POST", uri, paths={"message_id": message_id}, body=body)

    def upload_image(self, content: bytes, *, filename: str) -> str:
        """Uploads an image of at most 10 MB and 12,000 by 12,000 pixels; returns its image key.

        https://open.feishu.cn/document/server-docs/im-v1/image/create
        """
        body = sdk.im.CreateImageRequestBody.builder().image_type("message").image((filename, content)).build()
        request = sdk.im.CreateImageRequest.builder().request_body(body).build()
        return self._call_for("image_key", "image", request)

    def upload_file(self, content: bytes, *, filename: str) -> str:
        """Uploads a file of at most 30 MB, unchanged, under the name that people see; returns its file key.

        https://open.feishu.cn/document/server-docs/im-v1/file/create
        """
        body = sdk.im.CreateFileRequestBody.builder().file_type("stream").file_name(filename)
        request = sdk.im.CreateFileRequest.builder().request_body(body.file((filename, content)).build()).build()
        return self._call_for("file_key", "file", request)

    def download_own_image(self, image_key: str, *, largest: int) -> bytes:
        """Downloads an image that this app uploaded, of at most ``largest`` bytes.

        https://open.feishu.cn/document/server-docs/im-v1/image/get
        """
        request = sdk.im.GetImageRequest.builder().image_key(image_key).build()
        return self._call("own_image", request, parse_file, largest=largest)

    def call(self, name: str, method: str, uri: str, **parts: Any) -> Mapping[str, Any]:
        """Makes a call for which the SDK's models are not imported, see :func:`sdk.plain_request`; returns the body."""
        return self._call(name, sdk.plain_request(method, uri, **parts), parse_json)

    def fetch_token(self) -> None:
        """Fetches a token if there is no valid one, so that later calls need not; it does not count as a call."""
        self._token.get()

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

    def _call_for(self, key: str, name: str, request: Any) -> str:
        return require_str(self._call(name, request, parse_json), "data", key, call=name)

    def _call(
        self, name: str, request: Any, read: Callable[[HttpResponse], Result], *, largest: int = LARGEST_ANSWER
    ) -> Result:
        with self.guard(name):
            token = self._token.get()
            try:
                return self.exchange(name, request, read, token=token, largest=largest)
            except FeishuError as error:
                if error.code not in TOKEN_REFUSED:
                    raise
            self._token.invalidate(token)
            return self.exchange(name, request, read, token=self._token.get(), largest=largest)

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

    def _fetch_token(self) -> tuple[str, float]:
        uri = "/open-apis/auth/v3/tenant_access_token/internal"
        credentials = {"app_id": self.app_id, "app_secret": self.app_secret}
        return self.exchange("token", sdk.plain_request("POST", uri, body=credentials), _parse_token)


def _parse_token(response: HttpResponse) -> tuple[str, float]:
    body = parse_json(response)
    lifetime = body.get("expire")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        raise FeishuUnreachable("the answer has no expire", call=response.call)
    return require_str(body, "tenant_access_token", call=response.call), float(lifetime)


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
