"""Values by name: the bot's own id, the pause, the key of the user ids, and what people and chats have set."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from bot.db.database import Database, insert_if_new, upsert
from bot.db.tables import key_value, preferences
from bot.models import Language
from bot.options import Options, known_options

PAUSED = "paused"

# Built once, as each message or call to Feishu executes them.
VALUE = sa.select(key_value.c.value).where(key_value.c.name == sa.bindparam("name"))
_CHOSEN = sa.select(preferences.c.subject, preferences.c.content).where(
    preferences.c.subject.in_(sa.bindparam("subjects", expanding=True))
)


def get_value(database: Database, name: str) -> str | None:
    with database.read() as connection:
        return connection.scalar(VALUE, {"name": name})


def put_value(database: Database, name: str, value: str) -> str:
    """Stores a named value unless there is one; gives the one that is stored."""
    with database.write(step="key_value.put") as connection:
        insert_if_new(connection, key_value, name=name, value=value)
        return str(connection.scalar(VALUE, {"name": name}))


class PseudonymousIds:
    """The ids under which the GLM platform knows senders: an HMAC of the ``open_id`` under a random key.

    The key never leaves the database. An id is stable and has 41 characters; the platform takes 6 to 128.
    """

    def __init__(self, database: Database) -> None:
        self._key = bytes.fromhex(put_value(database, "user_id_key", secrets.token_hex(32)))

    def of(self, open_id: str) -> str:
        return "u" + hmac.new(self._key, open_id.encode(), hashlib.sha256).hexdigest()[:40]


IS_PAUSED = sa.exists().where(key_value.c.name == PAUSED)  # the condition that an admin has paused the bot


def is_paused(connection: sa.Connection) -> bool:
    return bool(connection.scalar(sa.select(IS_PAUSED)))


def pause(connection: sa.Connection, *, by: str) -> bool:
    """Pauses the bot; returns whether it was running."""
    return insert_if_new(connection, key_value, name=PAUSED, value=by)


def resume(connection: sa.Connection) -> bool:
    """Lets the bot go on; returns whether it was paused."""
    gone = sa.delete(key_value).where(key_value.c.name == PAUSED).returning(key_value.c.name)
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
        return replace(self.team, **known_options({**self.of(chat), **self.of(person)}))

    def language(self, person: str) -> Language | None:
        return self.of(person).get("language")


@dataclass(frozen=True, slots=True)
class Preferences:
    """Reads and writes what people and chats have set, over the ``defaults`` of the settings."""

    defaults: Options

    def read(self, connection: sa.Connection, *subjects: str | None) -> Defaults:
        return Defaults(team=self.defaults, chosen=dict(connection.execute(_CHOSEN, {"subjects": subjects}).all()))

    def set(self, connection: sa.Connection, subject: str, changes: Mapping[str, Any]) -> None:
        """Changes some of what a person or chat has set."""
        content = {**self.read(connection, subject).of(subject), **changes}
        upsert(connection, preferences, subject=subject, content=content)
