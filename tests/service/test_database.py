"""The database: how the bot connects, what it does while it has to wait, and what no statement may read."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.engine import make_url

from bot.__main__ import main
from bot.background import Background
from bot.cli.check_local import check_database
from bot.db.database import Database, notify_workers, read_url
from bot.db.migrate import migrate
from bot.db.tables import generations, requests
from bot.errors import DatabaseUnavailable
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import load
from bot.worker.listener import Listener
from tests.support.builders import change
from tests.support.bulk_rows import add_finished
from tests.support.databases import SERVER, postgres_database, sqlite_database
from tests.support.dsl import DEADLINE, REDELIVERY, BotUnderTest, around, toast_text, variables_for, wait_for
from tests.support.forkserver import run_command
from tests.support.wire import wired

PASSWORD = "not-a-password"

POOLERS_TAKE = {"user", "database", "application_name", "client_encoding"}
"""What a connection may ask for when it starts: PgBouncer refuses everything else that it does not know."""


def asked_for_at_the_start(listener: socket.socket) -> set[str]:
    """The names of what a client asks for in its first message, whereupon it is left.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        while True:
            length, code = struct.unpack("!ii", stream.read(8))
            content = stream.read(length - 8)
            if content:
                return {name.decode() for name in content.split(b"\0")[:-2:2]}
            assert code in {80877103, 80877104}, "neither TLS nor GSSAPI is asked for"
            connection.sendall(b"N")


def test_a_pooler_takes_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(asked_for_at_the_start, listener)
        url = f"postgresql://bot:{PASSWORD}@127.0.0.1:{listener.getsockname()[1]}/bot"
        with closing(Database(read_url(url))) as database, pytest.raises(DatabaseUnavailable), database.read():
            pass
        assert asked.result() <= POOLERS_TAKE


@pytest.mark.postgres
def test_a_transaction_that_stands_still_is_ended(postgres_url: str) -> None:
    """Every connection, also after it has been used, has PostgreSQL end what its process leaves open."""
    with closing(Database(read_url(postgres_url), connections=1)) as database:
        for _ in range(2):
            with database.write() as connection:
                assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "5s"


@pytest.mark.postgres
def test_what_the_driver_says_is_told(postgres_url: str) -> None:
    there = make_url(postgres_url).set(password=PASSWORD)
    for wrong, said in (
        (there.set(port=1), "port 1 failed: Connection refused"),
        (there.set(database="nowhere"), 'database "nowhere" does not exist'),
    ):
        with closing(Database(wrong)) as database:
            with pytest.raises(DatabaseUnavailable) as caught, database.read():
                pass
            told = str(caught.value)
        assert (said in told, "\n" in told, PASSWORD in told) == (True, False, False)


@contextmanager
def held(url: str) -> Iterator[None]:
    """Another process writes to the file of SQLite, or keeps a table of PostgreSQL to itself."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
            yield


def test_events_are_answered_in_time_while_the_database_is_held(tmp_path: Path, database_url: str) -> None:
    """No event and no look at the health waits for the database; what was not stored comes again."""
    # The lock is held until all are answered, so no answer can wait for it, however slow the machine is.
    slower = replace(REDELIVERY, ladder=(0.5,) * 40, answer_seconds=DEADLINE)
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": database_url}) as bot:
        bot.feishu.delivery = slower
        user = bot.new_user()
        card = user.ask()
        first = len(bot.feishu.attempts)
        with held(database_url), ThreadPoolExecutor(8) as pool:
            said = list(pool.map(lambda number: user.send("/help" if number % 2 else ""), range(8)))
            assert httpx.get(f"{bot.origin}/healthz", timeout=DEADLINE).status_code == 200
            wait_for(lambda: len(bot.feishu.attempts) >= first + len(said))
        attempts = bot.feishu.attempts[first:]
        assert {one.outcome for one in attempts} <= {"acknowledged", "refused"}, attempts
        wait_for(lambda: {one.parent_id for one in user.answers} >= {one.message_id for one in said})
        assert card.press_for_toast("again") == toast_text("toast.queued", price="¥0.10")


def test_an_uploaded_image_is_not_uploaded_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uploaded, go_on = threading.Event(), threading.Event()

    def hold_after_upload(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        response = inner.handle_request(request)
        if request.url.path.endswith("/images"):
            uploaded.set()
            go_on.wait(DEADLINE)
        return response

    url = sqlite_database(tmp_path)
    with BotUnderTest(folder=tmp_path, wrap_feishu=around(hold_after_upload)) as bot:
        user = bot.new_user()
        said = user.send()
        assert uploaded.wait(DEADLINE)
        with held(url):
            go_on.set()
            wait_for(lambda: "outcome kept in memory" in caplog.text)
        assert user.ask(said).color == "green"
        assert len(bot.feishu.calls_named("image")) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused(encoding: str, tmp_path: Path) -> None:
    name = sql.Identifier(f"test_encoding_{encoding.lower()}")
    with FeishuStandIn() as feishu, psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        make = "CREATE DATABASE {} ENCODING {} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        server.execute(sql.SQL(make).format(name, sql.Literal(encoding)))
        url = f"{SERVER}/test_encoding_{encoding.lower()}"
        variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": url}
        finding = check_database(load(variables), offline=False)
        ended = run_command(main, "serve", variables=variables, folder=tmp_path)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    assert (finding.ok, encoding in finding.detail, "ENCODING 'UTF8'" in str(finding.fix)) == (False, True, True)
    assert ended.code not in (0, None)
    assert (encoding in ended.stderr, "Traceback" in ended.stderr) == (True, False)


@pytest.mark.postgres
def test_what_the_variables_of_libpq_say_changes_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with postgres_database(empty=True) as url, closing(Database(read_url(url))) as database:
        migrate(database)
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT '一只橘猫'").scalar() == "一只橘猫"


FINISHED = 20_000

LARGE = ("requests", "generations")  # the tables that grow with every message

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

    def explain(connection: Any, _: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        # The test's own thread looks whether all has ended; the daily clean-up may read what it deletes.
        if threading.current_thread().name in {"MainThread", "retention"} or not _EXPLAINABLE.match(statement):
            return
        # The heartbeat's looks: without statistics PostgreSQL takes most rows for owned.
        if connection.dialect.name != "sqlite" and _OF_HEARTBEAT.search(statement):
            return
        scans_in = sqlite_scans if connection.dialect.name == "sqlite" else postgres_scans
        with_cursor = connection.connection.cursor()
        scans.setdefault(statement, []).extend(
            scans_in(with_cursor, statement, parameters[0] if isinstance(parameters, list) else parameters)
        )
        with_cursor.close()

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield scans
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def test_no_statement_of_a_message_scans_a_large_table(empty_url: str, tmp_path: Path) -> None:
    """Prompts, commands, a cancellation and a recall, from the event to the last card, with 20,000 finished."""
    with closing(Database(read_url(empty_url))) as database:
        migrate(database)
        if not database.is_sqlite:
            # As if the database had no statistics yet.
            change(database, *(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)") for table in LARGE))
        add_finished(database, FINISHED)
    with plans() as scans, BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": empty_url}) as bot:
        user = bot.new_user()
        user.ask()
        for command in ("/queue", "/history", "/quota", "/again", "/set --size 1:1", "/lang en", "/cancel"):
            user.send(command)
        group = bot.new_user(kind="group")
        chat = bot.feishu.say(chat_id=group.chat_id, sender=group.person, text="午饭吃什么", mention_bot=False)
        user.recall(user.send())
        group.recall(chat)
        bot.wait_until_idle()
    assert len(scans) > 30
    assert {statement: found for statement, found in scans.items() if found} == {}


def test_what_is_pending_is_found_without_reading_all_that_its_sender_had(tmp_path: Path) -> None:
    """Whatever index was made last: SQLite takes that one of two that look equally good."""
    with closing(Database(read_url(sqlite_database(tmp_path)))) as database, database.write() as connection:
        for index in sorted(generations.indexes, key=lambda one: one.name == "generations_of_sender"):
            index.drop(connection)
            index.create(connection)
        pending = select(func.count()).where(generations.c.sender == "ou_ann", generations.c.ended_at.is_(None))
        plan = f"EXPLAIN QUERY PLAN {pending.compile(connection, compile_kwargs={'literal_binds': True})}"
        assert "generations_pending" in str(connection.exec_driver_sql(plan).all())


NEVER = 600.0  # seconds after which the listener would look by itself: longer than any test

SPECIAL = "a word of 100% / one's own"
"""A password with characters that mean something in an address; this server asks for none."""


@pytest.mark.postgres
def test_the_listener_opens_a_lost_connection_again_and_leaves_when_it_is_told(postgres_url: str) -> None:
    """Cut off while it sleeps, it notices without looking, and hears again once the database is back."""
    wake, stopping = threading.Event(), threading.Event()
    with closing(Database(read_url(postgres_url))) as database, wired(postgres_url) as (wire, far_url):

        def hears() -> bool:
            wake.clear()
            with database.write() as connection:
                notify_workers(connection)
            return wake.wait(0.5)

        listener = Listener(read_url(far_url).set(password=SPECIAL), wake=wake, every=NEVER)
        loop = Background(stopping=stopping).start("listener", listener.listen)
        wait_for(hears)
        wire.cut()
        assert not hears()
        wire.mend()
        wait_for(hears)
        stopping.set()
        hears()
        loop.thread.join(DEADLINE)
        assert not loop.thread.is_alive()
        listener.close()
