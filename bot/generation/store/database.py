"""One database behind one URL: SQLite in WAL mode for one machine, PostgreSQL for several."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Double,
    Engine,
    Table,
    bindparam,
    cast,
    create_engine,
    event,
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
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InvalidatePoolError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.elements import ColumnElement

from bot.errors import StoreUnavailable

BUSY_TIMEOUT = 10.0
"""Seconds that SQLite waits for another process's write."""

IDLE_IN_TRANSACTION = 5
"""Seconds after which PostgreSQL ends a transaction that its process has left open, and with it the process's locks.

Transactions here take milliseconds; one that stands still belongs to a process that was stopped or cut off, and the
others need not wait for it.
"""

SILENCE: dict[str, Any] = {
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""After what time, in milliseconds and seconds, a PostgreSQL that says nothing counts as gone.

Where the network drops packets, no error comes by itself for a quarter of an hour:
https://www.postgresql.org/docs/current/libpq-connect.html
"""

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

    On SQLite it opens write transactions with ``BEGIN IMMEDIATE`` and lets one thread of the process write at a
    time: without that lock the tail of the waiting times grows to a second under load.
    """

    def __init__(
        self, url: URL, *, clock: Callable[[], float] = time.time, connections: int = 24, fresh: float = 1.0
    ) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._clock = clock
        self._write_lock = threading.Lock()
        self.now: ColumnElement[float]
        if self.is_sqlite:
            if url.database and url.database != ":memory:":
                _make_folder(Path(url.database).parent)
            self.engine = create_engine(
                url,
                pool_size=connections,
                max_overflow=0,
                hide_parameters=True,
                connect_args={"timeout": BUSY_TIMEOUT},
            )
            self.now = bindparam("now", callable_=clock, type_=Double())
            _prepare_sqlite(self.engine)
        else:
            self.engine = create_engine(
                url,
                pool_size=connections,
                max_overflow=0,
                # Statements are prepared on a connection when they were used there several times: so on few of them.
                pool_use_lifo=True,
                hide_parameters=True,
                # As on SQLite, BEGIN is said where a transaction is wanted: a read of one statement does without.
                isolation_level="AUTOCOMMIT",
                connect_args={"connect_timeout": 5, "application_name": "glm-image-bot", **SILENCE},
            )
            self.now = _CLOCK
            _end_open_transactions(self.engine)
            _ask_after_rest(self.engine, fresh=fresh)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; commits at the end of the block.

        Raises:
            StoreUnavailable: the database does not answer, or cannot write (a full disk).
        """
        with self._write("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN") as connection:
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
    def _write(self, begin: str | None) -> Iterator[Connection]:
        one_at_a_time = self._write_lock if self.is_sqlite else nullcontext()
        with _errors_named(), one_at_a_time, self.engine.begin() as connection:
            if begin is not None:
                connection.exec_driver_sql(begin)
            yield connection

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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StoreUnavailable(f"{folder} cannot be made: {fault.strerror}") from fault


@contextmanager
def _errors_named() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError) as fault:
        # These are about what was to be stored, and the database is there; without a statement, about the connection.
        if fault.statement is not None:
            raise
        raise StoreUnavailable(type(fault).__name__) from fault
    except (DBAPIError, PoolTimeout) as fault:
        raise StoreUnavailable(_first_line(fault)) from fault


def _first_line(fault: DBAPIError | PoolTimeout) -> str:
    """What the driver says; a statement and its values, which stand in other errors, are no part of it."""
    said = str(getattr(fault, "orig", fault)).strip()
    return said.splitlines()[0] if said else type(fault).__name__


def _end_open_transactions(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # Said here, as poolers refuse a connection that asks for it when it starts.
        connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION:d}s'")
        connection.commit()


def _ask_after_rest(engine: Engine, *, fresh: float) -> None:
    """Asks a connection that has rested whether it is still there; each time would cost a tenth of an acceptance."""

    @event.listens_for(engine, "checkin")
    def note(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        if time.monotonic() - record.info.get("used_at", float("inf")) < fresh:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.OperationalError as fault:
            # All the others are of the same age or older, and are opened anew as well.
            raise InvalidatePoolError from fault


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        # The driver's own transaction handling would begin late and break BEGIN IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        _switch_on_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


def _switch_on_wal(cursor: sqlite3.Cursor) -> None:
    # The busy timeout does not cover this switch, so two processes that boot at once collide here.
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            if mode in {"wal", "memory"}:
                return
