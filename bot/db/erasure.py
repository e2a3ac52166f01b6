"""Removing what is stored of a person: in one transaction, and then from the bytes of the file."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, union, update

from bot.db.database import Database
from bot.db.key_value import PAUSED
from bot.db.leases import lock_rows
from bot.db.tables import generations, key_value, last_served, preferences, requests, sent_messages, timers
from bot.errors import DatabaseUnavailable

REMEMBERED = 86_400.0
"""Seconds for which the id of a message stays known: Feishu may deliver it again for 8 hours, and it would be taken,
and paid for, as a new one."""

PATIENCE = 30.0
"""Seconds for which the locks of others are waited for."""

CHECKPOINT_SECONDS = 30.0
"""How long the readers of a SQLite file are waited for."""


_BARE: dict[str, str | None] = {
    **dict.fromkeys(("chat_id", "reply_to", "answer_id", "shown_position", "owner", "source"), None),
    **dict.fromkeys(("sender", "prompt", "raw_prompt"), ""),
    "content": "{}",
    "kind": "help",
    "outcome": "forgotten",
}
"""What a request becomes of which only its origin stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonData:
    """What is stored of a person, in numbers; ``originals`` are the names of the pictures in the data folder.

    ``unfinished`` generations and ``unanswered`` requests are counted among the others.
    """

    requests: int = 0
    generations: int = 0
    sends: int = 0
    settings: int = 0
    turns: int = 0
    unfinished: int = 0
    unanswered: int = 0
    originals: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the person is unknown."""
        return not (self.requests or self.generations or self.settings or self.turns)

    @property
    def goes_on(self) -> bool:
        """Whether work for the person is under way or waits."""
        return bool(self.unfinished or self.unanswered)


def stored_of(database: Database, person: str) -> PersonData:
    """What is stored of a person (``open_id``).

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.read() as connection:
        return _count(connection, person)


def forget(database: Database, person: str) -> PersonData:
    """Removes what is stored of a person, or nothing where work for the person goes on.

    Of messages of the last day the bare id stays, until the clean-up takes it; see :data:`REMEMBERED`. The month's
    sums stay: they name nobody.

    Returns:
        What was there; with ``goes_on``, nothing was removed.

    Raises:
        DatabaseUnavailable: the database does not answer; nothing was removed.
    """
    with database.write(patience=PATIENCE) as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        else:
            for table in (generations, requests):
                lock_rows(connection, table, table.c.sender == person)
        stored = _count(connection, person)
        if not stored.goes_on:
            _remove(connection, person, young=requests.c.accepted_at > database.now - REMEMBERED)
        return stored


def vacuum(database: Database) -> None:
    """Rewrites an SQLite file, so that no byte of what was deleted before is left in it or in its log.

    The bot may run meanwhile: it waits to write for as long as this takes. On PostgreSQL nothing is done; its vacuum
    frees the space of deleted rows, and old log files and backups are its administrator's business.

    Raises:
        DatabaseUnavailable: somebody reads all the time, or there is no room for a second copy.
    """
    if not database.is_sqlite:
        return
    try:
        with closing(database.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
            cursor.execute("VACUUM")
            deadline = time.monotonic() + CHECKPOINT_SECONDS
            while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable("its log is being read")
                time.sleep(0.05)
    except sqlite3.Error as error:
        raise DatabaseUnavailable(str(error)) from error


def _count(connection: Connection, person: str) -> PersonData:
    def number(*conditions: ColumnElement[bool]) -> int:
        return connection.scalar(select(func.count()).where(*conditions)) or 0

    own = select(requests.c.request_id).where(requests.c.sender == person)
    mine = generations.c.sender == person
    originals = select(generations.c.cache_name).where(mine, generations.c.cache_name.is_not(None))
    return PersonData(
        requests=number(requests.c.sender == person),
        generations=number(mine),
        sends=number(sent_messages.c.request_id.in_(own)),
        settings=number(preferences.c.subject == person),
        turns=number(last_served.c.sender == person),
        unfinished=number(mine, generations.c.ended_at.is_(None)),
        unanswered=number(requests.c.sender == person, requests.c.ended_at.is_(None)),
        originals=tuple(str(name) for name in connection.scalars(originals)),
    )


def _remove(connection: Connection, person: str, *, young: ColumnElement[bool]) -> None:
    # What the person has asked for since the look has not ended, and stays.
    own = and_(requests.c.sender == person, requests.c.ended_at.is_not(None))
    # A message tells that its chat is a direct one, and so the person's own; the settings of a group are the group's.
    said = ~requests.c.dedup_key.contains(":")
    chats = select(requests.c.chat_id).where(own, said, requests.c.chat_type == "p2p", requests.c.chat_id.is_not(None))
    cards = select(requests.c.answer_id).where(own, requests.c.answer_id.is_not(None))
    connection.execute(delete(timers).where(or_(timers.c.name == person, timers.c.name.in_(union(chats, cards)))))
    subject = preferences.c.subject
    connection.execute(delete(preferences).where(or_(subject == person, subject.in_(chats))))
    connection.execute(delete(last_served).where(last_served.c.sender == person))
    connection.execute(
        update(key_value).where(key_value.c.name == PAUSED, key_value.c.value == person).values(value="")
    )
    connection.execute(delete(generations).where(generations.c.sender == person, generations.c.ended_at.is_not(None)))
    connection.execute(
        delete(sent_messages).where(sent_messages.c.request_id.in_(select(requests.c.request_id).where(own)))
    )
    # Other origins than a message's or a press's may hold the id of a person or of a chat.
    known_again = or_(said, requests.c.dedup_key.startswith("press:"))
    connection.execute(update(requests).where(own, young, known_again).values(_BARE))
    connection.execute(delete(requests).where(own))
