"""The calls that send, change and take back the bot's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.sandbox.feishu.codes import NAMES, Refusal
from bot.sandbox.feishu.contents import check_content, invalid
from bot.sandbox.feishu.gateway import Gateway, fields_of
from bot.sandbox.feishu.limits import Limits, Rates
from bot.sandbox.feishu.pings import pinged
from bot.sandbox.feishu.world import Chat, ChatMessage, Ping, World, new_id
from bot.sandbox.server import Call, LoopbackServer

_KINDS = ("text", "post", "image", "file", "interactive")
_NOT_ONES_OWN = 230026
_LACK_OF_PERMISSION = 230027


class Messages:
    """Reply, create, update and recall.

    https://open.feishu.cn/document/server-docs/im-v1/message/reply
    https://open.feishu.cn/document/server-docs/im-v1/message-card/patch
    """

    def __init__(self, *, world: World, limits: Limits, rates: Rates, app_id: str, tenant_key: str) -> None:
        self._world = world
        self._limits = limits
        self._rates = rates
        self._app_id = app_id
        self._tenant_key = tenant_key
        self._sent: dict[str, tuple[float, str]] = {}

    def serve(self, server: LoopbackServer, gateway: Gateway) -> None:
        """Adds the routes."""
        gateway.route(server, "create", "POST", "/im/v1/messages", self.create)
        gateway.route(server, "reply", "POST", "/im/v1/messages/:message_id/reply", self.reply)
        gateway.route(server, "patch", "PATCH", "/im/v1/messages/:message_id", self.patch)
        gateway.route(server, "recall", "DELETE", "/im/v1/messages/:message_id", self.recall)

    def reply(self, call: Call) -> Mapping[str, Any]:
        """Replies to a message: in its thread in a topic group, elsewhere in a thread only when asked to."""
        fields = _sendable(fields_of(call), limits=self._limits)
        if (earlier := self._earlier(fields.get("uuid"))) is not None:
            return self._answer(earlier)
        source = self._present(call.values["message_id"])
        chat = self._world.chats[source.chat_id]
        thread_id = None
        if chat.kind == "topic":
            thread_id = source.thread_id
        elif fields.get("reply_in_thread"):
            # On a message outside a thread each such reply opens a thread of its own.
            thread_id = source.thread_id or new_id("omt")
        root_id = source.root_id or source.message_id
        return self._send(fields, chat, thread_id=thread_id, root_id=root_id, parent_id=source.message_id)

    def create(self, call: Call) -> Mapping[str, Any]:
        """Sends a message to a chat or a person; in a topic group it opens a thread of its own."""
        fields = _sendable(fields_of(call), limits=self._limits)
        if (earlier := self._earlier(fields.get("uuid"))) is not None:
            return self._answer(earlier)
        match call.query.get("receive_id_type"), fields.get("receive_id"):
            case "chat_id", str(chat_id) if chat_id in self._world.chats:
                chat = self._world.chats[chat_id]
            case "open_id", str(open_id) if open_id in self._world.people:
                chat = self._world.direct_chat(open_id)
            case "chat_id" | "open_id", _:
                raise invalid("invalid receive_id")
            case _:
                raise Refusal(NAMES["field_validation"])
        return self._send(fields, chat, thread_id=new_id("omt") if chat.kind == "topic" else None)

    def patch(self, call: Call) -> Mapping[str, Any]:
        """Replaces the content of one of the bot's own cards, for 14 days."""
        content = fields_of(call).get("content")
        if not isinstance(content, str):
            raise Refusal(NAMES["field_validation"])
        message = self._present(call.values["message_id"])
        if message.msg_type != "interactive":
            raise invalid("This message is NOT a card")
        if message.sender != self._app_id:
            raise Refusal(_LACK_OF_PERMISSION)
        now = self._world.clock()
        if now - message.created > self._limits.patch_seconds:
            raise Refusal(NAMES["patch_too_old"])
        self._rates.count_patch(message.message_id)
        check_content("interactive", content, uploads=self._world.uploads, limits=self._limits)
        self._world.change_message(message.message_id, content=content, updated=now)
        self._note_pings(message.message_id, "interactive", content)
        return {"code": 0, "data": {}, "msg": "ok"}

    def recall(self, call: Call) -> Mapping[str, Any]:
        """Takes back one of the bot's own messages."""
        message = self._present(call.values["message_id"])
        if message.sender != self._app_id:
            raise Refusal(_NOT_ONES_OWN)
        self._world.change_message(message.message_id, recalled=True)
        return {"code": 0, "msg": "success", "data": {}}

    def _present(self, message_id: str) -> ChatMessage:
        message = self._world.messages.get(message_id)
        if message is None:
            text = "The request you send is not a valid {open_message_id} or not exists"
            raise Refusal(NAMES["bad_message_id"], f"{text}\nInvalid ids: [{message_id}]")
        if message.recalled or message.deleted:
            raise Refusal(NAMES["recalled" if message.recalled else "deleted"])
        return message

    def _earlier(self, uuid: str | None) -> ChatMessage | None:
        at, message_id = self._sent.get(uuid or "", (0.0, ""))
        if not uuid or self._world.clock() - at >= self._limits.uuid_seconds:
            return None
        return self._world.messages[message_id]

    def _send(
        self,
        fields: Mapping[str, Any],
        chat: Chat,
        *,
        thread_id: str | None,
        root_id: str | None = None,
        parent_id: str | None = None,
    ) -> Mapping[str, Any]:
        if not chat.bot_inside:
            raise Refusal(NAMES["not_in_group"])
        kind, content = fields["msg_type"], fields["content"]
        check_content(kind, content, uploads=self._world.uploads, limits=self._limits)
        self._rates.count_send(chat.chat_id)
        message = self._world.add_message(
            ChatMessage(
                message_id=new_id("om"),
                chat_id=chat.chat_id,
                sender=self._app_id,
                msg_type=kind,
                content=content,
                created=self._world.clock(),
                versions=(content,),
                thread_id=thread_id,
                root_id=root_id,
                parent_id=parent_id,
            )
        )
        if fields.get("uuid"):
            self._sent[fields["uuid"]] = (message.created, message.message_id)
        self._note_pings(message.message_id, kind, content)
        return self._answer(message)

    def _note_pings(self, message_id: str, kind: str, content: str) -> None:
        self._world.pings.extend(Ping(message_id=message_id, whom=whom) for whom in pinged(kind, content))

    def _answer(self, message: ChatMessage) -> Mapping[str, Any]:
        time_sent = str(int(message.created * 1000))
        place = {"root_id": message.root_id, "parent_id": message.parent_id, "thread_id": message.thread_id}
        sent = {
            "message_id": message.message_id,
            **{name: value for name, value in place.items() if value},
            "msg_type": message.msg_type,
            "create_time": time_sent,
            "update_time": time_sent,
            "deleted": False,
            "updated": False,
            "chat_id": message.chat_id,
            "sender": {"id": self._app_id, "id_type": "app_id", "sender_type": "app", "tenant_key": self._tenant_key},
            "body": {"content": message.content},
        }
        return {"code": 0, "msg": "success", "data": sent}


def _sendable(fields: dict[str, Any], *, limits: Limits) -> dict[str, Any]:
    uuid = fields.get("uuid")
    if not isinstance(fields.get("content"), str) or not isinstance(fields.get("msg_type"), str):
        raise Refusal(NAMES["field_validation"])
    if uuid is not None and (not isinstance(uuid, str) or len(uuid) > limits.uuid_characters):
        raise Refusal(NAMES["field_validation"])
    if fields["msg_type"] not in _KINDS:
        raise invalid("invalid msg_type")
    return fields
