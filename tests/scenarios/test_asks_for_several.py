"""Somebody asks for four images with one message."""

from __future__ import annotations

import json

from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import (
    Gate,
    answer_to,
    first_answer_to,
    flash,
    now,
    paid_for,
    patches,
    said_in_toast,
    shows,
    wait_to_show,
    words,
)
from tests.support.world import Talk, World, colour, strings_in


def pictures_on(talk: Talk, card: ChatMessage) -> int:
    """How many pictures a card shows."""
    keys = talk.world.feishu.world.image_keys()
    return len({text for text in strings_in(json.loads(card.content)) if text in keys})


def test_four_come_on_one_card(world: World) -> None:
    """Four images are four paid calls on one card, which says that each is charged on its own, and what all cost."""
    talk = world.somebody()
    said = talk.say("一座灯塔 /n 4")
    card = answer_to(talk, said)
    assert len(paid_for(talk, said)) == 4
    assert pictures_on(talk, card) == 4
    assert shows(card, "state.ready_all", count=4)
    assert shows(card, "note.count", count=4)
    assert shows(card, "label.price", price="0.40")
    assert talk.answers == [card]


def test_they_come_one_by_one(held: World, gate: Gate) -> None:
    """Each image appears on the card as soon as it is there, before the next one is."""
    talk = held.somebody()
    card = first_answer_to(talk, "一座灯塔 /张数 四张")
    for done in (1, 2, 3):
        gate.let()
        shown = wait_to_show(held, card, "state.progress", done=done, count=4)
        assert pictures_on(talk, shown) == done
        assert shows(shown, "button.cancel")
    gate.let()
    shown = wait_to_show(held, card, "state.ready_all", count=4)
    assert pictures_on(talk, shown) == 4
    assert len(talk.answers) == 1


def test_a_card_is_patched_at_most_six_times(held: World, gate: Gate) -> None:
    """Two people who take turns with four images each see theirs come within six patches a card."""
    talks = [held.somebody(), held.somebody()]
    cards = [first_answer_to(talk, "一座灯塔 /n 4") for talk in talks]
    for done in range(1, 4):
        for card in cards:
            gate.let()
            wait_to_show(held, card, "state.progress", done=done, count=4)
    gate.let(2)
    for card in cards:
        shown = wait_to_show(held, card, "state.ready_all", count=4)
        assert patches(shown) <= 6


def test_some_fail(world: World) -> None:
    """Images that were refused are named by their numbers beside those that came, with the platform's words."""
    talk = world.somebody()
    world.glm.arm("glm_1301")
    world.glm.arm("glm_500")
    card = answer_to(talk, "一座灯塔 /n 4")
    assert colour(card) == "green"
    assert shows(card, "state.ready_some", done=2, count=4)
    assert pictures_on(talk, card) == 2
    assert "第 1 张：没有通过内容安全检查" in words(card, "zh")
    assert "Image 2: The ZhiPu platform had an internal error" in words(card, "en")
    assert "StackOverflowError" in words(card)
    assert shows(card, "label.price", price="0.20")


def test_all_fail_alike(world: World) -> None:
    """The same failure of every image is told once, for all of them together."""
    world.glm.arm("glm_1113", times=4)
    card = answer_to(world.somebody(), "一座灯塔 /n 4")
    assert colour(card) == "red"
    assert words(card).count("智谱账号余额不足。") == 1
    assert "Images 1, 2, 3, 4: The ZhiPu account has no balance left." in words(card, "en")


def test_the_rest_is_cancelled(held: World, gate: Gate) -> None:
    """Cancelling after the first image keeps that one and makes none of those that were not begun."""
    talk = held.somebody()
    said = talk.say("一座灯塔 /n 4")
    card = first_answer_to(talk, said)
    gate.let()
    wait_to_show(held, card, "state.progress", done=1, count=4)
    assert flash(talk, now(held, card), "cancel") == said_in_toast("toast.cancelled")
    gate.let()
    shown = wait_to_show(held, card, "state.ready_some", done=1, count=4)
    assert pictures_on(talk, shown) == 1
    talk.wait(lambda: held.idle)
    assert len(paid_for(talk, said)) <= 2
