"""The bot that the conversations of one file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.dsl import BotUnderTest, Gate, bot_with, bot_with_paused_glm


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot a file; each conversation is with a new person in a new chat."""
    with bot_with(tmp_path_factory.mktemp("bot")) as bot:
        yield bot


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The bot, with no fault left armed by another test."""
    yield shared_bot
    shared_bot.feishu.faults.disarm()
    shared_bot.glm.disarm()


@pytest.fixture
def gate() -> Gate:
    """Where the paid calls of ``held`` wait."""
    return Gate()


@pytest.fixture
def held(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """A bot of this test's own whose paid calls wait at the gate."""
    with bot_with_paused_glm(gate, tmp_path_factory.mktemp("held")) as bot:
        yield bot
