"""The check, run as a process: what a person reads, what a script reads, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import VARIABLES
from tests.clients.commands import CommandResult, run
from tests.support.databases import sqlite_database
from tests.support.dsl import variables_for

Check = Callable[..., CommandResult]


@pytest.fixture
def check(feishu: FeishuStandIn, tmp_path: Path) -> Check:
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
    ran = check(
        "--json",
        DATABASE_URL="postgresql://me:not-a-password@127.0.0.1:1/bot?options=not-a-secret",
        ZHIPU_API_KEY="k.not",
    )
    assert {tuple(result) for result in ran.checks.values()} == {("name", "ok", "detail", "fix")}
    assert ran.checks["Events and callbacks"]["ok"] is None
    secrets = (
        feishu.app_secret,
        feishu.encrypt_key,
        feishu.verification_token,
        "k.not",
        "not-a-password",
        "not-a-secret",
    )
    assert [secret for secret in secrets if secret in ran.text + ran.stderr] == []
    assert ran.checks["FEISHU_APP_SECRET"]["detail"] == f"set, {len(feishu.app_secret)} characters"
    assert ran.checks["DATABASE_URL"]["detail"] == "postgresql, bot at 127.0.0.1:1"
    assert (ran.code, ran.failed) == (1, ["Database"])


def test_nothing_is_sent_or_created(feishu: FeishuStandIn, check: Check, tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    ran = check("--json", BOT_DATA_DIR=str(folder))
    assert (feishu.messages, feishu.uploads) == ([], {})
    assert [call.name for call in feishu.calls] == ["token", "bot_info", "scopes", "reply", "patch", "image"]
    assert not folder.parent.exists()
    assert ran.checks["Data folder"]["ok"]
    assert ran.checks["Database"]["fix"].startswith("run: python -m bot migrate")


def test_offline_makes_no_calls(feishu: FeishuStandIn, check: Check) -> None:
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


@pytest.mark.parametrize(
    "arguments", [("--frobnicate",), ("--send-test", "the design group"), ("--offline", "--send-test", "oc_group")]
)
def test_a_wrong_flag_is_a_usage_error(arguments: tuple[str, ...], check: Check) -> None:
    ran = check(*arguments)
    assert (ran.code, ran.text) == (2, "")
    assert "usage: glm-image-bot check" in ran.stderr


@pytest.mark.parametrize(("recipient", "chat_id"), [("oc_group", "oc_group"), ("ou_lin", "oc_direct_lin")])
def test_a_test_card_arrives(recipient: str, chat_id: str, feishu: FeishuStandIn, check: Check) -> None:
    ran = check("--json", "--send-test", recipient)
    (message,) = feishu.messages
    assert (ran.code, message.chat_id, message.msg_type) == (0, chat_id, "interactive")
    assert "管理员测试消息" in message.content
    assert "Test message from the admin" in message.content
    assert ran.checks["Test card"]["detail"] == f"sent to {recipient} as {message.message_id}"
    assert feishu.pings == []


@pytest.mark.parametrize(
    ("recipient", "fault", "fix"),
    [
        ("oc_group", "not_in_group", "群机器人"),
        (
            "oc_group",
            "scope",
            "grant one of im:resource, im:resource:upload at https://open.feishu.cn/app/cli_sandbox/",
        ),
        ("oc_group", "reset_before", "whether this machine reaches"),
        # Feishu says only "invalid parameter".
        ("ou_of_another_app", None, "send /id to the bot"),
    ],
)
def test_a_rejected_test_card_has_a_fix(
    recipient: str, fault: str | None, fix: str, feishu: FeishuStandIn, check: Check
) -> None:
    if fault:
        feishu.faults.arm(fault, on="create")
    ran = check("--json", "--send-test", recipient)
    assert (ran.code, ran.failed, feishu.messages) == (1, ["Test card"], [])
    assert fix in ran.checks["Test card"]["fix"]
