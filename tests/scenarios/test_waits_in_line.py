"""A team shares one slot: who waits sees the place and an estimate, and is served in a fair order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.support.dsl import QUICK, BotUnderTest, Card, Conversation, Gate, bot_with, wait_for


def in_line(bot: BotUnderTest, prompt: str) -> tuple[Conversation, Card]:
    """Somebody new asks for an image; gives them and their card."""
    user = bot.new_user()
    return user, user.ask_without_waiting(prompt)


def has_come_forward(card: Card) -> bool:
    """Whether a card shows that it is next, or its place had to stay as it was: two patches are kept for the end."""
    now = card.reload()
    return now.shows("wait.ahead", ahead=1) or now.patches >= 4


def test_second_prompt_shows_place_and_estimate(held: BotUnderTest, gate: Gate) -> None:
    """A second prompt says how many are ahead of it and about how long that takes, and is then made."""
    _, first = in_line(held, "第一张图")
    first.wait_to_show("state.generating")
    _, second = in_line(held, "第二张图")
    _, third = in_line(held, "第三张图")
    shown = second.wait_to_show("wait.ahead", ahead=1)
    assert shown.color == "blue"
    shown.assert_shows("state.queued")
    shown.assert_shows("wait.under", minutes=1)
    third.wait_to_show("wait.ahead", ahead=2).assert_shows("wait.under", minutes=3)
    gate.release()
    first.wait_to_show("state.ready")
    second.wait_to_show("state.generating")
    third.wait_to_show("wait.ahead", ahead=1)
    gate.release(2)
    third.wait_to_show("state.ready")
    assert held.paid_prompts == ["第一张图", "第二张图", "第三张图"]


def test_models_do_not_wait_for_each_other(held: BotUnderTest, gate: Gate) -> None:
    """Each model has its own slots, five of them for CogView."""
    _, first = in_line(held, "第一张图")
    cards = [in_line(held, f"快图 {number} /model cogview-4")[1] for number in range(5)]
    _, sixth = in_line(held, "慢图 /model cogview-4")
    for card in [first, *cards]:
        card.wait_to_show("state.generating")
    sixth.wait_to_show("wait.ahead", ahead=5)
    gate.release(7)
    sixth.wait_to_show("state.ready")


def test_queued_card_is_patched_at_most_six_times(held: BotUnderTest, gate: Gate) -> None:
    """While twelve people wait, no card is patched more than six times until its picture is there."""
    line = [in_line(held, f"第 {number} 个人的图") for number in range(12)]
    for number, (_, card) in enumerate(line):
        card.wait_to_show("state.generating")
        for _, following in line[number + 1 : number + 2]:
            wait_for(partial(has_come_forward, following))
        gate.release()
    for user, card in line:
        shown = card.wait_to_show("state.ready")
        assert shown.patches <= 6, [call.name for call in user.calls]
        assert user.answers == [shown]


def test_refusals_of_a_busy_platform_are_waited_out(tmp_path: Path) -> None:
    """Refusals for the platform's limits are waited out on a card that says so, within six patches, and paid once."""
    with bot_with(tmp_path, pace=replace(QUICK, backoff=0.2, backoff_longest=0.2, backoff_in_all=30.0)) as bot:
        user = bot.new_user()
        bot.glm.arm("glm_1305", times=8)
        said = user.send("一座灯塔")
        first = user.ask_without_waiting(said)
        first.wait_to_show("wait.backing_off").assert_shows("state.queued")
        card = first.wait_to_show("state.ready")
        assert len(user.paid_since(said)) == 9
        assert len(bot.glm.paid) == 1
        assert card.patches <= 6


def test_pause_holds_the_queue(held: BotUnderTest, gate: Gate) -> None:
    """While an admin has paused the bot, what waits says that it waits; after it was resumed, it is made."""
    _, first = in_line(held, "第一张图")
    first.wait_to_show("state.generating")
    user, second = in_line(held, "第二张图")
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
    assert len(user.answers) == 1


def test_queue_command_lists_own_and_counts_others(held: BotUnderTest, gate: Gate) -> None:
    """The queue lists what runs and waits here, one's own with numbers, and only counts what is elsewhere."""
    user, first = in_line(held, "我的第一张图")
    first.wait_to_show("state.generating")
    in_line(held, "别处的图")
    user.ask_without_waiting("我的第二张图")
    card = user.ask_without_waiting("/queue")
    card.assert_shows("queue.title")
    card.assert_shows("queue.mine", number=1)
    card.assert_shows("queue.mine", number=2)
    card.assert_shows("queue.elsewhere", count=1)
    assert "别处的图" not in card.reload().content
    gate.release(3)
