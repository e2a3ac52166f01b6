"""What is counted: a sender's images and messages, the team's images of a month by model, calls to Feishu.

Months are written ``2026-11``, in the team's zone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from bot.db.database import Database, insert
from bot.db.key_value import is_paused
from bot.db.tables import FEISHU_CALLS, UNFINISHED, WAITS, G, R, monthly_usage, requests
from bot.errors import DatabaseUnavailable
from bot.options import Options
from bot.timings import BillingPeriods

MINUTE = 60.0
UNCOUNTED = frozenset({"token", "endpoint"})  # the calls that Feishu's plan does not count

_ROWS = sa.func.count()
# The calls that were made, and one for each image that waits.
_CALLS = sa.func.sum(G.calls_billed + sa.case((WAITS, 1), else_=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUsage:
    """Images at one moment: by sender of those who were asked for, and of the team by model.

    Calls count as in the budget, also when their image was cancelled, failed or was recalled meanwhile; each image that
    waits counts as one call: its first, or another one since a crash hid the outcome of that.
    """

    paused: bool = False
    pending: Counter[str] = field(default_factory=Counter)
    today: Counter[str] = field(default_factory=Counter)  # the calls of what a sender asked for today
    waiting: Counter[str] = field(default_factory=Counter)
    planned: Counter[str] = field(default_factory=Counter)  # the month's calls
    recent: Counter[str] = field(default_factory=Counter)  # by sender, answered messages and presses of a MINUTE
    warned: Counter[str] = field(default_factory=Counter)  # how many of these said that there were too many
    budgets: dict[str, Counter[str]] = field(default_factory=dict)  # `planned` of who has a budget

    def add(self, sender: str, chat_id: str | None, options: Options) -> None:
        """Counts images that have joined the queue since."""
        for counter, name in (
            (self.pending, sender),
            (self.today, sender),
            (self.waiting, options.model),
            (self.planned, options.model),
            *((self.budgets[who], options.model) for who in (sender, chat_id) if who in self.budgets),
        ):
            counter[name] += options.count


def count_images(
    connection: sa.Connection, senders: Collection[str], *, month: str, day_began: float, at: float
) -> QuotaUsage:
    """Counts for these senders and the team; right until the end of a transaction of :func:`lock_admissions`."""
    theirs, waiting = G.sender.in_(senders), _count(connection, G.model, WAITS)
    return replace(
        count_recent(connection, senders, at=at),
        paused=is_paused(connection),
        pending=_count(connection, G.sender, theirs, UNFINISHED),
        today=_count(connection, G.sender, theirs, G.accepted_at >= day_began, number=_CALLS),
        waiting=waiting,
        planned=waiting + spent(connection, month),
    )


def count_budgets(
    connection: sa.Connection, budgets: Collection[str], *, month: str, began: float
) -> dict[str, Counter[str]]:
    """Counts calls and waiting images of people (``open_id``) and chats (``chat_id``) since a month ``began``."""
    found: dict[str, Counter[str]] = {who: Counter() for who in budgets}
    people = sa.select(G.sender, G.model, _CALLS).where(G.sender.in_(budgets), G.accepted_at >= began)
    chats = (
        sa.select(R.chat_id, G.model, _CALLS)
        .join(requests, R.request_id == G.request_id)
        .where(R.chat_id.in_(budgets), R.accepted_at >= began)
    )
    for statement in (people.group_by(G.sender, G.model), chats.group_by(R.chat_id, G.model)):
        for who, model, number in connection.execute(statement.where(G.billing_month == month)) if budgets else ():
            found[who][model] += int(number)
    return found


def count_recent(connection: sa.Connection, senders: Collection[str], *, at: float) -> QuotaUsage:
    """Counts what of these senders was answered in the minute before ``at``; nothing else."""
    lately = R.sender.in_(senders), R.accepted_at > at - MINUTE
    return QuotaUsage(
        recent=_count(connection, R.sender, *lately, R.kind != "too_fast"),
        warned=_count(connection, R.sender, *lately, R.kind == "too_fast"),
    )


def _count(
    connection: sa.Connection, by: Any, *conditions: sa.ColumnElement[bool], number: sa.ColumnElement[Any] = _ROWS
) -> Counter[str]:
    rows = connection.execute(sa.select(by, number).where(*conditions).group_by(by))
    return Counter({name: int(count) for name, count in rows})


def add_usage(connection: sa.Connection, *, month: str, name: str, count: int) -> None:
    """Adds to a month's images of a model, or takes back what was not billed."""
    if count:
        row = insert(connection, monthly_usage).values(month=month, name=name, count=count)
        added = {"count": monthly_usage.c.count + count}
        connection.execute(row.on_conflict_do_update(index_elements=["month", "name"], set_=added))


def _usage(connection: sa.Connection, month: str) -> Counter[str]:
    rows = sa.select(monthly_usage.c.name, monthly_usage.c.count).where(monthly_usage.c.month == month)
    return Counter(dict(connection.execute(rows).all()))


def spent(connection: sa.Connection, month: str) -> Counter[str]:
    """The images of a month by model, those whose call is under way included."""
    images = _usage(connection, month)
    del images[FEISHU_CALLS]
    return images


def feishu_calls(connection: sa.Connection, month: str) -> int:
    """The calls to Feishu of a month that all processes have stored."""
    return _usage(connection, month)[FEISHU_CALLS]


def yuan(images: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """What so many images of each model cost."""
    return sum(count * prices.get(model, 0.0) for model, count in images.items())


@dataclass(slots=True, kw_only=True)
class ApiUsageCounter:
    """Counts calls to Feishu in memory; a killed process loses what it has counted since it stored last."""

    database: Database
    periods: BillingPeriods
    _unstored: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def count(self, name: str) -> None:
        """Counts one call, whatever came of it: the platform may have counted it too."""
        if name not in UNCOUNTED:
            with self._lock:
                self._unstored += 1

    def store(self) -> None:
        """Adds what was counted to this month in the database; with ``DatabaseUnavailable`` nothing is lost."""
        with self._lock:
            calls, self._unstored = self._unstored, 0
        if not calls:
            return
        try:
            with self.database.write() as connection:
                add_usage(connection, month=self.periods.month(), name=FEISHU_CALLS, count=calls)
        except DatabaseUnavailable:
            with self._lock:
                self._unstored += calls
            raise

    def of_month(self) -> int:
        """This month's calls: those stored, and those of this process that are not yet."""
        with self.database.read() as connection:
            return feishu_calls(connection, self.periods.month()) + self._unstored
