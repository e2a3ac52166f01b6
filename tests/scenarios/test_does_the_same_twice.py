"""Somebody presses or sends the same twice in a moment: it is one request, and nothing is charged twice."""

from __future__ import annotations

import pytest

from tests.support.dsl import BotUnderTest, Conversation, Gate, toast_text, wait_for

TOWER = "一座灯塔，水彩"
QUEUED = toast_text("toast.queued", price="¥0.10")


@pytest.fixture
def user(held: BotUnderTest) -> Conversation:
    """Somebody whose paid calls last until they are released."""
    return held.new_user()


@pytest.mark.parametrize("text", [TOWER, "再来一张图"])
def test_same_text_twice_is_one_image_and_an_offer(user: Conversation, gate: Gate, text: str) -> None:
    """The second message gets a small card that offers another image; its button makes and charges one, once.

    So does one a moment after the image: nobody has looked at it yet.
    """
    gate.release()
    first = user.ask(TOWER)
    user.ask(TOWER).assert_shows("duplicate.title")
    user.let_time_pass()
    user.ask_without_waiting(text)
    double = user.ask_without_waiting(f" {text} ")
    double.assert_shows("duplicate.title", "button.another", price="¥0.10")
    assert double.press_for_toast("confirm") == QUEUED
    wait_for(lambda: double.reload().actions == [])
    gate.release(2)
    user.bot.wait_until_idle()
    assert len(first.paid) == 3


def test_double_press_is_one_image(user: Conversation, gate: Gate) -> None:
    """The second press of a button within a moment is answered in words alone; another person's is their own."""
    gate.release()
    card = user.ask(TOWER)
    assert card.press_for_toast("again") == QUEUED
    assert card.press_for_toast("again") == toast_text("toast.duplicate")
    assert card.press_for_toast("again", by=user.other_user()) == QUEUED
    assert card.press_for_toast("ratio", choice="16:9") == QUEUED
    gate.release(3)
    user.bot.wait_until_idle()
    assert len(card.paid) == 4
