"""What people do in the chats, and the events that the bot gets of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.feishu.card_actions import CardAction, actions_of
from bot.sandbox.feishu.changes import Changes
from bot.sandbox.feishu.delivery import EventPusher
from bot.sandbox.feishu.events import Event, Events, Mention, written
from bot.sandbox.feishu.presses import PressAnswer, answer_of
from bot.sandbox.feishu.uploads import Uploads
from bot.sandbox.feishu.world import Chat, ChatMessage, World, new_id

EVERYBODY = "@_all"
"""What stands in a text that mentions everybody; its event has no entry for it."""


class Acts:
    """The people's side of the stand-in; each act returns at once, its event follows in the background.

    A group's messages reach the bot only when they mention it or everybody, as with the scope
    ``im:message.group_at_msg:readonly``.
    """

    def __init__(
        self,
        *,
        world: World,
        events: Events,
        courier: EventPusher,
        uploads: Uploads,
        changes: Changes,
        bot: tuple[str, str],
    ) -> None:
        self.world = world
        self.bot_open_id, self.bot_name = bot
        self._events = events
        self._courier = courier
        self._uploads = uploads
        self._changes = changes

    def say(
        self,
        *,
        chat_id: str,
        sender: str,
        text: str,
        mention_bot: bool = True,
        mentions: Sequence[str] = (),
        thread_id: str | None = None,
        as_post: bool = False,
        quote: str | None = None,
    ) -> ChatMessage:
        """Somebody writes.

        Args:
            chat_id: where; in a topic group without ``thread_id`` or ``quote`` this opens a thread.
            sender: the open id of who writes.
            text: the words; ``@Name`` of somebody mentioned stands where it is, else mentions come first.
            mention_bot: whether the bot is mentioned, which nobody does in a direct conversation.
            mentions: the open ids of the others who are mentioned.
            thread_id: the thread in which it is a reply.
            as_post: whether it is sent as rich text.
            quote: the message to which it replies.
        """
        chat = self.world.chats[chat_id]
        noted = self._mentions(chat, mention_bot=mention_bot, others=mentions)
        content = written(text, noted, as_post=as_post)
        place = self._place(chat, thread_id=thread_id, quote=quote)
        kind = "post" if as_post else "text"
        return self._send(chat, sender, kind, content, noted=noted, place=place, everybody=EVERYBODY in text)

    def event_of(self, message: ChatMessage) -> Event:
        """The event that tells the bot of a message, under an id of its own at each call, for whoever pushes it."""
        return self._events.received(
            message, sender=self.world.people[message.sender], chat=self.world.chats[message.chat_id]
        )

    def send_picture(
        self,
        *,
        chat_id: str,
        sender: str,
        content: bytes,
        text: str = "",
        mention_bot: bool = False,
        mentions: Sequence[str] = (),
        thread_id: str | None = None,
        quote: str | None = None,
    ) -> ChatMessage:
        """Somebody sends a picture; with a text or a mention it becomes rich text; see :meth:`say`."""
        chat = self.world.chats[chat_id]
        place = self._place(chat, thread_id=thread_id, quote=quote)
        key = self._uploads.store(content, name="picture", kind="image", owner=sender).key
        noted = self._mentions(chat, mention_bot=mention_bot, others=mentions)
        if text or noted:
            rich = written(text, noted, image_key=key, as_post=True)
            return self._send(chat, sender, "post", rich, noted=noted, place=place, everybody=EVERYBODY in text)
        return self._send(chat, sender, "image", json.dumps({"image_key": key}), place=place)

    def send_file(self, *, chat_id: str, sender: str, content: bytes, name: str) -> ChatMessage:
        """Somebody sends a file."""
        chat = self.world.chats[chat_id]
        upload = self._uploads.store(content, name=name, kind="file", owner=sender)
        words = json.dumps({"file_key": upload.key, "file_name": name}, ensure_ascii=False)
        return self._send(chat, sender, "file", words, place=self._place(chat))

    def recall(self, message_id: str, *, by: str) -> str:
        """Somebody takes a message back: who wrote it, or a manager of the group; returns the event's id."""
        message = self.world.change_message(message_id, recalled=True)
        return self._deliver(self._events.recalled(message, by_owner=by == message.sender))

    def delete(self, message_id: str) -> None:
        """A message is deleted for good, of which nobody is told."""
        self.world.change_message(message_id, deleted=True)

    def enter_p2p(self, person: str) -> str:
        """Somebody opens the conversation with the bot; returns the event's id."""
        chat = self.world.direct_chat(person)
        last = next((message for message in reversed(self.world.in_chat(chat.chat_id))), None)
        return self._deliver(self._events.entered(chat, person=self.world.people[person], last=last))

    def add_bot(self, chat_id: str, *, by: str) -> str:
        """Somebody puts the bot into a group; returns the event's id."""
        chat = self.world.let_bot(chat_id, inside=True)
        return self._deliver(self._events.added(chat, person=self.world.people[by]))

    def remove_bot(self, chat_id: str) -> None:
        """The bot is taken out of a group: nothing there reaches it, and what it sends is refused (230002)."""
        self.world.let_bot(chat_id, inside=False)

    def press_menu(self, event_key: str, *, by: str) -> str:
        """Somebody presses an entry of the bot's menu; returns the event's id."""
        return self._deliver(self._events.menu(event_key, person=self.world.people[by]))

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
        """Somebody uses a card; waits for the bot's answer, at most 3 s, and never asks again.

        Without ``send_value`` the event has no ``action.value``, as some forms come back.

        The card need not have such a component, so that forged presses can be tried too.

        Raises:
            ValueError: the message is no card that is still there.
        """
        message = self.world.messages[message_id]
        if message.msg_type != "interactive" or message.recalled or message.deleted:
            raise ValueError(f"{message_id} is no card that can be pressed")
        more = {"option": option, "form_value": dict(form_value) if form_value else None, "name": name}
        action: dict[str, Any] = {"tag": tag, "timezone": "Asia/Shanghai"}
        if send_value:
            action["value"] = dict(value or {})
        action |= {key: entry for key, entry in more.items() if entry is not None}
        event = self._events.pressed(message, presser=self.world.people[presser], action=action)
        attempt = self._courier.push(event)
        answer = answer_of(attempt, message_id=message_id, presser=presser, image_keys=self.world.image_keys())
        if answer.card is not None:
            content = json.dumps(answer.card, ensure_ascii=False)
            self.world.change_message(message_id, content=content, updated=self.world.clock())
        self._changes.publish("toast", answer)
        return answer

    def actions(self, message_id: str) -> list[CardAction]:
        """What can be pressed, chosen or filled in on a card as it stands."""
        return actions_of(json.loads(self.world.messages[message_id].content))

    def _mentions(self, chat: Chat, *, mention_bot: bool, others: Sequence[str] = ()) -> list[Mention]:
        named = [(open_id, self.world.people[open_id].name, "user") for open_id in others]
        if mention_bot and chat.kind != "p2p":
            named.insert(0, (self.bot_open_id, self.bot_name, "bot"))
        return [
            Mention(place=place, open_id=open_id, name=name, kind=kind)
            for place, (open_id, name, kind) in enumerate(named, start=1)
        ]

    def _place(self, chat: Chat, *, thread_id: str | None = None, quote: str | None = None) -> dict[str, str]:
        if quote is not None:
            source = self.world.messages[quote]
        elif thread_id is not None:
            source = self.world.thread_root(thread_id)
        else:
            return {"thread_id": new_id("omt")} if chat.kind == "topic" else {}
        place = {"root_id": source.root_id or source.message_id, "parent_id": source.message_id}
        thread_id = thread_id or source.thread_id
        return {**place, "thread_id": thread_id} if thread_id else place

    def _send(
        self,
        chat: Chat,
        sender: str,
        kind: str,
        content: str,
        *,
        place: Mapping[str, str],
        noted: Sequence[Mention] = (),
        everybody: bool = False,
    ) -> ChatMessage:
        message = self.world.add_message(
            ChatMessage(
                message_id=new_id("om"),
                chat_id=chat.chat_id,
                sender=sender,
                msg_type=kind,
                content=content,
                created=self.world.clock(),
                mentions=tuple(self._events.mentioned(mention) for mention in noted),
                root_id=place.get("root_id"),
                parent_id=place.get("parent_id"),
                thread_id=place.get("thread_id"),
            )
        )
        to_bot = chat.kind == "p2p" or everybody or any(mention.kind == "bot" for mention in noted)
        if chat.bot_inside and to_bot:
            self._deliver(self.event_of(message))
        return message

    def _deliver(self, event: dict[str, Any]) -> str:
        self._courier.deliver(event)
        return str(event["header"]["event_id"])
