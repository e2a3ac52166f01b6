"""What is counted: a sender's images and messages, the team's images of a month by model, calls to Feishu.

Months are written ``2026-11``, in the team's zone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from bot.db.database import Database, insert
from bot.db.key_value import PAUSED
from bot.db.tables import FEISHU_CALLS, UNFINISHED, WAITS, G, R, key_value, monthly_usage, requests
from bot.options import Options
from bot.timings import BillingPeriods

MINUTE = 60.0
UNCOUNTED = frozenset({"token", "endpoint"})  # the calls that Feishu's plan does not count

_ROWS = sa.func.count()
# The calls that were made, and one for each image that waits.
_CALLS = sa.func.sum(G.calls_billed + sa.case((WAITS, 1), else_=0))


def _counted(
    counter: str, by: sa.ColumnElement[str], *conditions: sa.ColumnElement[bool], number: sa.ColumnElement[Any] = _ROWS
) -> sa.Select[Any]:
    """Selects numbers ``by`` a name, under the name of the ``QuotaUsage`` field that they are for."""
    return sa.select(sa.literal(counter).label("counter"), by.label("name"), number).where(*conditions).group_by(by)


# Built once, as each message executes it.
_SENDERS = sa.bindparam("senders", expanding=True, type_=sa.Text)
_LATELY = R.sender.in_(_SENDERS), R.accepted_at > sa.bindparam("since", type_=sa.Double)
_THEIRS, _IN_MONTH = G.sender.in_(_SENDERS), monthly_usage.c.month == sa.bindparam("month")
_MONTHLY = monthly_usage.c.name, monthly_usage.c.count
_COUNT = sa.union_all(
    _counted("recent", R.sender, *_LATELY, R.kind != "too_fast"),
    _counted("warned", R.sender, *_LATELY, R.kind == "too_fast"),
    _counted("pending", G.sender, _THEIRS, UNFINISHED),
    _counted("today", G.sender, _THEIRS, G.accepted_at >= sa.bindparam("day_began", type_=sa.Double), number=_CALLS),
    _counted("waiting", G.model, WAITS),
    sa.select(sa.literal("spent"), *_MONTHLY).where(_IN_MONTH, monthly_usage.c.name != FEISHU_CALLS),
    _counted("paused", key_value.c.name, key_value.c.name == PAUSED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUsage:
    """Images at one moment: by sender of those who were asked for, and of the team by model.

    Calls count as in the budget, also when their image was cancelled, failed or was recalled meanwhile; each image that
    waits counts as one call: its first, or another one since a crash hid the outcome of that.
    """

    paused: Counter[str] = field(default_factory=Counter)  # not empty while the bot is paused
    pending: Counter[str] = field(default_factory=Counter)
    today: Counter[str] = field(default_factory=Counter)  # the calls of what a sender asked for today
    waiting: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)  # the calls that were made this month
    recent: Counter[str] = field(default_factory=Counter)  # by sender, answered messages and presses of a MINUTE
    warned: Counter[str] = field(default_factory=Counter)  # how many of these said that there were too many
    budgets: dict[str, Counter[str]] = field(default_factory=dict)  # `planned` of who has a budget

    @property
    def planned(self) -> Counter[str]:
        """The month's calls, and one for each image that waits."""
        return self.waiting + self.spent

    def add(self, sender: str, chat_id: str | None, options: Options) -> None:
        """Counts images that have joined the queue since."""
        for counter, name in (
            (self.pending, sender),
            (self.today, sender),
            (self.waiting, options.model),
            *((self.budgets[who], options.model) for who in (sender, chat_id) if who in self.budgets),
        ):
            counter[name] += options.count


def count_usage(
    connection: sa.Connection, senders: Collection[str], *, month: str, day_began: float, at: float
) -> QuotaUsage:
    """Counts for these senders and the team; right until the end of a transaction of :func:`lock_admissions`."""
    values = {"senders": senders, "since": at - MINUTE, "day_began": day_began, "month": month}
    usage = QuotaUsage()
    for counter, name, number in connection.execute(_COUNT, values):
        getattr(usage, counter)[name] += int(number)
    return usage


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
        for who, model, number in connection.execute(statement.where(G.billing_month == month)):
            found[who][model] += int(number)
    return found


def add_usage(connection: sa.Connection, *, month: str, name: str, count: int) -> None:
    """Adds to a month's images of a model, or takes back what was not billed."""
    if count:
        row = insert(connection, monthly_usage).values(month=month, name=name, count=count)
        added = {"count": monthly_usage.c.count + count}
        connection.execute(row.on_conflict_do_update(index_elements=["month", "name"], set_=added))


def read_month(connection: sa.Connection, month: str) -> tuple[Counter[str], int]:
    """A month's images by model, with those whose call is under way; and the calls to Feishu that are stored."""
    images = Counter(dict(connection.execute(sa.select(*_MONTHLY).where(_IN_MONTH), {"month": month}).all()))
    return images, images.pop(FEISHU_CALLS, 0)


def yuan(images: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """What so many images of each model cost."""
    return sum(count * prices.get(model, 0.0) for model, count in images.items())


@dataclass(slots=True, kw_only=True)
class ApiUsageCounter:
    """Counts calls to Feishu in memory; a killed process loses what it has counted since it stored last."""

    database: Database
    periods: BillingPeriods
    unstored: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def count(self, name: str) -> None:
        """Counts one call, whatever came of it: the platform may have counted it too."""
        if name not in UNCOUNTED:
            with self._lock:
                self.unstored += 1

    def store(self) -> None:
        """Adds what was counted to this month, one thread at a time; with ``DatabaseUnavailable`` nothing is lost."""
        if calls := self.unstored:
            with self.database.write() as connection:
                add_usage(connection, month=self.periods.month(), name=FEISHU_CALLS, count=calls)
            with self._lock:
                self.unstored -= calls
