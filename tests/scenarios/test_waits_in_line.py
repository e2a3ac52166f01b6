"""A team shares one slot: who waits sees the place and an estimate; nobody waits for an image host that hangs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.dsl import BotUnderTest, Card, Gate, wait_for


def in_line(bot: BotUnderTest, prompt: str) -> Card:
    """The card of somebody new who asks for an image."""
    return bot.new_user().ask_without_waiting(prompt)


def has_come_forward(card: Card) -> bool:
    """Whether a card shows that it is next, or its place had to stay as it was: two patches are kept for the end."""
    now = card.reload()
    return now.shows("wait.ahead", ahead=1) or now.patches >= 4


def test_second_prompt_shows_place_and_estimate(held: BotUnderTest, gate: Gate) -> None:
    """How many are ahead of it and about how long that takes.

    /queue lists one's own here, with numbers, and only counts what is elsewhere.
    """
    first = in_line(held, "第一张图")
    first.wait_to_show("state.generating")
    second = in_line(held, "第二张图")
    third = in_line(held, "第三张图")
    shown = second.wait_to_show("wait.ahead", ahead=1)
    assert shown.color == "blue"
    shown.assert_shows("state.queued", "wait.under", minutes=1)
    third.wait_to_show("wait.ahead", ahead=2).assert_shows("wait.under", minutes=3)
    first.conversation.ask_without_waiting("第四张图")
    listed = first.conversation.ask_without_waiting("/queue")
    for number in (1, 2):
        listed.assert_shows("queue.mine", number=number)
    listed.assert_shows("queue.title", "queue.elsewhere", count=2)
    assert "第二张图" not in listed.content
    gate.release()
    first.wait_to_show("state.ready")
    second.wait_to_show("state.generating")
    third.wait_to_show("wait.ahead", ahead=1)
    gate.release(3)
    held.wait_until_idle()
    assert held.paid_prompts == [f"第{number}张图" for number in "一二三四"]


def test_models_do_not_wait_for_each_other(held: BotUnderTest, gate: Gate) -> None:
    """Each model has its own slots, five of them for CogView."""
    first = in_line(held, "第一张图")
    cards = [in_line(held, f"快图 {number} /model cogview-4") for number in range(5)]
    sixth = in_line(held, "慢图 /model cogview-4")
    for card in [first, *cards]:
        card.wait_to_show("state.generating")
    sixth.wait_to_show("wait.ahead", ahead=5)
    gate.release(7)
    sixth.wait_to_show("state.ready")


def test_queued_card_is_patched_at_most_six_times(held: BotUnderTest, gate: Gate) -> None:
    """While twelve people wait, until its picture is there."""
    line = [in_line(held, f"第 {number} 个人的图") for number in range(12)]
    for number, card in enumerate(line, 1):
        card.wait_to_show("state.generating")
        for following in line[number : number + 1]:
            wait_for(partial(has_come_forward, following))
        gate.release()
    for card in line:
        shown = card.wait_to_show("state.ready")
        assert shown.patches <= 6, [call.name for call in card.conversation.calls]
        assert card.conversation.answers == [shown]


def test_pause_holds_the_queue(held: BotUnderTest, gate: Gate) -> None:
    """While an admin has paused the bot, what waits says that it waits; after it was resumed, it is made."""
    first = in_line(held, "第一张图")
    first.wait_to_show("state.generating")
    second = in_line(held, "第二张图")
    second.wait_to_show("wait.ahead", ahead=1)
    # The card says so a moment before the slot is taken, and a pause in that moment would hold this call as well.
    wait_for(lambda: gate.calls_waiting == 1)
    boss = held.admin()
    boss.ask_without_waiting("/pause")
    gate.release(2)
    first.wait_to_show("state.ready")
    waiting = second.wait_to_show("wait.next")
    waiting.assert_shows("state.queued")
    assert not waiting.shows("wait.under", minutes=1)
    boss.ask_without_waiting("/resume")
    second.wait_to_show("state.ready")
    assert len(second.conversation.answers) == 1


HANGING = 10


@pytest.fixture
def slow(gate: Gate, tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot whose downloads wait at the gate."""
    with BotUnderTest(folder=tmp_path, wrap_downloads=gate.around) as bot:
        yield bot
        gate.release(1000)


def test_hanging_downloads_delay_nobody_else(slow: BotUnderTest, gate: Gate) -> None:
    """While ten downloads hang, commands and first cards come, new paid calls go on, and in the end all get images."""
    cards = [slow.new_user().ask_without_waiting() for _ in range(HANGING)]
    wait_for(lambda: len(slow.glm.paid) == HANGING and gate.calls_waiting >= 8)
    other = slow.new_user()
    other.ask_without_waiting("/help").assert_shows("help.title")
    cards.append(other.ask_without_waiting(prompt := other.send()))
    wait_for(lambda: other.posts(prompt))
    assert cards[-1].reload().color not in {"green", "red"}
    gate.release(1000)
    slow.wait_until_idle()
    assert [card.reload().color for card in cards] == ["green"] * (HANGING + 1)
    assert [len(card.conversation.answers) for card in cards] == [1] * HANGING + [2]
    assert len(slow.glm.paid) == HANGING + 1


def test_a_hanging_original_delays_no_command_of_its_chat(slow: BotUnderTest, gate: Gate, tmp_path: Path) -> None:
    """While originals wait for the image host, the same person's commands are answered."""
    gate.release(1)
    card = slow.new_user().ask()
    (kept,) = (tmp_path / "originals").iterdir()
    kept.unlink()
    for _ in range(HANGING):
        card.press_for_toast("original")
    wait_for(lambda: gate.calls_waiting > 1)
    card.conversation.ask_without_waiting("/help").assert_shows("help.title")
