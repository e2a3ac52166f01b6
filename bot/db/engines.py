"""The engines behind the two kinds of database, and what each of their connections is told first."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from bot.errors import DatabaseUnavailable, SettingsError
from bot.permissions import make_private, make_private_folder, private_opener

BUSY_SECONDS = 2.0
"""Seconds that a SQLite transaction waits for the writes of other threads and processes.

An event has to be acknowledged within 3 s; after this it is answered with 503, and Feishu sends it again.
"""

LOCK_SECONDS = 1.2
"""The same for each lock of PostgreSQL; a transaction that accepts an event may have to wait for two of them."""

STATEMENT_SECONDS = 2.0
"""Seconds that a statement may take on PostgreSQL; long jobs ask for more, see :meth:`Database.write`."""

POOL_SECONDS = 0.6
"""Seconds that a transaction waits for a free connection of this process."""

WAL_SECONDS = 10.0
"""Seconds within which a new SQLite file has to become one in WAL mode, while other processes do the same."""

IDLE_IN_TRANSACTION = 5
"""Seconds after which PostgreSQL ends a transaction that its process has left open, and with it the process's locks.

Transactions here take milliseconds; one that stands still belongs to a process that was stopped or cut off, and the
others need not wait for it.
"""

UTF8 = "create one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
"""What is done about a database of another encoding."""

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


def open_sqlite(url: URL, *, connections: int) -> Engine:
    """An engine for an SQLite file in WAL mode.

    Args:
        url: an SQLAlchemy URL.
        connections: the most that are open at once.

    Raises:
        StoreUnavailable: the folder of the file cannot be made.
    """
    if url.database and url.database != ":memory:":
        _make_private(Path(url.database))
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS},
    )
    _prepare_sqlite(engine)
    return engine


def open_postgres(url: URL, *, connections: int, fresh: float) -> Engine:
    """An engine for PostgreSQL, on which transactions begin only where BEGIN is said.

    Args:
        url: an SQLAlchemy URL.
        connections: the most that are open at once.
        fresh: for how many seconds after its last use a connection counts as alive without being asked.
    """
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        # Statements are prepared on a connection when they were used there several times: so on few of them.
        pool_use_lifo=True,
        hide_parameters=True,
        # As on SQLite, BEGIN is said where a transaction is wanted: a read of one statement does without.
        isolation_level="AUTOCOMMIT",
        # 2 s is the shortest that libpq takes.
        connect_args={
            "connect_timeout": 2,
            "client_encoding": "utf8",
            "application_name": "glm-image-bot",
            **SILENCE,
        },
    )
    _refuse_other_encodings(engine)
    _bound_waits(engine)
    _ask_after_rest(engine, fresh=fresh)
    return engine


def _make_private(file: Path) -> None:
    """Makes the file with its folder, readable to nobody else; what SQLite puts beside it takes over its mode."""
    try:
        if not file.parent.is_dir():
            make_private_folder(file.parent)
    except OSError as fault:
        raise DatabaseUnavailable(f"{file.parent} cannot be made: {fault.strerror}") from fault
    # Where it cannot be made either, SQLite says so.
    with suppress(OSError), open(file, "xb", opener=private_opener):
        pass
    make_private(file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm", "-journal")))


def _refuse_other_encodings(engine: Engine) -> None:
    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _: Any, arguments: Any, options: Any) -> Any:
        # Before SQLAlchemy's own first statement, which fails where text comes as bytes (SQL_ASCII).
        connection = dialect.connect(*arguments, **options)
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise SettingsError([f"DATABASE_URL: the encoding of the database is {encoding}, and must be UTF8; {UTF8}"])
        return connection


def _bound_waits(engine: Engine) -> None:
    bounds = {
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
        "lock_timeout": LOCK_SECONDS,
        "statement_timeout": STATEMENT_SECONDS,
    }

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # Said here, as poolers refuse a connection that asks for it when it starts.
        for name, seconds in bounds.items():
            connection.execute(f"SET {name} = {seconds * 1000:.0f}")
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
