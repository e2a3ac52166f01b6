"""Somebody asks for four images with one message."""

from __future__ import annotations

import json
import re

from tests.support.dsl import BotUnderTest, Card, Conversation, Gate, all_strings, toast_text


def pictures_on(card: Card) -> int:
    """How many pictures a card shows."""
    keys = card.conversation.bot.feishu.state.image_keys()
    return len({text for text in all_strings(json.loads(card.content)) if text in keys})


def test_four_images_come_on_one_card(user: Conversation) -> None:
    """Four images are four paid calls on one card, which says what all cost."""
    card = user.ask("一座灯塔 /n 4")
    assert (len(card.paid), pictures_on(card), user.answers) == (4, 4, [card])
    card.assert_shows("state.ready_all", count=4)
    card.assert_shows("cost.sure", price="0.40")


def test_images_appear_one_by_one_within_six_patches(held: BotUnderTest, gate: Gate) -> None:
    """Two people who take turns with four images each see theirs come one by one."""
    cards = [held.new_user().ask_without_waiting("一座灯塔 /张数 四张") for _ in range(2)]
    for done in range(1, 4):
        for card in cards:
            gate.release()
            shown = card.wait_to_show("state.progress", done=done, count=4)
            assert pictures_on(shown) == done
            shown.assert_shows("button.cancel")
    gate.release(2)
    for card in cards:
        shown = card.wait_to_show("state.ready_all", count=4)
        assert (shown.patches <= 6, pictures_on(shown), card.conversation.answers) == (True, 4, [shown])


def test_partial_failures_are_named_by_number(bot: BotUnderTest, user: Conversation) -> None:
    """With the platform's words, beside the images that came."""
    bot.glm.arm("glm_1301")
    bot.glm.arm("glm_500")
    card = user.ask("一座灯塔 /n 4")
    assert (card.color, pictures_on(card)) == ("green", 2)
    card.assert_shows("state.ready_some", done=2, count=4)
    assert re.search("第 1 张：.*没通过内容安全检查", card.text("zh"))
    assert "Image 2: The ZhiPu platform had an error" in card.text("en")
    assert "StackOverflowError" in card.text()
    card.assert_shows("cost.both", price="0.20", more="0.20")


def test_cancel_keeps_finished_images(held: BotUnderTest, gate: Gate) -> None:
    """And makes none of those that were not begun."""
    card = held.new_user().ask_without_waiting("一座灯塔 /n 4")
    gate.release()
    shown = card.wait_to_show("state.progress", done=1, count=4)
    assert shown.press_for_toast("cancel") == toast_text("toast.cancelled")
    gate.release()
    assert pictures_on(card.wait_to_show("state.ready_some", done=1, count=4)) == 1
    held.wait_until_idle()
    assert len(card.paid) <= 2
