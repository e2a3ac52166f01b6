"""Who owns a row: leases with a beat, and the locks on files that tell at once which process of this host is dead."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy import ColumnElement, Connection, Row, Table, Text, and_, bindparam, delete, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from bot.db.database import Database
from bot.db.locks import change_rows
from bot.db.stored_times import repair_times
from bot.db.tables import generations, requests, workers
from bot.errors import DatabaseUnavailable, LeaseLost
from bot.logs import get_logger
from bot.permissions import make_private_folder, private_opener

log = get_logger(__name__)

LEASED = (generations, requests)
"""The tables whose rows are owned, in the order in which they are locked; see ``locks``."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_time() -> float:
    """A time in seconds that only goes forward, and goes on while the machine is suspended (on Linux)."""
    return time.clock_gettime(_CLOCK)


def new_owner() -> str:
    """A name for this process as an owner, new at each start: host, process id, and chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_free(database: Database, table: Table) -> ColumnElement[bool]:
    """The condition that nobody owns a row, or that who did has let the lease run out."""
    return or_(table.c.owner.is_(None), table.c.lease_until < database.now)


def step(table: Table, /, **computed: object) -> ReturningUpdate[Any]:
    """The update of a row by the owner that holds it, put together once as the statements of ``looks`` are.

    Args:
        table: the table of the row.
        computed: the columns whose values are computed; the others come with :func:`checkpoint`.
    """
    key = next(iter(table.primary_key.columns))
    held = update(table).where(
        key == bindparam("held_row", type_=Text), table.c.owner == bindparam("holder", type_=Text)
    )
    # A row count is not to be trusted with every driver; a returned row is.
    return (held.values(**computed) if computed else held).returning(table.c.owner)


def checkpoint(
    connection: Connection, statement: ReturningUpdate[Any], row_id: str, owner: str, /, **values: object
) -> Row[Any]:
    """Stores a step's result on a row that ``owner`` holds; gives what ``statement`` returns.

    Args:
        connection: the caller's transaction.
        statement: a :func:`step`.
        row_id: the row.
        owner: who held it until now.
        values: values for columns, and for what ``statement`` computes with.

    Raises:
        LeaseLost: another worker has taken the row over.
    """
    row = connection.execute(statement, {"held_row": row_id, "holder": owner, **values}).first()
    if row is None:
        raise LeaseLost(row_id)
    return row


def worker_alive(database: Database, *, within: float) -> bool:
    """Whether any worker, on any machine, has signed on within so many seconds."""
    # A time to come was stored before the clock was set back.
    recent = select(workers.c.owner).where(workers.c.seen_at.between(database.now - within, database.now + within))
    with database.look() as connection:
        return connection.execute(recent.limit(1)).first() is not None


class Leases:
    """Keeps the leases of what this process works on alive, and ends those of processes that died.

    Args:
        database: where the rows are.
        folder: where each process of this host holds a locked file as long as it lives. The kernel drops the lock
            with the process, however it dies, so its work is taken over without waiting for the lease.
        seconds: how long a lease lasts without a beat.

    A stopped (not dead) process keeps its lock and loses its work only when its lease runs out.
    """

    def __init__(self, database: Database, *, folder: Path, seconds: float = 15.0) -> None:
        self.owner = new_owner()
        self.seconds = seconds
        self._database = database
        self._folder = folder
        make_private_folder(folder)
        self._own_file = self._lock_own()
        # When each held lease was last known to be renewed, by elapsed_time().
        self._held: dict[str, float] = {}
        self._held_lock = threading.Lock()

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner.replace(':', '-').replace('/', '-')}.lock"

    def _lock_own(self) -> IO[bytes]:
        # It stays open as long as the process lives.
        file = open(self._path(self.owner), "wb", opener=private_opener)  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def hold(self, row_id: str, *, since: float) -> None:
        """Renews the lease on a claimed row from now on, until :meth:`release`.

        Args:
            row_id: the row.
            since: :func:`elapsed_time` before the claim was made; the lease lasts ``seconds`` from then at least.
        """
        with self._held_lock:
            self._held[row_id] = since

    def release(self, row_id: str) -> None:
        """Lets the lease on a row run out; its owner should have been cleared by then."""
        with self._held_lock:
            self._held.pop(row_id, None)

    @contextmanager
    def holding(self, row_id: str, *, since: float) -> Iterator[None]:
        """Renews the lease on a row for the length of the block; see :meth:`hold`.

        When the work crashes, the lease runs out and another worker takes the row.
        """
        self.hold(row_id, since=since)
        try:
            yield
        finally:
            self.release(row_id)

    def confirm(self, row_id: str) -> None:
        """Makes sure, before a side effect, that the lease on a held row has not run out.

        The claim or the last heartbeat may have been committed late, or the process may have been stopped. Then the
        row is asked whether it is still ours, and the lease is renewed.

        Raises:
            LeaseLost: another worker may own the row now; do nothing more with it.
            StoreUnavailable: the database cannot be asked, so nothing may be done either.
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
        self._renewed_at(renewed, began)

    @property
    def held(self) -> list[str]:
        """The ids of the rows that are worked on here now."""
        with self._held_lock:
            return list(self._held)

    def beat(self, *, sign_on: bool = True) -> None:
        """Prolongs the lease of every row that is worked on and still this process's, and signs on as alive.

        Before that it shortens times that were stored before the clock was set back.

        Args:
            sign_on: whether this process takes work up.
        """
        held, began = self.held, elapsed_time()
        with self._database.write() as connection:
            if repair_times(self._database, connection, lease=self.seconds):
                log.error("clock set back", note="every stored wait counts as over")
            if sign_on:
                sign = self._database.insert(workers).values(owner=self.owner, seen_at=self._database.now)
                connection.execute(
                    sign.on_conflict_do_update(index_elements=["owner"], set_={"seen_at": sign.excluded.seen_at})
                )
            renewed = self._renew(connection, held) if held else []
        self._renewed_at(renewed, began)

    def _renew(self, connection: Connection, row_ids: list[str]) -> list[str]:
        """Prolongs the leases of those rows that are still this process's; gives their ids."""
        renewed = []
        for table in LEASED:
            key = next(iter(table.primary_key.columns))
            own = and_(table.c.owner == self.owner, key.in_(row_ids))
            rows = change_rows(connection, table, own, {"lease_until": self._database.now + self.seconds})
            renewed += [str(row[key]) for row in rows]
        return renewed

    def _renewed_at(self, row_ids: list[str], began: float) -> None:
        with self._held_lock:
            for row_id in row_ids:
                if row_id in self._held:
                    self._held[row_id] = max(began, self._held[row_id])

    def release_dead_leases(self) -> list[str]:
        """Ends the leases of this host's dead processes; gives their names."""
        with self._database.look() as connection:
            owners = {
                owner
                for table in LEASED
                for owner in connection.scalars(
                    select(table.c.owner).where(table.c.owner.is_not(None), table.c.lease_until > 0).distinct()
                )
            }
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
        except OSError as fault:
            # Of whom nobody can tell, the lease will tell.
            log.warning("lease file not checked", owner=owner, reason=fault.strerror)
            return False
        return True

    def close(self) -> None:
        """Signs off and lets go of this process's file; its work must have ended before."""
        with suppress(DatabaseUnavailable), self._database.write() as connection:
            connection.execute(delete(workers).where(workers.c.owner == self.owner))
        self._own_file.close()
        self._path(self.owner).unlink(missing_ok=True)
