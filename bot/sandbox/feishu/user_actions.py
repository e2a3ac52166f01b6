"""What users do in the chats, the events of it, and what they see of the answer to a card action."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.cards import validate_card
from bot.sandbox.feishu.delivery import Attempt, EventPusher
from bot.sandbox.feishu.events import Event, Events, Mention, render_content
from bot.sandbox.feishu.state import Chat, ChatMessage, FeishuState, new_id
from bot.sandbox.feishu.uploads import Uploads

EVERYBODY = "@_all"
"""Mentions everybody in a text; its event has no entry for it."""

_CODES = {"no address": 200340, "late": 200341, "unreachable": 200342, "refused": 200671}
_BAD_BODY, _BAD_CARD = 200672, 200673


@dataclass(frozen=True, slots=True, kw_only=True)
class PressAnswer:
    """What the presser sees: an error code, or a toast, or nothing; and a card that replaces the pressed one."""

    message_id: str
    presser: str
    code: int | None = None
    toast: dict[str, Any] | None = None
    card: dict[str, Any] | None = None


class UserActions:
    """The users' side of the stand-in; each action returns at once, its event follows in the background.

    A group's messages reach the bot only when they mention it or everybody, as with the scope
    ``im:message.group_at_msg:readonly``.
    """

    state: FeishuState
    bot_open_id: str
    bot_name: str
    _events: Events
    _pusher: EventPusher
    _uploads: Uploads

    def say(
        self,
        *,
        chat_id: str,
        sender: str,
        text: str = "",
        mention_bot: bool = True,
        mentions: Sequence[str] = (),
        thread_id: str | None = None,
        as_post: bool = False,
        image: bytes | None = None,
        quote: str | None = None,
    ) -> ChatMessage:
        """Sends a text, rich text or an image; an image with a text or a mention is rich text.

        In a topic group it opens a thread, unless it is a reply in ``thread_id`` or to the message ``quote``. ``@Name``
        of a mentioned user is replaced where it is; other mentions come first. The bot is mentioned in groups only.
        """
        chat = self.state.chats[chat_id]
        noted = self._mentions(chat, mention_bot=mention_bot, others=mentions)
        position = self._position(chat, thread_id=thread_id, quote=quote)
        key = None if image is None else self._uploads.store(image, name="picture", kind="image", owner=sender).key
        if key and not (text or noted):
            return self._send(chat, sender, "image", json.dumps({"image_key": key}), position=position)
        kind = "post" if as_post or key else "text"
        content = render_content(text, noted, image_key=key, as_post=kind == "post")
        return self._send(chat, sender, kind, content, noted=noted, position=position)

    def send_file(self, *, chat_id: str, sender: str, content: bytes, name: str) -> ChatMessage:
        """Sends a file."""
        chat = self.state.chats[chat_id]
        upload = self._uploads.store(content, name=name, kind="file", owner=sender)
        text = json.dumps({"file_key": upload.key, "file_name": name}, ensure_ascii=False)
        return self._send(chat, sender, "file", text, position=self._position(chat))

    def event_of(self, message: ChatMessage) -> Event:
        """A new event of a message, with an id of its own."""
        sender, chat = self.state.people[message.sender], self.state.chats[message.chat_id]
        return self._events.received(message, sender=sender, chat=chat)

    def recall(self, message_id: str, *, by: str) -> str:
        """Recalls a message, as its sender or as a manager of the group; returns the event's id."""
        message = self.state.change_message(message_id, recalled=True)
        return self._deliver(self._events.recalled(message, by_owner=by == message.sender))

    def delete(self, message_id: str) -> None:
        """Deletes a message, of which there is no event."""
        self.state.change_message(message_id, deleted=True)

    def enter_p2p(self, person: str) -> str:
        """Opens the direct chat with the bot; returns the event's id."""
        chat = self.state.direct_chat(person)
        last = next(reversed(self.state.in_chat(chat.chat_id)), None)
        return self._deliver(self._events.entered(chat, person=self.state.people[person], last=last))

    def add_bot(self, chat_id: str, *, by: str) -> str:
        """Adds the bot to a group; returns the event's id."""
        chat = self.state.set_membership(chat_id, bot_inside=True)
        return self._deliver(self._events.added(chat, person=self.state.people[by]))

    def remove_bot(self, chat_id: str) -> None:
        """Removes the bot from a group: no event reaches it, and what it sends is rejected (230002)."""
        self.state.set_membership(chat_id, bot_inside=False)

    def press_menu(self, event_key: str, *, by: str) -> str:
        """Presses an entry of the bot's menu; returns the event's id."""
        return self._deliver(self._events.menu(event_key, person=self.state.people[by]))

    def press(
        self,
        message_id: str,
        presser: str,
        *,
        value: Mapping[str, Any] | None = None,
        tag: str = "button",
        option: str | None = None,
        form_value: Mapping[str, str] | None = None,
        name: str | None = None,
        send_value: bool = True,
    ) -> PressAnswer:
        """Uses a card; waits for the bot's answer, at most 3 s. It is never sent again.

        Without ``send_value`` the event has no ``action.value``, as some forms come back. The card need not have such
        a component, so that forged actions can be tried too.

        Raises:
            ValueError: the message is no card, or is gone.
        """
        message = self.state.messages[message_id]
        if message.msg_type != "interactive" or message.recalled or message.deleted:
            raise ValueError(f"{message_id} is no card that can be pressed")
        more = {"option": option, "form_value": dict(form_value) if form_value else None, "name": name}
        action: dict[str, Any] = {"tag": tag, "timezone": "Asia/Shanghai"}
        if send_value:
            action["value"] = dict(value or {})
        action |= {key: entry for key, entry in more.items() if entry is not None}
        event = self._events.pressed(message, presser=self.state.people[presser], action=action)
        code, toast, card = _read_answer(self._pusher.push(event), self.state.image_keys())
        answer = PressAnswer(message_id=message_id, presser=presser, code=code, toast=toast, card=card)
        if card is not None:
            content = json.dumps(card, ensure_ascii=False)
            self.state.change_message(message_id, content=content, updated=self.state.clock())
        self.state.publish("toast", answer)
        return answer

    def _mentions(self, chat: Chat, *, mention_bot: bool, others: Sequence[str] = ()) -> list[Mention]:
        named = [(open_id, self.state.people[open_id].name, "user") for open_id in others]
        if mention_bot and chat.kind != "p2p":
            named.insert(0, (self.bot_open_id, self.bot_name, "bot"))
        return [
            Mention(index=index, open_id=open_id, name=name, kind=kind)
            for index, (open_id, name, kind) in enumerate(named, start=1)
        ]

    def _position(self, chat: Chat, *, thread_id: str | None = None, quote: str | None = None) -> dict[str, Any]:
        if quote is not None:
            source = self.state.messages[quote]
        elif thread_id is not None:
            source = self.state.thread_root(thread_id)
        else:
            return {"thread_id": new_id("omt")} if chat.kind == "topic" else {}
        position = {"root_id": source.root_id or source.message_id, "parent_id": source.message_id}
        thread_id = thread_id or source.thread_id
        return {**position, "thread_id": thread_id} if thread_id else position

    def _send(
        self,
        chat: Chat,
        sender: str,
        kind: str,
        content: str,
        *,
        position: Mapping[str, Any],
        noted: Sequence[Mention] = (),
    ) -> ChatMessage:
        message = self.state.add_message(
            ChatMessage(
                message_id=new_id("om"),
                chat_id=chat.chat_id,
                sender=sender,
                msg_type=kind,
                content=content,
                created=self.state.clock(),
                mentions=tuple(self._events.mentioned(mention) for mention in noted),
                **position,
            )
        )
        everybody = kind in ("text", "post") and EVERYBODY in content
        if chat.bot_inside and (chat.kind == "p2p" or everybody or any(mention.kind == "bot" for mention in noted)):
            self._deliver(self.event_of(message))
        return message

    def _deliver(self, event: Event) -> str:
        self._pusher.deliver(event)
        return str(event["header"]["event_id"])


def _read_answer(
    attempt: Attempt, image_keys: Collection[str]
) -> tuple[int | None, dict[str, Any] | None, dict[str, Any] | None]:
    """The code, the toast and the card of an answer to a card action.

    https://open.feishu.cn/document/feishu-cards/card-callback-communication
    """
    if attempt.outcome != "acknowledged":
        return _CODES[attempt.outcome], None, None
    try:
        value = json.loads(attempt.body)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not value.keys() <= {"toast", "card"}:
        return _BAD_BODY, None, None
    toast, card = value.get("toast"), value.get("card")
    if "toast" in value and not _is_toast(toast):
        return _BAD_BODY, None, None
    match card:
        case None:
            return None, toast, None
        case {"type": "raw", "data": dict(new)} if not validate_card(new, image_keys=image_keys):
            return None, toast, new
        case _:
            return _BAD_CARD, None, None


def _is_toast(toast: Any) -> bool:
    match toast:
        case {"content": str(), **rest} if rest.get("type", "info") in ("info", "success", "error", "warning"):
            by_language = rest.get("i18n", {})
            return isinstance(by_language, dict) and all(isinstance(text, str) for text in by_language.values())
    return False
