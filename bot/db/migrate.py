"""Brings the database's schema up to date, once, however many processes start together."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from bot.db.database import Database, is_sqlite, read_time
from bot.db.tables import metadata
from bot.errors import SettingsError
from bot.logs import get_logger

log = get_logger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")  # one module a revision, applied in order; the numbers only grow
HEAD = "0006"
EXCLUSIVE = "0003"  # no older process may outlive it: that could not store an image that it has paid for

SILENCE = 15.0  # seconds without a heartbeat after which a worker counts as gone
PATIENCE = 600.0  # seconds to wait for another process that changes the schema, and for what is under way in the tables

SCHEMA_LOCK = 0x474C4D02  # the PostgreSQL advisory lock around schema changes


def current_revision(database: Database) -> str | None:
    """The revision that the database has; ``None`` before the first migration."""
    with database.read() as connection:
        return _revision(connection)


def migrate(database: Database) -> bool:
    """Brings the schema to :data:`HEAD`, unless it is newer; returns whether there was anything to do.

    Raises:
        SettingsError: processes of a version before :data:`EXCLUSIVE` are still working.
    """
    if current_revision(database) == HEAD:
        return False
    with database.write(step="schema.migrate", patience=PATIENCE) as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
        # Another process may have done it while this one waited for the lock.
        before = _revision(connection)
        if before is not None and before >= HEAD:
            if before > HEAD:
                log.warning("schema newer than program", revision=before, program=HEAD)
            return False
        if before is not None and before < EXCLUSIVE and (owner := _working(connection)):
            raise SettingsError([f"the bot's process {owner} is still working: stop all of them, then start one"])
        _upgrade(connection, is_new=before is None)
    log.info("schema migrated", from_revision=before, to_revision=HEAD)
    return True


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _working(connection: sa.Connection) -> str | None:
    """A worker whose last heartbeat is recent, or the owner of a paid call that is under way."""
    if not is_sqlite(connection):
        connection.execute(sa.text("LOCK TABLE generations, requests, workers IN ACCESS EXCLUSIVE MODE"))
    statement = sa.text(
        "SELECT owner FROM workers WHERE seen_at BETWEEN :now - :silence AND :now + :silence UNION ALL"
        " SELECT owner FROM generations WHERE state = 'generating' AND lease_until > :now AND ended_at IS NULL"
    )
    owner: str | None = connection.scalar(statement, {"silence": SILENCE, "now": read_time(connection)})
    return owner


def _upgrade(connection: sa.Connection, *, is_new: bool) -> None:
    # Imported here because a start with a current schema, which is nearly every start, does without it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    if is_new:
        metadata.create_all(connection)
        command.stamp(config, "head")
    else:
        command.upgrade(config, "head")
