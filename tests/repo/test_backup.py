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


class Machine:
    """The three folders of the page, in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.state, self.backups, self.env = folder / "state", folder / "backups", folder / "env"
        self.backups.mkdir()

    def type(self, block: str) -> None:
        """Runs the lines of a block as root would type them, but for the service, which is not there."""
        for name, path in {
            "/var/lib/glm-image-bot": self.state,
            "/var/backups": self.backups,
            "/etc/glm-image-bot/env": self.env,
        }.items():
            block = block.replace(name, str(path))
        typed = f"systemctl() {{ :; }}\n{block}"
        done = subprocess.run(["bash", "-e", "-c", typed], check=False, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()

    @property
    def kept(self) -> Path:
        """The one file in the folder of backups."""
        (file,) = self.backups.iterdir()
        return file


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One with its folders."""
    return Machine(tmp_path)


def origins(url: str) -> list[str]:
    """What is stored, in a database whose schema is up to date."""
    with closing(Database(read_url(url))) as database:
        assert not migrate(database)
        with database.read() as connection:
            return list(connection.scalars(select(requests.c.dedup_key)))


@pytest.mark.parametrize("way", ["sqlite3", "python3"])
def test_a_file_is_backed_up_while_the_bot_writes_and_brought_back(machine: Machine, way: str) -> None:
    """Twice a day is one file, beside it nothing is left, and what it brings back was committed before."""
    program(way)
    lines = SQLITE.splitlines()
    lines[2] = SQLITE_BY_PYTHON.strip() if way == "python3" else lines[2]
    url = sqlite_database(machine.state)
    with closing(Database(read_url(url))) as database:
        accept(database, "om_before")
        with database.write() as connection:
            connection.execute(delete(requests))
            for _ in range(2):
                machine.type("\n".join(lines))
        accept(database, "om_after")
    assert {file.name for file in machine.state.iterdir()} == {"bot.db"}
    assert machine.kept.stat().st_mode & 0o077 == 0
    machine.type(SQLITE_BACK.replace(f"bot-{DAY_OF_THE_PAGE}.db.gz", machine.kept.name))
    assert origins(url) == ["om_before"]


@pytest.mark.postgres
def test_a_server_is_backed_up_and_brought_back(machine: Machine) -> None:
    """Twice a day is one file, and an empty database gets from it what was there."""
    program("pg_dump")
    with postgres_database() as url, closing(Database(read_url(url))) as database:
        accept(database, "om_before")
        machine.env.write_text(f"FEISHU_APP_ID=cli_1\nDATABASE_URL={url}\nPORT=8000\n", encoding="utf-8")
        for _ in range(2):
            machine.type(POSTGRES)
    assert machine.kept.stat().st_mode & 0o077 == 0
    with postgres_database(empty=True) as url:
        machine.env.write_text(f"DATABASE_URL={url}\n", encoding="utf-8")
        machine.type(POSTGRES_BACK.replace(f"bot-{DAY_OF_THE_PAGE}.dump", machine.kept.name))
        assert origins(url) == ["om_before"]
