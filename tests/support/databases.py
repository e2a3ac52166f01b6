"""Fresh databases for tests: a SQLite file, or a database of a running PostgreSQL.

Making a database and dropping it costs PostgreSQL seconds on a busy disk, and making the schema a tenth of one. So a
test gets one that has its schema and no row, and what it leaves there is cleared away for the next one.
"""

from __future__ import annotations

import atexit
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from bot.db.database import Database, read_url
from bot.db.migrate import HEAD, migrate
from bot.db.tables import metadata
from tests.support.waiting import wait_until

SERVER = os.environ.get("TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
"""The server on which tests make databases of their own and drop them."""

_free: list[str] = []  # the names of this process's databases that have their schema, have no row, and are nobody's

_making = threading.Lock()


@contextmanager
def postgres_database(*, empty: bool = False) -> Iterator[str]:
    """A fresh PostgreSQL database's URL, without a schema when ``empty``.

    Skips without a server, unless ``REQUIRE_POSTGRES`` is set.
    """
    with _server() as server:
        name = _make(server) if empty else _with_schema(server)
        try:
            yield f"{SERVER}/{name}"
        finally:
            (_drop if empty else _clear)(server, name)


def sqlite_database(folder: Path) -> str:
    """The URL of a fresh SQLite file with its schema, where a bot looks in its data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bot.db"
    path.write_bytes(_sqlite_file())
    return f"sqlite:///{path}"


@atexit.register
def _drop_all() -> None:
    if _free:
        with _server() as server:
            while _free:
                _drop(server, _free.pop())


@contextmanager
def _server() -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as fault:
        if os.environ.get("REQUIRE_POSTGRES"):
            raise
        pytest.skip(f"no PostgreSQL at {SERVER} ({type(fault).__name__}); start one or set TEST_POSTGRES")
    with connection:
        yield connection


def _make(server: psycopg.Connection) -> str:
    name = f"test_{secrets.token_hex(6)}"
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    # No test lets this server crash, so a commit need not wait for its disk.
    server.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))
    return name


def _with_schema(server: psycopg.Connection) -> str:
    # Alembic makes one schema at a time in a process.
    with _making:
        if _free:
            return _free.pop()
        name = _make(server)
        with closing(Database(read_url(f"{SERVER}/{name}"))) as database:
            migrate(database)
        return name


def _drop(server: psycopg.Connection, name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _clear(server: psycopg.Connection, name: str) -> None:
    """Ends who is still connected, as a killed process may be, and empties every table."""
    # The answers are one row a connection; once there are none, nobody is connected.
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    try:
        alone = wait_until(lambda: not server.execute(end, (name,)).fetchall(), seconds=30.0)
        with psycopg.connect(f"{SERVER}/{name}") as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
            connection.execute("UPDATE alembic_version SET version_num = %s", (HEAD,))
    except psycopg.OperationalError:
        # A process that is not over yet has connected again.
        alone = False
    if alone:
        _free.append(name)
    else:
        _drop(server, name)


@cache
def _sqlite_file() -> bytes:
    with _making, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bot.db"
        with closing(Database(read_url(f"sqlite:///{path}"))) as database:
            migrate(database)
        return path.read_bytes()
