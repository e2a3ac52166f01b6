"""A database that makes the bot wait: events are answered in time all the same, and Feishu sends them again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from bot.__main__ import main
from bot.cli.check_local import check_database
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import load
from tests.support.databases import SERVER, postgres_database, sqlite_database
from tests.support.dsl import (
    DEADLINE,
    REDELIVERY,
    BotUnderTest,
    TimeoutTransport,
    around,
    header_color,
    toast_text,
    variables_for,
    wait_for,
)
from tests.support.forkserver import run_command

Lock = Callable[[], AbstractContextManager[None]]
TABLES = ("requests", "generations", "preferences", "timers")


@contextmanager
def locked_table(url: str, table: str) -> Iterator[None]:
    """A table that another connection keeps to itself."""
    with psycopg.connect(url) as other:
        other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield


@contextmanager
def written_file(url: str) -> Iterator[None]:
    """A SQLite file to which another process writes."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture(params=["sqlite", *(pytest.param(table, marks=pytest.mark.postgres) for table in TABLES)])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Lock]]:
    """A database, and what holds it up."""
    if request.param == "sqlite":
        url = sqlite_database(tmp_path)
        yield url, lambda: written_file(url)
        return
    with postgres_database() as url:
        yield url, lambda: locked_table(url, request.param)


def test_events_are_answered_in_time_while_the_database_is_held(tmp_path: Path, held: tuple[str, Lock]) -> None:
    """No event and no look at the health waits for the database; what was not stored comes again."""
    url, lock = held
    # The lock is held until all are answered, so no answer can wait for it, however slow the machine is.
    slower = replace(REDELIVERY, ladder=(0.5,) * 40, answer_seconds=DEADLINE)
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": url}) as bot:
        bot.feishu.delivery = slower
        user = bot.new_user()
        user.wait_for_end(user.send())
        (card,) = user.answers
        bot.wait_until_idle()
        first = len(bot.feishu.attempts)
        health = httpx.URL(str(bot.feishu.webhook_url)).copy_with(path="/healthz")
        with lock(), ThreadPoolExecutor(12) as pool:
            said = list(pool.map(lambda number: user.send("/help" if number % 2 else ""), range(12)))
            assert httpx.get(health, timeout=DEADLINE).status_code == 200
            wait_for(lambda: len(bot.feishu.attempts) >= first + len(said))
        attempts = bot.feishu.attempts[first:]
        assert {one.outcome for one in attempts} <= {"acknowledged", "refused"}, attempts
        wait_for(lambda: {one.parent_id for one in user.answers} >= {one.message_id for one in said})
        assert card.press_for_toast("again") == toast_text("toast.queued", price="¥0.10")


def test_an_uploaded_image_is_not_uploaded_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The key of an upload that ends while the database is held is stored as soon as it can be."""
    uploaded, held = threading.Event(), threading.Event()

    def hold_after_upload(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        response = inner.handle_request(request)
        if request.url.path.endswith("/images"):
            uploaded.set()
            held.wait(DEADLINE)
        return response

    url = sqlite_database(tmp_path)
    with BotUnderTest(
        folder=tmp_path, wrap_feishu=lambda inner: around(hold_after_upload)(TimeoutTransport(inner))
    ) as bot:
        user = bot.new_user()
        said = user.send()
        assert uploaded.wait(DEADLINE)
        with written_file(url):
            held.set()
            wait_for(lambda: "outcome kept in memory" in caplog.text)
        user.wait_for_end(said)
        assert len(bot.feishu.calls_named("image")) == 1
        assert [header_color(answer) for answer in user.answers] == ["green"]


@contextmanager
def encoded_in(encoding: str) -> Iterator[str]:
    """A database of an encoding."""
    name = sql.Identifier(f"test_encoding_{encoding.lower()}")
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        make = "CREATE DATABASE {} ENCODING {} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        server.execute(sql.SQL(make).format(name, sql.Literal(encoding)))
        try:
            yield f"{SERVER}/test_encoding_{encoding.lower()}"
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.mark.postgres
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused(encoding: str, tmp_path: Path) -> None:
    """The check and every command name the encoding and what to do, without a traceback."""
    with FeishuStandIn() as feishu, encoded_in(encoding) as url:
        variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": url}
        finding = check_database(load(variables), offline=False)
        assert finding.ok is False
        assert encoding in finding.detail
        assert "ENCODING 'UTF8'" in str(finding.fix)
        for command in ("serve", "migrate"):
            ended = run_command(main, command, variables=variables, folder=tmp_path)
            assert ended.code not in (0, None)
            assert encoding in ended.stderr
            assert "Traceback" not in ended.stderr


@pytest.mark.postgres
def test_what_the_variables_of_libpq_say_changes_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chinese is stored as it is where the client's encoding is set to another one."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with postgres_database(empty=True) as url, closing(Database(read_url(url))) as database:
        migrate(database)
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT '一只橘猫'").scalar() == "一只橘猫"
