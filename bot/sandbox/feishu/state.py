"""The state of the stand-in: its app, people, chats, messages and uploads."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import Any, Literal

from PIL import Image

TENANT_KEY = "sandbox_tenant"

ChatKind = Literal["p2p", "group", "topic"]
Language = Literal["zh", "en"]

_IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "ICO")
"""Of those that Feishu accepts, the ones that Pillow reads: all but HEIC.

https://open.feishu.cn/document/server-docs/im-v1/image/create
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The platform's limits; bytes, seconds, pixels per side, calls per second or minute.

    https://open.feishu.cn/document/ukTMukTMukTM/uUzN04SN3QjL1cDN and the pages of the calls.
    """

    image_bytes: int = 10 * 1024 * 1024
    image_pixels: int = 12000
    gif_pixels: int = 2000
    file_bytes: int = 30 * 1024 * 1024
    text_bytes: int = 150 * 1024
    card_bytes: int = 30 * 1024
    uuid_characters: int = 50
    uuid_seconds: float = 3600.0
    patch_seconds: float = 14 * 86400.0
    patches_per_second: int = 5
    chat_per_second: int = 5
    api_per_second: int = 50
    api_per_minute: int = 1000
    token_seconds: float = 7200.0
    token_renewed_seconds: float = 1800.0
    """With less than this left a request for a token gives a new one; the old one stays valid beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user; ``language`` is what their client shows cards in."""

    open_id: str
    name: str
    language: Language = "zh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A direct chat, a group, or a topic group, in which every top message opens a thread."""

    chat_id: str
    kind: ChatKind
    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """A message as it is now; times in seconds since 1970.

    ``sender`` is a user's open id or the app's id, ``content`` JSON text; ``versions`` are all contents of a card.
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
    versions: tuple[str, ...] = ()
    mentions: tuple[dict[str, Any], ...] = ()

    @property
    def position(self) -> dict[str, str]:
        """The ids of its root, its parent and its thread, as far as it has them."""
        ids = {"root_id": self.root_id, "parent_id": self.parent_id, "thread_id": self.thread_id}
        return {name: value for name, value in ids.items() if value}


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded image or file; ``owner`` is the app's id, or the sender's open id."""

    key: str
    kind: Literal["image", "file"]
    name: str
    content: bytes
    content_type: str
    owner: str
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji that ``operator``, the app's id or a user's open id, put on a message."""

    reaction_id: str
    message_id: str
    operator: str
    emoji_type: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PressAnswer:
    """What the presser sees: an error code, a toast, or nothing; ``card`` replaces the pressed one."""

    message_id: str
    presser: str
    code: int | None = None
    toast: dict[str, Any] | None = None
    card: dict[str, Any] | None = None


def new_id(kind: str) -> str:
    """An id of the platform's shape: ``om_…`` for ``om``."""
    return f"{kind}_{secrets.token_hex(16)}"


def user_ids(open_id: str) -> dict[str, str]:
    """The ids of a user or bot in events; without its scope ``user_id`` is left out."""
    return {"union_id": f"on_{open_id.removeprefix('ou_')}", "open_id": open_id}


def inspect_image(content: bytes) -> tuple[str, int, int] | None:
    """The format in lower case, width and height of an image, or ``None`` when it is none that Feishu accepts."""
    try:
        with Image.open(BytesIO(content), formats=_IMAGE_FORMATS) as image:
            # A JPEG with further pictures behind the first, as some cameras make it, is an MPO to Pillow.
            return str(image.format).lower().replace("mpo", "jpeg"), *image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


@dataclass(kw_only=True)
class FeishuState:
    """The app and all that is in its tenant, under one lock; the records in it are frozen.

    It starts with three people, a direct chat of each with the bot, a group and a topic group. Without an
    ``encrypt_key`` events are pushed plain and unsigned. ``clock`` gives the seconds since 1970 of message times,
    tokens, limits and ``uuid``.
    """

    app_id: str = "cli_sandbox"
    app_secret: str = field(default_factory=partial(secrets.token_hex, 16))
    encrypt_key: str = field(default_factory=partial(secrets.token_hex, 16))
    verification_token: str = field(default_factory=partial(secrets.token_hex, 16))
    clock: Callable[[], float] = time.time
    limits: Limits = field(default_factory=Limits)
    lock: threading.RLock = field(default_factory=threading.RLock)
    people: dict[str, Person] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    messages: dict[str, ChatMessage] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    reactions: dict[str, Reaction] = field(default_factory=dict)
    press_answers: list[PressAnswer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.add_person("林小雨", open_id="ou_lin")
        self.add_person("陈晨", open_id="ou_chen")
        self.add_person("Alex", open_id="ou_alex", language="en")
        for open_id, person in self.people.items():
            self.add_chat("p2p", name=person.name, members=[open_id], chat_id=open_id.replace("ou_", "oc_direct_"))
        self.add_chat("group", name="设计小组", members=[*self.people], chat_id="oc_group")
        self.add_chat("topic", name="灵感话题", members=[*self.people], chat_id="oc_topics")

    def add_person(self, name: str, *, language: Language = "zh", open_id: str | None = None) -> Person:
        open_id = open_id or new_id("ou")
        with self.lock:
            person = self.people[open_id] = Person(open_id=open_id, name=name, language=language)
        return person

    def add_chat(self, kind: ChatKind, *, name: str, members: Sequence[str], chat_id: str | None = None) -> Chat:
        chat_id = chat_id or new_id("oc")
        with self.lock:
            chat = self.chats[chat_id] = Chat(chat_id=chat_id, kind=kind, name=name, members=tuple(members))
        return chat

    def direct_chat(self, open_id: str) -> Chat:
        """The chat of a user with the bot, created when there is none."""
        with self.lock:
            known = (chat for chat in self.chats.values() if chat.kind == "p2p" and open_id in chat.members)
            return next(known, None) or self.add_chat("p2p", name=self.people[open_id].name, members=[open_id])

    def add_message(self, chat_id: str, sender: str, msg_type: str, content: str, **more: Any) -> ChatMessage:
        """Stores a new message; ``more`` are further fields of it."""
        own = {"message_id": new_id("om"), "created": self.clock(), **more}
        message = ChatMessage(chat_id=chat_id, sender=sender, msg_type=msg_type, content=content, **own)
        with self.lock:
            self.messages[message.message_id] = message
        return message

    def change_message(self, message_id: str, **fields: Any) -> ChatMessage:
        """Stores a change of a message; a new ``content`` is kept as a further version."""
        with self.lock:
            before = self.messages[message_id]
            if "content" in fields:
                fields |= {"versions": (*before.versions, fields["content"]), "updated": self.clock()}
            after = self.messages[message_id] = replace(before, **fields)
        return after

    def add_reaction(self, message_id: str, *, operator: str, emoji_type: str) -> Reaction:
        reaction = Reaction(new_id("reaction"), message_id, operator, emoji_type, self.clock())
        with self.lock:
            self.reactions[reaction.reaction_id] = reaction
        return reaction

    def add_upload(self, content: bytes, *, name: str, kind: Literal["image", "file"], owner: str) -> Upload:
        image, *size = inspect_image(content) or ("", 0, 0)
        type_ = f"image/{image}" if image else "application/octet-stream"
        key = new_id("img_v3" if kind == "image" else "file_v3")
        with self.lock:
            upload = self.uploads[key] = Upload(key, kind, name, content, type_, owner, *size)
        return upload

    def image_keys(self) -> frozenset[str]:
        with self.lock:
            return frozenset(key for key, upload in self.uploads.items() if upload.kind == "image")
