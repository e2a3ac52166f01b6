"""Somebody asks for four images with one message."""

from __future__ import annotations

import json
import re

from tests.support.dsl import BotUnderTest, Card, Conversation, Gate, all_strings, toast_text


def pictures_on(user: Conversation, card: Card) -> int:
    """How many pictures a card shows."""
    keys = user.bot.feishu.state.image_keys()
    return len({text for text in all_strings(json.loads(card.content)) if text in keys})


def test_four_images_come_on_one_card(user: Conversation) -> None:
    """Four images are four paid calls on one card, which says what all cost."""
    card = user.ask("一座灯塔 /n 4")
    assert len(card.paid) == 4
    assert pictures_on(user, card) == 4
    card.assert_shows("state.ready_all", count=4)
    card.assert_shows("cost.sure", price="0.40")
    assert user.answers == [card]


def test_images_appear_one_by_one_within_six_patches(held: BotUnderTest, gate: Gate) -> None:
    """Two people who take turns with four images each see theirs come one by one, within six patches a card."""
    users = [held.new_user(), held.new_user()]
    cards = [user.ask_without_waiting("一座灯塔 /张数 四张") for user in users]
    for done in range(1, 4):
        for user, card in zip(users, cards, strict=True):
            gate.release()
            shown = card.wait_to_show("state.progress", done=done, count=4)
            assert pictures_on(user, shown) == done
            shown.assert_shows("button.cancel")
    gate.release(2)
    for user, card in zip(users, cards, strict=True):
        shown = card.wait_to_show("state.ready_all", count=4)
        assert (shown.patches <= 6, pictures_on(user, shown), user.answers) == (True, 4, [shown])


def test_partial_failures_are_named_by_number(bot: BotUnderTest, user: Conversation) -> None:
    """Images that were refused are named by their numbers beside those that came, with the platform's words."""
    bot.glm.arm("glm_1301")
    bot.glm.arm("glm_500")
    card = user.ask("一座灯塔 /n 4")
    assert card.color == "green"
    card.assert_shows("state.ready_some", done=2, count=4)
    assert pictures_on(user, card) == 2
    assert re.search("第 1 张：.*没通过内容安全检查", card.text("zh"))
    assert "Image 2: The ZhiPu platform had an error" in card.text("en")
    assert "StackOverflowError" in card.text()
    card.assert_shows("cost.both", price="0.20", more="0.20")


def test_cancel_keeps_finished_images(held: BotUnderTest, gate: Gate) -> None:
    """Cancelling after the first image keeps that one and makes none of those that were not begun."""
    user = held.new_user()
    said = user.send("一座灯塔 /n 4")
    card = user.ask_without_waiting(said)
    gate.release()
    card.wait_to_show("state.progress", done=1, count=4)
    assert card.reload().press_for_toast("cancel") == toast_text("toast.cancelled")
    gate.release()
    shown = card.wait_to_show("state.ready_some", done=1, count=4)
    assert pictures_on(user, shown) == 1
    held.wait_until_idle()
    assert len(user.paid_since(said)) <= 2
