"""What is deleted: old rows by a regular clean-up, and on request all that is stored of a person."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from bot.db.database import NOW, Database, read_time
from bot.db.key_value import PAUSED
from bot.db.leases import lock_rows
from bot.db.tables import (
    RECALLED,
    UNFINISHED,
    G,
    R,
    generations,
    key_value,
    last_served,
    monthly_usage,
    preferences,
    requests,
    sent_messages,
    timers,
    workers,
)
from bot.errors import DatabaseUnavailable
from bot.logs import get_logger

log = get_logger(__name__)

BATCH = 200  # rows that one transaction deletes; a prompt that comes meanwhile waits for no more than that

# Seconds:
DAY = 86_400.0
CLEAN_EVERY = 3_600.0  # between two clean-ups of a process
PAUSE = 0.01  # between two transactions, in which others get the database
PATIENCE = 30.0  # for which a transaction waits for the locks of others, or a checkpoint for readers of an SQLite file
# For which the id of a message stays known: Feishu may deliver it again for 8 hours, and it would be taken, and paid
# for, as a new one.
REMEMBERED = DAY

YEARS_OF_USAGE = 2


def delete_old_rows(database: Database, *, days: int, stopping: threading.Event) -> int:
    """Deletes what ended more than ``days`` ago (1 or more); returns how many rows, not counting cascades.

    Prompts and everything else of a request go with its row. Requests that have not ended are kept, however old, and
    what people have set (``/set``, ``/lang``). A message is recognized as a duplicate as long as its request is kept.
    When ``stopping`` is set, a clean-up ends after its present transaction.
    """
    with database.read() as connection:
        today = datetime.fromtimestamp(read_time(connection), UTC)
    old = NOW - days * DAY
    goes_on = sa.exists().where(G.request_id == R.request_id, UNFINISHED)
    removed = 0
    for table, condition in (
        # The generations and messages of a request go with it, by the database's own cascade.
        (requests, sa.and_(R.ended_at < old, ~goes_on)),
        # A recall whose message has not come is kept for as long as that may still come.
        (requests, sa.and_(R.sender == "", R.outcome == RECALLED, R.ended_at < NOW - REMEMBERED)),
        (last_served, last_served.c.called_at < old),
        (timers, timers.c.next_at < NOW - 60.0),
        (workers, workers.c.seen_at < NOW - DAY),
        (monthly_usage, monthly_usage.c.month < f"{today.year - YEARS_OF_USAGE}-{today.month:02}"),
    ):
        key = list(table.primary_key.columns)
        some = sa.tuple_(*key).in_(sa.select(*key).where(condition).limit(BATCH))
        gone = BATCH
        while gone == BATCH and not stopping.is_set():
            with database.write(patience=PATIENCE) as connection:
                gone = len(connection.execute(sa.delete(table).where(some).returning(key[0])).all())
            removed += gone
            stopping.wait(PAUSE if gone else 0.0)
    if removed:
        log.info("old rows removed", rows=removed)
    return removed


_BARE: dict[str, Any] = {
    **dict.fromkeys(("chat_id", "reply_to", "answer_id", "shown_position", "owner", "source", "fingerprint"), None),
    **dict.fromkeys(("sender", "prompt", "raw_prompt"), ""),
    "content": {},
    "kind": "help",
    "outcome": "forgotten",
}
"""What a request becomes of which only its key stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonData:
    """What is stored of a person, in numbers."""

    requests: int = 0
    generations: int = 0
    sends: int = 0
    settings: int = 0
    turns: int = 0
    unfinished: int = 0  # of the generations
    unanswered: int = 0  # of the requests
    originals: tuple[str, ...] = ()  # the names of images in the data folder

    @property
    def goes_on(self) -> bool:
        """Whether work for the person is under way or waits."""
        return bool(self.unfinished or self.unanswered)


def stored_of(database: Database, person: str) -> PersonData:
    with database.read() as connection:
        return _count(connection, person)


def forget(database: Database, person: str) -> PersonData:
    """Removes what is stored of a person, or nothing where work for the person goes on.

    Of messages of the last day the bare id stays, until the clean-up takes it; see :data:`REMEMBERED`. The month's
    sums stay: they name nobody. Returns what was there; with ``goes_on``, nothing was removed.
    """
    with database.write(patience=PATIENCE) as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        else:
            for table in (generations, requests):
                lock_rows(connection, table, table.c.sender == person)
        stored = _count(connection, person)
        if not stored.goes_on:
            _remove(connection, person)
        return stored


def vacuum(database: Database) -> None:
    """Rewrites an SQLite file, so that no byte of what was deleted before is left in it or in its log.

    The bot may run meanwhile, and waits to write for as long as this takes. PostgreSQL has a vacuum of its own.

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
            deadline = time.monotonic() + PATIENCE
            while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable("its log is being read")
                time.sleep(0.05)
    except sqlite3.Error as error:
        raise DatabaseUnavailable(str(error)) from error


def _count(connection: sa.Connection, person: str) -> PersonData:
    def number(*conditions: sa.ColumnElement[bool]) -> int:
        return connection.scalar(sa.select(sa.func.count()).where(*conditions)) or 0

    theirs, mine = R.sender == person, G.sender == person
    originals = sa.select(G.cache_name).where(mine, G.cache_name.is_not(None))
    return PersonData(
        requests=number(theirs),
        generations=number(mine),
        sends=number(sent_messages.c.request_id.in_(sa.select(R.request_id).where(theirs))),
        settings=number(preferences.c.subject == person),
        turns=number(last_served.c.sender == person),
        unfinished=number(mine, UNFINISHED),
        unanswered=number(theirs, R.ended_at.is_(None)),
        originals=tuple(str(name) for name in connection.scalars(originals)),
    )


def _remove(connection: sa.Connection, person: str) -> None:
    # What the person has asked for since the look has not ended, and stays.
    own = sa.and_(R.sender == person, R.ended_at.is_not(None))
    # A message tells that its chat is a direct one, and so the person's own; the settings of a group are the group's.
    said = ~R.dedup_key.contains(":")
    chats = sa.select(R.chat_id).where(own, said, R.chat_type == "p2p", R.chat_id.is_not(None))
    cards = sa.select(R.answer_id).where(own, R.answer_id.is_not(None))
    ids = sa.select(R.request_id).where(own)
    subject, named = preferences.c.subject, timers.c.name
    # Other keys than those of a message or a press may hold the id of a person or of a chat.
    known_again = sa.or_(said, R.dedup_key.startswith("press:"))
    for statement in (
        sa.delete(timers).where(sa.or_(named == person, named.in_(sa.union(chats, cards)))),
        sa.delete(preferences).where(sa.or_(subject == person, subject.in_(chats))),
        sa.delete(last_served).where(last_served.c.sender == person),
        sa.update(key_value).where(key_value.c.name == PAUSED, key_value.c.value == person).values(value=""),
        sa.delete(generations).where(G.sender == person, G.ended_at.is_not(None)),
        sa.delete(sent_messages).where(sent_messages.c.request_id.in_(ids)),
        sa.update(requests).where(own, R.accepted_at > NOW - REMEMBERED, known_again).values(_BARE),
        sa.delete(requests).where(own),
    ):
        connection.execute(statement)
