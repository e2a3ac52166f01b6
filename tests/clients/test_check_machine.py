"""What the check says of the database, the data folder and the port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.cli.check_machine import data_folder, port
from bot.cli.check_machine import database as database_finding
from bot.cli.check_result import CheckResult
from bot.db.database import Database
from bot.db.migrate import HEAD
from bot.sandbox.http import LoopbackServer, Response
from bot.settings import Settings, load
from tests.support.servers import free_port

EVERYWHERE = "0.0.0.0"  # noqa: S104 - a bot of the test, on a free port


def settings(**variables: str) -> Settings:
    """Settings with these variables."""
    return load({"BOT_SERVER_HOST": "127.0.0.1", **variables})


@pytest.mark.usefixtures("database")
def test_a_current_database_is_good(database_url: str) -> None:
    """On either engine the schema's revision is told."""
    finding = look(DATABASE_URL=database_url)
    assert (finding.ok, finding.fix) == (True, None)
    assert finding.detail.endswith(f"its schema {HEAD} is current")


def test_a_database_without_tables_is_to_be_migrated(empty_url: str, tmp_path: Path) -> None:
    """An empty one answers, and the command that makes the tables is named."""
    (tmp_path / "bot.db").touch()
    finding = look(DATABASE_URL=empty_url)
    assert (finding.ok, finding.detail) == (None, "answers, but has no tables yet")
    assert finding.fix is not None
    assert "python -m bot migrate" in finding.fix


@pytest.mark.parametrize(
    ("revision", "good", "advised"), [("0000", False, "python -m bot migrate"), ("9999", True, "update this program")]
)
def test_another_schema_is_told(
    revision: str, *, good: bool, advised: str, database: Database, database_url: str
) -> None:
    """An older one is migrated; a newer one works on, and asks for a newer program."""
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    finding = look(DATABASE_URL=database_url)
    assert finding.ok is good
    assert revision in finding.detail
    assert finding.fix is not None
    assert advised in finding.fix


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("postgresql://bot:not-a-password@127.0.0.1:1/bot", "does not answer: "),
        ("sqlite:////dev/null/bot.db", "cannot be made at /dev/null/bot.db: Not a directory"),
        ("sqlite:////proc/nothing/bot.db", "cannot be made at /proc/nothing/bot.db: "),
    ],
)
def test_a_database_that_cannot_be_used_is_told(url: str, detail: str) -> None:
    """Each fault has its words and a fix, and no password is told."""
    finding = look(DATABASE_URL=url)
    assert finding.ok is False
    assert finding.detail.startswith(detail)
    assert finding.fix
    assert "not-a-password" not in f"{finding}"


def test_no_database_before_the_first_start_is_no_fault(tmp_path: Path) -> None:
    """It is made by the first start, so the line is neither good nor bad, and nothing is made by looking."""
    finding = look(BOT_DATA_DIR=str(tmp_path / "data"))
    assert (finding.ok, finding.detail) == (None, f"there is none yet at {tmp_path}/data/bot.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """What stands in the place of the database is left as it is."""
    file = tmp_path / "bot.db"
    file.write_text("no database, but long enough to look like one " * 50)
    before = file.read_bytes()
    finding = look(BOT_DATA_DIR=str(tmp_path))
    assert (finding.ok, finding.detail) == (False, "does not answer: file is not a database")
    assert file.read_bytes() == before


def test_a_folder_with_room_is_good(tmp_path: Path) -> None:
    """The folder and its free space are told, and the trial leaves nothing behind."""
    finding = data_folder(settings(BOT_DATA_DIR=str(tmp_path), BOT_ORIGINALS_MEGABYTES="1"))
    assert (finding.ok, finding.fix) == (True, None)
    assert finding.detail.startswith(f"{tmp_path} can be written; ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["/dev/null/data", "/proc/data"])
def test_a_folder_that_cannot_be_written_is_told(folder: str) -> None:
    """It is tried, not read off its permissions, which tell root nothing."""
    finding = data_folder(settings(BOT_DATA_DIR=folder))
    assert finding.ok is False
    assert finding.detail.startswith(f"{folder} cannot be written: ")
    assert finding.fix is not None
    assert "BOT_DATA_DIR" in finding.fix


@pytest.mark.parametrize(
    ("kind", "url", "good"),
    [("nfs4", "", False), ("ext4", "", True), ("nfs4", "postgresql://bot@db.example/bot", True)],
)
def test_a_network_file_system_is_no_place_for_sqlite(kind: str, url: str, *, good: bool, tmp_path: Path) -> None:
    """Its locks do not hold there; with PostgreSQL only pictures are in the folder."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/share {tmp_path} {kind} rw 0 0\n")
    finding = data_folder(settings(BOT_DATA_DIR=str(tmp_path / "data"), DATABASE_URL=url), mounts=mounts)
    assert finding.ok is good
    assert good or f"is on {kind}" in finding.detail


def test_pictures_that_may_outgrow_the_disk_are_advised_on(tmp_path: Path) -> None:
    """A limit above the free space is no fault yet, but worth a line."""
    finding = data_folder(settings(BOT_DATA_DIR=str(tmp_path), BOT_ORIGINALS_MEGABYTES="1000000"))
    assert finding.ok
    assert finding.fix == "pictures may grow to 1,000,000 MB: make room, or lower megabytes of [originals]"


def test_a_free_port_is_good() -> None:
    """It is listened on for a moment, and free again."""
    number = free_port()
    assert port(settings(PORT=str(number))).detail == f"{number} on 127.0.0.1 is free"
    assert port(settings(PORT=str(number))).ok
    assert port(settings(PORT="0")).ok


@pytest.mark.parametrize(("health", "good"), [("ok\n", True), ("something else", False)])
def test_a_taken_port_tells_a_bot_from_another_program(health: str, *, good: bool) -> None:
    """A bot that runs already is no fault; anything else is."""
    with LoopbackServer() as server:
        server.route("GET", "/healthz", lambda _: Response(body=health.encode()))
        finding = port(settings(PORT=str(server.port)))
    assert finding.ok is good
    assert ("a bot that runs already" in finding.detail) is good


@pytest.mark.parametrize(("listening", "host"), [("127.0.0.2", "127.0.0.2"), ("127.0.0.1", EVERYWHERE)])
def test_a_bot_is_asked_where_it_listens(listening: str, host: str) -> None:
    """One that is bound to another address than 127.0.0.1 is found as well."""
    with healthy_listener(listening) as number:
        finding = port(settings(PORT=str(number), BOT_SERVER_HOST=host))
    assert finding.ok, finding
    assert "a bot that runs already" in finding.detail


def test_a_port_held_by_something_silent_is_told() -> None:
    """What does not speak HTTP is another program."""
    with silent_listener() as number:
        finding = port(settings(PORT=str(number)))
    assert (finding.ok, finding.detail) == (False, f"{number} on 127.0.0.1 is taken by another program")


def test_an_address_of_another_machine_is_told() -> None:
    """A host that is not this machine's cannot be listened on (192.0.2.1 is nobody's, RFC 5737)."""
    finding = port(settings(PORT=str(free_port()), BOT_SERVER_HOST="192.0.2.1"))
    assert finding.ok is False
    assert "192.0.2.1 cannot be used" in finding.detail


def look(**variables: str) -> CheckResult:
    """What is said of the database."""
    return database_finding(settings(**variables), offline=False)


@contextmanager
def healthy_listener(host: str) -> Iterator[int]:
    """A server on one address of this machine that is well; gives its port."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer((host, 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent_listener() -> Iterator[int]:
    """A listening socket that never answers; gives its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        yield int(listener.getsockname()[1])
