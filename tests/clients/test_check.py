"""The check: its findings about settings, this machine, stored data and Feishu, each with its fix; and the command."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.cli.check_feishu import check_feishu
from bot.cli.check_local import CheckResult, check_bot_findings, check_database, check_settings, data_folder, port
from bot.db.database import Database
from bot.db.migrate import HEAD
from bot.db.timers import Outages
from bot.db.usage import ApiUsageCounter
from bot.errors import FeishuAction, FeishuError
from bot.feishu.bitable import FIELDS
from bot.feishu.error_codes import describe, suggest_fix
from bot.sandbox.feishu.stand_in import SCOPES, FeishuStandIn
from bot.sandbox.http import Response
from bot.settings import VARIABLES, Settings, load
from bot.timings import BillingPeriods, Timings
from tests.clients.commands import app_variables, run
from tests.clients.feishu_platform import APP, GOOD, SECRET, Platform
from tests.clients.servers import FAKE_KEY, RecordingServer
from tests.support.databases import sqlite_database
from tests.support.dsl import variables_for
from tests.support.forkserver import CommandResult
from tests.support.servers import free_port

Check = Callable[..., CommandResult]
Results = dict[str, CheckResult]


def by_name(results: Iterable[CheckResult]) -> Results:
    return {result.name: result for result in results}


def printed(ran: CommandResult) -> Results:
    """The results of ``check --json``."""
    return by_name(CheckResult(**result) for result in json.loads(ran.stdout))


def failed(results: Results) -> list[str]:
    return [name for name, result in results.items() if result.ok is False]


def assert_result(result: CheckResult, detail: str, fix: str = "", *, ok: bool | None) -> None:
    """It says ``detail`` and ``fix`` among other words; without ``fix`` it has none."""
    assert (result.ok, detail in result.detail) == (ok, True), result
    assert (fix in (result.fix or ""), bool(result.fix)) == (True, bool(fix)), result


@pytest.fixture
def check(feishu: FeishuStandIn, tmp_path: Path) -> Check:
    """Runs the check of a bot for which everything is right, but for the variables that it is given."""
    sqlite_database(tmp_path)
    variables = variables_for(feishu, folder=tmp_path)

    def check(*arguments: str, encoding: str = "utf-8", **changed: str) -> CommandResult:
        return run("check", *arguments, folder=tmp_path, encoding=encoding, **{**variables, **changed})

    return check


def test_a_ready_bot_passes_all_checks(feishu: FeishuStandIn, check: Check) -> None:
    ran = check()
    lines = ran.text.splitlines()
    assert (ran.code, ran.stderr, lines[-1]) == (0, "", "All checks passed.")
    assert all(line.startswith(("✓ ", "– ", "  → ")) for line in lines[:-2])
    for name in (*VARIABLES, "[team]", "[images]", "[slots]", "[server]", "[log]"):
        assert f"✓ {name} " in ran.text
    assert f"on: {feishu.bot_name}, open_id {feishu.bot_open_id}" in ran.text
    assert len(lines) < 50


def test_json_is_an_array_of_results_and_no_secret_is_printed(feishu: FeishuStandIn, check: Check) -> None:
    """A secret is shown by its length, a database by its address."""
    url = "postgresql://me:not-a-password@127.0.0.1:1/bot?options=not-a-secret"
    ran = check("--json", DATABASE_URL=url, ZHIPU_API_KEY="k.not")
    assert {tuple(result) for result in json.loads(ran.stdout)} == {("name", "ok", "detail", "fix")}
    results = printed(ran)
    assert results["Events and callbacks"].ok is None
    secrets = (feishu.app_secret, feishu.encrypt_key, feishu.verification_token, "k.not", "not-a-")
    assert [secret for secret in secrets if secret in ran.text + ran.stderr] == []
    assert results["FEISHU_APP_SECRET"].detail == f"set, {len(feishu.app_secret)} characters"
    assert results["DATABASE_URL"].detail == "postgresql, bot at 127.0.0.1:1"
    assert (ran.code, failed(results)) == (1, ["Database"])


def test_nothing_is_sent_or_created(feishu: FeishuStandIn, check: Check, tmp_path: Path) -> None:
    """With ``--offline`` nobody is called, neither Feishu nor a database on another machine."""
    folder = tmp_path / "not" / "there"
    results = printed(check("--json", BOT_DATA_DIR=str(folder)))
    assert (feishu.messages, feishu.uploads, folder.parent.exists()) == ([], {}, False)
    calls = ["token", "bot_info", "scopes", "reply", "patch", "image"]
    assert [call.name for call in feishu.calls] == calls
    assert results["Data folder"].ok
    assert str(results["Database"].fix).startswith("run: python -m bot migrate")
    ran = check("--offline", "--json", DATABASE_URL="postgresql://bot@127.0.0.1:1/bot")
    results = printed(ran)
    assert (ran.code, len(feishu.calls)) == (0, len(calls))
    assert results["Database"].detail == results["Bot ability"].detail == "skipped (--offline)"
    assert results["Data folder"].ok


def test_all_configuration_errors_are_reported_together(check: Check) -> None:
    wrong = {"PORT": "many", "FEISHU_DOMAIN": "http://example.com", "BOT_SLOTS_COGVEIW": "3"}
    ran = check("--json", **wrong)
    results = printed(ran)
    assert (ran.code, set(failed(results)), results["Everything else"].ok) == (1, set(wrong), None)


def test_an_ascii_terminal_gets_words_for_the_marks(check: Check) -> None:
    lines = check("--offline", encoding="ascii").text.splitlines()
    assert lines[0].startswith("ok FEISHU_APP_ID")
    assert any(line.startswith("-- Feishu token") for line in lines)
    assert "画图" in printed(check("--json", encoding="ascii"))["Bot ability"].detail


def test_a_wrong_flag_is_a_usage_error(check: Check) -> None:
    for arguments in (("--frobnicate",), ("--send-test", "the design group"), ("--offline", "--send-test", "oc_group")):
        ran = check(*arguments)
        assert (ran.code, ran.text, "usage: glm-image-bot check" in ran.stderr) == (2, "", True), arguments


def test_a_test_card_arrives_or_has_a_fix(feishu: FeishuStandIn, check: Check) -> None:
    for recipient, chat_id in (("oc_group", "oc_group"), ("ou_lin", "oc_direct_lin")):
        ran = check("--json", "--send-test", recipient)
        message = feishu.messages[-1]
        assert (ran.code, message.chat_id, message.msg_type) == (0, chat_id, "interactive")
        assert [said for said in ("管理员测试消息", "Test message from the admin") if said not in message.content] == []
        assert printed(ran)["Test card"].detail == f"sent to {recipient} as {message.message_id}"
    feishu.faults.arm("scope", on="create")
    # Of a person whom the app does not know Feishu says only "invalid parameter".
    for recipient, fix in (("oc_group", "grant one of im:resource"), ("ou_of_another_app", "send /id to the bot")):
        ran = check("--json", "--send-test", recipient)
        results = printed(ran)
        assert (ran.code, failed(results), fix in str(results["Test card"].fix)) == (1, ["Test card"], True)
    assert (len(feishu.messages), feishu.pings) == (2, [])


def of_feishu(feishu: FeishuStandIn, variables: dict[str, str] | None = None, *, webhook: bool = True) -> Results:
    """The results for the stand-in's own app."""
    return by_name(check_feishu(load({**app_variables(feishu), **(variables or {})}), webhook=webhook))


def of_platform(served: Platform, answer: Response) -> Results:
    """The results for a platform that gives this first answer."""
    served.answers.append(answer)
    variables = {"FEISHU_DOMAIN": served.origin, "FEISHU_APP_ID": APP, "FEISHU_APP_SECRET": SECRET}
    return by_name(check_feishu(load(variables)))


GRANT = "grant one of im:resource, im:resource:upload"
FEISHU_FINDINGS: list[tuple[dict[str, str], tuple[str, str] | None, str, bool | None, str]] = [
    ({"FEISHU_APP_SECRET": "another"}, None, "Feishu token", False, "copy the App Secret into FEISHU_APP_SECRET again"),
    ({"FEISHU_APP_ID": "cli_of_lark"}, None, "Feishu token", False, "set FEISHU_DOMAIN=lark"),
    ({"FEISHU_DOMAIN": "http://127.0.0.1:9"}, None, "Feishu token", False, "this machine reaches http://127.0.0.1:"),
    ({}, ("token", "html_502"), "Feishu token", False, "FEISHU_DOMAIN is right"),
    ({}, ("bot_info", "feishu_99991662"), "Bot ability", False, "应用管理"),
    ({}, ("bot_info", "feishu_11205"), "Bot ability", False, "机器人 Bot"),
    ({}, ("reply", "scope"), "Scope to reply", False, "/app/cli_sandbox/auth?q=im:resource:upload"),
    ({}, ("patch", "scope"), "Scope to update cards", False, GRANT),
    ({}, ("image", "scope"), "Scope to upload images", False, GRANT),
    # A busy platform has not said that a scope is missing, and the bot works without the list of them.
    ({}, ("patch", "rate_gateway"), "Scope to update cards", None, ""),
    ({}, ("patch", "html_502"), "Scope to update cards", None, ""),
    ({}, ("scopes", "html_502"), "Scopes", None, ""),
]


def test_a_refused_call_is_one_failed_check_with_its_fix(feishu: FeishuStandIn) -> None:
    for variables, fault, name, ok, fix in FEISHU_FINDINGS:
        if fault:
            feishu.faults.arm(fault[1], on=fault[0])
        results = of_feishu(feishu, variables)
        assert failed(results) == ([name] if ok is False else [])
        assert (results[name].ok, fix in str(results[name].fix)) == (ok, True)
        if name == "Feishu token":
            assert results["Bot ability"] == CheckResult(name="Bot ability", ok=None, detail="skipped (no token)")
        elif fault and ok is False:
            assert f", log id {feishu.calls_named(fault[0])[-1].log_id})" in results[name].detail
    for scope in SCOPES:
        feishu.scopes.remove(scope)
        missing = of_feishu(feishu)["Scopes"]
        assert (missing.ok, missing.detail.endswith(f": {scope}")) == (False, True)
        page = f"{feishu.origin}/app/cli_sandbox/auth?q={scope}&token_type=tenant"
        assert str(missing.fix).startswith(f"grant at {page} , ")
        feishu.scopes.add(scope)
    # Without a public address nobody is asked to enter one.
    webhook, connected = (of_feishu(feishu, webhook=webhook)["Events and callbacks"] for webhook in (True, False))
    assert_result(webhook, "", "request URL https://YOUR-HOST/webhook/event", ok=None)
    assert_result(connected, "", "使用长连接接收 Receive through persistent connection", ok=None)
    assert "webhook" not in str(connected.fix)


def test_an_inactive_bot_and_a_wrong_clock_are_reported(served: Platform) -> None:
    """The clock differs by more than a minute from the date of Feishu's answers."""
    bot = {"activate_status": 1, "app_name": "画图", "open_id": "ou_bot"}
    results = of_platform(served, Response.of_json({"code": 0, "msg": "ok", "bot": bot}))
    assert_result(results["Bot ability"], "画图, open_id ou_bot, is not active", "应用管理", ok=False)
    good = Response.of_json(GOOD)
    assert of_platform(served, good)["Clock"].ok is True
    at = format_datetime(datetime.now(UTC) - timedelta(hours=8), usegmt=True)
    results = of_platform(served, replace(good, headers={**good.headers, "Date": at}))
    assert_result(results["Clock"], "8 h 0 min ahead of the platform's", "NTP", ok=False)


def test_what_is_wrong_with_the_table_of_the_base_log_is_reported(feishu: FeishuStandIn) -> None:
    """A table that is gone, fields of other names, a scope that is missing; and nothing where no table is named."""
    fields = {field.name: int(field.kind) for field in FIELDS}
    app_token, table_id = feishu.bases.add({**fields, FIELDS[0].name: 2})
    feishu.scopes.discard("base:record:create")
    results = of_feishu(feishu, {"BOT_BASE_APP_TOKEN": app_token, "BOT_BASE_TABLE_ID": table_id})
    assert f"of another type: {FIELDS[0].name}" in results["Base log"].detail
    assert "exporting to a Base: base:record:create" in results["Scopes"].detail
    results = of_feishu(feishu, {"BOT_BASE_APP_TOKEN": app_token, "BOT_BASE_TABLE_ID": "tbl0"})
    assert_result(results["Base log"], "code 1254041", "base create", ok=False)
    assert "Base log" not in of_feishu(feishu)
    assert feishu.calls_named("base_records") == []


READY = {
    "FEISHU_APP_ID": "cli_sandbox",
    "FEISHU_APP_SECRET": "not-a-secret",
    "FEISHU_ENCRYPT_KEY": "not-a-key",
    "FEISHU_VERIFICATION_TOKEN": "not-a-token",
    "ZHIPU_API_KEY": FAKE_KEY,
}
URL = "postgres://me:not-a-password@db.example/bot?sslkey=not-a-secret"
VALUES: list[tuple[str, str, bool | None, str, str]] = [
    ("FEISHU_APP_ID", "", False, "is not set", "copy it from the app's page"),
    ("FEISHU_APP_SECRET", "", False, "is not set", "copy it from the app's page"),
    ("ZHIPU_API_KEY", "", False, "is not set", "https://bigmodel.cn/usercenter/proj-mgmt/apikeys"),
    ("ZHIPU_API_KEY", "two words", False, "holds characters that no key has", "key at https://"),
    ("ZHIPU_API_KEY", "fakekey", True, "set, 7 characters, without a dot", "usually ID.SECRET"),
    ("ZHIPU_API_KEY", FAKE_KEY, True, f"set, {len(FAKE_KEY)} characters, not tested: a call would be billed", ""),
    ("FEISHU_ENCRYPT_KEY", "", None, "unencrypted and unsigned", "加密策略"),
    ("FEISHU_VERIFICATION_TOKEN", "", None, "only the Encrypt Key", "加密策略"),
    ("DATABASE_URL", "", True, "not set: SQLite in the data folder", ""),
    ("DATABASE_URL", URL, True, "postgresql, bot at db.example", ""),
]


def of_settings(variables: dict[str, str] | None = None, *, webhook: bool = True) -> Results:
    """The results of the settings of a bot that is ready, but for these variables; an empty one is not set."""
    return by_name(check_settings(load({**READY, **(variables or {})}), webhook=webhook))


def test_each_variable_has_its_result() -> None:
    for name, value, ok, detail, fix in VALUES:
        result = of_settings({name: value})[name]
        assert_result(result, detail, fix, ok=ok)
        assert "not-a-" not in result.detail


def test_who_may_use_the_bot_is_told() -> None:
    """Removed quotation marks have a line too, with their variables."""
    results = of_settings()
    assert_result(results["Access"], "everybody in the app's availability range (可用范围)", ok=True)
    assert_result(results["Admins"], "none", "send /id", ok=None)
    allowed = {"BOT_TEAM_ALLOWED_CHATS": "oc_a,oc_b", "BOT_TEAM_ALLOWED_PEOPLE": "ou_a"}
    results = of_settings({**allowed, "BOT_TEAM_ADMINS": '"ou_lin, ou_chen"'})
    assert_result(results["Access"], "1 people in 2 chats, and the admins anywhere", ok=True)
    assert_result(results["Admins"], "2: ou_lin, ou_chen", ok=True)
    assert_result(results["Quotation marks"], "around the value of BOT_TEAM_ADMINS", "write the values", ok=True)


def test_events_need_a_secret_only_at_the_webhook() -> None:
    empty = {"FEISHU_ENCRYPT_KEY": "", "FEISHU_VERIFICATION_TOKEN": ""}
    results = of_settings(empty)
    assert failed(results) == ["FEISHU_ENCRYPT_KEY"]
    assert "anybody could send events" in results["FEISHU_ENCRYPT_KEY"].detail
    connected = of_settings(empty, webhook=False)
    assert failed(connected) == []
    assert_result(connected["FEISHU_ENCRYPT_KEY"], "not set", ok=None)


def test_messages_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    (tmp_path / "messages.zh.toml").write_text("no toml")
    (tmp_path / "bot.toml").write_text("[slots]\ncogview = 3\n")
    results = of_settings({"BOT_CONFIG_DIR": str(tmp_path)})
    assert_result(results["[slots]"], "glm_image = 1, cogview = 3", ok=True)
    assert_result(results["Messages and styles"], "messages.zh.toml", "correct that file", ok=False)


def settings(**variables: str) -> Settings:
    return load({"BOT_SERVER_HOST": "127.0.0.1", **variables})


def test_a_database_without_tables_is_to_be_migrated(empty_url: str, tmp_path: Path) -> None:
    """What the bot would have stored in it is not known."""
    (tmp_path / "bot.db").touch()
    given = settings(DATABASE_URL=empty_url)
    assert_result(check_database(given), "answers, but has no tables yet", "python -m bot migrate", ok=None)
    for readable, detail in ((False, "not known without the database"), (True, "the database does not answer")):
        assert_result(next(check_bot_findings(given, readable=readable)), detail, ok=None)


def test_the_schema_is_compared_with_the_programs(database: Database, database_url: str) -> None:
    """An older one has to be migrated; a newer one works, and asks for a newer program."""
    for revision, ok, fix in ((HEAD, True, ""), ("0000", False, "python -m bot migrate"), ("9999", True, "update")):
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        assert_result(check_database(settings(DATABASE_URL=database_url)), revision, fix, ok=ok)


UNUSABLE: list[tuple[str, str, bool | None, str]] = [
    ("DATABASE_URL", "postgresql://bot:not-a-password@127.0.0.1:1/bot", False, "does not answer: "),
    ("DATABASE_URL", "sqlite:////dev/null/bot.db", False, "cannot be created at /dev/null/bot.db: Not a directory"),
    ("BOT_DATA_DIR", "{tmp}/data", None, "there is none yet at {tmp}/data/bot.db"),
    ("BOT_DATA_DIR", "{tmp}/broken", False, "does not answer: file is not a database"),
]


def test_a_database_that_cannot_be_used_is_reported_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "broken" / "bot.db"
    file.parent.mkdir()
    file.write_text("no database, but long enough to look like one " * 50)
    before = file.read_bytes()
    for name, value, ok, detail in UNUSABLE:
        result = check_database(settings(**{name: value.format(tmp=tmp_path)}))
        assert (result.ok, result.detail.startswith(detail.format(tmp=tmp_path)), bool(result.fix)) == (ok, True, True)
        assert "not-a-password" not in f"{result}"
    assert (file.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (before, ["broken"])


def test_calls_of_the_month_are_counted(database: Database, database_url: str) -> None:
    """Near the limit of the smallest plan there is advice, never a failure."""
    stored = load({"DATABASE_URL": database_url})
    counter = ApiUsageCounter(database=database, periods=BillingPeriods(zone=stored.team.timezone, clock=time.time))
    for count, more in ((7_999, 7_999), (8_000, 1)):
        for _ in range(more):
            counter.count("reply")
        counter.store()
        (result,) = check_bot_findings(stored, readable=True)
        assert_result(result, f"{count:,}, up to a minute ago", "10,000" if count == 8_000 else "", ok=True)


def test_calls_that_feishu_refuses_a_running_bot_are_reported(database: Database, database_url: str) -> None:
    stored = load({"DATABASE_URL": database_url})
    refusal = FeishuError("ip is denied", call="image", code=99991401, action=FeishuAction.APP_REFUSED, log_id="log-1")
    explanation = describe(refusal), suggest_fix(refusal, domain=stored.domain)
    outages = Outages(database=database, explain=lambda _: explanation, pace=Timings())
    with pytest.raises(FeishuError), outages.guard("image"):
        raise refusal
    results = by_name(check_bot_findings(stored, readable=True))
    assert_result(results["Refused: image"], "ip is denied (code 99991401, log id log-1)", "IP 白名单", ok=False)


POSTGRES = {"DATABASE_URL": "postgresql://bot@db.example/bot"}
SMALL = {"BOT_ORIGINALS_MEGABYTES": "1"}
FOLDERS: list[tuple[str, dict[str, str], str, bool, str, str]] = [
    ("{tmp}", SMALL, "ext4", True, "{tmp} can be written; ", ""),
    ("{tmp}/new", SMALL, "ext4", True, "{tmp}/new does not exist yet and can be", ""),
    ("/dev/null/data", {}, "ext4", False, "/dev/null/data cannot be written: ", "BOT_DATA_DIR"),
    ("{tmp}", {}, "nfs4", False, "{tmp} is on nfs4, which breaks SQLite's locks", "a local disk"),
    ("{tmp}", {**POSTGRES, **SMALL}, "nfs4", True, "{tmp} can be written; ", ""),
    ("{tmp}", {}, "overlay", True, "{tmp} can be written; ", "if this disk is emptied at a restart"),
    ("{tmp}", {**POSTGRES, **SMALL}, "overlay", True, "{tmp} ", ""),
    ("{tmp}", {"BOT_ORIGINALS_MEGABYTES": "1000000"}, "ext4", True, "{tmp} can", "images may grow to 1,000,000 MB"),
]


def test_the_data_folder_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written to, since permissions tell root nothing; SQLite needs a local disk that is kept.

    Nothing is left behind. Heroku, which empties its disks, names each of its processes.
    """
    mounts = tmp_path / "mounts"
    for folder, variables, kind, ok, detail, fix in FOLDERS:
        mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/share {tmp_path} {kind} rw 0 0\n")
        outcome = data_folder(settings(BOT_DATA_DIR=folder.format(tmp=tmp_path), **variables), mounts=mounts)
        assert_result(CheckResult("Data folder", *outcome), detail.format(tmp=tmp_path), fix, ok=ok)
    assert [one.name for one in tmp_path.iterdir()] == ["mounts"]
    monkeypatch.setenv("DYNO", "web.1")
    result = CheckResult("Data folder", *data_folder(settings(BOT_DATA_DIR=str(tmp_path))))
    assert_result(result, "maybe not kept: DYNO is set", "PostgreSQL", ok=True)


def test_a_taken_port_tells_a_bot_from_another_program() -> None:
    """A bot that runs already is no error, wherever it listens; another program, or a silent one, is.

    So is the address of another machine: 192.0.2.1 is nobody's (RFC 5737).
    """
    number = str(free_port())
    for _ in range(2):
        assert port(settings(PORT=number)) == (True, f"{number} on 127.0.0.1 is free")
    assert port(settings(PORT="0"))[0] is True
    ok, detail, *_ = port(settings(PORT=number, BOT_SERVER_HOST="192.0.2.1"))
    assert (ok, "192.0.2.1 cannot be used" in detail) == (False, True)
    with RecordingServer(Response(body=b"ok\n")) as bot:
        for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - a bot of the test, on a free port
            ok, detail, *_ = port(settings(PORT=str(bot.port), BOT_SERVER_HOST=host))
            assert (ok, "a bot that runs already" in detail) == (True, True)
    with RecordingServer(Response(body=b"else")) as other, socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        for taken in (other.port, silent.getsockname()[1]):
            expected = False, f"{taken} on 127.0.0.1 is taken by another program"
            assert port(settings(PORT=str(taken)))[:2] == expected
