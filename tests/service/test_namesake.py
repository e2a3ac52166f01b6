"""A bot that is mentioned under its name with an open_id that is not its own says so once."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.cli.check_local import check_bot_findings
from bot.db.tables import key_value
from bot.settings import load
from tests.support.dsl import BotUnderTest, variables_for, wait_for


def test_a_namesake_is_logged_once_and_told_by_check(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After three mentions of another identity there is one line in the log, and `check` names it with what to do."""
    with BotUnderTest(folder=tmp_path) as bot:
        settings = load(variables_for(bot.feishu, folder=tmp_path))
        assert [one.name for one in check_bot_findings(settings, readable=True)] == ["Feishu calls this month"]
        bot.stop()
        bot.start()
        with bot.app.database.write() as connection:
            connection.execute(
                update(key_value).where(key_value.c.name.startswith("bot_open_id:")).values(value="ou_older")
            )
        user = bot.new_user(kind="group")
        with caplog.at_level(logging.WARNING, logger="bot"):
            for taken in (1, 2, 3):
                bot.stop()
                bot.start()
                user.send()
                wait_for(lambda taken=taken: acknowledged(bot) == taken)  # type: ignore[misc]
        assert user.answers == []
        _, finding = check_bot_findings(settings, readable=True)
    assert sum("another bot of the same name mentioned" in record.getMessage() for record in caplog.records) == 1
    assert (finding.name, finding.ok) == ("Mentions", False)
    assert bot.feishu.bot_open_id in finding.detail
    assert "FEISHU_APP_ID" in (finding.fix or "")


def acknowledged(bot: BotUnderTest) -> int:
    """How many events the bot has taken."""
    return sum(attempt.outcome == "acknowledged" for attempt in bot.feishu.attempts)
