"""The export: its columns and forms, what it leaves out unasked, and how it fails."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.cli.export import COLUMNS, csv_cell, main
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.tables import generations, requests
from bot.models import ContentFinding, Failure, State
from tests.clients.commands import BOT, ROOT, run
from tests.support.bulk_rows import add_finished

DAY = 86_400.0
# 2026-11-10 00:00 in Shanghai.
MIDNIGHT = 1_794_240_000.0
FORMULA = '=HYPERLINK("http://x.example/","猫")'
NUMBER = 4


def fill(url: str) -> None:
    """Stores four generations, two in the day before midnight and two in the day after it."""
    database = Database(read_url(url))
    migrate(database)
    add_finished(database, NUMBER, people=2, days=1)
    with database.write() as connection:
        for place in range(1, NUMBER + 1):
            at = MIDNIGHT + (place - 2.5) * DAY / 2
            one = generations.c.generation_id == f"g_old_{place}"
            connection.execute(update(generations).where(one).values(accepted_at=at, called_at=at, ended_at=at))
        last = generations.c.generation_id == "g_old_4"
        failure = Failure(code="TIMEOUT", sentence="failure.timeout")
        findings = (ContentFinding(role="user", level=2), ContentFinding(role="assistant", level=3))
        connection.execute(update(generations).where(last).values(state=State.FAILED, failure=failure))
        connection.execute(update(generations).where(last).values(findings=findings, url=None, call_seconds=None))
        connection.execute(update(requests).where(requests.c.request_id == "r_old_1").values(prompt=FORMULA))
    database.close()


@pytest.fixture
def url(database_url: str) -> str:
    """The URL of a filled database on each engine in turn."""
    fill(database_url)
    return database_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a filled database in it."""
    fill(f"sqlite:///{tmp_path / 'bot.db'}")
    return tmp_path


def test_a_csv_opens_in_a_spreadsheet(url: str, tmp_path: Path) -> None:
    ran = run("export", folder=tmp_path, DATABASE_URL=url)
    assert ran.stdout.startswith(b"\xef\xbb\xbfgeneration_id,")
    rows = list(csv.DictReader(io.StringIO(ran.text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [row["generation_id"] for row in rows] == [f"g_old_{place}" for place in range(1, NUMBER + 1)]
    assert rows[0]["accepted_at"] == "2026-11-09T06:00:00+08:00"
    first = [rows[0][name] for name in ("message_id", "chat_id", "sender", "yuan")]
    assert first == ["om_old_1", "oc_1", "ou_1", "0.1"]
    assert [rows[3][name] for name in ("error", "findings", "seconds")] == ["TIMEOUT", "user:2 assistant:3", ""]
    assert "橘猫" not in ran.text
    assert "http" not in ran.text


def test_filter_by_days_and_person(url: str, tmp_path: Path) -> None:
    arguments = ("--since", "2026-11-10", "--until", "2026-11-10", "--user", "ou_1")
    ran = run("export", *arguments, folder=tmp_path, DATABASE_URL=url)
    rows = csv.DictReader(io.StringIO(ran.text, newline=""))
    assert [(row["generation_id"], row["sender"]) for row in rows] == [("g_old_3", "ou_1")]


def test_json_lines_have_typed_values(url: str, tmp_path: Path) -> None:
    arguments = ("--format", "jsonl", "--prompts", "--links")
    ran = run("export", *arguments, folder=tmp_path, DATABASE_URL=url)
    lines = [json.loads(line) for line in ran.stdout.decode().splitlines()]
    assert tuple(lines[0]) == (*COLUMNS, "image_url", "prompt")
    assert lines[0]["prompt"] == FORMULA
    assert (lines[0]["watermark"], lines[0]["seconds"], lines[0]["paid_calls"]) == (True, 35.0, 1)
    assert (lines[3]["seconds"], lines[3]["image_url"]) == (None, None)
    assert lines[3]["findings"] == [{"role": "user", "level": 2}, {"role": "assistant", "level": 3}]


def test_a_file_appears_whole(folder: Path) -> None:
    target = folder / "out" / "list.csv"
    target.parent.mkdir()
    target.write_text("old", encoding="utf-8")
    arguments = ("--prompts", "--no-bom", "--output", str(target))
    ran = run("export", *arguments, folder=folder)
    assert (ran.code, ran.stdout) == (0, b"")
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"), newline="")))
    assert rows[0]["prompt"] == f"'{FORMULA}"
    assert [path.name for path in target.parent.iterdir()] == ["list.csv"]


def test_no_cell_is_a_formula() -> None:
    for start in "=+-@\t\r\n＝＋－＠":
        assert csv_cell(f"{start}1") == f"'{start}1"
    assert (csv_cell("ou_1"), csv_cell(-1.5)) == ("ou_1", "-1.5")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--since yesterday", "argument --since: 'yesterday' is not a day such as 2026-11-01"),
        ("--until 9999-12-31", "argument --until: '9999-12-31' is not a day such as 2026-11-01"),
        ("--since 2026-11-02 --until 2026-11-01", "--since is after --until"),
        ("--user oc_1", "argument --user: "),
    ],
)
def test_a_usage_error_says_what_is_expected(arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert f"error: {sentence}" in said.err


def test_without_a_database_it_fails(tmp_path: Path) -> None:
    ran = run("export", folder=tmp_path)
    assert (ran.code, ran.stdout) == (1, b"")
    assert "there is none yet" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(folder: Path) -> None:
    target = folder / "bot.db" / "x.csv"
    ran = run("export", "--output", str(target), folder=folder)
    assert (ran.code, ran.stdout) == (1, b"")
    assert f"{target} cannot be written" in ran.stderr


def test_a_reader_that_closes_the_pipe_is_no_error(folder: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT), "BOT_DATA_DIR": str(folder), "LANG": "C.UTF-8"}
    reading, writing = os.pipe()
    os.close(reading)
    command = [*BOT, "export"]
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, b"")
