"""One database behind one URL: SQLite in WAL mode for one machine, PostgreSQL for several; what differs between them.

Its clock is one for all processes: that of PostgreSQL, or the clock of this machine with SQLite.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from bot.errors import DatabaseUnavailable, SettingsError
from bot.permissions import make_private, make_private_folder, private_opener

WAKE_CHANNEL = "bot_work"  # the PostgreSQL channel on which new work is announced

# The PostgreSQL advisory locks around the claim that counts slots, and what counts against quotas and budgets.
CLAIM_LOCK = 0x474C4D01
LIMITS_LOCK = 0x474C4D03

# Seconds that an SQLite transaction waits for the writes of other threads and processes. An event has to be
# acknowledged within 3 s; after this it is answered with 503, and Feishu sends it again.
BUSY_SECONDS = 2.0
POOL_SECONDS = 0.6  # that a transaction waits for a free connection of this process
WAL_SECONDS = 10.0  # within which a new SQLite file has to be switched to WAL mode, while other processes do the same

# Seconds after which PostgreSQL ends what takes too long: a wait for a lock, of which an acceptance may need two; a
# statement; and a transaction that its process has left open, because that process was stopped or cut off.
BOUNDS = {"lock_timeout": 1.2, "statement_timeout": 2.0, "idle_in_transaction_session_timeout": 5.0}

# Milliseconds, seconds and counts after which a silent PostgreSQL is declared dead. Where the network drops packets, no
# error comes by itself for a quarter of an hour: https://www.postgresql.org/docs/current/libpq-connect.html
SILENCE: dict[str, Any] = {
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}


class _Now(FunctionElement[float]):
    type = sa.Double()
    inherit_cache = True


@compiles(_Now)
def _now_on_postgres(*_: Any, **__: Any) -> str:
    return "CAST(EXTRACT(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


@compiles(_Now, "sqlite")
def _now_on_sqlite(*_: Any, **__: Any) -> str:
    return "bot_clock()"


NOW = _Now()  # the time in seconds since 1970, in a statement

# Built once, as every step executes one of them.
_SELECT_NOW = sa.select(NOW)
_LOCK_CLAIMS = sa.select(sa.func.pg_advisory_xact_lock(CLAIM_LOCK))
_LOCK_ADMISSIONS = sa.select(sa.func.pg_advisory_xact_lock(LIMITS_LOCK), sa.func.pg_notify(WAKE_CHANNEL, ""), NOW)


def read_url(given: str) -> URL:
    """The SQLAlchemy URL of ``DATABASE_URL``: ``postgres://`` and ``postgresql://`` mean psycopg 3."""
    url = make_url(given)
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgres", "postgresql"} else url


class Database:
    """Transactions; ``clock``, in seconds since 1970, is that of SQLite.

    On SQLite one thread of the process writes at a time; without that lock some would wait a second under load.

    Raises:
        DatabaseUnavailable: the folder of an SQLite file cannot be made.
        SettingsError: with the first connection, where PostgreSQL's encoding is not UTF-8.
    """

    def __init__(self, url: URL, *, clock: Callable[[], float] = time.time, connections: int = 24) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._write_lock = threading.Lock()
        pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": POOL_SECONDS}
        if self.is_sqlite:
            self.engine = _open_sqlite(url, clock, hide_parameters=True, **pool)
        else:
            self.engine = _open_postgres(url, hide_parameters=True, **pool)

    @contextmanager
    def write(self, *, step: str | None = None, patience: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that writes; raises ``DatabaseUnavailable`` when it takes too long, or the disk is full.

        At ``step`` tests stop a process. ``patience`` are the seconds to wait for the locks of others, for a job that
        nobody waits for; each of its statements may take twice as long.
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
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that reads one consistent state."""
        # By itself PostgreSQL would read each statement's own state.
        with self._begin(**({} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"})) as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def _begin(self, **options: Any) -> Iterator[sa.Connection]:
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

    def close(self) -> None:
        self.engine.dispose()


def is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An ``INSERT`` that can say what to do on a conflict."""
    return sqlite.insert(table) if is_sqlite(connection) else postgresql.insert(table)


def insert_if_new(connection: sa.Connection, table: sa.Table, **values: Any) -> bool:
    """Inserts a row unless there is one with its key; returns whether there was none."""
    row = insert(connection, table).values(values).on_conflict_do_nothing()
    return connection.execute(row.returning(*table.primary_key)).first() is not None


def upsert(connection: sa.Connection, table: sa.Table, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
    """Inserts a row, or changes the one with its primary key if the conditions hold; returns whether it did either."""
    row, key = insert(connection, table).values(values), table.primary_key.columns
    changed = {name: row.excluded[name] for name in values if name not in key}
    row = row.on_conflict_do_update(
        index_elements=list(key), set_=changed, where=sa.and_(*conditions) if conditions else None
    )
    return connection.execute(row.returning(*key)).first() is not None


def read_time(connection: sa.Connection) -> float:
    return connection.scalar(_SELECT_NOW) or 0.0


def lock_claims(connection: sa.Connection) -> None:
    """Lets one transaction at a time count slots and take one; SQLite's write transaction does so by itself."""
    if not is_sqlite(connection):
        connection.execute(_LOCK_CLAIMS)


def lock_admissions(connection: sa.Connection) -> float:
    """Lets one transaction at a time count against the limits, and wakes the workers at its end; gives the time."""
    if is_sqlite(connection):
        return read_time(connection)
    return float(connection.execute(_LOCK_ADMISSIONS).one()[-1])


def notify_workers(connection: sa.Connection) -> None:
    """Wakes the workers of all processes when this transaction commits (PostgreSQL)."""
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_notify(WAKE_CHANNEL, "")))


def _open_sqlite(url: URL, clock: Callable[[], float], **options: Any) -> sa.Engine:
    if url.database and url.database != ":memory:":
        _make_private(Path(url.database))
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        # The driver's own transaction handling would begin late and break BEGIN IMMEDIATE.
        connection.isolation_level = None
        # Deterministic within a statement, which so reads it once.
        connection.create_function("bot_clock", 0, clock, deterministic=True)
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


def _open_postgres(url: URL, **options: Any) -> sa.Engine:
    # 2 s is the shortest connect_timeout that libpq takes.
    arguments = {"connect_timeout": 2, "client_encoding": "utf8", "application_name": "glm-image-bot", **SILENCE}
    # Connections are reused last in, first out: statements are prepared on one after it used them several times.
    engine = sa.create_engine(url, pool_pre_ping=True, pool_use_lifo=True, connect_args=arguments, **options)

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: sa.Dialect, _: Any, positional: Any, named: Any) -> Any:
        # Before SQLAlchemy's own first statement, which fails where text comes as bytes (SQL_ASCII).
        connection = dialect.connect(*positional, **named)
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            fix = "create one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
            raise SettingsError([f"DATABASE_URL: the encoding of the database is {encoding}, and must be UTF8; {fix}"])
        return connection

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # Not among the options of the connection: poolers reject one that asks for these when it starts.
        for name, seconds in BOUNDS.items():
            connection.execute(f"SET {name} = {seconds * 1000:.0f}")
        connection.commit()

    return engine
