"""The bot that the conversations of one file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.talking import Gate, bot_behind, bot_with
from tests.support.world import World


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bot a file; each conversation is with a new person in a new chat."""
    with bot_with(tmp_path_factory.mktemp("bot")) as world:
        yield world


@pytest.fixture
def world(shared_bot: World) -> Iterator[World]:
    """The bot, with no fault left armed by another test."""
    yield shared_bot
    shared_bot.feishu.faults.disarm()
    shared_bot.glm.disarm()


@pytest.fixture
def gate() -> Gate:
    """Where the paid calls of ``held`` wait."""
    return Gate()


@pytest.fixture
def held(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A bot of this test's own whose paid calls wait at the gate."""
    with bot_behind(gate, tmp_path_factory.mktemp("held")) as world:
        yield world
