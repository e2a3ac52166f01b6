"""The check for a bot that takes its events over the long connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.check_settings import about_settings
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import load
from tests.clients.check_command import FAKE_KEY, checked, variables_of

WITHOUT_DOOR = {"FEISHU_APP_ID": "cli_sandbox", "FEISHU_APP_SECRET": "not-a-secret", "ZHIPU_API_KEY": FAKE_KEY}


def test_no_key_of_events_is_demanded() -> None:
    """What proves events at the door is a fault where there is a door, and no matter over the connection."""
    settings = load(WITHOUT_DOOR)
    door = {finding.name: finding for finding in about_settings(settings)}
    connected = {finding.name: finding for finding in about_settings(settings, webhook=False)}
    assert door["FEISHU_ENCRYPT_KEY"].ok is False
    assert [name for name, finding in connected.items() if finding.ok is False] == []
    assert connected["FEISHU_ENCRYPT_KEY"].fix is None


@pytest.mark.parametrize(
    ("arguments", "advised", "other"),
    [
        ((), "request URL https://YOUR-HOST/webhook/event", "persistent connection"),
        (("--connect",), "使用长连接接收 Receive through persistent connection", "webhook"),
    ],
)
def test_what_to_set_up_is_that_of_the_command(
    arguments: tuple[str, ...], advised: str, other: str, tmp_path: Path
) -> None:
    """Who has no address is not told to enter one."""
    with FeishuStandIn() as stand_in:
        ran = checked("--json", *arguments, variables=variables_of(stand_in, tmp_path), cwd=tmp_path)
    fix = ran.named("Events and callbacks")["fix"]
    assert ran.code == 0
    assert advised in fix
    assert other not in fix
