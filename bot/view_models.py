"""What the cards of commands and the metrics show, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.models import Language
from bot.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A request with images that run or wait; ``number`` is what ``/cancel`` takes, for one's own alone."""

    request_id: str
    prompt: str
    mine: bool
    here: bool
    """Whether it belongs to this chat; other people's in other chats are not shown."""
    running: int
    """Images whose call or delivery is under way."""
    waiting: int
    number: int | None = None
    ahead: int | None = None
    """Generations ahead of its first waiting one."""
    wait_seconds: float | None = None
    """Until its last image is there, where that can be estimated."""
    price: float = 0.0
    """Yuan for an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The unfinished requests of a chat, one's own everywhere, and how many images there are elsewhere."""

    entries: tuple[QueueEntry, ...]
    elsewhere: int
    paused: bool
    private: bool = False
    """Whether nobody else reads the answer, so that one's own prompts from other chats may be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """What has been used of a budget of the month; a limit of 0 is none."""

    subject: Literal["person", "chat"]
    """Whose budget it is: that of the person who asks, or of this chat."""
    yuan: float
    yuan_most: float
    images: int = 0
    images_most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaView:
    """What a person and the team have used; a limit of 0 is none. Times in seconds since 1970, money in yuan."""

    today: int
    per_day: int
    resets_at: float
    pending: int
    pending_most: int
    team_images: int
    team_images_most: int
    team_yuan: float
    team_yuan_most: float
    budgets: tuple[BudgetView, ...] = ()
    """Those that apply to the person and to this chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsView:
    """A person's defaults in a chat: what applies, and what of it the person or the chat has set."""

    options: Options
    language: Language | None
    own: tuple[str, ...]
    """The names that the person has set, such as ``size``."""
    chat: tuple[str, ...]
    """The names that an admin has set for this chat."""
    of_chat: bool = False
    """Whether the chat's defaults alone are shown, for anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """An image in somebody's history."""

    request_id: str
    prompt: str
    image_key: str
    options: Options
    generation_id: str = ""
    """Whose original can be sent; empty where it cannot be had any more."""
    accepted_at: float | None = None
    """In seconds since 1970."""
    calls_billed: int = 1
    """How many calls the platform bills for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """One page of somebody's history, newest first."""

    entries: tuple[HistoryEntry, ...]
    filter: str = ""
    """The day or the words that were asked for, as they were typed."""
    everywhere: bool = False
    """Whether it covers all chats of the person, not this chat alone."""
    more: bool = False
    """Whether there are older ones; the card's button sends ``{"a": "older", "r": request_id}`` of this request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStats:
    """One model's month: images charged, yuan, and the medians in seconds."""

    model: str
    images: int
    yuan: float
    generation_seconds: float | None
    waiting_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one person or one chat has used in a month: calls that the platform bills or may bill, and yuan."""

    open_id: str
    """Of the person; in a direct chat of the person there, in a group empty."""
    images: int
    yuan: float
    chat_id: str = ""
    """Of the chat; empty where the person in all chats is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsView:
    """The team's month, for an admin; ``month`` is written ``2026-11``.

    The card's button for a file of the month sends ``{"a": "export", "m": month}``.
    """

    month: str
    models: tuple[ModelStats, ...]
    people: tuple[Usage, ...]
    """The people with the highest cost, the highest first."""
    days: tuple[tuple[str, int], ...]
    """Images a day, as ``11-23`` and count, oldest first."""
    outcomes: Mapping[str, int]
    """How generations ended: ``done``, ``cancelled``, or the sentence of their failure, such as ``failure.balance``."""
    feishu_calls: int
    paused: bool
    chats: tuple[Usage, ...] = ()
    """The chats with the highest cost, the highest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSnapshot:
    """One model: how many generations wait and the oldest of them for how many seconds, and slots."""

    waiting: int
    oldest_seconds: float
    slots_taken: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSnapshot:
    """The present state over all processes; money in yuan, sizes in bytes."""

    models: Mapping[str, ModelSnapshot]
    workers: int
    month_yuan: float
    month_images: int
    month_feishu_calls: int
    database_bytes: int
