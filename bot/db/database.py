"""One database behind one URL: SQLite in WAL mode for one machine, PostgreSQL for several."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
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
)
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.elements import ColumnElement

from bot.errors import DatabaseUnavailable, SettingsError
from bot.permissions import make_private, make_private_folder, private_opener

WAKE_CHANNEL = "bot_work"
"""The PostgreSQL channel on which new work is announced."""

CLAIM_LOCK = 0x474C4D01
LIMITS_LOCK = 0x474C4D03
"""The PostgreSQL advisory locks around the claim that counts slots, and what counts against quotas and budgets."""

BUSY_SECONDS = 2.0
"""Seconds that an SQLite transaction waits for the writes of other threads and processes.

An event has to be acknowledged within 3 s; after this it is answered with 503, and Feishu sends it again.
"""

POOL_SECONDS = 0.6
"""Seconds that a transaction waits for a free connection of this process."""

WAL_SECONDS = 10.0
"""Seconds within which a new SQLite file has to be switched to WAL mode, while other processes do the same."""

BOUNDS = {"lock_timeout": 1.2, "statement_timeout": 2.0, "idle_in_transaction_session_timeout": 5.0}
"""Seconds after which PostgreSQL ends what takes too long: a wait for a lock, of which an acceptance may need two; a
statement; and a transaction that its process has left open, because that process was stopped or cut off."""

SILENCE: dict[str, Any] = {
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""Milliseconds, seconds and counts after which a silent PostgreSQL is declared dead.

Where the network drops packets, no error comes by itself for a quarter of an hour:
https://www.postgresql.org/docs/current/libpq-connect.html
"""

_CLOCK: ColumnElement[float] = cast(extract("epoch", func.clock_timestamp()), Double())


def read_url(given: str) -> URL:
    """The SQLAlchemy URL of ``DATABASE_URL``: ``postgres://`` and ``postgresql://`` mean psycopg 3."""
    url = make_url(given)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    return url


class Database:
    """Transactions on SQLite or PostgreSQL, with one clock for all that use it.

    Its clock, seconds since 1970, is PostgreSQL's own there, so that hosts whose clocks differ agree on leases. On
    SQLite one thread of the process writes at a time; without that lock some would wait a second under load.

    Raises:
        DatabaseUnavailable: the folder of an SQLite file cannot be made.
        SettingsError: with the first connection, where PostgreSQL's encoding is not UTF-8.
    """

    def __init__(self, url: URL, *, clock: Callable[[], float] = time.time, connections: int = 24) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._clock = clock
        self._write_lock = threading.Lock()
        pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": POOL_SECONDS}
        self.engine = (_open_sqlite if self.is_sqlite else _open_postgres)(url, hide_parameters=True, **pool)
        self.now: ColumnElement[float] = bindparam("now", callable_=clock, type_=Double()) if self.is_sqlite else _CLOCK

    @contextmanager
    def write(self, *, step: str | None = None, patience: float | None = None) -> Iterator[Connection]:
        """A transaction that writes; commits at the end of the block.

        Args:
            step: the name of the step that it commits, at which tests stop a process.
            patience: seconds to wait for the locks of others, for a job that nobody waits for; each of its statements
                may take twice as long. By default as long as an acknowledgement may.

        Raises:
            DatabaseUnavailable: the database does not answer in time, or cannot write (a full disk).
        """
        if not self.is_sqlite:
            with self._begin(step=step) as connection:
                if patience is not None:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {patience * 1000:.0f}")
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {2 * patience * 1000:.0f}")
                yield connection
            return
        ends_at = time.monotonic() + (patience or BUSY_SECONDS)
        if not self._write_lock.acquire(timeout=patience or BUSY_SECONDS):
            raise DatabaseUnavailable("another thread writes")
        try:
            with self._begin(step=step) as connection:
                left = max(ends_at - time.monotonic(), 0.0)
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {left * 1000:.0f}")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        finally:
            self._write_lock.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state."""
        # By itself PostgreSQL would read each statement's own state.
        with self._begin(**({} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"})) as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def _begin(self, **options: Any) -> Iterator[Connection]:
        try:
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                yield connection
        except (DataError, IntegrityError, ProgrammingError) as error:
            # These are about what was to be stored, not the database; without a statement, about the connection.
            if error.statement is not None:
                raise
            raise DatabaseUnavailable(type(error).__name__) from error
        except (DBAPIError, PoolTimeout) as error:
            # Only what the driver says: other errors contain a statement and its values.
            said = str(getattr(error, "orig", error)).strip()
            raise DatabaseUnavailable(said.splitlines()[0] if said else type(error).__name__) from error

    def insert(self, table: Table) -> SqliteInsert | PostgresInsert:
        """An ``INSERT`` that can say what to do on a conflict."""
        return sqlite_insert(table) if self.is_sqlite else postgres_insert(table)

    def upsert(self, connection: Connection, table: Table, **values: Any) -> None:
        """Inserts a row, or changes the one with its primary key."""
        key = [column.name for column in table.primary_key]
        changed = {name: value for name, value in values.items() if name not in key}
        connection.execute(self.insert(table).values(values).on_conflict_do_update(index_elements=key, set_=changed))

    def time(self, connection: Connection) -> float:
        """The time in seconds since 1970, as ``now`` has it."""
        return self._clock() if self.is_sqlite else connection.scalar(select(_CLOCK)) or 0.0

    def lock_claims(self, connection: Connection) -> None:
        """Lets one transaction at a time count slots and take one; SQLite's write transaction does so by itself."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(CLAIM_LOCK)))

    def lock_admissions(self, connection: Connection) -> float:
        """Lets one transaction at a time count against the limits, and wakes the workers at its end; gives the time."""
        if self.is_sqlite:
            return self._clock()
        locked = select(func.pg_advisory_xact_lock(LIMITS_LOCK), func.pg_notify(WAKE_CHANNEL, ""), _CLOCK)
        return float(connection.execute(locked).one()[-1])

    def notify_workers(self, connection: Connection) -> None:
        """Wakes the workers of all processes when this transaction commits (PostgreSQL)."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_notify(WAKE_CHANNEL, "")))

    def close(self) -> None:
        self.engine.dispose()


def _open_sqlite(url: URL, **options: Any) -> Engine:
    if url.database and url.database != ":memory:":
        _make_private(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        # The driver's own transaction handling would begin late and break BEGIN IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        _switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def _make_private(file: Path) -> None:
    """Makes the file with its folder, readable to nobody else; the files that SQLite puts beside it get its mode."""
    try:
        if not file.parent.is_dir():
            make_private_folder(file.parent)
    except OSError as error:
        raise DatabaseUnavailable(f"{file.parent} cannot be made: {error.strerror}") from error
    # Where it cannot be made either, SQLite says so.
    with suppress(OSError), open(file, "xb", opener=private_opener):
        pass
    make_private(file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm", "-journal")))


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    # The busy timeout does not cover this switch, so two processes that start at once collide here.
    deadline = time.monotonic() + WAL_SECONDS
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


def _open_postgres(url: URL, **options: Any) -> Engine:
    # 2 s is the shortest connect_timeout that libpq takes.
    arguments = {"connect_timeout": 2, "client_encoding": "utf8", "application_name": "glm-image-bot", **SILENCE}
    # Connections are reused last in, first out: statements are prepared on one after it used them several times.
    engine = create_engine(url, pool_pre_ping=True, pool_use_lifo=True, connect_args=arguments, **options)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _: Any, positional: Any, named: Any) -> Any:
        # Before SQLAlchemy's own first statement, which fails where text comes as bytes (SQL_ASCII).
        connection = dialect.connect(*positional, **named)
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            fix = "create one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
            raise SettingsError([f"DATABASE_URL: the encoding of the database is {encoding}, and must be UTF8; {fix}"])
        return connection

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # Not among the options of the connection: poolers reject one that asks for these when it starts.
        for name, seconds in BOUNDS.items():
            connection.execute(f"SET {name} = {seconds * 1000:.0f}")
        connection.commit()

    return engine
