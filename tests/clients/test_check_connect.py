"""The check for a bot that takes its events over the long connection."""

from __future__ import annotations

from bot.cli.check_settings import about_settings
from bot.settings import load
from tests.clients.check_command import FAKE_KEY

WITHOUT_DOOR = {"FEISHU_APP_ID": "cli_sandbox", "FEISHU_APP_SECRET": "not-a-secret", "ZHIPU_API_KEY": FAKE_KEY}


def test_no_key_of_events_is_demanded() -> None:
    """What proves events at the door is a fault where there is a door, and no matter over the connection."""
    settings = load(WITHOUT_DOOR)
    door = {finding.name: finding for finding in about_settings(settings)}
    connected = {finding.name: finding for finding in about_settings(settings, door=False)}
    assert door["FEISHU_ENCRYPT_KEY"].ok is False
    assert {finding.ok for finding in connected.values()} == {True}
    assert connected["FEISHU_ENCRYPT_KEY"].fix is None
