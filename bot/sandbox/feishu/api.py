"""The calls of messaging: the bot's messages and reactions, its images and files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.sandbox.feishu.cards import CardError, objects, validate_card
from bot.sandbox.feishu.gateway import Gateway, Rejection, fields_of, parse_form
from bot.sandbox.feishu.state import TENANT_KEY, ChatMessage, FeishuState, inspect_image, new_id
from bot.sandbox.http import Request, Response

EMOJI_TYPES = ("THUMBSUP", "OK", "DONE", "SMILE", "HEART", "APPLAUSE", "THINKING", "Typing", "OnIt", "OneSecond")
"""Some of the platform's emoji types, case-sensitive.

https://open.feishu.cn/document/server-docs/im-v1/message-reaction/emojis-introduce
"""

_KINDS = ("text", "image", "file", "interactive")
_FILE_TYPES = ("opus", "mp4", "pdf", "doc", "xls", "ppt", "stream")
_CARD_NOT_PARSED = 200621
_AT = re.compile(r"<at\s[^>]*?\b(?:user_id|ids?|email)\s*=\s*[\"']?([^\"'>\s]+)", re.IGNORECASE)


Target = Callable[[Request, Mapping[str, Any]], tuple[str, dict[str, Any]]]
"""Finds the chat of a new message, and the message's place in it, from the request and its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageApi:
    """Reply, create, patch, recall and react; upload and fetch. Rich text is not taken: it has rules of its own.

    https://open.feishu.cn/document/server-docs/im-v1/message/reply
    https://open.feishu.cn/document/server-docs/im-v1/message-card/patch
    https://open.feishu.cn/document/server-docs/im-v1/message-reaction/create
    https://open.feishu.cn/document/server-docs/im-v1/file/create
    """

    state: FeishuState
    gateway: Gateway
    sent: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When and which message a ``uuid`` sent."""

    def send(self, request: Request, *, to: Target) -> Mapping[str, Any]:
        """Sends a message, or returns what the same ``uuid`` sent before."""
        fields, state = fields_of(request), self.state
        kind, content, uuid = fields.get("msg_type"), fields.get("content"), fields.get("uuid") or ""
        if not (isinstance(kind, str) and isinstance(content, str) and isinstance(uuid, str)):
            raise Rejection("field_validation")
        if len(uuid) > state.limits.uuid_characters:
            raise Rejection("field_validation")
        if kind not in _KINDS:
            raise _invalid("invalid msg_type")
        at, earlier = self.sent.get(uuid, (0.0, ""))
        if earlier and state.clock() - at < state.limits.uuid_seconds:
            return self._message_body(state.messages[earlier])
        chat_id, position = to(request, fields)
        self._check_content(kind, content)
        self.gateway.count("chat", chat_id, limit=state.limits.chat_per_second)
        message = state.add_message(chat_id, state.app_id, kind, content, versions=(content,), **position)
        if uuid:
            self.sent[uuid] = (message.created, message.message_id)
        return self._message_body(message)

    def place_of_reply(self, request: Request, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Behind a message: in its thread in a topic group, elsewhere in a thread only on demand."""
        source = self._existing(request.values["message_id"])
        position = {"root_id": source.root_id or source.message_id, "parent_id": source.message_id}
        if self.state.chats[source.chat_id].kind == "topic" or fields.get("reply_in_thread"):
            # On a message outside a thread each such reply opens a new thread.
            position["thread_id"] = source.thread_id or new_id("omt")
        return source.chat_id, position

    def place_of_new(self, request: Request, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """In a chat or that of a user; in a topic group it opens a thread."""
        match request.query.get("receive_id_type"), fields.get("receive_id"):
            case "chat_id", str(chat_id) if chat_id in self.state.chats:
                chat = self.state.chats[chat_id]
            case "open_id", str(open_id) if open_id in self.state.people:
                chat = self.state.direct_chat(open_id)
            case "chat_id" | "open_id", _:
                raise _invalid("invalid receive_id")
            case _:
                raise Rejection("field_validation")
        return chat.chat_id, {"thread_id": new_id("omt")} if chat.kind == "topic" else {}

    def patch(self, request: Request) -> Mapping[str, Any]:
        """Replaces the content of a card of the bot, for 14 days."""
        content = fields_of(request).get("content")
        if not isinstance(content, str):
            raise Rejection("field_validation")
        message, limits = self._existing(request.values["message_id"]), self.state.limits
        if message.msg_type != "interactive":
            raise _invalid("This message is NOT a card")
        if message.sender != self.state.app_id:
            raise Rejection("feishu_230027")
        if self.state.clock() - message.created > limits.patch_seconds:
            raise Rejection("patch_too_old")
        self.gateway.count("patch", message.message_id, limit=limits.patches_per_second)
        self._check_content("interactive", content)
        self.state.change_message(message.message_id, content=content)
        return {"code": 0, "data": {}, "msg": "ok"}

    def recall(self, request: Request) -> Mapping[str, Any]:
        message = self._existing(request.values["message_id"])
        if message.sender != self.state.app_id:
            raise Rejection("feishu_230026")
        self.state.change_message(message.message_id, recalled=True)
        return {}

    def react(self, request: Request) -> Mapping[str, Any]:
        kind = fields_of(request).get("reaction_type")
        if not isinstance(kind, dict) or kind.get("emoji_type") not in EMOJI_TYPES:
            raise Rejection("reaction_bad")
        message, app = self.state.messages.get(request.values["message_id"]), self.state.app_id
        if message is None or message.recalled:
            raise Rejection("feishu_231003")
        reaction = self.state.add_reaction(message.message_id, operator=app, emoji_type=kind["emoji_type"])
        operator = {"operator_id": app, "operator_type": "app"}
        at = str(int(reaction.created * 1000))
        return {"reaction_id": reaction.reaction_id, "operator": operator, "action_time": at, "reaction_type": kind}

    def upload_image(self, request: Request) -> Mapping[str, Any]:
        name, content = self._file(request, "image", required={"image_type": ("message", "avatar")})
        if (image := inspect_image(content)) is None:
            raise Rejection("image_format")
        kind, *sides = image
        if max(sides) > (self.state.limits.gif_pixels if kind == "gif" else self.state.limits.image_pixels):
            raise Rejection("image_px")
        return {"image_key": self.state.add_upload(content, name=name, kind="image", owner=self.state.app_id).key}

    def upload_file(self, request: Request) -> Mapping[str, Any]:
        name, content = self._file(request, "file", required={"file_type": _FILE_TYPES, "file_name": ()})
        return {"file_key": self.state.add_upload(content, name=name, kind="file", owner=self.state.app_id).key}

    def get_image(self, request: Request) -> Response:
        """An image that the app uploaded: https://open.feishu.cn/document/server-docs/im-v1/image/get."""
        upload = self.state.uploads.get(request.values["image_key"])
        if upload is None or upload.kind != "image" or upload.owner != self.state.app_id:
            raise Rejection("feishu_234005")
        return Response(headers={"Content-Type": upload.content_type}, body=upload.content)

    def _file(
        self, request: Request, name: Literal["image", "file"], *, required: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, bytes]:
        fields, files = parse_form(request.body, request.headers.get("content-type", ""))
        for field_, values in required.items():
            if not fields.get(field_) or (values and fields[field_] not in values):
                raise Rejection("image_param")
        # Without a file name the platform takes the part for a text field and finds the file missing.
        if name not in files or not files[name].filename:
            raise Rejection("field_validation")
        content = files[name].read()
        if not content:
            raise Rejection("image_empty")
        if len(content) > (self.state.limits.image_bytes if name == "image" else self.state.limits.file_bytes):
            raise Rejection("image_size")
        return fields.get("file_name") or files[name].filename or "", content

    def _existing(self, message_id: str) -> ChatMessage:
        message = self.state.messages.get(message_id)
        if message is None:
            text = "The request you send is not a valid {open_message_id} or not exists"
            raise Rejection("bad_message_id", f"{text}\nInvalid ids: [{message_id}]")
        if message.recalled:
            raise Rejection("recalled")
        return message

    def _message_body(self, message: ChatMessage) -> Mapping[str, Any]:
        sent_at = str(int(message.created * 1000))
        app = {"id": self.state.app_id, "id_type": "app_id", "sender_type": "app", "tenant_key": TENANT_KEY}
        return {
            "message_id": message.message_id,
            **message.position,
            "msg_type": message.msg_type,
            "create_time": sent_at,
            "update_time": sent_at,
            "deleted": False,
            "updated": False,
            "chat_id": message.chat_id,
            "sender": app,
            "body": {"content": message.content},
        }

    def _check_content(self, msg_type: str, content: str) -> None:
        """https://open.feishu.cn/document/server-docs/im-v1/message-content-description/create_json."""
        limits = self.state.limits
        if len(content.encode()) > (limits.text_bytes if msg_type == "text" else limits.card_bytes):
            raise Rejection("too_long")
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        match msg_type, value:
            case "interactive", _:
                errors = [CardError("ROOT", _CARD_NOT_PARSED, "parse card json err")]
                if isinstance(value, dict):
                    errors = validate_card(value, image_keys=self.state.image_keys())
                for error in errors:
                    ext = f"ErrCode: {error.sub_code}; ErrPath: {error.path}; ErrMsg: {error.message}; "
                    raise Rejection("card_bad", f"Failed to create card content, ext={ext}")
            case "text", {"text": str()}:
                pass
            case ("image", {"image_key": str(key)}) | ("file", {"file_key": str(key)}):
                upload = self.state.uploads.get(key)
                if upload is None or upload.kind != msg_type:
                    raise _invalid("content is not valid")
            case _, dict():
                raise _invalid("content is not valid")
            case _:
                raise _invalid("content is not a string in json format")


def _invalid(why: str) -> Rejection:
    return Rejection("feishu_230001", f"Your request contains an invalid request parameter, ext={why}.")


def mentioned_ids(msg_type: str, content: str) -> list[str]:
    """The ids that a message mentions, ``all`` for everybody: in a text or in a card's markdown, not its plain text."""
    value = json.loads(content)
    texts = [str(value.get("text", ""))] if msg_type == "text" else []
    for entry in objects(value):
        if entry.get("tag") in ("markdown", "lark_md"):
            texts += [str(entry.get("content", "")), *entry.get("i18n_content", {}).values()]
    return [whom for text in texts for ids in _AT.findall(text) for whom in ids.split(",")]
