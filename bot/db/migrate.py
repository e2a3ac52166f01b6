"""Brings the database's schema up to date, once, however many processes start together."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from bot.db.database import Database
from bot.errors import SettingsError
from bot.logs import get_logger

log = get_logger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")
"""The folder of the revisions, one module each, which Alembic applies in order; their numbers only grow."""

HEAD = "0005"
"""The newest revision."""

EXCLUSIVE = "0003"
"""The revision that no older process may outlive: it could not store an image that it has paid for."""

SILENCE = 15.0
"""Seconds without a heartbeat after which a worker counts as gone."""

PATIENCE = 600.0
"""Seconds to wait for another process that changes the schema, and for what is under way in the tables."""

SCHEMA_LOCK = 0x474C4D02
"""The PostgreSQL advisory lock around schema changes."""


def current_revision(database: Database) -> str | None:
    """The revision that the database has; ``None`` before the first migration."""
    with database.read() as connection:
        return _revision(connection)


def migrate(database: Database, *, wait: float = SILENCE + 1.0) -> bool:
    """Brings the schema to :data:`HEAD`, unless it is newer; returns whether there was anything to do.

    Raises:
        SettingsError: processes of an older version are still working after ``wait`` seconds.
    """
    if current_revision(database) == HEAD:
        return False
    deadline = time.monotonic() + wait
    while True:
        with database.write(step="schema.migrate", patience=PATIENCE) as connection:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
            # Another process may have done it while this one waited for the lock.
            before = _revision(connection)
            if before is not None and before >= HEAD:
                if before > HEAD:
                    log.warning("schema newer than program", revision=before, program=HEAD)
                return False
            owner = _working(database, connection) if before is not None and before < EXCLUSIVE else None
            if owner is None:
                _upgrade(connection)
                break
            if time.monotonic() > deadline:
                raise SettingsError([f"the bot's process {owner} is still working: stop all of them, then start one"])
        time.sleep(0.25)
    log.info("schema migrated", from_revision=before, to_revision=HEAD)
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _working(database: Database, connection: Connection) -> str | None:
    """A worker whose last heartbeat is recent, or the owner of a paid call that is under way."""
    if not database.is_sqlite:
        connection.execute(text("LOCK TABLE generations, requests, workers IN ACCESS EXCLUSIVE MODE"))
    owner: str | None = connection.scalar(
        text(
            "SELECT owner FROM workers WHERE seen_at BETWEEN :now - :silence AND :now + :silence UNION ALL"
            " SELECT owner FROM generations WHERE state = 'generating' AND lease_until > :now AND ended_at IS NULL"
        ),
        {"silence": SILENCE, "now": database.time(connection)},
    )
    return owner


def _upgrade(connection: Connection) -> None:
    # Imported here because a start with a current schema, which is nearly every start, does without it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
