"""Who owns a row: leases with a heartbeat, locks on files by which dead processes of this host are known, lock order.

A transaction that changes rows of several tables locks them in the order generations, monthly_usage, requests, and
several rows of a table by their keys, so that no two transactions wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    true,
    update,
)

from bot.db.database import Database
from bot.db.tables import generations, key_value, last_served, requests, timers, workers
from bot.errors import DatabaseUnavailable, LeaseLost
from bot.logs import get_logger
from bot.permissions import make_private_folder, private_opener
from bot.timings import elapsed_time

log = get_logger(__name__)

LEASED = (generations, requests)
"""The tables whose rows are owned, in the order in which they are locked."""

TOLERANCE = 2.0
"""Seconds by which a clock may be corrected without being taken for set back."""

LONGEST_WAIT = 3_900.0
"""Seconds that anything waits at most: for the platform's monthly quota an hour, and what the send limit adds."""

LONGEST_PERIOD = 100_000.0
"""Seconds between two runs of a periodic job at most: a day, and more."""

LONGEST_CALL = 900.0
"""Seconds that a paid call may hold its slot at most."""

PERIODIC_JOBS = ("clean-up", "base")
"""The names of periodic jobs in ``timers``; everything else there is a short wait."""

_CLOCK_ROW = "clock"


def new_owner() -> str:
    """A name for this process as an owner, new at each start: host, process id, and chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_free(database: Database, table: Table) -> ColumnElement[bool]:
    """The condition that nobody owns a row, or that its owner's lease has run out."""
    return or_(table.c.owner.is_(None), table.c.lease_until < database.now)


def claim_row(
    database: Database,
    connection: Connection,
    table: Table,
    row_id: str,
    *conditions: ColumnElement[bool],
    owner: str,
    lease: float,
) -> Row[Any] | None:
    """Gives a free row to ``owner``; ``None`` when another worker was faster, or a condition does not hold any more."""
    claim = update(table).where(_key(table) == row_id, *conditions, is_free(database, table))
    values = {"owner": owner, "lease_until": database.now + lease, "stalled_attempts": table.c.stalled_attempts + 1}
    return connection.execute(claim.values(values).returning(table)).first()


def update_owned(connection: Connection, table: Table, row_id: str, owner: str, values: Mapping[str, Any]) -> Row[Any]:
    """Stores a step's result on a row that ``owner`` holds; gives the row as it is now.

    Raises:
        LeaseLost: another worker has claimed the row.
    """
    held = and_(_key(table) == row_id, table.c.owner == owner)
    # A row count is not to be trusted with every driver; a returned row is.
    row = connection.execute(update(table).where(held).values(values).returning(table)).first()
    if row is None:
        raise LeaseLost(row_id)
    return row


def lock_rows(connection: Connection, table: Table, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Locks rows in the order of their keys until the transaction ends; gives them as they are."""
    statement = select(table).where(condition)
    if connection.dialect.name != "sqlite":
        # SQLite's write transaction has locked everything before, and it would read the whole table in this order.
        statement = statement.order_by(_key(table)).with_for_update()
    return connection.execute(statement).all()


def change_rows(
    connection: Connection, table: Table, condition: ColumnElement[bool], values: Mapping[str, object]
) -> Sequence[Row[Any]]:
    """Changes rows, locked in the order of their keys; gives them as they were before."""
    rows = lock_rows(connection, table, condition)
    if rows:
        connection.execute(update(table).where(_key(table).in_(_ids(rows))).values(values))
    return rows


def _ids(rows: Sequence[Row[Any]]) -> list[str]:
    # The key is the first column of each table.
    return [row[0] for row in rows]


def _key(table: Table) -> ColumnElement[Any]:
    return table.primary_key.columns[0]


def workers_alive(database: Database, *, within: float) -> int:
    """How many workers, on any machine, have sent a heartbeat within so many seconds."""
    # A time to come was stored before the clock was set back.
    recent = workers.c.seen_at.between(database.now - within, database.now + within)
    with database.read() as connection:
        return connection.scalar(select(func.count()).where(recent)) or 0


class Leases:
    """Renews the leases of what this process works on, and ends those of processes that died.

    Each process of a host holds a locked file in ``folder`` as long as it lives. The kernel drops the lock with the
    process, however it dies, so its work is taken over without waiting for the lease, which lasts ``seconds`` without
    a heartbeat. A stopped (not dead) process keeps its lock and loses its work only when its lease runs out.
    """

    def __init__(self, database: Database, *, folder: Path, seconds: float = 15.0) -> None:
        self.owner = new_owner()
        self.seconds = seconds
        self._database = database
        self._folder = folder
        make_private_folder(folder)
        # It stays open as long as the process lives.
        self._own_file: IO[bytes] = open(self._path(self.owner), "wb", opener=private_opener)  # noqa: SIM115
        fcntl.flock(self._own_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # When each held lease was last known to be renewed, by elapsed_time().
        self._held: dict[str, float] = {}
        self._held_lock = threading.Lock()

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner.replace(':', '-').replace('/', '-')}.lock"

    def hold(self, row_id: str, *, since: float) -> bool:
        """Renews the lease on a row until :meth:`release`; false if the row is held here already.

        ``since`` is :func:`elapsed_time` before its claim.
        """
        with self._held_lock:
            if row_id in self._held:
                return False
            self._held[row_id] = since
            return True

    def release(self, row_id: str) -> None:
        """Lets the lease on a row run out; its owner should have been cleared by then."""
        with self._held_lock:
            self._held.pop(row_id, None)

    @contextmanager
    def holding(self, row_id: str, *, since: float) -> Iterator[bool]:
        """Renews the lease on a row for the length of the block; gives false if it is held here already.

        A lease alone does not keep two threads of this process apart: a clock that is set forward ends it at once.
        """
        held = self.hold(row_id, since=since)
        try:
            yield held
        finally:
            if held:
                self.release(row_id)

    def confirm(self, row_id: str) -> None:
        """Makes sure, before a side effect, that the lease on a held row has not run out.

        The claim or the last heartbeat may have been committed late, or the process may have been stopped. Then the
        lease is renewed if the row is still this process's.

        Raises:
            LeaseLost: another worker may own the row now; do nothing more with it.
            DatabaseUnavailable: the database cannot be asked, so nothing may be done either.
        """
        with self._held_lock:
            since = self._held.get(row_id)
        if since is None:
            raise LeaseLost(row_id)
        if elapsed_time() - since < self.seconds:
            return
        began = elapsed_time()
        with self._database.write() as connection:
            renewed = self._renew(connection, [row_id])
        if not renewed or elapsed_time() - began >= self.seconds:
            raise LeaseLost(row_id)
        self._note_renewed(renewed, began)

    @property
    def held(self) -> list[str]:
        """The ids of the rows that are worked on here now."""
        with self._held_lock:
            return list(self._held)

    def beat(self, *, sign_on: bool = True) -> None:
        """Renews the lease of every row that is worked on and still this process's, and signs on as alive.

        Before that it shortens times that were stored before the clock was set back.
        """
        held, began = self.held, elapsed_time()
        with self._database.write() as connection:
            if repair_times(self._database, connection, lease=self.seconds):
                log.error("clock set back", note="every stored wait counts as over")
            if sign_on:
                self._database.upsert(connection, workers, owner=self.owner, seen_at=self._database.now)
            renewed = self._renew(connection, held) if held else []
        self._note_renewed(renewed, began)

    def _renew(self, connection: Connection, row_ids: list[str]) -> list[str]:
        """Renews the leases of those rows that are still this process's; gives their ids."""
        renewed = []
        for table in LEASED:
            own = and_(table.c.owner == self.owner, _key(table).in_(row_ids))
            rows = change_rows(connection, table, own, {"lease_until": self._database.now + self.seconds})
            renewed += _ids(rows)
        return renewed

    def _note_renewed(self, row_ids: list[str], began: float) -> None:
        with self._held_lock:
            for row_id in row_ids:
                if row_id in self._held:
                    self._held[row_id] = max(began, self._held[row_id])

    def release_dead_leases(self) -> list[str]:
        """Ends the leases of this host's dead processes; gives their names."""
        owners: set[str] = set()
        with self._database.read() as connection:
            for table in LEASED:
                owned = select(table.c.owner).where(table.c.owner.is_not(None), table.c.lease_until > 0).distinct()
                owners.update(connection.scalars(owned))
        dead = [owner for owner in owners - {self.owner} if self._is_dead(owner)]
        if dead:
            with self._database.write() as connection:
                for table in LEASED:
                    change_rows(connection, table, table.c.owner.in_(dead), {"lease_until": 0.0})
                connection.execute(delete(workers).where(workers.c.owner.in_(dead)))
            for owner in dead:
                with suppress(OSError):
                    self._path(owner).unlink()
        return dead

    def _is_dead(self, owner: str) -> bool:
        try:
            with self._path(owner).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (FileNotFoundError, BlockingIOError):
            return False
        except OSError as error:
            # Its lease will run out.
            log.warning("lease file not checked", owner=owner, reason=error.strerror)
            return False
        return True

    def close(self) -> None:
        """Signs off and releases this process's file; its work must have ended before."""
        with suppress(DatabaseUnavailable), self._database.write() as connection:
            connection.execute(delete(workers).where(workers.c.owner == self.owner))
        self._own_file.close()
        self._path(self.owner).unlink(missing_ok=True)


def repair_times(database: Database, connection: Connection, *, lease: float) -> bool:
    """Shortens stored times that lie further in the future than they can mean; returns whether the clock was set back.

    The time of the last call is stored. Where that is still to come, the clock was set back, and every wait counts as
    over; leases and slots are shortened to their full length, as their owners may be alive.
    """
    now = database.time(connection)
    before = connection.scalar(select(key_value.c.value).where(key_value.c.name == _CLOCK_ROW))
    set_back = before is not None and now < float(before) - TOLERANCE
    database.upsert(connection, key_value, name=_CLOCK_ROW, value=repr(now))
    wait, grace = (0.0, 1.0) if set_back else (LONGEST_WAIT, 60.0)
    is_open = generations.c.ended_at.is_(None)
    # Only what is due to be shown has an index.
    is_behind = true() if set_back else requests.c.published_version < requests.c.desired_version
    # A time, the rows in which it counts, the seconds that it may be ahead, and those that it is set to otherwise.
    bounds: list[tuple[Column[Any], ColumnElement[bool], float, float]] = [
        (generations.c.slot_until, generations.c.slot_until.is_not(None), LONGEST_CALL, LONGEST_CALL),
        (generations.c.due_at, is_open, wait, 0.0),
        (generations.c.lease_until, generations.c.owner.is_not(None), lease + grace, lease),
    ]
    if set_back:
        # What happened at a time that is still to come happened just now.
        bounds += [(column, is_open, 0.0, 0.0) for column in (generations.c.backoff_since, generations.c.called_at)]
        connection.execute(update(last_served).where(last_served.c.called_at > now).values(called_at=now))
        # Living workers sign on again.
        connection.execute(update(workers).where(workers.c.seen_at > now).values(seen_at=0.0))
    bounds += [
        (requests.c.due_at, and_(is_behind, requests.c.ended_at.is_(None)), wait, 0.0),
        (requests.c.lease_until, requests.c.owner.is_not(None), lease + grace, lease),
    ]
    for column, rows, most, value in bounds:
        change_rows(connection, column.table, and_(rows, column > now + most), {column.name: now + value})
    longest = 0.0 if set_back else case((timers.c.name.in_(PERIODIC_JOBS), LONGEST_PERIOD), else_=LONGEST_WAIT)
    connection.execute(update(timers).where(timers.c.next_at > now + longest).values(next_at=now))
    return set_back
