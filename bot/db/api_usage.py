"""How many calls to Feishu a month took: each one counted in memory, the counts stored now and then."""

from __future__ import annotations

import threading
from collections import Counter

from sqlalchemy import Connection, select

from bot.db.database import Database
from bot.db.tables import feishu_calls
from bot.errors import DatabaseUnavailable
from bot.service.quotas import BillingPeriods

UNCOUNTED = frozenset({"token"})
"""Calls that the plan does not count."""


def calls_of(connection: Connection, month: str) -> int:
    """The calls of a month that all processes have stored."""
    return connection.scalar(select(feishu_calls.c.calls).where(feishu_calls.c.month == month)) or 0


class ApiUsageCounter:
    """The calls that this process has made and not stored yet, and the month's count of all processes.

    A process that is killed takes with it what it has counted since it stored last.

    Args:
        database: where the months are.
        periods: the team's calendar.
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
        """Adds what was counted to the months in the database.

        Raises:
            StoreUnavailable: nothing was stored, and nothing is forgotten.
        """
        with self._lock:
            taken, self._unstored = self._unstored, Counter()
        if not taken:
            return
        try:
            with self._database.write() as connection:
                for month, calls in sorted(taken.items()):
                    self._add(connection, month, calls)
        except DatabaseUnavailable:
            with self._lock:
                self._unstored += taken
            raise

    def _add(self, connection: Connection, month: str, calls: int) -> None:
        added = self._database.insert(feishu_calls).values(month=month, calls=calls)
        connection.execute(
            added.on_conflict_do_update(
                index_elements=["month"], set_={"calls": feishu_calls.c.calls + added.excluded.calls}
            )
        )

    def of_month(self) -> int:
        """This month's calls: those stored, and those of this process that are not yet."""
        month = self._periods.month()
        with self._database.read() as connection:
            stored = calls_of(connection, month)
        with self._lock:
            return stored + self._unstored[month]
