"""What the team spends: images a month and model, counted in the transactions that pay for them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Text, bindparam, select
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.db.database import Database
from bot.db.tables import spending

_SPENT = select(spending.c.model, spending.c.images).where(spending.c.month == bindparam("when", type_=Text))


def _adding(row: SqliteInsert | PostgresInsert) -> SqliteInsert | PostgresInsert:
    return row.on_conflict_do_update(
        index_elements=["month", "model"], set_={"images": spending.c.images + row.excluded.images}
    )


# Put together once for each kind of database, as the statements of ``looks`` are.
_ADD = {True: _adding(sqlite_insert(spending)), False: _adding(postgres_insert(spending))}


def charge(database: Database, connection: Connection, *, month: str, model: str, images: int) -> None:
    """Adds images to a month's count, or takes back what was not billed, within the caller's transaction.

    ``month`` is written ``2026-11``, in the team's time zone.
    """
    if images:
        connection.execute(_ADD[database.is_sqlite], {"month": month, "model": model, "images": images})


def spent(connection: Connection, month: str) -> Mapping[str, int]:
    """The images of a month by model, those whose call is under way included."""
    return dict(connection.execute(_SPENT, {"when": month}).all())


def yuan(images: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """What so many images of each model cost."""
    return sum(count * prices.get(model, 0.0) for model, count in images.items())
