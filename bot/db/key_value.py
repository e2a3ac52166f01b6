"""Values by name: the bot's own id, the pause, the key of the user ids, and what people and chats have set."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, select

from bot.db.database import Database
from bot.db.tables import key_value, preferences
from bot.models import Language
from bot.options import OPTIONS, Options

PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class KeyValueStore:
    """Named values in the database; the first one written stays."""

    database: Database

    def get(self, name: str) -> str | None:
        with self.database.read() as connection:
            return connection.scalar(select(key_value.c.value).where(key_value.c.name == name))

    def put(self, name: str, value: str) -> str:
        """Stores ``value`` unless there is one; gives the one that is stored."""
        row = self.database.insert(key_value).values(name=name, value=value)
        with self.database.write(step="key_value.put") as connection:
            connection.execute(row.on_conflict_do_nothing())
            return str(connection.scalar(select(key_value.c.value).where(key_value.c.name == name)))


class PseudonymousIds:
    """The ids under which the GLM platform knows senders.

    An id is an HMAC of the ``open_id`` under a random key that never leaves the database: stable, 41 characters (the
    platform takes 6 to 128), and no way back to a name.
    """

    def __init__(self, store: KeyValueStore) -> None:
        self._key = bytes.fromhex(store.put("user_id_key", secrets.token_hex(32)))

    def of(self, open_id: str) -> str:
        return "u" + hmac.new(self._key, open_id.encode(), hashlib.sha256).hexdigest()[:40]


def paused() -> ColumnElement[bool]:
    """The condition that an admin has paused the bot."""
    return exists().where(key_value.c.name == PAUSED)


def is_paused(connection: Connection) -> bool:
    return bool(connection.scalar(select(paused())))


def pause(database: Database, connection: Connection, *, by: str) -> bool:
    """Pauses the bot; returns whether it was running."""
    mark = database.insert(key_value).values(name=PAUSED, value=by).on_conflict_do_nothing()
    return connection.execute(mark.returning(key_value.c.name)).first() is not None


def resume(connection: Connection) -> bool:
    """Lets the bot go on; returns whether it was paused."""
    gone = delete(key_value).where(key_value.c.name == PAUSED).returning(key_value.c.name)
    return connection.execute(gone).first() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What some people (``open_id``) and chats (``chat_id``) have set, over what the team has."""

    team: Options
    chosen: Mapping[str, Mapping[str, Any]]

    def of(self, subject: str | None) -> Mapping[str, Any]:
        return self.chosen.get(subject or "", {})

    def options(self, *, person: str, chat: str | None) -> Options:
        """The options of a prompt that names none: the person's, over the chat's, over the team's."""
        names = {**self.of(chat), **self.of(person)}
        return replace(self.team, **{name: value for name, value in names.items() if name in OPTIONS})

    def language(self, person: str) -> Language | None:
        """The language that a person has chosen."""
        return self.of(person).get("language")


@dataclass(frozen=True, slots=True)
class Preferences:
    """Reads and writes what people and chats have set; ``defaults`` are the team's, from the settings."""

    database: Database
    defaults: Options

    def read(self, connection: Connection, *subjects: str | None) -> Defaults:
        own = select(preferences.c.subject, preferences.c.content).where(preferences.c.subject.in_(subjects))
        chosen = dict(connection.execute(own).all())
        return Defaults(team=self.defaults, chosen=chosen)

    def set(self, connection: Connection, subject: str, changes: Mapping[str, Any]) -> None:
        """Changes some of what a person or chat has set."""
        before = self.read(connection, subject).of(subject)
        self.database.upsert(connection, preferences, subject=subject, content={**before, **changes})
