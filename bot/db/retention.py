"""What is deleted and when: a daily clean-up in small transactions, by one process at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Table, and_, delete, exists, select, tuple_

from bot.db.database import Database
from bot.db.key_value import PeriodicLock
from bot.db.tables import generations, last_served, monthly_usage, requests, timers, workers
from bot.logs import get_logger

log = get_logger(__name__)

DAY = 86_400.0

BATCH = 200
"""Rows that one transaction deletes; a prompt that comes meanwhile waits for no more than that."""

PAUSE = 0.01
"""Seconds between two transactions, in which others get the database."""

PATIENCE = 30.0
"""Seconds for which one of them waits for the locks of others."""

LOOK_EVERY = 3_600.0
"""Seconds between two checks whether a clean-up is due."""

TURN = 600.0
"""Seconds after which another process may take over a clean-up that has stopped."""

YEARS_OF_USAGE = 2


class Retention:
    """Deletes what ended long ago: prompts, user ids and everything else of a request go with its row.

    Requests that have not ended are kept, however old, and what people have set (``/set``, ``/lang``). A message is
    recognized as a duplicate as long as its request is kept: a day at the least, where Feishu delivers again for 8
    hours at the most.

    Args:
        database: where everything is.
        days: how long requests, their generations and who was served when are kept after their end; 1 or more.
        stopping: set when the process is shutting down; a clean-up ends then after its present transaction.
    """

    def __init__(self, database: Database, *, days: int, stopping: threading.Event) -> None:
        self._database = database
        self._seconds = days * DAY
        self._turn = PeriodicLock(database, "clean-up", seconds=TURN)
        self._stopping = stopping

    def clean(self) -> int | None:
        """Cleans up when it is due and no other process does it.

        Returns:
            How many rows were deleted, those that went with their request not counted; ``None`` when it was not due.

        Raises:
            DatabaseUnavailable: the database does not answer; what is left goes the next time.
        """
        if not self._turn.take():
            return None
        removed = 0
        for table, condition in self._deletable():
            for count in self._delete(table, condition):
                removed += count
                self._turn.keep()
                if self._stopping.wait(PAUSE):
                    self._turn.end(0.0)
                    return removed
        self._turn.end(DAY)
        log.info("old rows removed", rows=removed)
        return removed

    def _deletable(self) -> Iterator[tuple[Table, ColumnElement[bool]]]:
        now = self._database.now
        old = now - self._seconds
        goes_on = exists().where(generations.c.request_id == requests.c.request_id, generations.c.ended_at.is_(None))
        # The generations and messages of a request go with it, by the database's own cascade.
        yield requests, and_(requests.c.ended_at < old, ~goes_on)
        yield last_served, last_served.c.called_at < old
        yield timers, timers.c.next_at < now - 60.0
        yield workers, workers.c.seen_at < now - DAY
        with self._database.read() as connection:
            today = datetime.fromtimestamp(self._database.time(connection), UTC)
        yield monthly_usage, monthly_usage.c.month < f"{today.year - YEARS_OF_USAGE}-{today.month:02}"

    def _delete(self, table: Table, condition: ColumnElement[bool]) -> Iterator[int]:
        """Deletes in transactions of :data:`BATCH` rows; gives how many went in each."""
        key = list(table.primary_key.columns)
        some = select(*key).where(condition).limit(BATCH)
        while True:
            with self._database.write(patience=PATIENCE) as connection:
                gone = connection.execute(delete(table).where(tuple_(*key).in_(some)).returning(key[0])).all()
            if gone:
                yield len(gone)
            if len(gone) < BATCH:
                return
