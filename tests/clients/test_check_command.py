"""The check, run as a process: what a person reads, what a script reads, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import VARIABLES
from tests.clients.check_command import FAKE_KEY, Checked, checked, variables_of


@pytest.fixture
def variables(feishu: FeishuStandIn, tmp_path: Path) -> dict[str, str]:
    """The variables of a bot for which everything is right."""
    return variables_of(feishu, tmp_path)


def test_a_ready_bot_passes_all_checks(feishu: FeishuStandIn, variables: dict[str, str], tmp_path: Path) -> None:
    """Every line has a mark, every variable and section a line, and the exit code is 0."""
    ran = checked(variables=variables, cwd=tmp_path)
    lines = ran.stdout.splitlines()
    assert (ran.code, ran.stderr, lines[-1]) == (0, "", "All checks passed.")
    assert all(line.startswith(("✓ ", "– ", "  → ")) for line in lines[:-2])
    for name in (*VARIABLES, "[team]", "[images]", "[slots]", "[server]", "[log]"):
        assert f"✓ {name} " in ran.stdout
    assert f"on: {feishu.bot_name}, open_id {feishu.bot_open_id}" in ran.stdout
    assert len(lines) < 50


def test_no_secret_is_printed(feishu: FeishuStandIn, variables: dict[str, str], tmp_path: Path) -> None:
    """A secret is shown by its length, a database by its address."""
    variables |= {"DATABASE_URL": "postgresql://me:not-a-password@127.0.0.1:1/bot?options=not-a-secret"}
    ran = checked(variables=variables, cwd=tmp_path)
    secrets = (feishu.app_secret, feishu.encrypt_key, feishu.verification_token, FAKE_KEY)
    for secret in (*secrets, "not-a-password", "not-a-secret"):
        assert secret not in ran.stdout + ran.stderr
    assert f"set, {len(feishu.app_secret)} characters" in ran.stdout
    assert "postgresql, bot at 127.0.0.1:1" in ran.stdout


def test_json_is_an_array_of_results(variables: dict[str, str], tmp_path: Path) -> None:
    """Each result has the same four keys; ``ok`` is null where a check was skipped or cannot tell."""
    ran = checked("--json", variables=variables, cwd=tmp_path)
    findings = json.loads(ran.stdout)
    assert ran.code == 0
    assert {tuple(finding) for finding in findings} == {("name", "ok", "detail", "fix")}
    assert ran.named("Events and callbacks")["ok"] is None
    assert ran.bad == []


def test_nothing_is_sent_or_created(feishu: FeishuStandIn, variables: dict[str, str], tmp_path: Path) -> None:
    """The probes leave no message and no upload, and a missing data folder stays missing."""
    folder = tmp_path / "not" / "there"
    ran = checked("--json", variables={**variables, "BOT_DATA_DIR": str(folder)}, cwd=tmp_path)
    assert feishu.messages == []
    assert feishu.uploads == {}
    assert [call.name for call in feishu.calls] == ["token", "bot_info", "scopes", "reply", "patch", "image"]
    assert not folder.parent.exists()
    assert ran.named("Data folder")["ok"]
    assert ran.named("Database")["fix"].startswith("run: python -m bot migrate")


def test_offline_makes_no_calls(feishu: FeishuStandIn, variables: dict[str, str], tmp_path: Path) -> None:
    """Neither to Feishu nor to a database on another machine; everything local is checked."""
    variables |= {"DATABASE_URL": "postgresql://bot@127.0.0.1:1/bot"}
    ran = checked("--offline", "--json", variables=variables, cwd=tmp_path)
    assert (ran.code, feishu.calls) == (0, [])
    assert ran.named("Database")["detail"] == ran.named("Bot ability")["detail"] == "skipped (--offline)"
    assert ran.named("Data folder")["ok"]


def test_all_configuration_errors_are_reported_together(variables: dict[str, str], tmp_path: Path) -> None:
    """Each error is a line with the name of its variable, and the rest is skipped."""
    faulty = {"PORT": "many", "FEISHU_DOMAIN": "http://example.com", "BOT_SLOTS_COGVEIW": "3"}
    ran = checked("--json", variables={**variables, **faulty}, cwd=tmp_path)
    assert ran.code == 1
    assert set(ran.bad) == set(faulty)
    assert ran.named("Everything else")["ok"] is None


def test_an_ascii_terminal_gets_words_for_the_marks(variables: dict[str, str], tmp_path: Path) -> None:
    """The JSON is escaped."""
    ascii_only = {**variables, "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    lines = checked("--offline", variables=ascii_only, cwd=tmp_path).stdout.splitlines()
    assert lines[0].startswith("ok FEISHU_APP_ID")
    assert any(line.startswith("-- Feishu token") for line in lines)
    ran = checked("--json", variables=ascii_only, cwd=tmp_path)
    assert "画图" in ran.named("Bot ability")["detail"]


@pytest.mark.parametrize(
    "arguments", [("--frobnicate",), ("--send-test", "the design group"), ("--offline", "--send-test", "oc_group")]
)
def test_a_wrong_flag_is_a_usage_error(arguments: tuple[str, ...], variables: dict[str, str], tmp_path: Path) -> None:
    """The exit code is 2."""
    ran = checked(*arguments, variables=variables, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (2, "")
    assert "usage: glm-image-bot check" in ran.stderr


@pytest.mark.parametrize(("recipient", "chat_id"), [("oc_group", "oc_group"), ("ou_lin", "oc_direct_lin")])
def test_a_test_card_arrives(
    recipient: str, chat_id: str, feishu: FeishuStandIn, variables: dict[str, str], tmp_path: Path
) -> None:
    """One card, in both languages, goes to the chat or the person, and nobody is mentioned."""
    ran = checked("--json", "--send-test", recipient, variables=variables, cwd=tmp_path)
    (message,) = feishu.messages
    assert (ran.code, message.chat_id, message.msg_type) == (0, chat_id, "interactive")
    assert "管理员测试消息" in message.content
    assert "Test message from the admin" in message.content
    assert ran.named("Test card")["detail"] == f"sent to {recipient} as {message.message_id}"
    assert feishu.pings == []


@pytest.mark.parametrize(
    ("fault", "fix"),
    [
        ("not_in_group", "群机器人"),
        ("no_availability", "可用范围"),
        ("muted", "send to another chat"),
        ("scope", "grant one of im:resource, im:resource:upload at https://open.feishu.cn/app/cli_sandbox/auth?"),
        ("reset_before", "whether this machine reaches"),
    ],
)
def test_a_rejected_test_card_has_a_fix(
    fault: str, fix: str, feishu: FeishuStandIn, variables: dict[str, str], tmp_path: Path
) -> None:
    """It is the last result, and the exit code is 1."""
    feishu.faults.arm(fault, on="create")
    ran = checked("--json", "--send-test", "oc_group", variables=variables, cwd=tmp_path)
    assert (ran.code, ran.bad) == (1, ["Test card"])
    assert fix in ran.named("Test card")["fix"]
    assert feishu.messages == []


def test_an_id_of_another_app_has_a_fix(variables: dict[str, str], tmp_path: Path) -> None:
    """Feishu says only "invalid parameter"; the fix says what that means for an id."""
    ran: Checked = checked("--json", "--send-test", "ou_of_another_app", variables=variables, cwd=tmp_path)
    assert "send /id to the bot" in ran.named("Test card")["fix"]
