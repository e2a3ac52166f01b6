"""The image host hangs: nobody else waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.talking import Gate, first_answer_to, now, shows
from tests.support.world import World, colour

HANGING = 10


@pytest.fixture
def slow(gate: Gate, tmp_path: Path) -> Iterator[World]:
    """A bot whose downloads wait at the gate."""
    with World(folder=tmp_path, fetching=gate.around) as world:
        try:
            yield world
        finally:
            gate.let(1000)


def test_hanging_downloads_delay_nobody_else(slow: World, gate: Gate) -> None:
    """While ten downloads hang, commands and first cards come, new paid calls go on, and in the end all get images."""
    talks = [slow.somebody() for _ in range(HANGING)]
    said = [talk.say() for talk in talks]
    talks[0].wait(lambda: len(slow.glm.paid) == HANGING and gate.reached >= 8)
    other = slow.somebody()
    assert shows(first_answer_to(other, "/help"), "help.title")
    card = first_answer_to(other, prompt := other.say())
    other.wait(lambda: other.posts(prompt))
    assert colour(now(slow, card)) not in {"green", "red"}
    gate.let(1000)
    for talk, message in zip([*talks, other], [*said, prompt], strict=True):
        talk.wait_for_end(message)
        assert [colour(answer) for answer in slow.feishu.replies(message.message_id)] == ["green"]
    assert len(slow.glm.paid) == HANGING + 1


def test_a_hanging_original_delays_no_command_of_its_chat(slow: World, gate: Gate, tmp_path: Path) -> None:
    """While originals wait for the image host, the same person's commands are answered."""
    gate.let(1)
    talk = slow.somebody()
    card = first_answer_to(talk, said := talk.say())
    talk.wait_for_end(said)
    (kept,) = (tmp_path / "originals").iterdir()
    kept.unlink()
    original = next(one for one in slow.feishu.actions(card.message_id) if (one.value or {}).get("a") == "original")
    for _ in range(HANGING):
        assert slow.feishu.press(card.message_id, talk.person, value=original.value or {}).code is None
    talk.wait(lambda: gate.reached > 1)
    assert shows(first_answer_to(talk, "/help"), "help.title")
