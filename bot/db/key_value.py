"""Stored values and timers by name: the bot's own id, the pause, the key of the user ids, periodic jobs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, select, update

from bot.db.database import Database
from bot.db.tables import key_value, timers

PAUSED = "paused"


class KeyValueStore:
    """Named values in the database; the first one written stays."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The value of ``name``."""
        with self._database.read() as connection:
            value: str | None = connection.scalar(select(key_value.c.value).where(key_value.c.name == name))
            return value

    def put(self, name: str, value: str) -> str:
        """Stores ``value`` unless there is one; gives the one that is stored."""
        row = self._database.insert(key_value).values(name=name, value=value)
        with self._database.write(step="key_value.put") as connection:
            connection.execute(row.on_conflict_do_nothing())
            return str(connection.scalar(select(key_value.c.value).where(key_value.c.name == name)))


def paused() -> ColumnElement[bool]:
    """The condition that an admin has paused the bot."""
    return exists().where(key_value.c.name == PAUSED)


def is_paused(connection: Connection) -> bool:
    """Whether an admin has paused the bot."""
    return bool(connection.scalar(select(paused())))


def pause(database: Database, connection: Connection, *, by: str) -> bool:
    """Pauses the bot; returns whether it was running."""
    mark = database.insert(key_value).values(name=PAUSED, value=by).on_conflict_do_nothing()
    return connection.execute(mark.returning(key_value.c.name)).first() is not None


def resume(connection: Connection) -> bool:
    """Lets the bot go on; returns whether it was paused."""
    return (
        connection.execute(delete(key_value).where(key_value.c.name == PAUSED).returning(key_value.c.name)).all() != []
    )


def timer_runs(database: Database, name: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a timer has not run out."""
    return exists().where(timers.c.name == name, timers.c.next_at > database.now)


def set_timer(database: Database, connection: Connection, name: str, *, seconds: float) -> None:
    """Lets a timer run for so many seconds; one that runs longer is not shortened."""
    row = database.insert(timers).values(name=name, next_at=database.now + seconds)
    later = row.excluded.next_at
    connection.execute(
        row.on_conflict_do_update(index_elements=["name"], set_={"next_at": later}, where=timers.c.next_at < later)
    )


@dataclass(frozen=True, slots=True)
class PeriodicLock:
    """A job that one process at a time does now and then, for all of them.

    ``seconds`` is after how long another process may take over a job that has stopped. Each method raises
    ``DatabaseUnavailable`` when the database does not answer.
    """

    database: Database
    name: str
    seconds: float

    def take(self) -> bool:
        """Takes the lock; false when the job is not due, or another process does it."""
        now = self.database.now
        row = self.database.insert(timers).values(name=self.name, next_at=now + self.seconds)
        taken = row.on_conflict_do_update(
            index_elements=["name"], set_={"next_at": row.excluded.next_at}, where=timers.c.next_at <= now
        )
        with self.database.write() as connection:
            return connection.execute(taken.returning(timers.c.name)).first() is not None

    def keep(self) -> None:
        """Says that the work goes on."""
        self.end(self.seconds)

    def end(self, seconds: float) -> None:
        """Makes the job due again after so many seconds."""
        with self.database.write() as connection:
            connection.execute(
                update(timers).where(timers.c.name == self.name).values(next_at=self.database.now + seconds)
            )


class PseudonymousIds:
    """The ids under which the GLM platform knows senders.

    An id is an HMAC of the ``open_id`` under a random key that never leaves the database: stable, 41 characters (the
    platform takes 6 to 128), and no way back to a name.
    """

    def __init__(self, store: KeyValueStore) -> None:
        self._key = bytes.fromhex(store.put("user_id_key", secrets.token_hex(32)))

    def of(self, open_id: str) -> str:
        """The id of one person."""
        return "u" + hmac.new(self._key, open_id.encode(), hashlib.sha256).hexdigest()[:40]
