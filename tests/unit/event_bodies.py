"""Events as the tests make them, and what the bot hears in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from bot.chat.parsing.events import parse_event
from bot.models import Event

BOT = "ou_bot"
SENDER = "ou_sender"
MESSAGE = "im.message.receive_v1"
ENTERED = "im.chat.access_event.bot_p2p_chat_entered_v1"
ADDED = "im.chat.member.bot.added_v1"
EVENT_TYPES = (MESSAGE, "im.message.recalled_v1", ENTERED, ADDED, "application.bot.menu_v6", "card.action.trigger")


def heard(body: Any, event_type: str = MESSAGE, *, bot_open_id: str | None = BOT) -> object:
    """What an event with this body means."""
    event = Event(event_id="e1", event_type=event_type, created_at=1700000000.0, body=body)
    return parse_event(event, bot_open_id=bot_open_id)


def mention(number: int, name: str, open_id: str) -> dict[str, Any]:
    """An entry of a message's mentions."""
    return {"key": f"@_user_{number}", "id": {"open_id": open_id}, "name": name, "mentioned_type": "user"}


AT_BOT = mention(1, "画图", BOT)


def body_of(content: object, *, message_type: str = "text", chat_type: str = "p2p", **message: Any) -> dict[str, Any]:
    """The ``event`` object of a message; ``content`` is turned into JSON unless it is a text."""
    encoded = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return {
        "sender": {"sender_id": {"open_id": SENDER}, "sender_type": "user"},
        "message": {
            "message_id": "om_1",
            "create_time": "1609073151345",
            "chat_id": "oc_1",
            "chat_type": chat_type,
            "message_type": message_type,
            "content": encoded,
            **message,
        },
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
"""Anything that JSON can say."""
