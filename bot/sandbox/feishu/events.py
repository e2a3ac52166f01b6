"""The events as Feishu words them.

https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and the pages of the others.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.world import Chat, ChatMessage, Person

Event = dict[str, Any]

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Somebody whom a message mentions; ``place`` counts from 1 and gives the key in its text."""

    place: int
    open_id: str
    name: str
    kind: str

    @property
    def key(self) -> str:
        """What stands in the text: ``@_user_1``."""
        return f"@_user_{self.place}"


class Events:
    """Makes the events of one app in one tenant."""

    def __init__(self, *, app_id: str, verification_token: str, tenant_key: str, clock: Callable[[], float]) -> None:
        self._app_id = app_id
        self._token = verification_token
        self._tenant_key = tenant_key
        self._clock = clock

    def challenge(self, word: str) -> Event:
        """What the console sends when a request URL is saved."""
        return {"challenge": word, "token": self._token, "type": "url_verification"}

    def received(self, message: ChatMessage, *, sender: Person, chat: Chat) -> Event:
        """Somebody wrote (``im.message.receive_v1``)."""
        place = {"root_id": message.root_id, "parent_id": message.parent_id, "thread_id": message.thread_id}
        body: Event = {
            "message_id": message.message_id,
            **{name: value for name, value in place.items() if value},
            "create_time": _milliseconds(message.created),
            "update_time": _milliseconds(message.created),
            "chat_id": message.chat_id,
            "chat_type": "p2p" if chat.kind == "p2p" else "group",
            "message_type": message.msg_type,
            "content": message.content,
        }
        if message.mentions:
            body["mentions"] = list(message.mentions)
        who = {"sender_id": sender.ids, "sender_type": "user", "tenant_key": self._tenant_key}
        return self._event("im.message.receive_v1", {"sender": who, "message": body})

    def recalled(self, message: ChatMessage, *, by_owner: bool) -> Event:
        """A message was taken back (``im.message.recalled_v1``)."""
        body = {
            "message_id": message.message_id,
            "chat_id": message.chat_id,
            "recall_time": _milliseconds(self._clock()),
            "recall_type": "message_owner" if by_owner else "group_manager",
        }
        return self._event("im.message.recalled_v1", body)

    def entered(self, chat: Chat, *, person: Person, last: ChatMessage | None) -> Event:
        """Somebody opened the conversation with the bot (``…bot_p2p_chat_entered_v1``)."""
        body: Event = {"chat_id": chat.chat_id, "operator_id": person.ids}
        if last is not None:
            body |= {"last_message_id": last.message_id, "last_message_create_time": _milliseconds(last.created)}
        return self._event("im.chat.access_event.bot_p2p_chat_entered_v1", body)

    def added(self, chat: Chat, *, person: Person) -> Event:
        """Somebody put the bot into a group (``im.chat.member.bot.added_v1``)."""
        body = {
            "chat_id": chat.chat_id,
            "operator_id": person.ids,
            "external": False,
            "operator_tenant_key": self._tenant_key,
            "name": chat.name,
            "i18n_names": {"zh_cn": chat.name, "en_us": chat.name},
        }
        return self._event("im.chat.member.bot.added_v1", body)

    def menu(self, event_key: str, *, person: Person) -> Event:
        """Somebody pressed an entry of the bot's menu (``application.bot.menu_v6``)."""
        operator = {"operator_name": person.name, "operator_id": person.ids}
        body = {"operator": operator, "event_key": event_key, "timestamp": int(self._clock())}
        return self._event("application.bot.menu_v6", body)

    def pressed(self, message: ChatMessage, *, presser: Person, action: Mapping[str, Any]) -> Event:
        """Somebody used a card (``card.action.trigger``), whose header counts microseconds."""
        body = {
            "operator": {"tenant_key": self._tenant_key, **presser.ids},
            "token": f"c-{secrets.token_hex(17)}",
            "action": dict(action),
            "host": "im_message",
            "context": {"open_message_id": message.message_id, "open_chat_id": message.chat_id},
        }
        event = self._event("card.action.trigger", body)
        event["header"]["create_time"] = str(int(self._clock() * _MICROSECONDS))
        return event

    def mentioned(self, mention: Mention) -> dict[str, Any]:
        """An entry of a message's ``mentions``."""
        return {
            "key": mention.key,
            "id": {"union_id": f"on_{mention.open_id.removeprefix('ou_')}", "open_id": mention.open_id},
            "mentioned_type": mention.kind,
            "name": mention.name,
            "tenant_key": self._tenant_key,
        }

    def _event(self, event_type: str, body: Mapping[str, Any]) -> Event:
        header = {
            "event_id": secrets.token_hex(16),
            "event_type": event_type,
            "create_time": _milliseconds(self._clock()),
            "token": self._token,
            "app_id": self._app_id,
            "tenant_key": self._tenant_key,
        }
        return {"schema": "2.0", "header": header, "event": dict(body)}


def renamed(event: Event) -> Event:
    """The same event under a new ``event_id``."""
    return {**event, "header": {**event["header"], "event_id": secrets.token_hex(16)}}


def naming(name: str) -> re.Pattern[str]:
    """Where a text mentions somebody: ``@Name`` as words of its own, not part of a longer name or of an address."""
    return re.compile(rf"(?<![A-Za-z0-9._%+-])@{re.escape(name)}(?!\w|[.@]\w)")


def written(text: str, mentions: list[Mention], *, image_key: str | None = None, as_post: bool = False) -> str:
    """The content of a received message: mentions stand as their keys, where ``@Name`` is written or else in front.

    Rich text (``as_post``) comes without the language that wraps it when it is sent, and a second time as markdown.
    """
    in_front = []
    for mention in mentions:
        text, found = naming(mention.name).subn(mention.key, text)
        if not found:
            in_front.append(mention.key)
    text = " ".join([*in_front, text])
    if not as_post:
        return json.dumps({"text": text}, ensure_ascii=False)
    lines = [_rich(line, mentions) for line in text.split("\n")]
    markdown = [[{"tag": "md", "text": _markdown(line)}] for line in lines if line]
    if image_key:
        lines.append([{"tag": "img", "image_key": image_key, "width": 300, "height": 300}])
        markdown.append([{"tag": "md", "text": f"![]({image_key})"}])
    return json.dumps({"title": "", "content": lines, "content_v2": markdown}, ensure_ascii=False)


def _markdown(elements: list[dict[str, Any]]) -> str:
    """What a line says in ``content_v2``, which comes beside ``content``."""
    return "".join(
        f'<at user_id="{one["user_id"]}">{one["user_name"]}</at>' if one["tag"] == "at" else one["text"]
        for one in elements
    )


def _rich(line: str, mentions: list[Mention]) -> list[dict[str, Any]]:
    elements: list[dict[str, Any]] = [{"tag": "text", "text": line, "style": []}]
    # The longest key first, as @_user_1 is also the beginning of @_user_10.
    for mention in sorted(mentions, key=lambda known: -len(known.key)):
        at = {"tag": "at", "user_id": mention.key, "user_name": mention.name, "style": []}
        elements = [part for element in elements for part in _split(element, mention.key, at)]
    return [element for element in elements if element.get("text") != ""]


def _split(element: dict[str, Any], key: str, at: dict[str, Any]) -> list[dict[str, Any]]:
    if element["tag"] != "text" or key not in element["text"]:
        return [element]
    before, _, after = element["text"].partition(key)
    return [{**element, "text": before}, at, *_split({**element, "text": after}, key, at)]


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
