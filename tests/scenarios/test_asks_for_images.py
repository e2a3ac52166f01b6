"""Somebody asks for images, one or four: alone with the bot, in a group, in a topic; or talks to somebody else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation, Gate, all_strings, bot_with, toast_text

PROMPT = "一只坐在窗台上的橘猫，水彩"


def test_prompt_is_answered_by_one_card_with_the_picture_and_its_facts(bot: BotUnderTest, user: Conversation) -> None:
    card = user.ask(PROMPT)
    assert (card.color, user.answers) == ("green", [card])
    assert PROMPT in card.text()
    assert set(all_strings(json.loads(card.content))) & bot.feishu.uploads.keys()
    assert any("ufileos.com" in text for text in all_strings(json.loads(card.content)))
    card.assert_shows("state.ready", "label.seconds", seconds=1)
    card.assert_shows("cost.sure", price="0.10")


def test_paid_call_holds_prompt_defaults_and_a_pseudonym(user: Conversation) -> None:
    (body,) = user.ask(PROMPT).paid
    defaults = {"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark_enabled": True}
    assert body == {"prompt": PROMPT, "user_id": body["user_id"], **defaults}
    assert user.person not in body["user_id"]
    assert 6 <= len(body["user_id"]) <= 128


def test_card_stays_in_its_topic(bot: BotUnderTest) -> None:
    user = bot.new_user(kind="topic")
    card = user.ask(said := user.send(PROMPT))
    assert (card.color, card.thread_id == said.thread_id is not None) == ("green", True)
    assert card.press("again").thread_id == said.thread_id


def test_group_message_is_read_as_one_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """Rich text, or beside a mention or a quotation; the bot's own mention is removed, another name stays.

    Invisible characters count as not there. Where the team wants no questions, words that are no prompt are drawn.
    """
    friend, other = bot.feishu.state.add_person("小李").open_id, member.send(PROMPT)
    messages: list[tuple[str, dict[str, Any], str, str]] = [
        ("@画图 画一张 @小李 的漫画头像", {"mentions": [friend]}, "小李 的漫画头像", "1280x1280"),
        ("雨后的竹林\n水墨画 /size 3:4", {"as_post": True}, "雨后的竹林\n水墨画", "1088x1472"),
        ("开会了", {"quote": other.message_id}, "开会了", "1280x1280"),
        ("\ufeff一只\u2060猫 /\u200bsi\u00adze 16\u200d:9\u200b", {}, "一只猫", "1728x960"),
    ]
    member.ask(other)
    for text, how, prompt, size in messages:
        card = member.ask(text, **how)
        assert (card.color, card.thread_id) == ("green", None)
        assert [(body["prompt"], body["size"]) for body in card.paid] == [(prompt, size)]


def test_long_and_vague_prompts_get_advice(user: Conversation) -> None:
    """A long one is sent whole, and the card shows its beginning and its length."""
    prompt = "灯塔" * 700
    card = user.ask(prompt)
    assert [body["prompt"] for body in card.paid] == [prompt]
    assert prompt[:800] in card.text().split("\n")
    card.assert_shows("label.prompt_excerpt", "advice.long", length=1400, shown=800)
    user.ask("好看的图片 /style 油画").assert_shows("advice.vague")


def test_missing_api_key_is_explained(tmp_path: Path) -> None:
    """The card says that the admins know, and nothing is asked of the platform."""
    with bot_with(tmp_path, {"ZHIPU_API_KEY": ""}) as bot:
        card = bot.new_user().ask("一座灯塔")
        assert card.color == "red"
        card.assert_shows("failure.key_missing", "advice.admins_told", "cost.none")
        assert bot.glm.calls == []


def pictures_on(card: Card) -> int:
    """How many pictures a card shows."""
    keys = card.conversation.bot.feishu.state.image_keys()
    return len({text for text in all_strings(json.loads(card.content)) if text in keys})


def test_images_appear_one_by_one_within_six_patches(held: BotUnderTest, gate: Gate) -> None:
    """Two people who take turns with four images each see theirs come one by one on one card, which says the cost."""
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
        shown.assert_shows("cost.sure", price="0.40")
    assert len(held.glm.paid) == 8


def test_partial_failures_are_named_by_number(bot: BotUnderTest, user: Conversation) -> None:
    """With the platform's words, beside the image that came; one with a grave finding is not even uploaded."""
    for fault in ("glm_1301", "glm_500", "level_1"):
        bot.glm.arm(fault)
    card = user.ask("一座灯塔 /n 4")
    assert (card.color, pictures_on(card)) == ("green", 1)
    assert [call.name for call in user.calls].count("image") == 1
    assert CATALOGUE.text("role.assistant", "zh") in card.text("zh")
    card.assert_shows("state.ready_some", done=1, count=4)
    assert re.search("第 1 张：.*没通过内容安全检查", card.text("zh"))
    assert "Image 2: The ZhiPu platform had an error" in card.text("en")
    assert "StackOverflowError" in card.text()
    card.assert_shows("cost.both", price="0.10", more="0.30")


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
