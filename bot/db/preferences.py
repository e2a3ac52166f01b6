"""What people and chats have set as their defaults."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bot.db.database import Database
from bot.db.tables import preferences
from bot.models import Language, fields_of
from bot.options import OPTIONS, Options, PartialOptions

_CHOSEN = select(preferences.c.subject, preferences.c.content).where(
    preferences.c.subject.in_(bindparam("subjects", expanding=True))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What some people and chats have set, over what the team has."""

    team: Options
    chosen: Mapping[str, Mapping[str, Any]]

    def of(self, subject: str | None) -> Mapping[str, Any]:
        """What a person (``open_id``) or chat (``chat_id``) has set."""
        return self.chosen.get(subject or "", {})

    def options(self, *, person: str, chat: str | None) -> Options:
        """The options of a prompt that names none: the person's, over the chat's, over the team's."""
        names = {name: value for subject in (chat, person) for name, value in self.of(subject).items()}
        return replace(self.team, **{name: value for name, value in names.items() if name in OPTIONS})

    def language(self, person: str) -> Language | None:
        """The language that a person has chosen."""
        language: Language | None = self.of(person).get("language")
        return language


class Preferences:
    """Reads and writes defaults within the caller's transaction.

    Args:
        database: where they are.
        defaults: the team's, from the settings.
    """

    def __init__(self, database: Database, *, defaults: Options) -> None:
        self._database = database
        self._defaults = defaults

    def choices(self, connection: Connection, subjects: Collection[str | None]) -> Defaults:
        """What these people and chats have set."""
        rows = connection.execute(_CHOSEN, {"subjects": [subject for subject in subjects if subject]})
        return self.over({subject: json.loads(content) for subject, content in rows})

    def over(self, chosen: Mapping[str, Mapping[str, Any]]) -> Defaults:
        """What was read of people and chats, over what the team has."""
        return Defaults(team=self._defaults, chosen=chosen)

    def read(self, connection: Connection, subject: str | None) -> Mapping[str, Any]:
        """What a person (``open_id``) or chat (``chat_id``) has set."""
        return self.choices(connection, [subject]).of(subject)

    def set(self, connection: Connection, subject: str, changes: Mapping[str, Any]) -> None:
        """Changes some of what a person or chat has set."""
        content = json.dumps({**self.read(connection, subject), **changes}, ensure_ascii=False)
        row = self._database.insert(preferences).values(subject=subject, content=content)
        connection.execute(
            row.on_conflict_do_update(index_elements=["subject"], set_={"content": row.excluded.content})
        )

    def defaults_for(self, connection: Connection, *, person: str, chat: str | None) -> Options:
        """The options of a prompt that names none: the person's, over the chat's, over the team's."""
        return self.choices(connection, [person, chat]).options(person=person, chat=chat)

    def language_of(self, connection: Connection, person: str) -> Language | None:
        """The language that a person has chosen."""
        return self.choices(connection, [person]).language(person)


def chosen(options: PartialOptions, settled: Options) -> dict[str, Any]:
    """The settled values of the options that were typed: what ``/set`` stores."""
    values = fields_of(settled)
    return {name: values[name] for name in options.given}
