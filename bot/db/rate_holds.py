"""What keeps a model's line from moving: a pause, or the platform's word that the model is busy."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, exists, literal, or_

from bot.db.database import Database
from bot.db.key_value import paused
from bot.db.tables import timers

_PREFIX = "model:"


def held(database: Database, model: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that no call of a model may be made now."""
    return or_(
        paused(),
        exists().where(timers.c.name == literal(_PREFIX).concat(model), timers.c.next_at > database.now),
    )


def pause_model(database: Database, connection: Connection, model: str, *, seconds: float) -> None:
    """Lets no call of a model be made for so many seconds, within the caller's transaction."""
    put_off(database, connection, f"{_PREFIX}{model}", seconds=seconds)


def put_off(database: Database, connection: Connection, name: str, *, seconds: float) -> None:
    """Lets nothing of a name go on for so many seconds, and not sooner than was said before."""
    row = database.insert(timers).values(name=name, next_at=database.now + seconds)
    later = row.excluded.next_at
    connection.execute(
        row.on_conflict_do_update(index_elements=["name"], set_={"next_at": later}, where=timers.c.next_at < later)
    )
