"""The check: its findings about settings, this machine, stored data and Feishu, each with its fix; and the command."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.cli.check_feishu import check_feishu
from bot.cli.check_local import (
    SMALLEST_PLAN,
    CheckResult,
    check_bot_findings,
    check_database,
    check_settings,
    data_folder,
    port,
)
from bot.db.database import Database
from bot.db.migrate import HEAD
from bot.db.timers import Outages
from bot.db.usage import ApiUsageCounter
from bot.errors import FeishuAction, FeishuError
from bot.feishu.bitable import FIELDS
from bot.feishu.error_codes import describe, suggest_fix
from bot.sandbox.feishu.stand_in import SCOPES, FeishuStandIn
from bot.sandbox.http import LoopbackServer, Response
from bot.settings import VARIABLES, Settings, config_folder, load
from bot.timings import BillingPeriods, Timings
from tests.clients.commands import CommandResult, app_variables, run
from tests.clients.feishu_platform import APP, GOOD, SECRET, Platform
from tests.clients.glm_wire import FAKE_KEY
from tests.support.databases import sqlite_database
from tests.support.dsl import variables_for
from tests.support.servers import free_port

Check = Callable[..., CommandResult]
Results = dict[str, CheckResult]


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
    assert {tuple(result) for result in ran.checks.values()} == {("name", "ok", "detail", "fix")}
    assert ran.checks["Events and callbacks"]["ok"] is None
    secrets = (feishu.app_secret, feishu.encrypt_key, feishu.verification_token, "k.not", "not-a-")
    assert [secret for secret in secrets if secret in ran.text + ran.stderr] == []
    assert ran.checks["FEISHU_APP_SECRET"]["detail"] == f"set, {len(feishu.app_secret)} characters"
    assert ran.checks["DATABASE_URL"]["detail"] == "postgresql, bot at 127.0.0.1:1"
    assert (ran.code, ran.failed) == (1, ["Database"])


def test_nothing_is_sent_or_created(feishu: FeishuStandIn, check: Check, tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    ran = check("--json", BOT_DATA_DIR=str(folder))
    assert (feishu.messages, feishu.uploads, folder.parent.exists()) == ([], {}, False)
    assert [call.name for call in feishu.calls] == ["token", "bot_info", "scopes", "reply", "patch", "image"]
    assert ran.checks["Data folder"]["ok"]
    assert ran.checks["Database"]["fix"].startswith("run: python -m bot migrate")


def test_offline_makes_no_calls(feishu: FeishuStandIn, check: Check) -> None:
    """Neither to Feishu nor to a database on another machine."""
    ran = check("--offline", "--json", DATABASE_URL="postgresql://bot@127.0.0.1:1/bot")
    assert (ran.code, feishu.calls) == (0, [])
    assert ran.checks["Database"]["detail"] == ran.checks["Bot ability"]["detail"] == "skipped (--offline)"
    assert ran.checks["Data folder"]["ok"]


def test_all_configuration_errors_are_reported_together(check: Check) -> None:
    wrong = {"PORT": "many", "FEISHU_DOMAIN": "http://example.com", "BOT_SLOTS_COGVEIW": "3"}
    ran = check("--json", **wrong)
    assert (ran.code, set(ran.failed)) == (1, set(wrong))
    assert ran.checks["Everything else"]["ok"] is None


def test_an_ascii_terminal_gets_words_for_the_marks(check: Check) -> None:
    lines = check("--offline", encoding="ascii").text.splitlines()
    assert lines[0].startswith("ok FEISHU_APP_ID")
    assert any(line.startswith("-- Feishu token") for line in lines)
    assert "画图" in check("--json", encoding="ascii").checks["Bot ability"]["detail"]


def test_a_wrong_flag_is_a_usage_error(check: Check) -> None:
    for arguments in (("--frobnicate",), ("--send-test", "the design group"), ("--offline", "--send-test", "oc_group")):
        ran = check(*arguments)
        assert (ran.code, ran.text, "usage: glm-image-bot check" in ran.stderr) == (2, "", True), arguments


def test_a_test_card_arrives_or_has_a_fix(feishu: FeishuStandIn, check: Check) -> None:
    for recipient, chat_id in (("oc_group", "oc_group"), ("ou_lin", "oc_direct_lin")):
        ran = check("--json", "--send-test", recipient)
        message = feishu.messages[-1]
        assert (ran.code, message.chat_id, message.msg_type) == (0, chat_id, "interactive")
        for said in ("管理员测试消息", "Test message from the admin"):
            assert said in message.content
        assert ran.checks["Test card"]["detail"] == f"sent to {recipient} as {message.message_id}"
    assert (len(feishu.messages), feishu.pings) == (2, [])
    for fault, fix in {
        "not_in_group": "群机器人",
        "scope": "grant one of im:resource, im:resource:upload at https://open.feishu.cn/app/cli_sandbox/",
        "reset_before": "whether this machine reaches",
    }.items():
        feishu.faults.arm(fault, on="create")
        ran = check("--json", "--send-test", "oc_group")
        assert (ran.code, ran.failed, fix in ran.checks["Test card"]["fix"]) == (1, ["Test card"], True)
    # Feishu says only "invalid parameter".
    assert "send /id to the bot" in check("--json", "--send-test", "ou_of_another_app").checks["Test card"]["fix"]
    assert len(feishu.messages) == 2


def by_name(results: Iterable[CheckResult]) -> Results:
    return {result.name: result for result in results}


def failed(results: Results) -> list[str]:
    return [name for name, result in results.items() if result.ok is False]


def of_feishu(feishu: FeishuStandIn, variables: dict[str, str] | None = None, *, webhook: bool = True) -> Results:
    """The results for the stand-in's own app."""
    return by_name(check_feishu(load({**app_variables(feishu), **(variables or {})}), webhook=webhook))


def of_platform(served: Platform, answer: Response) -> Results:
    """The results for a platform that gives this first answer."""
    served.answers.append(answer)
    variables = {"FEISHU_DOMAIN": served.server.origin, "FEISHU_APP_ID": APP, "FEISHU_APP_SECRET": SECRET}
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
        assert (results[name].ok, failed(results)) == (ok, [name] if ok is False else [])
        assert fix in str(results[name].fix)
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
    connected = "使用长连接接收 Receive through persistent connection"
    for webhook, advised, other in (
        (True, "request URL https://YOUR-HOST/webhook/event", "persistent connection"),
        (False, connected, "webhook"),
    ):
        result = of_feishu(feishu, webhook=webhook)["Events and callbacks"]
        assert (result.ok, advised in str(result.fix), other in str(result.fix)) == (None, True, False)


def test_an_inactive_bot_and_a_wrong_clock_are_reported(served: Platform) -> None:
    """The clock differs by more than a minute from the date of Feishu's answers."""
    bot = {"activate_status": 1, "app_name": "画图", "open_id": "ou_bot"}
    result = of_platform(served, Response.of_json({"code": 0, "msg": "ok", "bot": bot}))["Bot ability"]
    assert (result.ok, result.detail) == (False, "画图, open_id ou_bot, is not active")
    assert "应用管理" in str(result.fix)
    good = Response.of_json(GOOD)
    assert of_platform(served, good)["Clock"].ok is True
    at = format_datetime(datetime.now(UTC) - timedelta(hours=8), usegmt=True)
    result = of_platform(served, replace(good, headers={**good.headers, "Date": at}))["Clock"]
    assert (result.ok, "8 h 0 min ahead of the platform's" in result.detail) == (False, True)
    assert "NTP" in str(result.fix)


def test_the_scopes_to_import_are_those_that_the_bot_needs() -> None:
    """Each is one line on the sheet that the organisation's admin approves, so there is none too many.

    A card is changed with ``im:message:send_as_bot``; the bot does without the one for reactions, which need no
    message; the last one is for the event of a first direct chat.
    """
    scopes = json.loads((config_folder({}) / "scopes.json").read_text(encoding="utf-8"))["scopes"]
    assert scopes["user"] == []
    assert scopes["tenant"] == [
        *("im:message.p2p_msg:readonly", "im:message.group_at_msg:readonly", "im:message:send_as_bot"),
        *("im:message.reactions:write_only", "im:message:readonly", "im:resource", "im:chat.members:bot_access"),
        "im:chat.access_event.bot_p2p_chat:read",
    ]


def test_what_is_wrong_with_the_table_of_the_base_log_is_reported(feishu: FeishuStandIn) -> None:
    """A table that is gone, fields of other names, a scope that is missing; and nothing where no table is named."""
    fields = {field.name: int(field.kind) for field in FIELDS}
    app_token, table_id = feishu.bases.add({**fields, FIELDS[0].name: 2})
    feishu.scopes.discard("base:record:create")
    results = of_feishu(feishu, {"BOT_BASE_APP_TOKEN": app_token, "BOT_BASE_TABLE_ID": table_id})
    assert f"of another type: {FIELDS[0].name}" in results["Base log"].detail
    assert "exporting to a Base: base:record:create" in results["Scopes"].detail
    gone = of_feishu(feishu, {"BOT_BASE_APP_TOKEN": app_token, "BOT_BASE_TABLE_ID": "tbl0"})["Base log"]
    assert (gone.ok, "code 1254041" in gone.detail, "base create" in str(gone.fix)) == (False, True, True)
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


def test_valid_settings_pass_with_advice_to_name_admins() -> None:
    results = of_settings()
    assert [name for name, result in results.items() if result.fix] == ["Admins"]
    assert {result.ok for name, result in results.items() if name != "Admins"} == {True}
    assert "send /id" in str(results["Admins"].fix)
    everybody = "everybody in the app's availability range (可用范围): the allow-lists are empty"
    assert (results["FEISHU_APP_SECRET"].detail, results["Access"].detail) == ("set, 12 characters", everybody)


def test_each_variable_has_its_result() -> None:
    for name, value, ok, detail, fix in VALUES:
        result = of_settings({name: value})[name]
        assert (result.ok, detail in result.detail, bool(result.fix)) == (ok, True, bool(fix)), (name, value)
        assert fix in (result.fix or "")
        assert "not-a-" not in result.detail


def test_who_may_use_the_bot_is_told() -> None:
    """Removed quotation marks have a line too, with their variables."""
    allowed = {"BOT_TEAM_ALLOWED_CHATS": "oc_a,oc_b", "BOT_TEAM_ALLOWED_PEOPLE": "ou_a"}
    limited = of_settings({**allowed, "BOT_TEAM_ADMINS": '"ou_lin, ou_chen"'})
    assert limited["Access"].detail == "1 people in 2 chats, and the admins anywhere"
    assert (limited["Admins"].ok, limited["Admins"].detail) == (True, "2: ou_lin, ou_chen")
    assert limited["Quotation marks"].detail == "removed around the value of BOT_TEAM_ADMINS"


def test_events_need_a_secret_only_at_the_webhook() -> None:
    empty = {"FEISHU_ENCRYPT_KEY": "", "FEISHU_VERIFICATION_TOKEN": ""}
    results = of_settings(empty)
    assert failed(results) == ["FEISHU_ENCRYPT_KEY"]
    assert "anybody could send events" in results["FEISHU_ENCRYPT_KEY"].detail
    assert results["FEISHU_VERIFICATION_TOKEN"].ok is None
    connected = of_settings(empty, webhook=False)
    assert failed(connected) == []
    assert connected["FEISHU_ENCRYPT_KEY"] == CheckResult("FEISHU_ENCRYPT_KEY", None, "not set")


def test_messages_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    (tmp_path / "messages.zh.toml").write_text("no toml")
    (tmp_path / "bot.toml").write_text("[slots]\ncogview = 3\n")
    results = of_settings({"BOT_CONFIG_DIR": str(tmp_path)})
    assert results["[slots]"].detail == "glm_image = 1, cogview = 3"
    texts = results["Messages and styles"]
    assert (texts.ok, "messages.zh.toml" in texts.detail) == (False, True)


def settings(**variables: str) -> Settings:
    return load({"BOT_SERVER_HOST": "127.0.0.1", **variables})


def test_a_database_without_tables_is_to_be_migrated(empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "bot.db").touch()
    result = check_database(settings(DATABASE_URL=empty_url))
    assert (result.ok, result.detail) == (None, "answers, but has no tables yet")
    assert "python -m bot migrate" in str(result.fix)


def test_the_schema_is_compared_with_the_programs(database: Database, database_url: str) -> None:
    """An older one has to be migrated; a newer one works, and asks for a newer program."""
    for revision, ok, fix in (
        (HEAD, True, ""),
        ("0000", False, "python -m bot migrate"),
        ("9999", True, "update this"),
    ):
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        result = check_database(settings(DATABASE_URL=database_url))
        assert (result.ok, revision in result.detail, fix in (result.fix or "")) == (ok, True, True)


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
    counter = ApiUsageCounter(database=database, periods=BillingPeriods(zone=stored.team.zone, clock=time.time))
    for count, more in ((7_999, 7_999), (8_000, 1)):
        for _ in range(more):
            counter.count("reply")
        counter.store()
        (result,) = check_bot_findings(stored, readable=True)
        assert (result.ok, result.detail) == (True, f"{count:,}, up to a minute ago")
        assert (f"{SMALLEST_PLAN:,}" in (result.fix or "")) is (count == 8_000)


def test_findings_without_a_database_are_unknown(empty_url: str) -> None:
    (missing,) = check_bot_findings(load({}), readable=False)
    assert (missing.ok, missing.detail) == (None, "not known without the database")
    empty, *_ = check_bot_findings(load({"DATABASE_URL": empty_url}), readable=True)
    assert (empty.ok, empty.detail) == (None, "not known: the database does not answer")


def test_calls_that_feishu_refuses_a_running_bot_are_reported(database: Database, database_url: str) -> None:
    stored = load({"DATABASE_URL": database_url})
    refusal = FeishuError("ip is denied", call="image", code=99991401, action=FeishuAction.APP_REFUSED, log_id="log-1")
    explanation = describe(refusal), suggest_fix(refusal, domain=stored.domain)
    outages = Outages(database=database, explain=lambda _: explanation, pace=Timings())
    with pytest.raises(FeishuError), outages.guard("image"):
        raise refusal
    _, outage = check_bot_findings(stored, readable=True)
    assert (outage.name, outage.ok) == ("Refused: image", False)
    assert outage.detail == "ip is denied (code 99991401, log id log-1)"
    assert "IP 白名单" in (outage.fix or "")


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


def test_the_data_folder_is_tried(tmp_path: Path) -> None:
    """It is written to, since permissions tell root nothing; SQLite needs a local disk; nothing is left behind."""
    mounts = tmp_path / "mounts"
    for folder, variables, kind, ok, detail, fix in FOLDERS:
        mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/share {tmp_path} {kind} rw 0 0\n")
        outcome = data_folder(settings(BOT_DATA_DIR=folder.format(tmp=tmp_path), **variables), mounts=mounts)
        result = CheckResult("Data folder", *outcome)
        assert (result.ok, result.detail.startswith(detail.format(tmp=tmp_path))) == (ok, True), result
        assert (fix in (result.fix or ""), bool(result.fix)) == (True, bool(fix)), result
    assert [one.name for one in tmp_path.iterdir()] == ["mounts"]


def test_sqlite_on_a_disk_that_a_platform_empties_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Heroku names each of its processes."""
    monkeypatch.setenv("DYNO", "web.1")
    ok, detail, *fix = data_folder(settings(BOT_DATA_DIR=str(tmp_path)))
    assert (ok, "maybe not kept: DYNO is set" in detail, "PostgreSQL" in str(fix)) == (True, True, True)


def test_a_free_port_passes_and_an_address_of_another_machine_does_not() -> None:
    """192.0.2.1 is nobody's (RFC 5737)."""
    number = str(free_port())
    for _ in range(2):
        assert port(settings(PORT=number)) == (True, f"{number} on 127.0.0.1 is free")
    assert port(settings(PORT="0"))[0] is True
    result = port(settings(PORT=number, BOT_SERVER_HOST="192.0.2.1"))
    assert (result[0], "192.0.2.1 cannot be used" in result[1]) == (False, True)


@contextmanager
def listening(health: bytes | None) -> Iterator[int]:
    """The port of a server that answers every GET with ``health``, or of one that never answers."""
    if health is None:
        with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
            yield int(silent.getsockname()[1])
        return
    with LoopbackServer() as server:
        server.route("GET", "/healthz", lambda _: Response(body=health))
        yield server.port


@pytest.mark.parametrize(
    ("health", "host", "ok"),
    [
        (b"ok\n", "127.0.0.1", True),
        (b"ok\n", "0.0.0.0", True),  # noqa: S104 - a bot of the test, on a free port
        (b"something else", "127.0.0.1", False),
        (None, "127.0.0.1", False),
    ],
)
def test_a_taken_port_tells_a_bot_from_another_program(health: bytes | None, host: str, *, ok: bool) -> None:
    """A bot that runs already is no error, wherever it listens; another program, or a silent one, is."""
    with listening(health) as number:
        result = port(settings(PORT=str(number), BOT_SERVER_HOST=host))
    assert (result[0], "a bot that runs already" in result[1]) == (ok, ok)
    assert ok or result[1] == f"{number} on 127.0.0.1 is taken by another program"
