"""The checks of settings, this machine and what the bot has stored, each error with its fix."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.cli.check_local import SMALLEST_PLAN, check_bot_findings, check_database, check_settings, data_folder, port
from bot.cli.check_result import CheckResult
from bot.db.database import Database
from bot.db.migrate import HEAD
from bot.db.timers import Outages
from bot.db.usage import ApiUsageCounter
from bot.errors import FeishuAction, FeishuError
from bot.feishu.error_codes import describe, suggest_fix
from bot.sandbox.http import LoopbackServer, Response
from bot.settings import Settings, load
from bot.timings import BillingPeriods, Timings
from tests.clients.glm_wire import FAKE_KEY
from tests.support.servers import free_port

READY = {
    "FEISHU_APP_ID": "cli_sandbox",
    "FEISHU_APP_SECRET": "not-a-secret",
    "FEISHU_ENCRYPT_KEY": "not-a-key",
    "FEISHU_VERIFICATION_TOKEN": "not-a-token",
    "ZHIPU_API_KEY": FAKE_KEY,
}
POSTGRES = {"DATABASE_URL": "postgresql://bot@db.example/bot"}
SMALL = {"BOT_ORIGINALS_MEGABYTES": "1"}


def checked(variables: dict[str, str] | None = None, *, webhook: bool = True) -> dict[str, CheckResult]:
    return {result.name: result for result in check_settings(load({**READY, **(variables or {})}), webhook=webhook)}


def settings(**variables: str) -> Settings:
    return load({"BOT_SERVER_HOST": "127.0.0.1", **variables})


def test_valid_settings_pass_with_advice_to_name_admins() -> None:
    results = checked()
    assert [name for name, result in results.items() if result.fix] == ["Admins"]
    assert {result.ok for name, result in results.items() if name != "Admins"} == {True}
    assert results["FEISHU_APP_SECRET"].detail == "set, 12 characters"


@pytest.mark.parametrize(
    ("name", "value", "ok", "detail", "fix"),
    [
        ("FEISHU_APP_ID", "", False, "is not set", "copy it from the app's page"),
        ("FEISHU_APP_SECRET", "", False, "is not set", "copy it from the app's page"),
        ("ZHIPU_API_KEY", "", False, "is not set", "https://bigmodel.cn/usercenter/proj-mgmt/apikeys"),
        ("ZHIPU_API_KEY", "two words", False, "holds characters that no key has", "key at https://"),
        ("ZHIPU_API_KEY", "fakekey", True, "set, 7 characters, without a dot", "usually ID.SECRET"),
        ("ZHIPU_API_KEY", FAKE_KEY, True, f"set, {len(FAKE_KEY)} characters, not tested: a call would be billed", ""),
        ("FEISHU_ENCRYPT_KEY", "", None, "unencrypted and unsigned", "加密策略"),
        ("FEISHU_VERIFICATION_TOKEN", "", None, "only the Encrypt Key", "加密策略"),
        ("DATABASE_URL", "", True, "not set: SQLite in the data folder", ""),
        (
            "DATABASE_URL",
            "postgres://me:not-a-password@db.example/bot?sslkey=not-a-secret",
            True,
            "postgresql, bot at db.example",
            "",
        ),
    ],
)
def test_each_variable_has_its_result(name: str, value: str, *, ok: bool | None, detail: str, fix: str) -> None:
    result = checked({name: value})[name]
    assert (result.ok, detail in result.detail, bool(result.fix)) == (ok, True, bool(fix))
    assert fix in (result.fix or "")
    assert "not-a-" not in result.detail


def test_who_may_use_the_bot_is_told() -> None:
    everybody = checked()
    assert (
        everybody["Access"].detail == "everybody in the app's availability range (可用范围): the allow-lists are empty"
    )
    assert "send /id" in str(everybody["Admins"].fix)
    limited = checked(
        {
            "BOT_TEAM_ALLOWED_CHATS": "oc_a,oc_b",
            "BOT_TEAM_ALLOWED_PEOPLE": "ou_a",
            "BOT_TEAM_ADMINS": '"ou_lin, ou_chen"',
        }
    )
    assert limited["Access"].detail == "1 people in 2 chats, and the admins anywhere"
    assert (limited["Admins"].ok, limited["Admins"].detail) == (True, "2: ou_lin, ou_chen")
    assert limited["Quotation marks"].detail == "removed around the value of BOT_TEAM_ADMINS"


def test_events_need_a_secret_only_at_the_webhook() -> None:
    empty = {"FEISHU_ENCRYPT_KEY": "", "FEISHU_VERIFICATION_TOKEN": ""}
    results = checked(empty)
    assert [name for name, result in results.items() if result.ok is False] == ["FEISHU_ENCRYPT_KEY"]
    assert "anybody could send events" in results["FEISHU_ENCRYPT_KEY"].detail
    assert results["FEISHU_VERIFICATION_TOKEN"].ok is None
    connected = checked(empty, webhook=False)
    assert [name for name, result in connected.items() if result.ok is False] == []
    assert connected["FEISHU_ENCRYPT_KEY"] == CheckResult("FEISHU_ENCRYPT_KEY", None, "not set")


def test_messages_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    (tmp_path / "messages.zh.toml").write_text("no toml")
    (tmp_path / "bot.toml").write_text("[slots]\ncogview = 3\n")
    results = checked({"BOT_CONFIG_DIR": str(tmp_path)})
    assert results["[slots]"].detail == "glm_image = 1, cogview = 3"
    assert results["Messages and styles"].ok is False
    assert "messages.zh.toml" in results["Messages and styles"].detail


def test_a_database_without_tables_is_to_be_migrated(empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "bot.db").touch()
    result = check_database(settings(DATABASE_URL=empty_url))
    assert (result.ok, result.detail) == (None, "answers, but has no tables yet")
    assert "python -m bot migrate" in str(result.fix)


@pytest.mark.parametrize(
    ("revision", "ok", "fix"),
    [(HEAD, True, ""), ("0000", False, "python -m bot migrate"), ("9999", True, "update this")],
)
def test_the_schema_is_compared_with_the_programs(
    revision: str, *, ok: bool, fix: str, database: Database, database_url: str
) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    result = check_database(settings(DATABASE_URL=database_url))
    assert (result.ok, revision in result.detail, fix in (result.fix or "")) == (ok, True, True)


@pytest.mark.parametrize(
    ("name", "value", "ok", "detail"),
    [
        ("DATABASE_URL", "postgresql://bot:not-a-password@127.0.0.1:1/bot", False, "does not answer: "),
        ("DATABASE_URL", "sqlite:////dev/null/bot.db", False, "cannot be created at /dev/null/bot.db: Not a directory"),
        ("BOT_DATA_DIR", "{tmp}/data", None, "there is none yet at {tmp}/data/bot.db"),
        ("BOT_DATA_DIR", "{tmp}/broken", False, "does not answer: file is not a database"),
    ],
)
def test_a_database_that_cannot_be_used_is_reported_and_left_alone(
    name: str, value: str, *, ok: bool | None, detail: str, tmp_path: Path
) -> None:
    file = tmp_path / "broken" / "bot.db"
    file.parent.mkdir()
    file.write_text("no database, but long enough to look like one " * 50)
    before = file.read_bytes()
    result = check_database(settings(**{name: value.format(tmp=tmp_path)}))
    assert (result.ok, result.detail.startswith(detail.format(tmp=tmp_path)), bool(result.fix)) == (ok, True, True)
    assert "not-a-password" not in f"{result}"
    assert (file.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (before, ["broken"])


@pytest.mark.parametrize(("count", "advised"), [(7_999, False), (8_000, True)])
def test_calls_of_the_month_are_counted(database: Database, database_url: str, count: int, *, advised: bool) -> None:
    """Near the limit of the smallest plan there is advice, never a failure."""
    stored = load({"DATABASE_URL": database_url})
    counter = ApiUsageCounter(database=database, periods=BillingPeriods(zone=stored.team.zone, clock=time.time))
    for _ in range(count):
        counter.count("reply")
    counter.store()
    (result,) = check_bot_findings(stored, readable=True)
    assert (result.ok, result.detail) == (True, f"{count:,}, up to a minute ago")
    assert (f"{SMALLEST_PLAN:,}" in (result.fix or "")) is advised


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


@pytest.mark.parametrize(
    ("folder", "variables", "kind", "ok", "detail", "fix"),
    [
        ("{tmp}", SMALL, "ext4", True, "{tmp} can be written; ", ""),
        ("{tmp}/new", SMALL, "ext4", True, "{tmp}/new does not exist yet and can be", ""),
        ("/dev/null/data", {}, "ext4", False, "/dev/null/data cannot be written: ", "BOT_DATA_DIR"),
        ("{tmp}", {}, "nfs4", False, "{tmp} is on nfs4, which breaks SQLite's locks", "a local disk"),
        ("{tmp}", {**POSTGRES, **SMALL}, "nfs4", True, "{tmp} can be written; ", ""),
        ("{tmp}", {}, "overlay", True, "{tmp} can be written; ", "if this disk is emptied at a restart"),
        ("{tmp}", {**POSTGRES, **SMALL}, "overlay", True, "{tmp} ", ""),
        ("{tmp}", {"BOT_ORIGINALS_MEGABYTES": "1000000"}, "ext4", True, "{tmp} can", "images may grow to 1,000,000 MB"),
    ],
)  # fmt: skip
def test_the_data_folder_is_tried(
    folder: str, variables: dict[str, str], kind: str, *, ok: bool, detail: str, fix: str, tmp_path: Path
) -> None:
    """It is written to, since permissions tell root nothing; SQLite needs a local disk; nothing is left behind."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/share {tmp_path} {kind} rw 0 0\n")
    outcome = data_folder(settings(BOT_DATA_DIR=folder.format(tmp=tmp_path), **variables), mounts=mounts)
    result = CheckResult("Data folder", *outcome)
    assert (result.ok, result.detail.startswith(detail.format(tmp=tmp_path))) == (ok, True)
    assert (fix in (result.fix or ""), bool(result.fix)) == (True, bool(fix))
    assert [one.name for one in tmp_path.iterdir()] == ["mounts"]


def test_sqlite_on_a_disk_that_a_platform_empties_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Heroku names each of its processes."""
    monkeypatch.setenv("DYNO", "web.1")
    ok, detail, *fix = data_folder(settings(BOT_DATA_DIR=str(tmp_path)))
    assert (ok, "maybe not kept: DYNO is set" in detail, "PostgreSQL" in str(fix)) == (True, True, True)


def test_a_free_port_passes() -> None:
    number = str(free_port())
    for _ in range(2):
        assert port(settings(PORT=number)) == (True, f"{number} on 127.0.0.1 is free")
    assert port(settings(PORT="0"))[0] is True


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
    with listening(health) as number:
        result = port(settings(PORT=str(number), BOT_SERVER_HOST=host))
    assert (result[0], "a bot that runs already" in result[1]) == (ok, ok)
    assert ok or result[1] == f"{number} on 127.0.0.1 is taken by another program"


def test_an_address_of_another_machine_is_reported() -> None:
    """It cannot be listened on (192.0.2.1 is nobody's, RFC 5737)."""
    result = port(settings(PORT=str(free_port()), BOT_SERVER_HOST="192.0.2.1"))
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
