"""Somebody changes their mind: by command, by the button, by taking the message back."""

from __future__ import annotations

import pytest

from bot.sandbox.feishu.delivery import Attempt
from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import (
    Gate,
    admin_in,
    answer_to,
    button,
    first_answer_to,
    flash,
    paid_for,
    said_in_toast,
    shows,
    somebody_else_in,
    toast_of,
    wait_to_show,
    words,
)
from tests.support.world import Talk, World, colour


def three_in_line(world: World, *, kind: str = "p2p") -> tuple[Talk, list[ChatMessage]]:
    """Somebody with one image that is being made and two that wait; gives them and their three cards."""
    talk = world.somebody(kind=kind)
    cards = [first_answer_to(talk, f"第 {number} 座灯塔") for number in (1, 2, 3)]
    wait_to_show(world, cards[0], "state.generating")
    return talk, cards


def prompts_of(world: World) -> list[str]:
    """The prompts of the paid calls, in their order."""
    return [call.body["prompt"] for call in world.glm.calls]


def test_everything(held: World, gate: Gate) -> None:
    """The command alone cancels all of one's own; what waits is never paid, what is being made is not shown."""
    talk, cards = three_in_line(held)
    said = first_answer_to(talk, "/cancel")
    assert shows(said, "notice.cancelled.text", count=3)
    for card in cards:
        assert colour(wait_to_show(held, card, "state.cancelled")) == "grey"
    gate.let(3)
    talk.wait(lambda: held.idle)
    assert set(prompts_of(held)) <= {"第 1 座灯塔"}
    assert len(talk.answers) == 4


def test_one_by_its_number(held: World, gate: Gate) -> None:
    """A number cancels the one that the queue shows under it, and the card of the command names it."""
    talk, cards = three_in_line(held)
    said = first_answer_to(talk, "取消 2")
    assert shows(said, "notice.cancelled.text", count=1)
    assert "第 2 座灯塔" in words(said)
    wait_to_show(held, cards[1], "state.cancelled")
    gate.let(2)
    wait_to_show(held, cards[2], "state.ready")
    assert prompts_of(held) == ["第 1 座灯塔", "第 3 座灯塔"]


def test_the_last_one(held: World, gate: Gate) -> None:
    """The last one is what was asked for last, whatever else waits."""
    talk, cards = three_in_line(held)
    said = first_answer_to(talk, "取消刚才那个")
    assert shows(said, "notice.cancelled.text", count=1)
    assert "第 3 座灯塔" in words(said)
    gate.let(2)
    wait_to_show(held, cards[1], "state.ready")
    assert prompts_of(held) == ["第 1 座灯塔", "第 2 座灯塔"]


def test_a_number_that_there_is_not(held: World, gate: Gate) -> None:
    """A number beyond one's own is answered with how many there are, and nothing is cancelled."""
    talk, cards = three_in_line(held)
    assert shows(first_answer_to(talk, "/cancel 4"), "command.no_such_number", number=4, most=3)
    gate.let(3)
    assert shows(wait_to_show(held, cards[2], "state.ready"), "state.ready")


def test_the_button(held: World, gate: Gate) -> None:
    """The asker's press on a waiting card takes it out of the line at once, and a second press comes too late."""
    talk, cards = three_in_line(held)
    cancel = button(talk, cards[1], "cancel").value
    assert flash(talk, cards[1], "cancel") == said_in_toast("toast.cancelled")
    assert shows(wait_to_show(held, cards[1], "state.cancelled"), "button.again")
    assert toast_of(talk, cards[1], cancel) == said_in_toast("toast.too_late")
    gate.let(2)
    talk.wait(lambda: held.idle)
    assert prompts_of(held) == ["第 1 座灯塔", "第 3 座灯塔"]


def test_while_it_is_being_made(held: World, gate: Gate) -> None:
    """A picture that the platform makes already is paid for and not shown."""
    talk = held.somebody()
    said = talk.say("一座灯塔")
    card = first_answer_to(talk, said)
    talk.wait(lambda: gate.reached)
    assert flash(talk, card, "cancel") == said_in_toast("toast.cancelled")
    gate.let()
    talk.wait(lambda: held.glm.paid and held.idle)
    assert colour(wait_to_show(held, card, "state.cancelled")) == "grey"
    assert len(paid_for(talk, said)) == 1
    assert talk.answers[0].content.count("img_key") == 0
    assert held.glm.downloads == []
    assert "image" not in {call.name for call in talk.calls}


def test_somebody_else_may_not(held: World, gate: Gate) -> None:
    """In a group only who asked and an admin cancel; others are told so, and the image is made."""
    talk, cards = three_in_line(held, kind="group")
    other = somebody_else_in(talk)
    assert flash(other, cards[1], "cancel") == said_in_toast("toast.not_yours")
    assert shows(first_answer_to(other, "/cancel"), "command.nothing_to_cancel")
    boss = admin_in(held, talk)
    assert flash(boss, cards[2], "cancel") == said_in_toast("toast.cancelled")
    gate.let(2)
    wait_to_show(held, cards[1], "state.ready")
    wait_to_show(held, cards[2], "state.cancelled")


def test_after_the_end(world: World) -> None:
    """Cancelling what has ended says that it is too late and changes nothing."""
    talk = world.somebody()
    card = answer_to(talk, "一座灯塔")
    request = button(talk, card, "again").value or {}
    assert toast_of(talk, card, {"a": "cancel", "r": request["r"]}) == said_in_toast("toast.too_late")
    assert talk.answers == [card]


def test_the_message_is_taken_back(held: World, gate: Gate) -> None:
    """Recalling the message of a waiting prompt cancels it, without a further word."""
    talk = held.somebody()
    first_answer_to(talk, "第一座灯塔")
    said = talk.say("第二座灯塔")
    card = wait_to_show(held, first_answer_to(talk, said), "state.queued")
    held.feishu.recall(said.message_id, by=talk.person)
    card = wait_to_show(held, card, "state.cancelled")
    assert "第二座灯塔" not in words(card)
    gate.let()
    talk.wait(lambda: held.idle)
    assert prompts_of(held) == ["第一座灯塔"]
    assert len(talk.answers) == 2


def is_recall_of(said: ChatMessage, attempt: Attempt) -> bool:
    """Whether the bot has taken that a message was recalled."""
    event = attempt.event["event"]
    return (attempt.event_type, attempt.outcome, event.get("message_id")) == (
        "im.message.recalled_v1",
        "acknowledged",
        said.message_id,
    )


@pytest.mark.parametrize("text", ["一座秘密的灯塔", "/queue", "一座秘密的灯塔 /size 7:7"])
def test_the_message_is_taken_back_before_its_answer(world: World, text: str) -> None:
    """While answers wait for Feishu, a message in a group is recalled: after that nothing is paid for it or said."""
    talk = world.somebody(kind="group")
    world.feishu.faults.arm("rate_gateway", on="reply", times=None)
    said = talk.say(text)
    talk.wait(lambda: "reply" in {call.name for call in talk.calls})
    world.feishu.recall(said.message_id, by=talk.person)
    talk.wait(lambda: any(is_recall_of(said, attempt) for attempt in world.feishu.attempts))
    world.feishu.faults.disarm()
    later = answer_to(talk, "一座公开的灯塔")
    assert talk.answers == [later]
    assert [body["prompt"] for body in paid_for(talk, said)] == ["一座公开的灯塔"]


def test_in_a_group_prompts_from_elsewhere_stay_there(held: World, gate: Gate) -> None:
    """Cancelling everything from a group does not tell the group what was asked for in private."""
    alone = held.somebody()
    first_answer_to(alone, "秘密的灯塔")
    group = held.feishu.world.add_chat("group", name="小组", members=[alone.person])
    talk = Talk(world=held, person=alone.person, chat_id=group.chat_id, first_call=len(held.feishu.calls))
    first_answer_to(talk, "公开的灯塔")
    card = first_answer_to(talk, "/cancel")
    assert shows(card, "notice.cancelled.text", count=2)
    assert "公开的灯塔" in words(card)
    assert "秘密的灯塔" not in words(card)
    gate.let()
