"""The events of Feishu.

https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and the pages of the others.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.state import TENANT_KEY, ChatMessage, FeishuState

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A mention in a message; ``index`` counts from 1 and gives the key in the text, ``@_user_1``."""

    index: int
    open_id: str
    name: str
    kind: str

    @property
    def key(self) -> str:
        return f"@_user_{self.index}"

    @property
    def entry(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "id": {"union_id": f"on_{self.open_id.removeprefix('ou_')}", "open_id": self.open_id},
            "mentioned_type": self.kind,
            "name": self.name,
            "tenant_key": TENANT_KEY,
        }


def new_event(state: FeishuState, event_type: str, body: Mapping[str, Any]) -> Event:
    header = {
        "event_id": secrets.token_hex(16),
        "event_type": event_type,
        "create_time": milliseconds(state.clock()),
        "token": state.verification_token,
        "app_id": state.app_id,
        "tenant_key": TENANT_KEY,
    }
    return {"schema": "2.0", "header": header, "event": dict(body)}


def message_event(state: FeishuState, message: ChatMessage) -> Event:
    sender, chat = state.people[message.sender], state.chats[message.chat_id]
    body: Event = {
        "message_id": message.message_id,
        **message.position,
        "create_time": milliseconds(message.created),
        "update_time": milliseconds(message.created),
        "chat_id": message.chat_id,
        "chat_type": "p2p" if chat.kind == "p2p" else "group",
        "message_type": message.msg_type,
        "content": message.content,
    }
    if message.mentions:
        body["mentions"] = list(message.mentions)
    who = {"sender_id": sender.ids, "sender_type": "user", "tenant_key": TENANT_KEY}
    return new_event(state, "im.message.receive_v1", {"sender": who, "message": body})


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
    return [
        {"tag": "at", "user_id": part, "user_name": names[part], "style": []}
        if part in names
        else {"tag": "text", "text": part, "style": []}
        for part in (re.split(f"({keys})", line) if keys else [line])
        if part
    ]


def milliseconds(seconds: float) -> str:
    """A time as events have it, a text of digits."""
    return str(int(seconds * 1000))
