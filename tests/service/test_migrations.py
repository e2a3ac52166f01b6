"""The schema is made once however many processes start; what an older version left is migrated and comes to its end.

The dumps were written once by those versions: every kind of request in each delivery mode, with generations that wait,
are called, repeated, refused, paid, delivered, failed, cancelled or recalled. ``0001`` is the first released schema,
``0002`` has the columns added since. ``NOW`` is the time of the dump; links of ``image.invalid`` are replaced. They
are never written again with this version's code.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.__main__ import main
from bot.db.database import Database, read_url
from bot.db.migrate import HEAD, current_revision, migrate
from bot.db.reports import is_idle
from bot.db.tables import metadata
from bot.errors import SettingsError
from bot.glm.client import GlmClient
from bot.options import Options
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import Upload
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import PACE, Cluster
from tests.support.builders import change
from tests.support.dsl import DEADLINE, FAKE_KEY, wait_for
from tests.support.forkserver import run_command


def test_processes_that_start_at_once_migrate_once(empty_url: str, tmp_path: Path) -> None:
    """Of four ``migrate`` commands at the same moment on an empty database one does it, and all succeed."""
    variables = {"DATABASE_URL": empty_url, "BOT_DATA_DIR": str(tmp_path)}
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(run_command, main, "migrate", variables=variables, folder=tmp_path) for _ in range(4)]
        ended = [one.result() for one in running]
    assert [one.code for one in ended] == [0] * 4, [one.stderr for one in ended]
    said = sorted(one.stdout.decode().strip() for one in ended)
    assert said == ["The schema is up to date."] * 3 + ["The schema was migrated."]
    with closing(Database(read_url(empty_url))) as database:
        assert current_revision(database) == HEAD


def test_a_newer_schema_is_left_alone(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    change(database, text("UPDATE alembic_version SET version_num = '9999'"))
    with caplog.at_level(logging.WARNING):
        assert not migrate(database)
    assert current_revision(database) == "9999"
    assert [record.getMessage() for record in caplog.records] == [
        f"schema newer than program revision=9999 program={HEAD}"
    ]


def schema_of(database: Database) -> dict[str, list[str]]:
    """What makes each table and its indexes; neither the order of the columns nor a constraint's name matters."""
    found = MetaData()
    found.reflect(database.engine)
    schema = {}
    for table in found.sorted_tables:
        made = [str(CreateTable(table).compile(database.engine))]
        made += [str(CreateIndex(index).compile(database.engine)) for index in table.indexes]
        lines = "\n".join(made).splitlines()
        schema[table.name] = sorted(re.sub(r"CONSTRAINT \w+ ", "", line).strip("\t, ") for line in lines)
    return schema


def test_an_old_database_gets_the_schema_of_a_new_one(empty_url: str) -> None:
    """Migrations and the table definitions agree, with every column, key and index."""
    with closing(Database(read_url(empty_url))) as database:
        migrate(database)
        new = schema_of(database)
        metadata.drop_all(database.engine)
        change(database, text("DROP TABLE alembic_version"))
        load(empty_url, "0001")
        assert migrate(database)
        assert schema_of(database) == new


DUMPS = Path(__file__).with_name("dumps")
OLD_CARD = '{"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "…"}]}}'
TABLES = {
    "requests": "requests",
    "generations": "generations",
    "sends": "sent_messages",
    "served": "last_served",
    "kept": "key_value",
    "paces": "timers",
    "preferences": "preferences",
    "workers": "workers",
}
COLUMNS = {
    "requests": "origin dedup_key, asked raw_prompt, way delivery_mode, face card_state, told shown_position,"
    " patches patch_count, wanted desired_version, shown published_version, takeups stalled_attempts",
    "generations": "place index_in_request, takeups stalled_attempts, posts calls_made, charged calls_billed,"
    " month billing_month, posted_at called_at, delayed_since backoff_since, delays backoff_count,"
    " seconds call_seconds, created platform_created_at, link_ends_at link_expires_at, original cache_name,"
    " shrunk reencoded, recorded exported",
    "served": "posted_at called_at",
}
VALUES = {
    ("requests", "way"): {"new": "messages", "plain": "messages"},
    ("requests", "kind"): {"misread": "rejected"},
    ("requests", "face"): {"misread": "rejected"},
    ("requests", "outcome"): {"misread": "rejected"},
}

LINK = r"https://image\.invalid/\w+"

Rows = list[dict[str, Any]]


def read_dump(revision: str, *, sqlite: bool) -> str:
    return (DUMPS / f"{revision}.{'sqlite' if sqlite else 'postgresql'}.sql").read_text("utf-8")


def load(url: str, revision: str, *, links: Mapping[str, str] | None = None) -> dict[str, Rows]:
    """Loads a dump as of now; gives the rows of each of its tables."""
    now = time.time()
    with closing(Database(read_url(url))) as database:
        dump = read_dump(revision, sqlite=database.is_sqlite)
        script = re.sub(r"NOW([+-][\d.]+)", lambda found: f"{now + float(found[1]):.4f}", dump)
        script = re.sub(LINK, lambda found: (links or {}).get(found[0], found[0]), script)
        with database.write() as connection:
            for statement in script.split(";\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement if database.is_sqlite else statement.replace("%", "%%"))
    return tables(url, (*TABLES, "spending", "feishu_calls"))


def tables(url: str, names: tuple[str, ...]) -> dict[str, Rows]:
    """The rows of tables, in a fixed order."""
    found = {}
    with closing(Database(read_url(url))) as database, database.read() as connection:
        for name in names:
            rows = connection.execute(text(f"SELECT * FROM {name}")).mappings()  # noqa: S608 - constants
            found[name] = sorted((dict(row) for row in rows), key=lambda row: list(map(str, row.values()))[:2])
    return found


def renamed(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of an old table as the new one has to hold it."""
    names = dict(pair.split() for pair in COLUMNS.get(table, "").split(",") if pair)
    values = {name: VALUES.get((table, name), {}).get(value, value) for name, value in row.items()}
    return {names.get(name, name): value for name, value in values.items()}


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_migration_keeps_every_value(empty_url: str, revision: str) -> None:
    before = load(empty_url, revision)
    with closing(Database(read_url(empty_url))) as database:
        assert migrate(database)
        assert not migrate(database)
        assert current_revision(database) == HEAD
    after = tables(empty_url, (*TABLES.values(), "monthly_usage"))
    for old, new in TABLES.items():
        for was, row in zip([renamed(old, row) for row in before[old]], after[new], strict=True):
            assert {name: row[name] for name in was} == was
            assert all(row[name] is None for name in row.keys() - was.keys())
    usage = {(row["month"], row["model"]): row["images"] for row in before["spending"]}
    usage |= {(row["month"], "feishu_calls"): row["calls"] for row in before["feishu_calls"]}
    assert {(row["month"], row["name"]): row["count"] for row in after["monthly_usage"]} == usage


PRESS_IN_GROUP = """
UPDATE requests SET chat_id = (SELECT max(chat_id) FROM requests WHERE chat_type = 'group')
WHERE request_id = (SELECT min(request_id) FROM requests WHERE chat_type = 'p2p')
"""


def test_what_an_older_version_stored_of_presses_in_groups(empty_url: str) -> None:
    """An example that was pressed in a group was stored as of a direct chat; the upgrade corrects that and no more."""
    before = Counter(row["chat_type"] for row in load(empty_url, "0001")["requests"])
    with closing(Database(read_url(empty_url))) as database:
        change(database, text(PRESS_IN_GROUP))
        migrate(database)
    after = Counter(row["chat_type"] for row in tables(empty_url, ("requests",))["requests"])
    assert after - before == {"group": 1}


def test_every_state_ends_and_nothing_is_paid_twice(
    empty_url: str, tmp_path: Path, feishu: FeishuStandIn, glm: GlmStandIn
) -> None:
    """What waited is paid once, a lost call is repeated once, what was paid is delivered, what ended stays as it is."""
    # The oldest schema on one engine, the next one on the other.
    revision = "0001" if empty_url.startswith("sqlite") else "0002"
    dump = read_dump(revision, sqlite=empty_url.startswith("sqlite"))
    with closing(GlmClient(api_key=FAKE_KEY, transport=glm.transport())) as client:
        links = {link: client.generate(link, options=Options()).url for link in set(re.findall(LINK, dump))}
    before, seeded = load(empty_url, revision, links=links), len(glm.paid)
    furnish(feishu, before)
    with (
        closing(Database(read_url(empty_url))) as database,
        Cluster(folder=tmp_path, url=empty_url, pace=PACE, glm=glm, feishu=feishu) as cluster,
    ):
        migrate(database)
        change(database, text("DELETE FROM key_value WHERE name = 'paused'"))
        cluster.start("worker")
        wait_for(lambda: is_idle(database), timeout=3 * DEADLINE)
    after = tables(empty_url, ("generations", "monthly_usage"))
    ends, calls = {}, {}
    for row in before["generations"]:
        ends[row["generation_id"]], further = expected_end(row)
        calls[row["generation_id"]] = row["posts"] + further
    assert {row["generation_id"]: row["state"] for row in after["generations"]} == ends
    assert {row["generation_id"]: row["calls_made"] for row in after["generations"]} == calls
    paid = len(glm.paid) - seeded
    assert paid == sum(calls.values()) - sum(row["posts"] for row in before["generations"])
    spent = sum(row["count"] for row in after["monthly_usage"] if row["name"] != "feishu_calls")
    assert spent == sum(row["images"] for row in before["spending"]) + paid
    check_answers(feishu, before["requests"], already=Counter(row["request_id"] for row in before["sends"]))


def expected_end(row: Mapping[str, Any]) -> tuple[str, int]:
    """How a generation has to end, and how many calls are paid for it from then on."""
    match row["state"]:
        case "waiting":
            return "done", 1
        case "generating":
            return ("failed", 0) if row["repeated"] else ("done", 1)
        case "made":
            return "done", 0
        case ended:
            return ended, 0


def furnish(feishu: FeishuStandIn, before: Mapping[str, Rows]) -> None:
    """Gives the stand-in the people, chats, messages, cards and images that the dump names."""
    world = feishu.state
    for row in before["requests"]:
        if row["sender"] and row["sender"] not in world.people:
            world.add_person(row["sender"], open_id=row["sender"])
    for row in before["requests"]:
        if row["chat_id"] and row["chat_id"] not in world.chats:
            kind: Any = "topic" if row["in_topic"] else row["chat_type"]
            world.add_chat(kind, name="…", members=[row["sender"]], chat_id=row["chat_id"])
        if row["reply_to"] and row["reply_to"] not in world.messages:
            ids = {"message_id": row["reply_to"], "thread_id": f"omt_{row['request_id']}" if row["in_topic"] else None}
            world.add_message(row["chat_id"] or "", row["sender"], "text", json.dumps({"text": row["prompt"]}), **ids)
        if row["answer_id"]:
            ids = {"message_id": row["answer_id"], "parent_id": row["reply_to"]}
            world.add_message(row["chat_id"] or "", feishu.app_id, "interactive", OLD_CARD, **ids)
    for key in {row["image_key"] for row in before["generations"]} - {None}:
        world.uploads[key] = Upload(
            key=key, kind="image", name="", content=b"", content_type="image/jpeg", owner=feishu.app_id
        )


def check_answers(feishu: FeishuStandIn, requests: Rows, *, already: Mapping[str, int]) -> None:
    """Each request that was open has its one answer, and nothing else was sent."""
    old = {row["answer_id"] for row in requests}
    own = (one for one in feishu.messages if one.sender == feishu.app_id and one.message_id not in old)
    sent = Counter(one.parent_id for one in own)
    for row in requests:
        if row["reply_to"] is None:
            continue
        if row["ended_at"] is not None:
            assert sent[row["reply_to"]] == 0, row
        elif row["way"] == "card":
            assert sent[row["reply_to"]] == (row["answer_id"] is None), row
        else:
            images = row["kind"] == "images"
            assert sent[row["reply_to"]] == 1 + images - already.get(row["request_id"], 0), row


ALIVE = (
    "UPDATE workers SET owner = 'old:1:2', seen_at = :now",
    "UPDATE generations SET owner = 'old:1:2', lease_until = :now + 60 WHERE state = 'generating'",
)
"""What an older worker has stored lately: a heartbeat, or the lease of a paid call."""


def test_working_process_of_an_older_version_holds_the_migration_up(empty_url: str) -> None:
    """While one works nothing is changed, and the refusal names it."""
    load(empty_url, "0001")
    with closing(Database(read_url(empty_url))) as database:
        for alive in ALIVE:
            change(database, text(alive).bindparams(now=time.time()))
            with pytest.raises(SettingsError, match="old:1:2"):
                migrate(database)
            assert current_revision(database) == "0001"
            change(database, text("DELETE FROM workers"), text("UPDATE generations SET lease_until = 0"))
        assert migrate(database)
