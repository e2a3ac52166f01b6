"""Somebody asks for images, one or four: alone with the bot, in a group, in a topic; or talks to somebody else."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation, Gate, all_strings, bot_with, toast_text

PROMPT = "一只坐在窗台上的橘猫，水彩"


def test_prompt_is_answered_by_one_card_with_the_picture_and_its_facts(bot: BotUnderTest, user: Conversation) -> None:
    card = user.ask(PROMPT)
    assert (card.color, user.answers) == ("green", [card])
    assert PROMPT in card.text()
    assert set(all_strings(json.loads(card.content))) & bot.feishu.uploads.keys()
    assert "图片链接有效期 30 天，请及时下载保存（这个链接 " in card.text("zh")
    assert "(this link already expires on " in card.text("en")
    assert any("ufileos.com" in text for text in all_strings(json.loads(card.content)))
    card.assert_shows("state.ready", "label.seconds", seconds=1)
    card.assert_shows("cost.sure", price="0.10")


def test_paid_call_holds_prompt_defaults_and_a_pseudonym(user: Conversation) -> None:
    (body,) = user.ask(PROMPT).paid
    defaults = {"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark_enabled": True}
    assert body == {"prompt": PROMPT, "user_id": body["user_id"], **defaults}
    assert user.person not in body["user_id"]
    assert 6 <= len(body["user_id"]) <= 128


def test_mention_is_removed_from_a_group_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """The name of somebody else stays in it."""
    friend = bot.feishu.state.add_person("小李").open_id
    card = member.ask("@画图 画一张 @小李 的漫画头像", mentions=[friend])
    assert (card.color, card.thread_id) == ("green", None)
    assert [body["prompt"] for body in card.paid] == ["小李 的漫画头像"]


def test_rich_text_is_one_prompt(member: Conversation) -> None:
    """Its options count as in plain text."""
    card = member.ask("雨后的竹林\n水墨画 /size 3:4", as_post=True)
    assert card.color == "green"
    assert [(body["prompt"], body["size"]) for body in card.paid] == [("雨后的竹林\n水墨画", "1088x1472")]


def test_card_stays_in_its_topic(bot: BotUnderTest) -> None:
    user = bot.new_user(kind="topic")
    card = user.ask(said := user.send(PROMPT))
    assert (card.color, card.thread_id == said.thread_id is not None) == ("green", True)
    assert card.press("again").thread_id == said.thread_id


def test_prompt_that_quotes_is_answered_under_the_prompt(member: Conversation) -> None:
    first = member.send(PROMPT)
    member.ask(first)
    card = member.ask("一座灯塔", quote=first.message_id)
    assert (card.color, [body["prompt"] for body in card.paid]) == ("green", ["一座灯塔"])


def test_message_to_everybody_is_ignored(member: Conversation) -> None:
    member.assert_no_answer(member.send(f"@_all {PROMPT}", mention_bot=False))


OVERHEARD: list[tuple[str, list[tuple[str, str]]]] = [
    ("user", []),
    ("user", [("ou_somebody_else", "小李")]),
    ("user", [("ou_namesake", "画图")]),
    ("app", [("ou_sandbox_bot", "画图")]),
]
"""Nobody, somebody else or a namesake is mentioned, or another bot mentions this one."""


def test_message_to_somebody_else_is_ignored(member: Conversation) -> None:
    """What the platform delivers though it is not for the bot is acknowledged and not answered."""
    for sender_type, mentioned in OVERHEARD:
        member.assert_no_answer(overheard(member, sender_type=sender_type, mentioned=mentioned))


def overheard(user: Conversation, *, sender_type: str, mentioned: list[tuple[str, str]]) -> ChatMessage:
    """Delivers a group's message as an app gets it that may read all messages."""
    feishu = user.bot.feishu
    keys = [f"@_user_{number}" for number in range(1, len(mentioned) + 1)]
    content = json.dumps({"text": " ".join([*keys, f"{PROMPT} {secrets.token_hex(4)}"])})
    said = feishu.state.add_message(user.chat_id, user.person, "text", content)
    event = feishu.event_of(said)
    event["event"]["sender"]["sender_type"] = sender_type
    event["event"]["message"]["mentions"] = [
        {"key": key, "id": {"open_id": open_id}, "name": name}
        for key, (open_id, name) in zip(keys, mentioned, strict=True)
    ]
    attempt = feishu.push(event)
    assert attempt.status == 200
    return said


def test_invisible_characters_count_as_not_there(user: Conversation) -> None:
    """A command and an option are what they are without them, and a prompt loses them."""
    assert user.ask("\u200b帮助").paid == []
    (body,) = user.ask("\ufeff一只\u2060猫 /\u200bsi\u00adze 16\u200d:9\u200b").paid
    assert (body["prompt"], body["size"]) == ("一只猫", "1728x960")


def test_long_prompt_is_sent_whole_and_shown_in_part(user: Conversation) -> None:
    """The card shows its beginning, its length and a tip."""
    prompt = "灯塔" * 700
    card = user.ask(prompt)
    assert [body["prompt"] for body in card.paid] == [prompt]
    assert prompt[:800] in card.text().split("\n")
    card.assert_shows("label.prompt_excerpt", "advice.long", length=1400, shown=800)


def test_vague_prompt_gets_advice(user: Conversation) -> None:
    card = user.ask("好看的图片 /style 油画")
    assert card.color == "green"
    card.assert_shows("advice.vague")


def test_image_with_a_grave_finding_is_not_shown(bot: BotUnderTest, user: Conversation) -> None:
    """A picture in which the content check found something grave is not uploaded, and the card says why."""
    bot.glm.arm("level_1")
    card = user.ask("一座灯塔")
    assert (card.color, "img_key" in card.content) == ("red", False)
    assert CATALOGUE.text("role.assistant", "zh") in card.text("zh")
    assert "image" not in [call.name for call in user.calls]


def test_missing_api_key_is_explained(tmp_path: Path) -> None:
    """The card says that the admins know, and nothing is asked of the platform."""
    with bot_with(tmp_path, {"ZHIPU_API_KEY": ""}) as bot:
        card = bot.new_user().ask("一座灯塔")
        assert card.color == "red"
        for key in ("failure.key_missing", "advice.admins_told", "cost.none"):
            card.assert_shows(key)
        assert bot.glm.calls == []


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
