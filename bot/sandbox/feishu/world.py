"""What exists in the stand-in: people, chats, messages, uploads."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bot.sandbox.feishu.changes import Changes

ChatKind = Literal["p2p", "group", "topic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a Feishu account; ``language`` is what the client shows cards in."""

    open_id: str
    name: str
    language: Literal["zh", "en"] = "zh"

    @property
    def ids(self) -> dict[str, str]:
        """The person as events name them; ``user_id`` is left out, as without its scope."""
        return {"union_id": f"on_{self.open_id.removeprefix('ou_')}", "open_id": self.open_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A direct conversation, a group, or a topic group, in which every top message opens a thread."""

    chat_id: str
    kind: ChatKind
    name: str
    members: tuple[str, ...]
    bot_inside: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """A message as it stands; times in seconds since 1970.

    ``sender`` is a person's open id or the app's id. ``content`` is the JSON text that the platform stores, and
    ``versions`` holds every content that a card has had, the present one last.
    """

    message_id: str
    chat_id: str
    sender: str
    msg_type: str
    content: str
    created: float
    thread_id: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    updated: float | None = None
    recalled: bool = False
    deleted: bool = False
    versions: tuple[str, ...] = ()
    mentions: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A picture or file that was uploaded; ``owner`` is the app's id, or the open id of a person who sent it."""

    key: str
    kind: Literal["image", "file"]
    name: str
    content: bytes
    content_type: str
    owner: str
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """An emoji that the bot put on a message."""

    reaction_id: str
    message_id: str
    emoji_type: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A mention in something that the bot sent, which would have notified ``whom``; ``all`` is everybody."""

    message_id: str
    whom: str


def new_id(kind: str) -> str:
    """An id of the platform's shape: ``om_…`` for ``om``."""
    return f"{kind}_{secrets.token_hex(16)}"


class World:
    """The state, under one lock; what it hands out is frozen and stays as it was."""

    def __init__(self, *, changes: Changes, clock: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.people: dict[str, Person] = {}
        self.chats: dict[str, Chat] = {}
        self.messages: dict[str, ChatMessage] = {}
        self.uploads: dict[str, Upload] = {}
        self.reactions: dict[str, Reaction] = {}
        self.pings: list[Ping] = []
        self._changes = changes

    def add_person(self, name: str, *, language: Literal["zh", "en"] = "zh", open_id: str | None = None) -> Person:
        """A new person."""
        person = Person(open_id=open_id or new_id("ou"), name=name, language=language)
        with self.lock:
            self.people[person.open_id] = person
        return person

    def add_chat(
        self, kind: ChatKind, *, name: str, members: Sequence[str], chat_id: str | None = None, bot_inside: bool = True
    ) -> Chat:
        """A new chat."""
        chat = Chat(
            chat_id=chat_id or new_id("oc"), kind=kind, name=name, members=tuple(members), bot_inside=bot_inside
        )
        with self.lock:
            self.chats[chat.chat_id] = chat
        return chat

    def direct_chat(self, open_id: str) -> Chat:
        """The conversation of a person with the bot, made where there was none."""
        with self.lock:
            for chat in self.chats.values():
                if chat.kind == "p2p" and open_id in chat.members:
                    return chat
            return self.add_chat("p2p", name=self.people[open_id].name, members=[open_id])

    def add_message(self, message: ChatMessage) -> ChatMessage:
        """Stores and tells of a new message."""
        with self.lock:
            self.messages[message.message_id] = message
        self._changes.publish("message", message)
        return message

    def change_message(self, message_id: str, **fields: Any) -> ChatMessage:
        """Stores a message's new state; a new ``content`` is kept as a further version."""
        with self.lock:
            before = self.messages[message_id]
            if "content" in fields:
                fields["versions"] = (*before.versions, fields["content"])
            after = self.messages[message_id] = replace(before, **fields)
        self._changes.publish("card" if "content" in fields else "recall", after)
        return after

    def add_upload(self, upload: Upload) -> Upload:
        """Stores an upload under its key."""
        with self.lock:
            self.uploads[upload.key] = upload
        return upload

    def image_keys(self) -> frozenset[str]:
        """The keys of the pictures that there are."""
        with self.lock:
            return frozenset(key for key, upload in self.uploads.items() if upload.kind == "image")

    def in_chat(self, chat_id: str) -> list[ChatMessage]:
        """A chat's messages, oldest first."""
        with self.lock:
            return [message for message in self.messages.values() if message.chat_id == chat_id]

    def let_bot(self, chat_id: str, *, inside: bool) -> Chat:
        """Puts the bot into a chat or takes it out."""
        with self.lock:
            chat = self.chats[chat_id] = replace(self.chats[chat_id], bot_inside=inside)
        return chat

    def thread_root(self, thread_id: str) -> ChatMessage:
        """The message that opened a thread.

        Raises:
            KeyError: no message has this thread.
        """
        with self.lock:
            for message in self.messages.values():
                if message.thread_id == thread_id:
                    return self.messages[message.root_id] if message.root_id else message
        raise KeyError(thread_id)

    def furnish(self) -> None:
        """Adds three people, a conversation of each with the bot, a group and a topic group."""
        lin = self.add_person("林小雨", open_id="ou_lin")
        chen = self.add_person("陈晨", open_id="ou_chen")
        alex = self.add_person("Alex", language="en", open_id="ou_alex")
        everybody = [person.open_id for person in (lin, chen, alex)]
        for person in (lin, chen, alex):
            chat_id = f"oc_direct_{person.open_id.removeprefix('ou_')}"
            self.add_chat("p2p", name=person.name, members=[person.open_id], chat_id=chat_id)
        self.add_chat("group", name="设计小组", members=everybody, chat_id="oc_group")
        self.add_chat("topic", name="灵感话题", members=everybody, chat_id="oc_topics")
