"""What keeps a model's line from moving: a pause, or the platform's word that the model is busy."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, exists, literal, or_

from bot.generation.store.database import Database
from bot.generation.store.kept import paused
from bot.generation.store.tables import paces

_PREFIX = "model:"


def held(database: Database, model: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that no call of a model may be made now."""
    return or_(
        paused(),
        exists().where(paces.c.name == literal(_PREFIX).concat(model), paces.c.next_at > database.now),
    )


def hold_model(database: Database, connection: Connection, model: str, *, seconds: float) -> None:
    """Lets no call of a model be made for so many seconds, within the caller's transaction."""
    row = database.insert(paces).values(name=f"{_PREFIX}{model}", next_at=database.now + seconds)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"next_at": row.excluded.next_at}))
