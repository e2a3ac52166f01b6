"""Brings the database's schema up to date, once, however many processes start together."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from bot.db.database import Database
from bot.logs import get_logger

log = get_logger(__name__)

HEAD = "0003"
"""The newest revision in ``migrations/versions``; a test holds the two together."""

PATIENCE = 600.0
"""Seconds to wait for another process that changes the schema, and for what is under way in the tables."""

SCHEMA_LOCK = 0x474C4D02
"""The PostgreSQL advisory lock round schema changes."""


def current_revision(database: Database) -> str | None:
    """The revision that the database has; ``None`` before the first migration."""
    with database.read() as connection:
        return _revision(connection)


def migrate(database: Database) -> bool:
    """Brings the schema to :data:`HEAD`.

    Returns:
        Whether there was anything to do. A schema newer than this program's is left alone.
    """
    if current_revision(database) == HEAD:
        return False
    with database.write(patience=PATIENCE) as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
        # Another process may have done it while this one waited for the lock.
        before = _revision(connection)
        if before == HEAD:
            return False
        if before is not None and before > HEAD:
            log.warning("schema newer than program", revision=before, program=HEAD)
            return False
        _upgrade(connection)
    log.info("schema migrated", from_revision=before, to_revision=HEAD)
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(connection: Connection) -> None:
    # Imported here because a start with a current schema, which is nearly every start, does without it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
