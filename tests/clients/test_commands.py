"""``config init``, ``base create`` and ``export``: what they write, and how they fail."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.__main__ import main as bot_main
from bot.chat.messages import Messages
from bot.chat.parsing.wording import Rules
from bot.chat.styles import Styles
from bot.cli.check_feishu import check_feishu
from bot.cli.check_local import check_settings
from bot.cli.export import csv_cell, main
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.tables import generations, requests
from bot.errors import SettingsError
from bot.models import ContentFinding, Failure, State
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import load
from tests.clients.commands import BOT, app_variables, in_shell, run
from tests.repo.lock import TOP
from tests.support.bulk_rows import add_finished
from tests.support.dsl import wait_for
from tests.support.forkserver import CommandResult, running_command

FILES = {"bot.toml", "intents.toml", "messages.en.toml", "messages.zh.toml", "styles.toml"}


def configuration(folder: Path) -> tuple[bool | None, str, str | None]:
    """What the check reports about a folder of configuration."""
    (found,) = [one for one in check_settings(load({"BOT_CONFIG_DIR": str(folder)})) if one.name == "Configuration"]
    return found.ok, found.detail, found.fix


def test_the_shipped_files_are_copied_and_own_ones_kept(tmp_path: Path) -> None:
    own = tmp_path / "new" / "config"
    ran = run("config", "init", str(own), folder=tmp_path)
    assert (ran.code, {file.name for file in own.iterdir()}) == (0, FILES)
    assert f"Set BOT_CONFIG_DIR={own}" in ran.text
    assert configuration(own) == (True, f"{own}/bot.toml, with all keys of this version", None)
    assert configuration(TOP / "config") == (True, f"{TOP}/config/bot.toml, the shipped one", None)
    (own / "bot.toml").write_text("[limits]\nper_day = 7\n", encoding="utf-8")
    (own / "styles.toml").unlink()
    ran = run("config", "init", str(own), folder=tmp_path)
    assert f"kept    {own}/bot.toml" in ran.text
    assert f"copied  {own}/styles.toml" in ran.text
    assert load({"BOT_CONFIG_DIR": str(own)}).limits.per_day == 7


def test_an_old_copy_works_and_the_check_lists_the_differences(tmp_path: Path) -> None:
    """What it lacks is as shipped; only a placeholder that has no value here is an error."""
    assert run("config", "init", str(tmp_path), folder=tmp_path).code == 0
    (tmp_path / "intents.toml").unlink()
    (tmp_path / "styles.toml").unlink()
    toml = (tmp_path / "bot.toml").read_text(encoding="utf-8")
    (tmp_path / "bot.toml").write_text(toml.replace("per_day = 20", ""), encoding="utf-8")
    (tmp_path / "messages.zh.toml").write_text('"check.title" = "自己的标题"\n"gone.key" = "旧"\n', encoding="utf-8")
    ok, detail, fix = configuration(tmp_path)
    assert (ok, fix is not None) == (True, True)
    assert "new in bot.toml: limits.per_day; " in detail
    assert "unknown, ignored in messages.zh.toml: gone.key" in detail
    messages = Messages.load(tmp_path)
    assert messages.text("check.title", "zh") == "自己的标题"
    assert "gone.key" not in messages.keys
    assert len(messages.keys) == len(Messages.load(TOP / "config").keys)
    assert list(Styles.load(tmp_path)) == list(Styles.load(TOP / "config"))
    Rules.load(tmp_path)
    (tmp_path / "messages.en.toml").write_text('"check.title" = "A test of {nobody}"', encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Messages.load(tmp_path)
    assert raised.value.faults == ["messages.en.toml: check.title: has no value for ['nobody']"]


def test_it_prints_what_to_set_and_that_works(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """One table with the log's fields, open to the owners; with the printed settings the check passes."""
    owners = ("--owner", "ou_lin", "--owner", "ou_chen")
    ran = run("base", "create", *owners, folder=tmp_path, **app_variables(feishu))
    assert (ran.code, ran.stderr) == (0, "")
    settings = dict(re.findall(r"^(BOT_BASE_\w+)=(\S+)$", ran.text, re.MULTILINE))
    base = feishu.bases.bases[settings["BOT_BASE_APP_TOKEN"]]
    assert base.members == {"ou_lin": "full_access", "ou_chen": "full_access"}
    assert [*base.tables] == [settings["BOT_BASE_TABLE_ID"]]
    assert f"/base/{settings['BOT_BASE_APP_TOKEN']}?table={settings['BOT_BASE_TABLE_ID']}" in ran.text
    results = {result.name: result for result in check_feishu(load({**app_variables(feishu), **settings}))}
    assert (results["Base log"].ok, "exporting to a Base" in results["Scopes"].detail) == (True, True)


def test_a_base_is_made_as_far_as_the_scopes_allow(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Without the right to create a table the Base is left empty; without that to delete one, with a blank table.

    The admins own it unless others are named.
    """
    feishu.faults.arm("scope", on="base_table")
    ran = run("base", "create", folder=tmp_path, **app_variables(feishu))
    assert (ran.code, ran.stdout) == (1, b"")
    assert [said for said in ("grant one of", "An empty Base is left at https://") if said not in ran.stderr] == []
    feishu.faults.arm("scope", on="base_delete_table")
    ran = run("base", "create", folder=tmp_path, **app_variables(feishu))
    assert (ran.code, "A blank table is left" in ran.stderr) == (0, True)
    assert "Only the bot can open it so far" in ran.text
    ran = run("base", "create", folder=tmp_path, **app_variables(feishu), BOT_TEAM_ADMINS="ou_alex,ou_nobody")
    assert (ran.code, "Not shared with ou_nobody" in ran.stderr) == (0, True)
    assert [*feishu.bases.bases.values()][-1].members == {"ou_alex": "full_access"}


DAY = 86_400.0
# 2026-11-10 00:00 in Shanghai.
MIDNIGHT = 1_794_240_000.0
FORMULA = '=HYPERLINK("http://x.example/","猫")'


def fill(url: str) -> None:
    """Stores four generations, two in the day before midnight and two in the day after it."""
    database = Database(read_url(url))
    migrate(database)
    add_finished(database, 4, people=2, days=1)
    failure = Failure(code="TIMEOUT", sentence="failure.timeout")
    findings = (ContentFinding(role="user", level=2), ContentFinding(role="assistant", level=3))
    failed = {"state": State.FAILED, "failure": failure, "findings": findings, "url": None, "call_seconds": None}
    with database.write() as connection:
        for place in range(1, 5):
            at = MIDNIGHT + (place - 2.5) * DAY / 2
            values = {"accepted_at": at, "called_at": at, "ended_at": at, **(failed if place == 4 else {})}
            one = generations.c.generation_id == f"g_old_{place}"
            connection.execute(update(generations).where(one).values(values))
        connection.execute(update(requests).where(requests.c.request_id == "r_old_1").values(prompt=FORMULA))
    database.close()


def read_csv(ran: CommandResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(ran.text, newline="")))


def test_an_export_opens_in_a_spreadsheet_and_can_be_filtered(database_url: str, tmp_path: Path) -> None:
    """It has a byte order mark and, unless they are asked for, no prompts and links; days are the team's, inclusive."""
    fill(database_url)
    ran = run("export", folder=tmp_path, DATABASE_URL=database_url)
    assert ran.stdout.startswith(b"\xef\xbb\xbfgeneration_id,")
    rows = read_csv(ran)
    assert [row["generation_id"] for row in rows] == [f"g_old_{place}" for place in range(1, 5)]
    assert rows[0]["accepted_at"] == "2026-11-09T06:00:00+08:00"
    first = [rows[0][name] for name in ("message_id", "chat_id", "sender", "yuan")]
    assert first == ["om_old_1", "oc_1", "ou_1", "0.1"]
    assert [rows[3][name] for name in ("error", "findings", "seconds")] == ["TIMEOUT", "user:2 assistant:3", ""]
    assert ("橘猫" in ran.text, "http" in ran.text) == (False, False)
    day = ("--since", "2026-11-10", "--until", "2026-11-10")
    rows = read_csv(run("export", *day, "--user", "ou_1", folder=tmp_path, DATABASE_URL=database_url))
    assert [(row["generation_id"], row["sender"]) for row in rows] == [("g_old_3", "ou_1")]
    arguments = ("--format", "jsonl", "--prompts", "--links")
    ran = run("export", *arguments, folder=tmp_path, DATABASE_URL=database_url)
    lines = [json.loads(line) for line in ran.stdout.decode().splitlines()]
    assert [*lines[0]] == [*rows[0], "image_url", "prompt"]
    assert [lines[0][name] for name in ("prompt", "watermark", "seconds", "paid_calls")] == [FORMULA, True, 35.0, 1]
    assert (lines[3]["seconds"], lines[3]["image_url"]) == (None, None)
    assert lines[3]["findings"] == [{"role": "user", "level": 2}, {"role": "assistant", "level": 3}]


def test_a_file_appears_whole(tmp_path: Path) -> None:
    """With --output the file replaces the old one, and a formula in a prompt is harmless in it."""
    fill(f"sqlite:///{tmp_path / 'bot.db'}")
    target = tmp_path / "out" / "list.csv"
    target.parent.mkdir()
    target.write_text("old", encoding="utf-8")
    ran = run("export", "--prompts", "--no-bom", "--output", str(target), folder=tmp_path)
    assert (ran.code, ran.stdout) == (0, b"")
    (first, *_) = csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"), newline=""))
    assert first["prompt"] == f"'{FORMULA}"
    assert [path.name for path in target.parent.iterdir()] == ["list.csv"]
    ran = run("export", "--output", f"{tmp_path}/bot.db/x.csv", folder=tmp_path)
    assert (ran.code, ran.stdout, f"{tmp_path}/bot.db/x.csv cannot be written" in ran.stderr) == (1, b"", True)


def test_what_cannot_be_read_or_written_is_one_line(tmp_path: Path) -> None:
    ran = run("export", folder=tmp_path)
    assert (ran.code, ran.stdout, "there is none yet" in ran.stderr) == (1, b"", True)
    assert list(tmp_path.iterdir()) == []
    ran = run("config", "init", "/dev/null/config", folder=tmp_path)
    assert (ran.code, ran.stdout) == (1, b"")
    assert ran.stderr == "/dev/null/config cannot be written: Not a directory\n"


USAGE_ERRORS = {
    "--since yesterday": "argument --since: 'yesterday' is not a day such as 2026-11-01",
    "--until 9999-12-31": "argument --until: '9999-12-31' is not a day such as 2026-11-01",
    "--since 2026-11-02 --until 2026-11-01": "--since is after --until",
    "--user oc_1": "argument --user: ",
}


def test_no_cell_is_a_formula() -> None:
    for start in "=+-@\t\r\n＝＋－＠":
        assert csv_cell(f"{start}1") == f"'{start}1"
    assert (csv_cell("ou_1"), csv_cell(-1.5)) == ("ou_1", -1.5)


def test_a_usage_error_says_what_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, sentence in USAGE_ERRORS.items():
        with pytest.raises(SystemExit) as ended:
            main(arguments.split())
        said = capsys.readouterr()
        assert (ended.value.code, said.out, f"error: {sentence}" in said.err) == (2, "", True), arguments


BUFFERED = {"PYTHONUNBUFFERED": ""}


def test_a_reader_that_closes_the_pipe_is_no_error(tmp_path: Path) -> None:
    """As with ``head -1``; an export has written what was wanted of it."""
    fill(f"sqlite:///{tmp_path / 'bot.db'}")
    environment = {**os.environ, **BUFFERED, "PYTHONPATH": str(TOP), "BOT_DATA_DIR": str(tmp_path)}
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen([*BOT, "export"], env=environment, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, b"")


REDIRECTIONS = {
    ">/dev/full": (1, "The output cannot be written: No space left on device\n"),
    ">&-": (1, "The output cannot be written: Bad file descriptor\n"),
    "2>&-": (0, ""),
    ">/dev/full 2>/dev/full": (1, ""),
    "<&- >&- 2>&-": (1, ""),
}


def test_an_output_that_cannot_be_written_is_no_traceback() -> None:
    """The reason is one line on standard error, if that can be written."""
    for redirection, (code, reason) in REDIRECTIONS.items():
        ran = in_shell(redirection, *BOT, "--help", env=BUFFERED)
        assert (ran.code, ran.stderr, ran.stdout.startswith(b"usage")) == (code, reason, code == 0), redirection


def test_ctrl_c_prints_one_line(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """The exit code is 130, as in shells."""
    feishu.faults.arm("hang", on="token")
    variables = {**app_variables(feishu), "FEISHU_ENCRYPT_KEY": "not-real", "BOT_DATA_DIR": str(tmp_path)}
    with running_command(bot_main, "check", variables=variables, folder=tmp_path) as running:
        wait_for(lambda: feishu.calls)
        assert (running.leave(signal.SIGINT), running.log) == (130, "Interrupted.\n")
