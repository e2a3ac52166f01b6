"""Sending and changing the messages of one showing, each call within the platform's limits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from bot.db.outages import Outages
from bot.db.requests import RequestStore
from bot.db.row_models import Request
from bot.errors import FeishuError, SendDelayed
from bot.feishu.error_codes import FOR_NOW
from bot.logs import get_logger

log = get_logger(__name__)


class Chat(Protocol):
    """What sends messages: the Feishu client."""

    def reply(self, message_id: str, *, msg_type: str, content: str, uuid: str, in_thread: bool) -> str:
        """A reply; gives the new message's id."""

    def send(
        self,
        receive_id: str,
        *,
        receive_id_type: Literal["chat_id", "open_id"],
        msg_type: str,
        content: str,
        uuid: str,
    ) -> str:
        """A message that quotes none; gives its id."""

    def patch(self, message_id: str, *, content: str) -> None:
        """A new content for a card."""

    def recall(self, message_id: str) -> None:
        """Takes a message of the bot's own back."""


def send_uuid(request_id: str, step: str) -> str:
    """The ``uuid`` of a send: derived from the request and the step, never from the attempt.

    Feishu delivers at most one message a uuid (50 characters at most) within an hour:
    https://open.feishu.cn/document/server-docs/im-v1/message/reply
    """
    return hashlib.sha256(f"{request_id}:{step}".encode()).hexdigest()[:40]


class MessageSender:
    """The calls of one showing of a request.

    Args:
        chat: what makes them.
        store: where each is reserved.
        outages: what makes them wait while Feishu refuses the app.
        confirm: called before each call; raises ``LeaseLost`` when the request may be another worker's by now.
    """

    def __init__(self, chat: Chat, *, store: RequestStore, outages: Outages, confirm: Callable[[], None]) -> None:
        self._chat = chat
        self._store = store
        self._outages = outages
        self._confirm = confirm

    def post(self, request: Request, step: str, *, msg_type: str, content: str) -> str:
        """Sends a step's message, as a reply where there is a message to quote; gives its id.

        Raises:
            FeishuError: the platform refused.
            MessageHeld: it has to wait.
        """
        target = request.chat_id or request.sender
        self._reserve(target)
        with self._outages.guard("send"):
            if request.reply_to is not None:
                return self._chat.reply(
                    request.reply_to,
                    msg_type=msg_type,
                    content=content,
                    uuid=send_uuid(request.request_id, step),
                    in_thread=request.in_topic,
                )
            return self._chat.send(
                target,
                receive_id_type="chat_id" if request.chat_id else "open_id",
                msg_type=msg_type,
                content=content,
                uuid=send_uuid(request.request_id, f"{step}:unquoted"),
            )

    def patch(self, message_id: str, *, content: str) -> None:
        """Gives a card another content.

        Raises:
            FeishuError: the platform refused.
            MessageHeld: it has to wait.
        """
        self._reserve(message_id)
        with self._outages.guard("patch"):
            self._chat.patch(message_id, content=content)

    def patch_unless_refused(self, message_id: str, *, content: str) -> None:
        """Gives a card another content, or leaves it as it is where the platform refuses that for good.

        Raises:
            FeishuError: the platform refused for now.
            MessageHeld: it has to wait.
        """
        self._reserve(message_id)
        with _unless_refused(message_id), self._outages.guard("patch"):
            self._chat.patch(message_id, content=content)

    def recall(self, message_id: str) -> None:
        """Takes a message of the bot's own back; see :meth:`patch_unless_refused`."""
        self._reserve(message_id)
        with _unless_refused(message_id), self._outages.guard("patch"):
            self._chat.recall(message_id)

    def _reserve(self, target: str) -> None:
        if (wait := self._store.reserve(target)) > 0:
            raise SendDelayed(wait)
        self._confirm()


@contextmanager
def _unless_refused(message_id: str) -> Iterator[None]:
    try:
        yield
    except FeishuError as error:
        if error.action in FOR_NOW:
            raise
        log.info("old card not updated", message_id=message_id, code=error.code)
