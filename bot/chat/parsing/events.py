"""What an event means to the bot: a message for it, a recall, a greeting, a press on a card, or nothing.

The events: https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and its neighbours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from bot.chat.parsing.message_content import Mention, Words, words_of
from bot.models import CardAction, ChatType, Event, Ignored, Message, MessageRecall, Onboarding
from bot.text import storable, visible

IncomingEvent = Message | MessageRecall | Onboarding | CardAction | Ignored

_CHAT_TYPES: Mapping[str, ChatType] = {"p2p": "p2p", "group": "group", "topic_group": "group"}
_WORDED = ("text", "post")
_LONGEST_ID = 256

NOT_MENTIONED = "the bot is not mentioned"
"""Why a message of a group is ignored that is for others."""
_SUBMIT = re.compile(r"submit_(\w{1,64}?)(?:_[0-9a-f]{8})?")


def understand(event: Event, *, bot_open_id: str | None) -> IncomingEvent:
    """What an event means to the bot.

    It is pure and total: a body of any shape has an answer.

    Args:
        event: an authentic event.
        bot_open_id: the bot's own ``open_id``; while it is ``None``, every message in a group is ignored.

    Returns:
        A ``Message`` only for what a person says to the bot: in a direct chat anything, in a group what mentions the
        bot itself. ``Ignored`` where the event is of no use, or lacks what the platform documents.
    """
    reader = _READERS.get(event.event_type)
    if reader is None:
        return Ignored("no use is made of this type of event")
    try:
        return reader(event, bot_open_id)
    except _MissingError as missing:
        return Ignored(f"no usable {missing}")


class _MissingError(LookupError):
    """The body has no text at this path, or none that can be what is looked for."""


def mentioned_namesake(event: Event, name: str) -> str | None:
    """The ``open_id`` of whoever is mentioned in a message under a name, ``None`` when nobody is."""
    mentions = _mentions(_at(event.body, "message", "mentions"))
    return next((one.open_id for one in mentions if one.name == name and one.open_id), None)


def _message(event: Event, bot_open_id: str | None) -> IncomingEvent:
    body = event.body
    if _at(body, "sender", "sender_type") != "user":
        return Ignored("not sent by a person")
    sender = _id(body, "sender", "sender_id", "open_id")
    chat_type = _CHAT_TYPES.get(_string(body, "message", "chat_type"))
    message_type = _string(body, "message", "message_type")
    if chat_type is None or message_type == "system" or sender == bot_open_id:
        return Ignored("not something that a person says in a chat")
    mentions = _mentions(_at(body, "message", "mentions"))
    words: Words | None = Words(text="", picture=True)
    if message_type in _WORDED:
        content, second = _at(body, "message", "content"), _at(body, "message", "content_v2")
        if not isinstance(content, str) and not second:
            raise _MissingError("message.content")
        words = words_of(message_type, _json(content), second=_json(second), mentions=mentions, own_id=bot_open_id)
    if words is None:
        return Ignored("no usable message.content")
    if chat_type == "group" and bot_open_id not in {mention.open_id or "" for mention in mentions} | words.mentioned:
        return Ignored(NOT_MENTIONED)
    return Message(
        message_id=_id(body, "message", "message_id"),
        event_id=event.event_id,
        chat_id=_id(body, "message", "chat_id"),
        chat_type=chat_type,
        thread_id=_string_or_none(body, "message", "thread_id"),
        sender=sender,
        text=words.text,
        names=words.names,
        attachment=words.picture and not words.text,
    )


def _recall(event: Event, _bot_open_id: str | None) -> IncomingEvent:
    return MessageRecall(message_id=_id(event.body, "message_id"))


def _entered(event: Event, _bot_open_id: str | None) -> IncomingEvent:
    return Onboarding(
        kind="entered",
        event_id=event.event_id,
        chat_id=_id(event.body, "chat_id"),
        person=_id(event.body, "operator_id", "open_id"),
        first=_string_or_none(event.body, "last_message_id") is None,
    )


def _added(event: Event, _bot_open_id: str | None) -> IncomingEvent:
    return Onboarding(
        kind="added",
        event_id=event.event_id,
        chat_id=_id(event.body, "chat_id"),
        person=_id(event.body, "operator_id", "open_id"),
    )


def _menu(event: Event, _bot_open_id: str | None) -> IncomingEvent:
    person = _id(event.body, "operator", "operator_id", "open_id")
    return Onboarding(kind="menu", event_id=event.event_id, chat_id=None, person=person)


def _press(event: Event, _bot_open_id: str | None) -> IncomingEvent:
    value = _at(event.body, "action", "value")
    form = _at(event.body, "action", "form_value")
    return CardAction(
        event_id=event.event_id,
        presser=_id(event.body, "operator", "open_id"),
        message_id=_id(event.body, "context", "open_message_id"),
        chat_id=_id(event.body, "context", "open_chat_id"),
        value=_of_name(event.body) or _object(value),
        choice=_string_or_none(event.body, "action", "option"),
        form=_texts(_object(form)) if isinstance(form, Mapping | str) else {},
    )


_READERS: Mapping[str, Callable[[Event, str | None], IncomingEvent]] = {
    "im.message.receive_v1": _message,
    "im.message.recalled_v1": _recall,
    "im.chat.access_event.bot_p2p_chat_entered_v1": _entered,
    "im.chat.member.bot.added_v1": _added,
    "application.bot.menu_v6": _menu,
    "card.action.trigger": _press,
}

EVENT_TYPES = frozenset(_READERS)
"""The event types that are read; any other is ignored."""


def _json(content: Any) -> str:
    """Content as JSON text, which is how the platform sends it; empty where there is none."""
    return content.strip() if isinstance(content, str) else json.dumps(content) if content else ""


def _mentions(found: Any) -> list[Mention]:
    every = found if isinstance(found, list) else []
    return [
        Mention(key=key, open_id=_string_or_none(one, "id", "open_id"), name=_string_or_none(one, "name") or "")
        for one in every
        if (key := _string_or_none(one, "key"))
    ]


def _of_name(body: Any) -> Mapping[str, str]:
    """What the name of a form's button carries: the value of such a button may be missing or cut to a string.

    https://github.com/QwenLM/qwen-code/issues/8578
    """
    named = _SUBMIT.fullmatch(_string_or_none(body, "action", "name") or "")
    return {"a": "submit", "r": named[1]} if named else {}


def _object(value: Any) -> Mapping[str, Any]:
    """What a button carries, which the platform sends as an object or as its JSON; a form's button may carry none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _MissingError("action.value") from None
    if value is not None and not isinstance(value, Mapping):
        raise _MissingError("action.value")
    return {name: storable(one) if isinstance(one, str) else one for name, one in (value or {}).items()}


def _texts(form: Mapping[str, Any]) -> dict[str, str]:
    return {name: visible(storable(text)) for name, text in form.items() if isinstance(text, str)}


def _at(body: Any, *path: str) -> Any:
    for key in path:
        body = body.get(key) if isinstance(body, Mapping) else None
    return body


def _string_or_none(body: Any, *path: str) -> str | None:
    value = _at(body, *path)
    return (storable(value) or None) if isinstance(value, str) else None


def _string(body: Any, *path: str) -> str:
    value = _string_or_none(body, *path)
    if value is None:
        raise _MissingError(".".join(path))
    return value


def _id(body: Any, *path: str) -> str:
    """An id; the platform's have under 50 characters, and a database's index takes no more than a few thousand."""
    value = _string(body, *path)
    if len(value) > _LONGEST_ID:
        raise _MissingError(".".join(path))
    return value
