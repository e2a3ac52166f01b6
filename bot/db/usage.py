"""What a month takes: paid images by model, and calls to Feishu. Months are written ``2026-11``, in the team's zone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, select

from bot.db.database import Database
from bot.db.tables import FEISHU_CALLS, monthly_usage
from bot.errors import DatabaseUnavailable
from bot.timings import BillingPeriods

UNCOUNTED = frozenset({"token"})
"""Calls that Feishu's plan does not count."""


def charge(database: Database, connection: Connection, *, month: str, model: str, images: int) -> None:
    """Adds images to a month's count, or takes back what was not billed, within the caller's transaction."""
    if images:
        _add(database, connection, month=month, name=model, count=images)


def spent(connection: Connection, month: str) -> Mapping[str, int]:
    """The images of a month by model, those whose call is under way included."""
    usage = monthly_usage.c
    statement = select(usage.name, usage.count).where(usage.month == month, usage.name != FEISHU_CALLS)
    return dict(connection.execute(statement).all())


def yuan(images: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """What so many images of each model cost."""
    return sum(count * prices.get(model, 0.0) for model, count in images.items())


def feishu_calls(connection: Connection, month: str) -> int:
    """The calls to Feishu of a month that all processes have stored."""
    usage = monthly_usage.c
    statement = select(usage.count).where(usage.month == month, usage.name == FEISHU_CALLS)
    return connection.scalar(statement) or 0


class ApiUsageCounter:
    """Counts calls to Feishu in memory, and stores the counts now and then.

    A killed process loses what it has counted since it stored last.
    """

    def __init__(self, database: Database, *, periods: BillingPeriods) -> None:
        self._database = database
        self._periods = periods
        self._lock = threading.Lock()
        self._unstored: Counter[str] = Counter()

    def count(self, name: str, _seconds: float = 0.0, _code: int | None = None) -> None:
        """Counts one call, whatever came of it: the platform may have counted it too."""
        if name not in UNCOUNTED:
            with self._lock:
                self._unstored[self._periods.month()] += 1

    def store(self) -> None:
        """Adds what was counted to the months in the database; nothing is lost when that fails.

        Raises:
            DatabaseUnavailable: nothing was stored.
        """
        with self._lock:
            taken, self._unstored = self._unstored, Counter()
        if not taken:
            return
        try:
            with self._database.write() as connection:
                for month, calls in sorted(taken.items()):
                    _add(self._database, connection, month=month, name=FEISHU_CALLS, count=calls)
        except DatabaseUnavailable:
            with self._lock:
                self._unstored += taken
            raise

    def of_month(self) -> int:
        """This month's calls: those stored, and those of this process that are not yet."""
        month = self._periods.month()
        with self._database.read() as connection:
            stored = feishu_calls(connection, month)
        with self._lock:
            return stored + self._unstored[month]


def _add(database: Database, connection: Connection, *, month: str, name: str, count: int) -> None:
    row = database.insert(monthly_usage).values(month=month, name=name, count=count)
    added = {"count": monthly_usage.c.count + row.excluded["count"]}
    connection.execute(row.on_conflict_do_update(index_elements=["month", "name"], set_=added))
