"""What the page says to type for a backup, typed: one file a day, and it brings the data back."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.tables import requests
from tests.repo.pages import blocks, program
from tests.support.builders import accept
from tests.support.databases import postgres_database, sqlite_database

SQLITE, SQLITE_BY_PYTHON, SQLITE_BACK, POSTGRES, POSTGRES_BACK = blocks("config/docs/deployment.md", "Backup")
DAY_OF_THE_PAGE = "2026-11-23"


def type_in(folder: Path, block: str) -> None:
    """Runs the lines of a block as root would type them, with the page's three folders in this one, and no service."""
    (folder / "backups").mkdir(exist_ok=True)
    folders = {"/var/lib/glm-image-bot": "state", "/var/backups": "backups", "/etc/glm-image-bot/env": "env"}
    for name, own in folders.items():
        block = block.replace(name, str(folder / own))
    command = ["bash", "-e", "-c", f"systemctl() {{ :; }}\n{block}"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def kept_in(folder: Path) -> Path:
    """The one backup, which nobody else may read."""
    (file,) = (folder / "backups").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    return file


def origins(url: str) -> list[str]:
    """What is stored, in a database whose schema is up to date."""
    with closing(Database(read_url(url))) as database:
        assert not migrate(database)
        with database.read() as connection:
            return list(connection.scalars(select(requests.c.dedup_key)))


@pytest.mark.parametrize("way", ["sqlite3", "python3"])
def test_a_file_is_backed_up_while_the_bot_writes_and_brought_back(tmp_path: Path, way: str) -> None:
    """Twice a day is one file, beside it nothing is left, and what it brings back was committed before."""
    program(way)
    lines = SQLITE.splitlines()
    lines[2] = SQLITE_BY_PYTHON.strip() if way == "python3" else lines[2]
    url = sqlite_database(tmp_path / "state")
    with closing(Database(read_url(url))) as database:
        accept(database, "om_before")
        with database.write() as connection:
            connection.execute(delete(requests))
            for _ in range(2):
                type_in(tmp_path, "\n".join(lines))
        accept(database, "om_after")
    assert {file.name for file in (tmp_path / "state").iterdir()} == {"bot.db"}
    kept = kept_in(tmp_path)
    type_in(tmp_path, SQLITE_BACK.replace(f"bot-{DAY_OF_THE_PAGE}.db.gz", kept.name))
    assert origins(url) == ["om_before"]


@pytest.mark.postgres
def test_a_server_is_backed_up_and_brought_back(tmp_path: Path) -> None:
    program("pg_dump")
    with postgres_database() as url, closing(Database(read_url(url))) as database:
        accept(database, "om_before")
        (tmp_path / "env").write_text(f"FEISHU_APP_ID=cli_1\nDATABASE_URL={url}\nPORT=8000\n", encoding="utf-8")
        for _ in range(2):
            type_in(tmp_path, POSTGRES)
    kept = kept_in(tmp_path)
    with postgres_database(empty=True) as url:
        (tmp_path / "env").write_text(f"DATABASE_URL={url}\n", encoding="utf-8")
        type_in(tmp_path, POSTGRES_BACK.replace(f"bot-{DAY_OF_THE_PAGE}.dump", kept.name))
        assert origins(url) == ["om_before"]
