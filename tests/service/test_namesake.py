"""A bot that is mentioned under its name with an open_id that is not its own says so once."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.cli.check_calls import found_by_the_bot
from bot.db.tables import key_value
from bot.settings import load
from tests.support.world import World, variables_for


def test_a_namesake_is_logged_once_and_told_by_check(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After three mentions of another identity there is one line in the log, and `check` names it with what to do."""
    with World(folder=tmp_path) as world:
        settings = load(variables_for(world.feishu, folder=tmp_path))
        assert list(found_by_the_bot(settings, readable=True)) == []
        world.stop()
        world.start()
        with world.bot.database.write() as connection:
            connection.execute(
                update(key_value).where(key_value.c.name.startswith("bot_open_id:")).values(value="ou_older")
            )
        talk = world.somebody(kind="group")
        with caplog.at_level(logging.WARNING, logger="bot"):
            for taken in (1, 2, 3):
                world.stop()
                world.start()
                talk.say()
                talk.wait(lambda taken=taken: acknowledged(world) == taken)
        assert talk.answers == []
        (finding,) = found_by_the_bot(settings, readable=True)
    assert sum("another bot of the same name mentioned" in record.getMessage() for record in caplog.records) == 1
    assert (finding.name, finding.ok) == ("Mentions", False)
    assert world.feishu.bot_open_id in finding.detail
    assert "FEISHU_APP_ID" in (finding.fix or "")


def acknowledged(world: World) -> int:
    """How many events the bot has taken."""
    return sum(attempt.outcome == "acknowledged" for attempt in world.feishu.attempts)
