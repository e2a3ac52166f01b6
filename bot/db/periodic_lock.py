"""Whose turn it is: work that one process at a time does now and then, for all of them."""

from __future__ import annotations

from sqlalchemy import update

from bot.db.database import Database
from bot.db.tables import timers


class PeriodicLock:
    """One kind of such work, by name.

    Args:
        database: where the turn is kept.
        name: what is done.
        seconds: after how long another process may go on with work that has come to a halt.
    """

    def __init__(self, database: Database, name: str, *, seconds: float) -> None:
        self._database = database
        self._name = name
        self._seconds = seconds

    def take(self) -> bool:
        """Takes the turn; false when it is not due, or somebody else's.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        now = self._database.now
        mark = self._database.insert(timers).values(name=self._name, next_at=now + self._seconds)
        mine = mark.on_conflict_do_update(
            index_elements=["name"], set_={"next_at": mark.excluded.next_at}, where=timers.c.next_at <= now
        )
        with self._database.change() as connection:
            return connection.execute(mine.returning(timers.c.name)).first() is not None

    def keep(self) -> None:
        """Says that the work goes on."""
        self.end(self._seconds)

    def end(self, seconds: float) -> None:
        """Makes the next turn due after so many seconds."""
        with self._database.change() as connection:
            connection.execute(
                update(timers).where(timers.c.name == self._name).values(next_at=self._database.now + seconds)
            )
