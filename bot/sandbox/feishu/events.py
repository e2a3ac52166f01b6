"""The events of Feishu.

https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and the pages of the others.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.state import Chat, ChatMessage, Person

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A mention in a message; ``index`` counts from 1 and gives the key in the text."""

    index: int
    open_id: str
    name: str
    kind: str

    @property
    def key(self) -> str:
        """What the text holds: ``@_user_1``."""
        return f"@_user_{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Builds the events of one app in one tenant."""

    app_id: str
    verification_token: str
    tenant_key: str
    clock: Callable[[], float]

    def received(self, message: ChatMessage, *, sender: Person, chat: Chat) -> Event:
        """A message (``im.message.receive_v1``)."""
        body: Event = {
            "message_id": message.message_id,
            **message.position,
            "create_time": _milliseconds(message.created),
            "update_time": _milliseconds(message.created),
            "chat_id": message.chat_id,
            "chat_type": "p2p" if chat.kind == "p2p" else "group",
            "message_type": message.msg_type,
            "content": message.content,
        }
        if message.mentions:
            body["mentions"] = list(message.mentions)
        who = {"sender_id": sender.ids, "sender_type": "user", "tenant_key": self.tenant_key}
        return self._event("im.message.receive_v1", {"sender": who, "message": body})

    def recalled(self, message: ChatMessage, *, by_owner: bool) -> Event:
        """A message was recalled (``im.message.recalled_v1``)."""
        body = {
            "message_id": message.message_id,
            "chat_id": message.chat_id,
            "recall_time": _milliseconds(self.clock()),
            "recall_type": "message_owner" if by_owner else "group_manager",
        }
        return self._event("im.message.recalled_v1", body)

    def entered(self, chat: Chat, *, person: Person, last: ChatMessage | None) -> Event:
        """A user opened the direct chat (``…bot_p2p_chat_entered_v1``)."""
        body: Event = {"chat_id": chat.chat_id, "operator_id": person.ids}
        if last is not None:
            body |= {"last_message_id": last.message_id, "last_message_create_time": _milliseconds(last.created)}
        return self._event("im.chat.access_event.bot_p2p_chat_entered_v1", body)

    def added(self, chat: Chat, *, person: Person) -> Event:
        """The bot was added to a group (``im.chat.member.bot.added_v1``)."""
        body = {
            "chat_id": chat.chat_id,
            "operator_id": person.ids,
            "external": False,
            "operator_tenant_key": self.tenant_key,
            "name": chat.name,
            "i18n_names": {"zh_cn": chat.name, "en_us": chat.name},
        }
        return self._event("im.chat.member.bot.added_v1", body)

    def menu(self, event_key: str, *, person: Person) -> Event:
        """An entry of the bot's menu was pressed (``application.bot.menu_v6``)."""
        operator = {"operator_name": person.name, "operator_id": person.ids}
        body = {"operator": operator, "event_key": event_key, "timestamp": int(self.clock())}
        return self._event("application.bot.menu_v6", body)

    def pressed(self, message: ChatMessage, *, presser: Person, action: Mapping[str, Any]) -> Event:
        """A card action (``card.action.trigger``), whose header counts microseconds."""
        body = {
            "operator": {"tenant_key": self.tenant_key, **presser.ids},
            "token": f"c-{secrets.token_hex(17)}",
            "action": dict(action),
            "host": "im_message",
            "context": {"open_message_id": message.message_id, "open_chat_id": message.chat_id},
        }
        event = self._event("card.action.trigger", body)
        event["header"]["create_time"] = str(int(self.clock() * 1_000_000))
        return event

    def mentioned(self, mention: Mention) -> dict[str, Any]:
        """An entry of a message's ``mentions``."""
        return {
            "key": mention.key,
            "id": {"union_id": f"on_{mention.open_id.removeprefix('ou_')}", "open_id": mention.open_id},
            "mentioned_type": mention.kind,
            "name": mention.name,
            "tenant_key": self.tenant_key,
        }

    def _event(self, event_type: str, body: Mapping[str, Any]) -> Event:
        header = {
            "event_id": secrets.token_hex(16),
            "event_type": event_type,
            "create_time": _milliseconds(self.clock()),
            "token": self.verification_token,
            "app_id": self.app_id,
            "tenant_key": self.tenant_key,
        }
        return {"schema": "2.0", "header": header, "event": dict(body)}


def mention_pattern(name: str) -> re.Pattern[str]:
    """Finds ``@Name`` as words of its own, not as part of a longer name or of an address."""
    return re.compile(rf"(?<![A-Za-z0-9._%+-])@{re.escape(name)}(?!\w|[.@]\w)")


def render_content(text: str, mentions: list[Mention], *, image_key: str | None = None, as_post: bool = False) -> str:
    """The content of a received message: mentions are keys, where ``@Name`` is written or else in front.

    Rich text has no language around it, unlike when it is sent, and comes a second time as markdown.
    """
    in_front = []
    for mention in mentions:
        text, found = mention_pattern(mention.name).subn(mention.key, text)
        if not found:
            in_front.append(mention.key)
    text = " ".join([*in_front, text])
    if not as_post:
        return json.dumps({"text": text}, ensure_ascii=False)
    paragraphs = [_paragraph(line, mentions) for line in text.split("\n")]
    markdown = [[{"tag": "md", "text": _markdown(paragraph)}] for paragraph in paragraphs if paragraph]
    if image_key:
        paragraphs.append([{"tag": "img", "image_key": image_key, "width": 300, "height": 300}])
        markdown.append([{"tag": "md", "text": f"![]({image_key})"}])
    return json.dumps({"title": "", "content": paragraphs, "content_v2": markdown}, ensure_ascii=False)


def _markdown(paragraph: list[dict[str, Any]]) -> str:
    return "".join(
        f'<at user_id="{one["user_id"]}">{one["user_name"]}</at>' if one["tag"] == "at" else one["text"]
        for one in paragraph
    )


def _paragraph(line: str, mentions: list[Mention]) -> list[dict[str, Any]]:
    names = {mention.key: mention.name for mention in mentions}
    # The longest key first, as @_user_1 is also the beginning of @_user_10.
    keys = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    parts = re.split(f"({keys})", line) if keys else [line]
    return [
        {"tag": "at", "user_id": part, "user_name": names[part], "style": []}
        if part in names
        else {"tag": "text", "text": part, "style": []}
        for part in parts
        if part
    ]


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
