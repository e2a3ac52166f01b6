"""One database behind one URL: SQLite in WAL mode for one machine, PostgreSQL for several."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import (
    Connection,
    Double,
    Table,
    bindparam,
    cast,
    extract,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.elements import ColumnElement

from bot.db.engines import BUSY_SECONDS, open_postgres, open_sqlite
from bot.errors import DatabaseUnavailable

WAKE_CHANNEL = "bot_work"
"""The PostgreSQL channel on which new work is announced."""

CLAIM_LOCK = 0x474C4D01
"""The PostgreSQL advisory lock round the claim that counts slots."""

LIMITS_LOCK = 0x474C4D03
"""The PostgreSQL advisory lock round what counts against quotas and the budget."""


_CLOCK: ColumnElement[float] = cast(extract("epoch", func.clock_timestamp()), Double())
_NOW = select(_CLOCK)
_ENTER = select(func.pg_advisory_xact_lock(LIMITS_LOCK), func.pg_notify(WAKE_CHANNEL, ""), _CLOCK)


def read_url(given: str) -> URL:
    """The SQLAlchemy URL of ``DATABASE_URL``: ``postgres://`` and ``postgresql://`` mean psycopg 3."""
    url = make_url(given)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    return url


class Database:
    """Transactions on SQLite or PostgreSQL, with one clock for all that use it.

    Args:
        url: an SQLAlchemy URL; see :func:`read_url`.
        clock: the time in seconds since 1970. PostgreSQL's own clock replaces it there, so that hosts whose clocks
            differ agree on leases.
        connections: the most that are open at once.
        fresh: for how many seconds after its last use a PostgreSQL connection counts as alive without being asked.

    Raises:
        StoreUnavailable: the folder of an SQLite file cannot be made.

    With the first connection comes a ``SettingsError`` where PostgreSQL's encoding is not UTF-8.

    On SQLite it opens write transactions with ``BEGIN IMMEDIATE`` and lets one thread of the process write at a
    time: without that lock the tail of the waiting times grows to a second under load.
    """

    def __init__(
        self,
        url: URL,
        *,
        clock: Callable[[], float] = time.time,
        connections: int = 24,
        fresh: float = 1.0,
    ) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._clock = clock
        self._write_lock = threading.Lock()
        self.now: ColumnElement[float]
        if self.is_sqlite:
            self.engine = open_sqlite(url, connections=connections)
            self.now = bindparam("now", callable_=clock, type_=Double())
        else:
            self.engine = open_postgres(url, connections=connections, fresh=fresh)
            self.now = _CLOCK

    @contextmanager
    def write(self, *, patience: float | None = None) -> Iterator[Connection]:
        """A transaction that writes; commits at the end of the block.

        Args:
            patience: seconds to wait for the locks of others, for a job that nobody waits for; each of its statements
                may take twice as long. By default as long as an acknowledgement may; see ``engines``.

        Raises:
            StoreUnavailable: the database does not answer in time, or cannot write (a full disk).
        """
        with self._write("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN", patience=patience) as connection:
            if patience is not None and not self.is_sqlite:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {patience * 1000:.0f}")
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {2 * patience * 1000:.0f}")
            yield connection

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """A write of one statement. For PostgreSQL that is a transaction by itself, and it is asked once, not thrice.

        Raises:
            StoreUnavailable: see :meth:`write`.
        """
        # SQLite would tell of a commit that failed when the rows are fetched, or not at all.
        with self._write("BEGIN IMMEDIATE" if self.is_sqlite else None) as connection:
            yield connection

    @contextmanager
    def _write(self, begin: str | None, *, patience: float | None = None) -> Iterator[Connection]:
        if not self.is_sqlite:
            with _errors_named(), self.engine.begin() as connection:
                if begin is not None:
                    connection.exec_driver_sql(begin)
                yield connection
            return
        ends_at = time.monotonic() + (patience or BUSY_SECONDS)
        if not self._write_lock.acquire(timeout=patience or BUSY_SECONDS):
            raise DatabaseUnavailable("another thread writes")
        try:
            with _errors_named(), self.engine.begin() as connection:
                left = max(ends_at - time.monotonic(), 0.0)
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {left * 1000:.0f}")
                connection.exec_driver_sql(begin or "BEGIN IMMEDIATE")
                yield connection
        finally:
            self._write_lock.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with _errors_named(), self.engine.begin() as connection:
            # By itself PostgreSQL would read each statement's own state.
            connection.exec_driver_sql("BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ")
            yield connection

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """A read of one statement, or of several that need not agree, which needs no transaction.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with _errors_named(), self.engine.connect() as connection:
            yield connection

    def insert(self, table: Table) -> SqliteInsert | PostgresInsert:
        """An ``INSERT`` that can say what to do on a conflict."""
        return sqlite_insert(table) if self.is_sqlite else postgres_insert(table)

    def time(self, connection: Connection) -> float:
        """The time in seconds since 1970, as ``now`` has it."""
        return self._clock() if self.is_sqlite else connection.scalar(_NOW) or 0.0

    def lock_claims(self, connection: Connection) -> None:
        """Lets one transaction at a time count slots and take one; SQLite's write transaction does so by itself."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLAIM_LOCK})

    def enter(self, connection: Connection) -> float:
        """Lets one transaction at a time count against the limits, and wakes the workers of all processes at its end.

        SQLite's write transaction does the former by itself, and needs not the latter.

        Returns:
            The time in seconds since 1970, as ``now`` has it.
        """
        return self._clock() if self.is_sqlite else float(connection.execute(_ENTER).one()[-1])

    def announce(self, connection: Connection) -> None:
        """Wakes the workers of all processes when this transaction commits (PostgreSQL)."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": WAKE_CHANNEL})

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()


@contextmanager
def _errors_named() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError) as fault:
        # These are about what was to be stored, and the database is there; without a statement, about the connection.
        if fault.statement is not None:
            raise
        raise DatabaseUnavailable(type(fault).__name__) from fault
    except (DBAPIError, PoolTimeout) as fault:
        raise DatabaseUnavailable(_first_line(fault)) from fault


def _first_line(fault: DBAPIError | PoolTimeout) -> str:
    """What the driver says; a statement and its values, which stand in other errors, are no part of it."""
    said = str(getattr(fault, "orig", fault)).strip()
    return said.splitlines()[0] if said else type(fault).__name__
