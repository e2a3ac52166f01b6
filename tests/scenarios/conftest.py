"""The bot that the conversations of one file share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dsl import QUICK, BotUnderTest, Conversation, Gate, bot_with, wait_for


@pytest.fixture(scope="module")
def shared_bot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot per file, with the file's ``SETTINGS`` and ``PACE``; each conversation is with a new person."""
    settings, pace = getattr(request.module, "SETTINGS", None), getattr(request.module, "PACE", QUICK)
    with bot_with(tmp_path_factory.mktemp("bot"), settings, pace=pace) as bot:
        yield bot


@pytest.fixture
def bot(shared_bot: BotUnderTest, caplog: pytest.LogCaptureFixture) -> Iterator[BotUnderTest]:
    """The bot; when a test is over, each fault was met, no exception was logged, and every invariant holds."""
    yield shared_bot
    left = [one.fault.name for side in (shared_bot.feishu, shared_bot.glm) for one in side.faults.armed]
    shared_bot.disarm()
    wait_for(lambda: shared_bot.idle)
    assert left == []
    records = caplog.get_records("call")
    assert [one.getMessage() for one in records if one.exc_info and one.levelno >= logging.ERROR] == []
    assert shared_bot.violations() == []


@pytest.fixture
def gate() -> Gate:
    """Where the paid calls of ``held`` wait."""
    return Gate()


@pytest.fixture
def held(request: pytest.FixtureRequest, gate: Gate, tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot of this test's own, with the file's ``SETTINGS``, whose paid calls wait at the gate."""
    with bot_with(tmp_path / "held", getattr(request.module, "SETTINGS", None), gate=gate) as bot:
        yield bot


@pytest.fixture
def user(bot: BotUnderTest) -> Conversation:
    """A new person in a chat of their own with the shared bot."""
    return bot.new_user()


@pytest.fixture
def member(bot: BotUnderTest) -> Conversation:
    """A new person in a new group with the shared bot."""
    return bot.new_user(kind="group")
