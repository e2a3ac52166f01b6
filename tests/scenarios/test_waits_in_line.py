"""A team shares one slot: who waits sees the place and an estimate, and is served in a fair order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import (
    Gate,
    admin_in,
    bot_with,
    first_answer_to,
    now,
    paid_for,
    patches,
    shows,
    wait_to_show,
)
from tests.support.world import QUICK, Talk, World, colour


def in_line(world: World, prompt: str) -> tuple[Talk, ChatMessage]:
    """Somebody new asks for an image; gives them and their card."""
    talk = world.somebody()
    return talk, first_answer_to(talk, prompt)


def test_the_second_waits_its_turn(held: World, gate: Gate) -> None:
    """A second prompt says how many stand before it and about how long that takes, and then takes its turn."""
    _, first = in_line(held, "第一张图")
    wait_to_show(held, first, "state.generating")
    _, second = in_line(held, "第二张图")
    _, third = in_line(held, "第三张图")
    shown = wait_to_show(held, second, "wait.ahead", ahead=1)
    assert colour(shown) == "blue"
    assert shows(shown, "state.queued")
    assert shows(shown, "wait.under", minutes=1)
    assert shows(wait_to_show(held, third, "wait.ahead", ahead=2), "wait.under", minutes=3)
    gate.let()
    wait_to_show(held, first, "state.ready")
    wait_to_show(held, second, "state.generating")
    wait_to_show(held, third, "wait.ahead", ahead=1)
    gate.let(2)
    wait_to_show(held, third, "state.ready")
    assert [call.body["prompt"] for call in held.glm.calls] == ["第一张图", "第二张图", "第三张图"]


def test_nobody_waits_behind_ten_of_one_person(held: World, gate: Gate) -> None:
    """The first prompt of a second person comes before the second one of who asked for four."""
    eager, first = in_line(held, "甲的图 /n 4")
    wait_to_show(held, first, "state.generating")
    _, other = in_line(held, "乙的图")
    wait_to_show(held, other, "wait.ahead", ahead=1)
    gate.let(5)
    eager.wait(lambda: held.idle)
    assert [call.body["prompt"] for call in held.glm.calls] == ["甲的图", "乙的图", "甲的图", "甲的图", "甲的图"]


def test_models_do_not_wait_for_each_other(held: World, gate: Gate) -> None:
    """Each model has its own slots, five of them for CogView."""
    _, first = in_line(held, "第一张图")
    cards = [in_line(held, f"快图 {number} /model cogview-4")[1] for number in range(5)]
    _, sixth = in_line(held, "慢图 /model cogview-4")
    for card in [first, *cards]:
        wait_to_show(held, card, "state.generating")
    wait_to_show(held, sixth, "wait.ahead", ahead=5)
    gate.let(7)
    wait_to_show(held, sixth, "state.ready")


def test_twelve_people_wait(held: World, gate: Gate) -> None:
    """While twelve people wait, no card is patched more than six times until its picture is there."""
    line = [in_line(held, f"第 {number} 个人的图") for number in range(12)]
    for number, (_, card) in enumerate(line):
        wait_to_show(held, card, "state.generating")
        if number + 1 < len(line):
            wait_to_show(held, line[number + 1][1], "wait.ahead", ahead=1)
        gate.let()
    for talk, card in line:
        shown = wait_to_show(held, card, "state.ready")
        assert patches(shown) <= 6, [call.name for call in talk.calls]
        assert talk.answers == [shown]


def test_a_busy_platform_is_waited_for(tmp_path: Path) -> None:
    """Refusals for the platform's limits are waited out on a card that says so, within six patches, and paid once."""
    with bot_with(tmp_path, pace=replace(QUICK, backoff=0.2, backoff_longest=0.2, backoff_in_all=30.0)) as world:
        talk = world.somebody()
        world.glm.arm("glm_1305", times=8)
        said = talk.say("一座灯塔")
        first = first_answer_to(talk, said)
        assert shows(wait_to_show(world, first, "wait.backing_off"), "state.queued")
        card = wait_to_show(world, first, "state.ready")
        assert len(paid_for(talk, said)) == 9
        assert len(world.glm.paid) == 1
        assert patches(card) <= 6


def test_a_pause_holds_the_line(held: World, gate: Gate) -> None:
    """While an admin has paused the bot, what waits says that it waits; after it was resumed, it is made."""
    _, first = in_line(held, "第一张图")
    wait_to_show(held, first, "state.generating")
    talk, second = in_line(held, "第二张图")
    wait_to_show(held, second, "wait.ahead", ahead=1)
    # The card says so a moment before the slot is taken, and a pause in that moment would hold this call as well.
    talk.wait(lambda: gate.reached == 1)
    boss = admin_in(held)
    first_answer_to(boss, "/pause")
    gate.let(2)
    wait_to_show(held, first, "state.ready")
    waiting = wait_to_show(held, second, "wait.next")
    assert shows(waiting, "state.queued")
    assert not shows(waiting, "wait.under", minutes=1)
    first_answer_to(boss, "/resume")
    wait_to_show(held, second, "state.ready")
    assert len(talk.answers) == 1


@pytest.mark.parametrize("command", ["/queue", "队列"])
def test_the_line_is_shown(held: World, gate: Gate, command: str) -> None:
    """The queue lists what runs and waits here, one's own with numbers, and only counts what is elsewhere."""
    talk, first = in_line(held, "我的第一张图")
    wait_to_show(held, first, "state.generating")
    in_line(held, "别处的图")
    first_answer_to(talk, "我的第二张图")
    card = first_answer_to(talk, command)
    assert shows(card, "queue.title")
    assert shows(card, "queue.mine", number=1)
    assert shows(card, "queue.mine", number=2)
    assert shows(card, "queue.elsewhere", count=1)
    assert "别处的图" not in now(held, card).content
    gate.let(3)
