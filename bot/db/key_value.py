"""Small values that are learnt or made once and then kept: the bot's own id, the key behind the user ids."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import ColumnElement, Connection, delete, exists, select

from bot.db.database import Database
from bot.db.tables import key_value


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
        """Keeps ``value`` unless there is one; gives the one that is kept."""
        with self._database.write() as connection:
            connection.execute(self._database.insert(key_value).values(name=name, value=value).on_conflict_do_nothing())
            return str(connection.scalar(select(key_value.c.value).where(key_value.c.name == name)))


PAUSED = "paused"


def paused() -> ColumnElement[bool]:
    """The condition that an admin has paused the bot."""
    return exists().where(key_value.c.name == PAUSED)


_IS_PAUSED = select(paused())


def is_paused(connection: Connection) -> bool:
    """Whether an admin has paused the bot."""
    return bool(connection.scalar(_IS_PAUSED))


def pause(database: Database, connection: Connection, *, by: str) -> bool:
    """Pauses the bot; tells whether it was running."""
    mark = database.insert(key_value).values(name=PAUSED, value=by).on_conflict_do_nothing()
    return connection.execute(mark.returning(key_value.c.name)).first() is not None


def resume(connection: Connection) -> bool:
    """Lets the bot go on; tells whether it was paused."""
    return (
        connection.execute(delete(key_value).where(key_value.c.name == PAUSED).returning(key_value.c.name)).first()
        is not None
    )


class PseudonymousIds:
    """The ids under which the GLM platform knows the people who ask.

    An id is an HMAC of the ``open_id`` under a random key that never leaves the database: stable, 41 characters (the
    platform takes 6 to 128), and no way back to a name.
    """

    def __init__(self, store: KeyValueStore) -> None:
        self._key = bytes.fromhex(store.put("user_id_key", secrets.token_hex(32)))

    def of(self, open_id: str) -> str:
        """The id of one person."""
        return "u" + hmac.new(self._key, open_id.encode(), hashlib.sha256).hexdigest()[:40]
