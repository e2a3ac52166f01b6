"""The image host hangs: nobody else waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dsl import BotUnderTest, Gate, card_actions, header_color, wait_for

HANGING = 10


@pytest.fixture
def slow(gate: Gate, tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot whose downloads wait at the gate."""
    with BotUnderTest(folder=tmp_path, wrap_downloads=gate.around) as bot:
        try:
            yield bot
        finally:
            gate.release(1000)


def test_hanging_downloads_delay_nobody_else(slow: BotUnderTest, gate: Gate) -> None:
    """While ten downloads hang, commands and first cards come, new paid calls go on, and in the end all get images."""
    users = [slow.new_user() for _ in range(HANGING)]
    said = [user.send() for user in users]
    wait_for(lambda: len(slow.glm.paid) == HANGING and gate.calls_waiting >= 8)
    other = slow.new_user()
    other.ask_without_waiting("/help").assert_shows("help.title")
    card = other.ask_without_waiting(prompt := other.send())
    wait_for(lambda: other.posts(prompt))
    assert header_color(card.reload()) not in {"green", "red"}
    gate.release(1000)
    for user, message in zip([*users, other], [*said, prompt], strict=True):
        user.wait_for_end(message)
        assert [header_color(answer) for answer in slow.feishu.replies(message.message_id)] == ["green"]
    assert len(slow.glm.paid) == HANGING + 1


def test_a_hanging_original_delays_no_command_of_its_chat(slow: BotUnderTest, gate: Gate, tmp_path: Path) -> None:
    """While originals wait for the image host, the same person's commands are answered."""
    gate.release(1)
    user = slow.new_user()
    card = user.ask_without_waiting(said := user.send())
    user.wait_for_end(said)
    (kept,) = (tmp_path / "originals").iterdir()
    kept.unlink()
    original = next(
        one for one in card_actions(slow.feishu, card.message_id) if (one.value or {}).get("a") == "original"
    )
    for _ in range(HANGING):
        assert slow.feishu.press(card.message_id, user.person, value=original.value or {}).code is None
    wait_for(lambda: gate.calls_waiting > 1)
    user.ask_without_waiting("/help").assert_shows("help.title")
