"""The calls that the bot makes to the Feishu Open Platform, by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from bot.errors import FeishuError, FeishuUnreachable
from bot.feishu import sdk
from bot.feishu.error_codes import TOKEN_REFUSED
from bot.feishu.http import DEADLINE, LARGEST_ANSWER, TIMEOUT, Made, OnCall, Pool
from bot.feishu.responses import Answer, body_of, content_of, text_in
from bot.feishu.token import TenantToken, Token

_ACTIVE = 2
_GRANTED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BotInfo:
    """The bot itself; ``active`` tells whether its tenant has switched it on."""

    open_id: str
    name: str
    active: bool


class FeishuClient:
    """Calls one app's platform, from any number of threads.

    A call is made once; only a refused token is fetched anew and the call made a second time. Whether and when to
    repeat anything else is the caller's decision, by :attr:`FeishuError.action`. Every call raises:

    - ``FeishuError`` when the platform refuses,
    - ``FeishuUnreachable`` when there is no answer or none of the platform's; the call may have been applied, so a
      send is repeated with the same ``uuid``. An upload has no such id: repeated, it wastes a key.

    Args:
        domain: the platform's origin: ``https://open.feishu.cn``, ``https://open.larksuite.com`` or a stand-in's.
        app_id: the App ID; it and the secret belong to one of the two platforms.
        app_secret: the App Secret.
        transport: sends the requests in place of the network.
        clock: seconds since 1970; for the token's end.
        timeout: seconds a phase of a call.
        deadline: seconds a call.
        on_call: told the name, the seconds and the code of each call.
        on_date: called with the ``Date`` header of each answer.
    """

    def __init__(
        self,
        *,
        domain: str,
        app_id: str,
        app_secret: str,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        timeout: httpx.Timeout = TIMEOUT,
        deadline: float = DEADLINE,
        on_call: OnCall | None = None,
        on_date: Callable[[str | None], None] = lambda _date: None,
    ) -> None:
        self._credentials = {"app_id": app_id, "app_secret": app_secret}
        self._pool = Pool(
            domain=domain, transport=transport, timeout=timeout, deadline=deadline, on_call=on_call, on_date=on_date
        )
        self._token = TenantToken(self._fetch_token, clock=clock)

    def bot_info(self) -> BotInfo:
        """Who the bot is. Ask once: the call counts to the month's.

        https://open.feishu.cn/document/client-docs/bot-v3/obtain-bot-information
        """
        request = sdk.BaseRequest.builder().http_method(sdk.HttpMethod.GET).uri("/open-apis/bot/v3/info").build()
        body = self._call("bot_info", request)
        return BotInfo(
            open_id=text_in(body, "bot", "open_id", call="bot_info"),
            name=str(body["bot"].get("app_name") or ""),
            active=body["bot"].get("activate_status") == _ACTIVE,
        )

    def granted_scopes(self) -> frozenset[str]:
        """The scopes that the tenant has granted to the app, which no scope is needed to ask.

        https://open.feishu.cn/document/server-docs/application-v6/scope/list
        """
        request = sdk.BaseRequest.builder().http_method(sdk.HttpMethod.GET)
        body = self._call("scopes", request.uri("/open-apis/application/v6/scopes").build())
        given = body.get("data")
        listed = given.get("scopes") if isinstance(given, Mapping) else None
        if not isinstance(listed, list):
            raise FeishuUnreachable("the answer has no data.scopes", call="scopes")
        scopes = [scope for scope in listed if isinstance(scope, Mapping)]
        return frozenset(str(scope.get("scope_name")) for scope in scopes if scope.get("grant_status") == _GRANTED)

    def reply(self, message_id: str, *, msg_type: str, content: str, uuid: str, in_thread: bool) -> str:
        """Replies to a message.

        https://open.feishu.cn/document/server-docs/im-v1/message/reply

        Args:
            message_id: the message replied to.
            msg_type: ``text``, ``image``, ``file`` or ``interactive``.
            content: JSON as text; at most 150 KB for text, 30 KB for a card.
            uuid: at most 50 characters; for an hour, the same one sends nothing new.
            in_thread: true only when that message has a ``thread_id``: elsewhere it would open a topic.

        Returns:
            The reply's ``message_id``; for a ``uuid`` seen before, that of the first reply.
        """
        body = sdk.ReplyMessageRequestBody.builder().content(content).msg_type(msg_type)
        body = body.reply_in_thread(in_thread).uuid(uuid).build()
        request = sdk.ReplyMessageRequest.builder().message_id(message_id).request_body(body).build()
        return text_in(self._call("reply", request), "data", "message_id", call="reply")

    def send(
        self, receive_id: str, *, receive_id_type: Literal["chat_id", "open_id"], msg_type: str, content: str, uuid: str
    ) -> str:
        """Sends a message to a chat or a person, quoting none; arguments and result as for :meth:`reply`.

        https://open.feishu.cn/document/server-docs/im-v1/message/create
        """
        body = sdk.CreateMessageRequestBody.builder().receive_id(receive_id).msg_type(msg_type)
        body = body.content(content).uuid(uuid).build()
        request = sdk.CreateMessageRequest.builder().receive_id_type(receive_id_type).request_body(body).build()
        return text_in(self._call("create", request), "data", "message_id", call="create")

    def patch(self, message_id: str, *, content: str) -> None:
        """Replaces a card that the bot sent in the last 14 days; at most five times a second each.

        https://open.feishu.cn/document/server-docs/im-v1/message-card/patch

        Args:
            message_id: the card's message.
            content: the new card, JSON as text, at most 30 KB.
        """
        body = sdk.PatchMessageRequestBody.builder().content(content).build()
        self._call("patch", sdk.PatchMessageRequest.builder().message_id(message_id).request_body(body).build())

    def recall(self, message_id: str) -> None:
        """Recalls a message that the bot sent.

        https://open.feishu.cn/document/server-docs/im-v1/message/delete
        """
        self._call("recall", sdk.DeleteMessageRequest.builder().message_id(message_id).build())

    def upload_image(self, content: bytes, *, filename: str) -> str:
        """Uploads a picture of at most 10 MB and 12,000 by 12,000 pixels; returns its image key.

        https://open.feishu.cn/document/server-docs/im-v1/image/create

        Args:
            content: the picture's bytes.
            filename: a name whose ending tells the picture's format.
        """
        body = sdk.CreateImageRequestBody.builder().image_type("message").image((filename, content)).build()
        request = sdk.CreateImageRequest.builder().request_body(body).build()
        return text_in(self._call("image", request), "data", "image_key", call="image")

    def upload_file(self, content: bytes, *, filename: str) -> str:
        """Uploads a file of at most 30 MB as it is; returns its file key.

        https://open.feishu.cn/document/server-docs/im-v1/file/create

        Args:
            content: the file's bytes.
            filename: the name under which a person finds it.
        """
        body = sdk.CreateFileRequestBody.builder().file_type("stream").file_name(filename)
        body = body.file((filename, content)).build()
        request = sdk.CreateFileRequest.builder().request_body(body).build()
        return text_in(self._call("file", request), "data", "file_key", call="file")

    def download_own_image(self, image_key: str, *, largest: int) -> bytes:
        """Fetches a picture that this app uploaded, of at most ``largest`` bytes; those of its cards, too.

        https://open.feishu.cn/document/server-docs/im-v1/image/get
        """
        request = sdk.GetImageRequest.builder().image_key(image_key).build()
        return self._with_token("own_image", request, content_of, largest=largest)

    def call(self, name: str, request: Any) -> Mapping[str, Any]:
        """Makes a call that has no method here, of a request that an SDK builder built; gives the answer's body."""
        return self._call(name, request)

    def fetch_token(self) -> None:
        """Fetches a token where there is none that holds, so that later calls need not; it is no call of the plan."""
        self._token.get()

    def close(self) -> None:
        """Closes the connections; no call can be made after that."""
        self._pool.close()

    def _call(self, name: str, request: Any) -> Mapping[str, Any]:
        return self._with_token(name, request, body_of, largest=LARGEST_ANSWER)

    def _with_token(self, name: str, request: Any, read: Callable[[Answer, str], Made], *, largest: int) -> Made:
        token = self._token.get()
        try:
            return self._pool.call(name, request, read, token=token, largest=largest)
        except FeishuError as error:
            if error.code not in TOKEN_REFUSED:
                raise
        self._token.refuse(token)
        return self._pool.call(name, request, read, token=self._token.get(), largest=largest)

    def _fetch_token(self) -> Token:
        builder = sdk.BaseRequest.builder().http_method(sdk.HttpMethod.POST)
        builder = builder.uri("/open-apis/auth/v3/tenant_access_token/internal").body(self._credentials)
        return self._pool.call("token", builder.build(), _token_of)


def _token_of(answer: Answer, call: str) -> Token:
    body = body_of(answer, call)
    lifetime = body.get("expire")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        raise FeishuUnreachable("the answer has no expire", call=call)
    return Token(value=text_in(body, "tenant_access_token", call=call), lifetime=float(lifetime))
