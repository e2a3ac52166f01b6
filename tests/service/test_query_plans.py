"""What a message costs must not grow with history: no statement on its way reads a whole table."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.tables import generations, requests
from tests.support.bulk_rows import add_finished
from tests.support.dsl import BotUnderTest, wait_for

FINISHED = 20_000

LARGE = ("requests", "generations")
"""The tables that grow with every message."""

PARTIAL = {
    index.name
    for table in (requests, generations)
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}
"""Indexes of the few rows that are open, owned, in flight and the like; reading all of one is reading little.

Three of them grow with history, and are read from one end or within bounds only.
"""
GROWING = {"requests_ended", "generations_ended", "generations_timed"}

_EXPLAINABLE = re.compile(r"SELECT|INSERT|UPDATE|DELETE")
_OF_HEARTBEAT = re.compile(r"(owner|slot_until) IS NOT NULL AND \w+\.(lease_until|slot_until) >")
_SCAN_OF_INDEX = re.compile(r"SCAN (\w+) USING (?:COVERING )?INDEX (\w+)")


def sqlite_scans(engine_cursor: Any, statement: str, parameters: Any) -> list[str]:
    """The whole-table reads in SQLite's plan of a statement."""
    engine_cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    found = []
    for *_, detail in engine_cursor.fetchall():
        if not detail.startswith("SCAN "):
            continue
        index = _SCAN_OF_INDEX.match(detail)
        if index and index[2] in PARTIAL - GROWING:
            continue
        # Other names are aliases of subqueries, constants, or tables that stay small.
        name = detail.split()[1]
        aliased = re.search(rf"\b({'|'.join(LARGE)}) AS {name}\b", statement)
        if name in LARGE or aliased:
            found.append(detail)
    return found


def postgres_scans(engine_cursor: Any, statement: str, parameters: Any) -> list[str]:
    """The same of PostgreSQL's."""
    engine_cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    (plan,) = engine_cursor.fetchone()
    nodes = [(json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]]
    found = []
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        whole_index = "Index Name" in node and "Index Cond" not in node and node["Index Name"] not in PARTIAL - GROWING
        if (node["Node Type"].endswith("Seq Scan") and node["Relation Name"] in LARGE) or whole_index:
            found.append(f"{node['Node Type']} {node.get('Relation Name')} {node.get('Index Name')}")
    return found


@contextmanager
def plans() -> Iterator[dict[str, list[str]]]:
    """Asks for the plan of each statement when it is executed; gives the scans of each by its text."""
    scans: dict[str, list[str]] = {}

    def explain(connection: Any, _: Any, statement: str, parameters: Any, __: Any, many: Any) -> None:
        # The test's own thread looks whether all has ended; the daily clean-up may read what it deletes.
        if threading.current_thread().name in {"MainThread", "retention"} or not _EXPLAINABLE.match(statement):
            return
        # The heartbeat's looks: without statistics PostgreSQL takes most rows for owned.
        if connection.dialect.name != "sqlite" and _OF_HEARTBEAT.search(statement):
            return
        scans_in = sqlite_scans if connection.dialect.name == "sqlite" else postgres_scans
        with_cursor = connection.connection.cursor()
        scans.setdefault(statement, []).extend(scans_in(with_cursor, statement, parameters[0] if many else parameters))
        with_cursor.close()

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield scans
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def fill(url: str) -> None:
    """Months of use, of which the database keeps no statistics."""
    database = Database(read_url(url))
    migrate(database)
    if not database.is_sqlite:
        with database.write() as connection:
            for table in LARGE:
                connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    add_finished(database, FINISHED)
    database.close()


def _taken(bot: BotUnderTest, message_id: str) -> bool:
    """Whether the recall of a message has been acknowledged."""
    return any(
        one.event_type == "im.message.recalled_v1" and message_id in str(one.event) and one.outcome == "acknowledged"
        for one in bot.feishu.attempts
    )


def test_no_statement_of_a_message_scans_a_large_table(empty_url: str, tmp_path: Path) -> None:
    """Prompts, commands, a cancellation and a recall, from the event to the last card, with 20,000 finished."""
    fill(empty_url)
    with plans() as scans, BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": empty_url}) as bot:
        user = bot.new_user()
        user.wait_for_end(user.send())
        for command in ("/queue", "/history", "/quota", "/again", "/set --size 1:1", "/lang en", "/cancel"):
            user.send(command)
        group = bot.new_user(kind="group")
        chat = bot.feishu.say(chat_id=group.chat_id, sender=group.person, text="午饭吃什么", mention_bot=False)
        for recalled, by in ((user.send(), user.person), (chat, group.person)):
            bot.feishu.recall(recalled.message_id, by=by)
            wait_for(partial(_taken, bot, recalled.message_id))
        bot.wait_until_idle()
    assert len(scans) > 30
    assert {statement: found for statement, found in scans.items() if found} == {}
