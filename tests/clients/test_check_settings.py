"""What the check says of the settings, each that is missing or odd with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.check_result import CheckResult
from bot.cli.check_settings import about_settings
from bot.settings import load
from tests.clients.check_command import FAKE_KEY

READY = {
    "FEISHU_APP_ID": "cli_sandbox",
    "FEISHU_APP_SECRET": "not-a-secret",
    "FEISHU_ENCRYPT_KEY": "not-a-key",
    "FEISHU_VERIFICATION_TOKEN": "not-a-token",
    "ZHIPU_API_KEY": FAKE_KEY,
}


def found(**variables: str) -> dict[str, CheckResult]:
    """The findings by name for a bot that is ready, but for these variables; an empty one is not set."""
    return {finding.name: finding for finding in about_settings(load({**READY, **variables}))}


def test_ready_settings_are_all_good() -> None:
    """Nothing is to mend, and the only advice is to name admins."""
    findings = found()
    assert [name for name, finding in findings.items() if finding.fix] == ["Admins"]
    assert {finding.ok for name, finding in findings.items() if name != "Admins"} == {True}
    assert findings["FEISHU_APP_SECRET"].detail == "set, 12 characters"


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("FEISHU_APP_ID", "copy it from the app's page"),
        ("FEISHU_APP_SECRET", "copy it from the app's page"),
        ("ZHIPU_API_KEY", "https://bigmodel.cn/usercenter/proj-mgmt/apikeys"),
    ],
)
def test_what_is_missing_is_told_with_where_to_get_it(name: str, fix: str) -> None:
    """Each is one fault with the page that has it."""
    findings = found(**{name: ""})
    assert [finding.name for finding in findings.values() if finding.ok is False] == [name]
    assert fix in str(findings[name].fix)


@pytest.mark.parametrize(
    ("key", "good", "detail"),
    [
        ("密钥", False, "holds characters that no key has"),
        ("two words", False, "holds characters that no key has"),
        ("fakekey", True, "set, 7 characters, without a dot"),
        (FAKE_KEY, True, f"set, {len(FAKE_KEY)} characters, not tried: a call would be billed"),
    ],
)
def test_a_key_is_looked_at_and_never_tried(key: str, detail: str, *, good: bool) -> None:
    """What no key holds is a fault; an unusual form is advice, as the platform may change it."""
    finding = found(ZHIPU_API_KEY=key)["ZHIPU_API_KEY"]
    assert (finding.ok, finding.detail) == (good, detail)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("FEISHU_ENCRYPT_KEY", "unencrypted and unsigned"),
        ("FEISHU_VERIFICATION_TOKEN", "only the Encrypt Key tells a true event"),
    ],
)
def test_one_of_the_two_secrets_of_events_is_not_enough_for_a_tick(name: str, meaning: str) -> None:
    """The bot works with either alone, which is weaker; over the long connection it needs neither."""
    finding = found(**{name: ""})[name]
    assert finding.ok is None
    assert meaning in finding.detail
    assert "加密策略" in str(finding.fix)
    (connected,) = (each for each in about_settings(load({**READY, name: ""}), webhook=False) if each.name == name)
    assert (connected.ok, connected.detail, connected.fix) == (None, "not set", None)


def test_without_both_secrets_of_events_one_line_is_a_fault() -> None:
    """It says that both are missing, and the other line has no tick."""
    findings = found(FEISHU_ENCRYPT_KEY="", FEISHU_VERIFICATION_TOKEN="")
    assert findings["FEISHU_ENCRYPT_KEY"].ok is False
    assert "anybody could send events" in findings["FEISHU_ENCRYPT_KEY"].detail
    assert findings["FEISHU_VERIFICATION_TOKEN"].ok is None


def test_removed_quotation_marks_are_told() -> None:
    """The variables are named, and their values are used without the marks."""
    finding = found(ZHIPU_API_KEY=f'"{FAKE_KEY}"', BOT_SLOTS_COGVIEW="“3”")["Quotation marks"]
    assert finding.ok
    assert finding.detail == "removed around the value of BOT_SLOTS_COGVIEW, ZHIPU_API_KEY"


@pytest.mark.parametrize(
    ("variables", "detail"),
    [
        ({}, "everybody whom the app's availability range (可用范围) lets reach it: the allow-lists are empty"),
        ({"BOT_TEAM_ALLOWED_CHATS": "oc_a,oc_b"}, "everybody in 2 chats, and the admins anywhere"),
        ({"BOT_TEAM_ALLOWED_PEOPLE": "ou_a,ou_b"}, "2 people in any chat, and the admins anywhere"),
    ],
)
def test_who_may_use_the_bot_is_told(variables: dict[str, str], detail: str) -> None:
    """Empty lists mean everybody."""
    finding = found(**variables)["Access"]
    assert (finding.ok, finding.detail) == (True, detail)


def test_admins_are_named() -> None:
    """Their ids are no secret, and a wrong one is found by reading it; to have none is no fault."""
    assert found()["Admins"].ok is None
    assert found(BOT_TEAM_ADMINS="ou_lin, ou_chen")["Admins"].detail == "2: ou_lin, ou_chen"


def test_a_folder_without_the_sentences_is_told(tmp_path: Path) -> None:
    """The bot would not start with them missing."""
    (tmp_path / "bot.toml").write_text("[slots]\ncogview = 3\n")
    findings = found(BOT_CONFIG_DIR=str(tmp_path))
    assert findings["[slots]"].detail == "glm_image = 1, cogview = 3"
    assert findings["Sentences and styles"].ok is False
    assert "messages.zh.toml" in findings["Sentences and styles"].detail


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("", "not set: SQLite in the data folder"),
        ("postgres://me:not-a-password@db.example/bot?sslkey=not-a-secret", "postgresql, bot at db.example"),
    ],
)
def test_the_database_is_shown_without_its_secrets(url: str, detail: str) -> None:
    """Only the engine, the name and the host are told."""
    assert found(DATABASE_URL=url)["DATABASE_URL"].detail == detail
