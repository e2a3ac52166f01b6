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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from bot.db.database import NOW, Database, is_sqlite, read_time, upsert
from bot.db.key_value import VALUE
from bot.db.tables import UNFINISHED, G, R, generations, key_value, last_served, requests, timers, workers
from bot.errors import DatabaseUnavailable, LeaseLost
from bot.logs import get_logger
from bot.permissions import make_private_folder, private_opener
from bot.timings import elapsed_time

log = get_logger(__name__)

LEASED = (generations, requests)  # the tables whose rows are owned, in the order in which they are locked

TOLERANCE = 2.0  # seconds by which a clock may be corrected without being taken for set back
LONGEST_CALL = 900.0  # seconds that a paid call may hold its slot at most

_CLOCK_ROW = "clock"


def new_owner() -> str:
    """A name for this process as an owner, new at each start: host, process id, and chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_free(table: sa.Table) -> sa.ColumnElement[bool]:
    """The condition that nobody owns a row, or that its owner's lease has run out."""
    return sa.or_(table.c.owner.is_(None), table.c.lease_until < NOW)


def holds_slot(columns: Any) -> sa.ColumnElement[bool]:
    """The condition that a generation, of the table or an alias of it, holds one of its model's slots."""
    return sa.and_(columns.slot_until.is_not(None), columns.slot_until > NOW, columns.lease_until > NOW)


def claim_row(
    connection: sa.Connection,
    table: sa.Table,
    row_id: str,
    *conditions: sa.ColumnElement[bool],
    owner: str,
    lease: float,
) -> sa.Row[Any] | None:
    """Gives a free row to ``owner``; ``None`` when another worker was faster, or a condition no longer holds."""
    values = {"row_id": row_id, "owner": owner, "lease": lease}
    return connection.execute(_claim(table, *conditions), values).first()


@cache
def _claim(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> Any:
    claim = sa.update(table).where(_key(table) == sa.bindparam("row_id"), *conditions, is_free(table))
    lease_until = NOW + sa.bindparam("lease", type_=sa.Double)
    return claim.values(lease_until=lease_until, stalled_attempts=table.c.stalled_attempts + 1).returning(table)


def update_owned(
    connection: sa.Connection, column: sa.Column[Any], row_id: str, owner: str, values: Mapping[str, Any]
) -> Any:
    """Stores a step's result on a row and gives a column as it is now; ``LeaseLost`` where it is not ``owner``'s."""
    computed = {name: value for name, value in values.items() if isinstance(value, sa.ClauseElement)}
    plain = {name: value for name, value in values.items() if name not in computed}
    # Without values that are computed it is the same statement each time.
    held = _owned(column).values(computed) if computed else _owned(column)
    # A row count is not to be trusted with every driver; a returned row is.
    row = connection.execute(held, {**plain, "row_id": row_id, "held_by": owner}).first()
    if row is None:
        raise LeaseLost(row_id)
    return row[0]


@cache
def _owned(column: sa.Column[Any]) -> Any:
    table = column.table
    held = _key(table) == sa.bindparam("row_id"), table.c.owner == sa.bindparam("held_by")
    return sa.update(table).where(*held).returning(column)


def lock_rows(connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> Sequence[sa.Row[Any]]:
    """Locks rows in the order of their keys until the transaction ends; gives them as they are."""
    statement = sa.select(table).where(condition)
    if not is_sqlite(connection):
        # SQLite's write transaction has locked everything before, and it would read the whole table in this order.
        statement = statement.order_by(_key(table)).with_for_update()
    return connection.execute(statement).all()


def change_rows(
    connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool], values: Mapping[str, object]
) -> Sequence[sa.Row[Any]]:
    """Changes rows, locked in the order of their keys; gives them as they were before."""
    rows = lock_rows(connection, table, condition)
    if rows:
        connection.execute(sa.update(table).where(_key(table).in_(_ids(rows))).values(values))
    return rows


def _key(table: sa.Table) -> sa.ColumnElement[Any]:
    return table.primary_key.columns[0]


def _ids(rows: Sequence[sa.Row[Any]]) -> list[str]:
    # The key is the first column of each table.
    return [row[0] for row in rows]


def workers_alive(database: Database, *, within: float) -> int:
    """How many workers, on any machine, have sent a heartbeat within so many seconds."""
    # A time to come was stored before the clock was set back.
    recent = workers.c.seen_at.between(NOW - within, NOW + within)
    with database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).where(recent)) or 0


class Leases:
    """Renews the leases of what this process works on, and ends those of processes that died.

    Each process of a host holds a locked file in ``folder``. The kernel drops the lock with the process, however it
    dies, so its work is taken over without waiting for the lease, which lasts ``seconds`` without a heartbeat. A
    stopped (not dead) process loses its work only when its lease runs out.
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
        """Renews the lease on a row, claimed after ``since``, until :meth:`release`; false if it is held already.

        A lease alone does not keep two threads of this process apart: a clock that is set forward ends it at once.
        """
        with self._held_lock:
            if row_id in self._held:
                return False
            self._held[row_id] = since
            return True

    def release(self, row_id: str) -> None:
        with self._held_lock:
            self._held.pop(row_id, None)

    def confirm(self, row_id: str) -> None:
        """Makes sure, before a side effect, that the lease on a held row has not run out; renews one that may have."""
        if self._is_late(row_id):
            self._renew([row_id])
            if self._is_late(row_id):
                raise LeaseLost(row_id)

    def _is_late(self, row_id: str) -> bool:
        with self._held_lock:
            return elapsed_time() - self._held.get(row_id, float("-inf")) >= self.seconds

    @property
    def held(self) -> list[str]:
        with self._held_lock:
            return list(self._held)

    def beat(self, *, sign_on: bool = True) -> None:
        """Renews the leases, and signs on as alive; first it shortens times stored before the clock was set back."""
        with self._database.write() as connection:
            if repair_times(connection, lease=self.seconds):
                log.error("clock set back", note="every stored wait counts as over")
            if sign_on:
                upsert(connection, workers, owner=self.owner, seen_at=NOW)
        if held := self.held:
            self._renew(held)

    def _renew(self, row_ids: list[str]) -> None:
        """Renews the leases of those rows that are still this process's."""
        began, renewed = elapsed_time(), list[str]()
        with self._database.write() as connection:
            for table in LEASED:
                own = sa.and_(table.c.owner == self.owner, _key(table).in_(row_ids))
                renewed += _ids(change_rows(connection, table, own, {"lease_until": NOW + self.seconds}))
        with self._held_lock:
            self._held |= {row_id: max(began, self._held[row_id]) for row_id in renewed if row_id in self._held}

    def release_dead_leases(self) -> list[str]:
        """Ends the leases of this host's dead processes; gives their names."""
        owners: set[str] = set()
        with self._database.read() as connection:
            for table in LEASED:
                owned = sa.select(table.c.owner).where(table.c.owner.is_not(None), table.c.lease_until > 0).distinct()
                owners.update(connection.scalars(owned))
        dead = [owner for owner in owners - {self.owner} if self._is_dead(owner)]
        if dead:
            with self._database.write() as connection:
                for table in LEASED:
                    change_rows(connection, table, table.c.owner.in_(dead), {"lease_until": 0.0})
                connection.execute(sa.delete(workers).where(workers.c.owner.in_(dead)))
            for owner in dead:
                with suppress(OSError):
                    self._path(owner).unlink()
        return dead

    def _is_dead(self, owner: str) -> bool:
        try:
            with self._path(owner).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # It is locked, on another host, or cannot be read; then its lease will run out.
            return False
        return True

    def close(self) -> None:
        """Signs off and releases this process's file; its work must have ended before."""
        with suppress(DatabaseUnavailable), self._database.write() as connection:
            connection.execute(sa.delete(workers).where(workers.c.owner == self.owner))
        self._own_file.close()
        self._path(self.owner).unlink(missing_ok=True)


def repair_times(connection: sa.Connection, *, lease: float) -> bool:
    """After the clock was set back, ends what waits for times that are still to come; returns whether it was.

    The time of the last call is stored, by which that is seen. Leases and slots are shortened to their full length, as
    their owners may be alive.
    """
    now = read_time(connection)
    before = connection.scalar(VALUE, {"name": _CLOCK_ROW})
    upsert(connection, key_value, name=_CLOCK_ROW, value=repr(now))
    if before is None or now >= float(before) - TOLERANCE:
        return False
    # A time, the rows in which it counts, and the seconds that it may be ahead.
    for column, rows, most in (
        (G.slot_until, G.slot_until.is_not(None), LONGEST_CALL),
        (G.lease_until, G.owner.is_not(None), lease),
        *((column, UNFINISHED, 0.0) for column in (G.due_at, G.backoff_since, G.called_at)),
        (R.due_at, R.ended_at.is_(None), 0.0),
        (R.lease_until, R.owner.is_not(None), lease),
    ):
        change_rows(connection, column.table, sa.and_(rows, column > now + most), {column.name: now + most})
    for column in (timers.c.next_at, last_served.c.called_at):
        connection.execute(sa.update(column.table).where(column > now).values({column.name: now}))
    # Living workers sign on again.
    connection.execute(sa.delete(workers).where(workers.c.seen_at > now))
    return True
