"""The schema is made once however many processes start, and a newer one is left alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import column, inspect, select, table, text

from bot.__main__ import main
from bot.db.database import Database, read_url
from bot.db.migrate import HEAD, MIGRATIONS, current_revision, migrate
from bot.db.tables import metadata, requests
from tests.service.machines.test_upgrade import load as load_dump
from tests.support.databases import postgres_database
from tests.support.forkserver import run_command


def test_eight_processes_migrate_once(empty_url: str, tmp_path: Path) -> None:
    """Of eight ``migrate`` commands at the same moment on an empty database one does it, and all succeed."""
    variables = {"DATABASE_URL": empty_url, "BOT_DATA_DIR": str(tmp_path)}
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(run_command, main, "migrate", variables=variables, folder=tmp_path) for _ in range(8)]
        ended = [one.result() for one in running]
    assert [one.code for one in ended] == [0] * 8, [one.stderr for one in ended]
    said = sorted(one.stdout.decode().strip() for one in ended)
    assert said == ["The schema is up to date."] * 7 + ["The schema was migrated."]
    database = Database(read_url(empty_url))
    assert current_revision(database) == HEAD
    database.close()


def test_a_newer_schema_is_left_alone(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """A program of the last version, started beside the next one's, changes nothing and warns."""
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with caplog.at_level(logging.WARNING):
        assert not migrate(database)
    assert current_revision(database) == "9999"
    assert [record.getMessage() for record in caplog.records] == [
        f"schema newer than program revision=9999 program={HEAD}"
    ]


def upgrade_to(database: Database, revision: str) -> None:
    """Runs the migrations up to one revision."""
    with database.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def schema_of(database: Database) -> dict[str, Any]:
    """Columns, keys and indexes of every table, with the conditions of the indexes."""
    found = inspect(database.engine)
    return {
        name: {
            "columns": {one["name"]: (str(one["type"]), one["nullable"]) for one in found.get_columns(name)},
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "foreign": [(one["constrained_columns"], one["options"]) for one in found.get_foreign_keys(name)],
            "indexes": {
                one["name"]: (one["column_names"], bool(one["unique"]), where(one))
                for one in found.get_indexes(name)
                if "duplicates_constraint" not in one
            },
            "unique": [one["column_names"] for one in found.get_unique_constraints(name)],
        }
        for name in found.get_table_names()
    }


def where(index: Any) -> str | None:
    """The condition of a partial index."""
    options = index.get("dialect_options", {})
    condition = options.get("sqlite_where", options.get("postgresql_where"))
    return None if condition is None else str(condition)


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_old_revisions_make_the_recorded_schema(empty_url: str, tmp_path: Path, revision: str) -> None:
    """An empty database that is migrated to an older revision has the schema that this version then had."""
    with closing(Database(read_url(empty_url))) as database:
        upgrade_to(database, revision)
        made = schema_of(database)
    with another_database(empty_url, tmp_path) as url:
        load_dump(url, revision)
        with closing(Database(read_url(url))) as database:
            assert made == schema_of(database)


def test_the_newest_revision_makes_the_tables(empty_url: str) -> None:
    """Migrations and the table definitions agree, with every column, key and index."""
    with closing(Database(read_url(empty_url))) as database:
        migrate(database)
        migrated = schema_of(database)
        with database.write() as connection:
            names = ", ".join(reversed([table.name for table in metadata.sorted_tables]))
            for name in names.split(", "):
                connection.execute(text(f"DROP TABLE {name}"))
            metadata.create_all(connection)
        assert schema_of(database) == migrated


@contextmanager
def another_database(like: str, folder: Path) -> Iterator[str]:
    """An empty database of the same engine."""
    if like.startswith("sqlite"):
        yield f"sqlite:///{folder}/recorded.db"
    else:
        with postgres_database(empty=True) as url:
            yield url


def test_what_an_older_version_stored_of_presses_in_groups(empty_url: str) -> None:
    """An example that was pressed in a group was stored as of a direct chat; the upgrade corrects that and no more."""
    with closing(Database(read_url(empty_url))) as database:
        upgrade_to(database, "0001")
        texts = ("sender", "prompt", "asked", "content")
        numbers = ("lease_until", "due_at", "accepted_at", "patches", "wanted", "shown", "attempts", "takeups")
        common: dict[str, Any] = {
            **dict.fromkeys(texts, "x"),
            **dict.fromkeys(numbers, 0),
            **dict.fromkeys(("in_topic", "hide_prompt"), False),
            "language": "zh",
            "way": "card",
            "kind": "images",
        }
        stored = {"om_1": ("oc_group", "group"), "press:1": ("oc_group", "p2p"), "press:2": ("oc_direct", "p2p")}
        for origin, (chat, kind) in stored.items():
            values = {**common, "request_id": origin, "origin": origin, "chat_id": chat, "chat_type": kind}
            old = table("requests", *(column(name) for name in values))
            with database.write() as connection:
                connection.execute(old.insert().values(values))
        assert migrate(database)
        with database.read() as connection:
            found = dict(connection.execute(select(requests.c.dedup_key, requests.c.chat_type)).all())
        assert found == {"om_1": "group", "press:1": "group", "press:2": "p2p"}
