"""What decides whether a prompt is accepted: known messages, defaults of senders and chats, counts against limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, select, union_all

from bot.db.database import Database
from bot.db.key_value import is_paused
from bot.db.tables import generations, preferences, requests
from bot.db.usage import spent
from bot.models import Language, State, fields_of
from bot.options import OPTIONS, Options, PartialOptions

MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUsage:
    """Images at one moment: of the senders who were asked for, and of the team by model.

    ``today`` are the paid calls of what a sender asked for today, and one for each image of it that waits. A call
    counts as it does in the budget: also when its image was cancelled, failed or was recalled meanwhile.

    ``planned`` are the month's calls that were made, and one for each image that waits: for its first, or for another
    one since a crash hid the outcome of that.
    """

    paused: bool = False
    pending: Counter[str] = field(default_factory=Counter)
    today: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    planned: Counter[str] = field(default_factory=Counter)
    recent: Counter[str] = field(default_factory=Counter)
    """Answered messages and card actions of the last :data:`MINUTE`, by sender."""
    warned: Counter[str] = field(default_factory=Counter)
    """How many of them said that there were too many."""

    def add(self, sender: str, options: Options) -> None:
        """Counts images that have joined the queue since."""
        self.pending[sender] += options.count
        self.today[sender] += options.count
        self.waiting[options.model] += options.count
        self.planned[options.model] += options.count


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionState:
    """What a group of prompts is decided by: ``known`` keys of them, ``chosen`` settings of senders and chats."""

    known: set[str]
    chosen: Mapping[str, Mapping[str, Any]]
    counts: QuotaUsage


def read_admission_state(
    connection: Connection,
    *,
    dedup_keys: Collection[str],
    senders: Collection[str],
    chats: Collection[str],
    month: str,
    day_began: float,
    at: float,
) -> AdmissionState:
    """Reads it as it stays until the end of a transaction that began with :meth:`Database.lock_admissions`.

    Args:
        connection: the transaction.
        dedup_keys: of the prompts.
        senders: their open ids.
        chats: their chat ids.
        month: such as ``2026-11``.
        day_began: when today began, in seconds since 1970.
        at: the time, in seconds since 1970.
    """
    known = connection.scalars(select(requests.c.dedup_key).where(requests.c.dedup_key.in_(dedup_keys)))
    recent = count_recent(connection, senders, at=at)
    counts = count(connection, senders, month=month, day_began=day_began)
    return AdmissionState(
        known=set(known),
        chosen=_chosen(connection, [*senders, *chats]),
        counts=replace(counts, recent=recent.recent, warned=recent.warned),
    )


def count(connection: Connection, senders: Collection[str], *, month: str, day_began: float) -> QuotaUsage:
    """Counts for these senders and the team; see :func:`read_admission_state`."""
    sender, model = generations.c.sender, generations.c.model
    theirs, is_open = sender.in_(senders), generations.c.ended_at.is_(None)
    waits = and_(is_open, generations.c.state == State.WAITING)
    calls = func.sum(generations.c.calls_billed + case((waits, 1), else_=0))
    today = generations.c.accepted_at >= day_began
    found = _counters(
        connection,
        pending=_by(sender, theirs, is_open),
        today=_by(sender, theirs, today, number=calls),
        waiting=_by(model, waits),
    )
    planned = found["waiting"] + Counter(spent(connection, month))
    return QuotaUsage(
        paused=is_paused(connection),
        pending=found["pending"],
        today=found["today"],
        waiting=found["waiting"],
        planned=planned,
    )


def count_recent(connection: Connection, senders: Collection[str], *, at: float) -> QuotaUsage:
    """Counts what of these senders was answered in the minute before ``at``, in seconds since 1970; nothing else."""
    sender = requests.c.sender
    lately = and_(sender.in_(senders), requests.c.accepted_at > at - MINUTE)
    found = _counters(
        connection,
        recent=_by(sender, lately, requests.c.kind != "too_fast"),
        warned=_by(sender, lately, requests.c.kind == "too_fast"),
    )
    return QuotaUsage(recent=found["recent"], warned=found["warned"])


def _by(column: Any, *conditions: Any, number: ColumnElement[Any] | None = None) -> Select[Any]:
    return select(column, func.count() if number is None else number).where(*conditions).group_by(column)


def _counters(connection: Connection, **selects: Select[Any]) -> dict[str, Counter[str]]:
    """What each statement counts by name, asked for in one go."""
    counters: dict[str, Counter[str]] = {kind: Counter() for kind in selects}
    together = union_all(*(one.add_columns(literal(kind)) for kind, one in selects.items()))
    for name, number, kind in connection.execute(together):
        counters[kind][name] += int(number)
    return counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What some senders and chats have set, over what the team has."""

    team: Options
    chosen: Mapping[str, Mapping[str, Any]]

    def of(self, subject: str | None) -> Mapping[str, Any]:
        """What a person (``open_id``) or chat (``chat_id``) has set."""
        return self.chosen.get(subject or "", {})

    def options(self, *, person: str, chat: str | None) -> Options:
        """The options of a prompt that names none: the person's, over the chat's, over the team's."""
        names = {name: value for subject in (chat, person) for name, value in self.of(subject).items()}
        return replace(self.team, **{name: value for name, value in names.items() if name in OPTIONS})

    def language(self, person: str) -> Language | None:
        """The language that a person has chosen."""
        language: Language | None = self.of(person).get("language")
        return language


@dataclass(frozen=True, slots=True)
class Preferences:
    """Reads and writes defaults within the caller's transaction; ``defaults`` are the team's, from the settings."""

    database: Database
    defaults: Options

    def choices(self, connection: Connection, subjects: Collection[str | None]) -> Defaults:
        """What these people and chats have set."""
        return self.over(_chosen(connection, [subject for subject in subjects if subject]))

    def over(self, chosen: Mapping[str, Mapping[str, Any]]) -> Defaults:
        """What was read of people and chats, over what the team has."""
        return Defaults(team=self.defaults, chosen=chosen)

    def set(self, connection: Connection, subject: str, changes: Mapping[str, Any]) -> None:
        """Changes some of what a person or chat has set."""
        before = self.choices(connection, [subject]).of(subject)
        content = json.dumps({**before, **changes}, ensure_ascii=False)
        row = self.database.insert(preferences).values(subject=subject, content=content)
        connection.execute(
            row.on_conflict_do_update(index_elements=["subject"], set_={"content": row.excluded.content})
        )


def _chosen(connection: Connection, subjects: Collection[str]) -> dict[str, Mapping[str, Any]]:
    own = select(preferences.c.subject, preferences.c.content).where(preferences.c.subject.in_(subjects))
    return {subject: json.loads(content) for subject, content in connection.execute(own)}


def chosen(options: PartialOptions, settled: Options) -> dict[str, Any]:
    """The resolved values of the options that were typed: what ``/set`` stores."""
    values = fields_of(settled)
    return {name: values[name] for name in options.given}
