"""What the check says of the settings, each that is missing or odd with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.check_settings import about_settings
from bot.cli.findings import Finding
from bot.settings import load
from tests.clients.check_command import FAKE_KEY

READY = {
    "FEISHU_APP_ID": "cli_sandbox",
    "FEISHU_APP_SECRET": "not-a-secret",
    "FEISHU_ENCRYPT_KEY": "not-a-key",
    "FEISHU_VERIFICATION_TOKEN": "not-a-token",
    "ZHIPU_API_KEY": FAKE_KEY,
}


def found(**variables: str) -> dict[str, Finding]:
    """The findings by name for a bot that is ready, but for these variables; an empty one is not set."""
    return {finding.name: finding for finding in about_settings(load({**READY, **variables}))}


def test_ready_settings_are_all_good() -> None:
    """Nothing is to mend, and the only advice is to name admins."""
    findings = found()
    assert {finding.ok for finding in findings.values()} == {True}
    assert [name for name, finding in findings.items() if finding.fix] == ["Admins"]
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


def test_without_an_encrypt_key_its_meaning_is_told() -> None:
    """The bot works with the Verification Token alone, which is weaker; with neither it does not start."""
    weaker = found(FEISHU_ENCRYPT_KEY="")["FEISHU_ENCRYPT_KEY"]
    assert weaker.ok
    assert "unencrypted and unsigned" in weaker.detail
    assert "加密策略" in str(weaker.fix)
    open_to_all = found(FEISHU_ENCRYPT_KEY="", FEISHU_VERIFICATION_TOKEN="")["FEISHU_ENCRYPT_KEY"]
    assert open_to_all.ok is False
    assert "anybody could send events" in open_to_all.detail


@pytest.mark.parametrize(
    ("variables", "detail"),
    [
        ({}, "everybody whom the app's availability range (可用范围) lets reach it: the allow-lists are empty"),
        ({"BOT_TEAM_ALLOWED_CHATS": "oc_a,oc_b"}, "everybody in 2 chats, and the admins anywhere"),
        ({"BOT_TEAM_ALLOWED_PEOPLE": "ou_a,ou_b"}, "2 people in any chat, and the admins anywhere"),
        (
            {"BOT_TEAM_ALLOWED_PEOPLE": "ou_a,cli_b"},
            "allowed_people of [team] holds 'cli_b', which does not begin with ou_",
        ),
        ({"BOT_TEAM_ADMINS": "on_a"}, "admins of [team] holds 'on_a', which does not begin with ou_"),
        ({"BOT_TEAM_ALLOWED_CHATS": "ou_a"}, "allowed_chats of [team] holds 'ou_a', which does not begin with oc_"),
    ],
)
def test_who_may_use_the_bot_is_told(variables: dict[str, str], detail: str) -> None:
    """Empty lists mean everybody; an id of the wrong kind would silently let nobody in."""
    finding = found(**variables)["Access"]
    assert finding.detail == detail
    assert finding.ok is ("holds" not in detail)


def test_admins_are_named() -> None:
    """Their ids are no secret, and a wrong one is found by reading it."""
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
