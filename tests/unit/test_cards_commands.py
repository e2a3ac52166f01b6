"""The cards of the queue, the settings, the history and the ids."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bot.chat.cards.command_cards import (
    render_changed,
    render_history,
    render_ids,
    render_not_allowed,
    render_queue,
    render_settings,
)
from bot.models import State
from bot.options import Options
from tests.unit.card_samples import cards, lines, pressable, tagged
from tests.unit.command_samples import SETTINGS, history, line, waiting

STANDINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"number": 2}, "你的第 2 个 · 等待中", "Yours, no. 2 · waiting"),
    ({"number": None}, "别人的 · 等待中", "Someone else's · waiting"),
    ({"number": 1, "state": State.GENERATING}, "你的第 1 个 · 正在生成", "Yours, no. 1 · being made"),
    ({"number": 1, "state": State.MADE}, "你的第 1 个 · 正在取回", "Yours, no. 1 · being fetched"),
    ({"number": 1, "here": False}, "你的第 1 个 · 等待中 · 在别的会话", "Yours, no. 1 · waiting · in another chat"),
    (
        {"number": 1, "ahead": 0, "wait_seconds": 40.0},
        "你的第 1 个 · 等待中 · 下一张 · 预计不到 1 分钟",
        "Yours, no. 1 · waiting · next · less than 1 min to go",
    ),
]


@pytest.mark.parametrize(("entry", "zh", "en"), STANDINGS)
def test_the_queue_tells_whose_and_where_each_stands(entry: dict[str, Any], zh: str, en: str) -> None:
    """Each line tells whose it is without a name, its number for /cancel, its state and its place."""
    card = render_queue(cards(), line(waiting(**entry)))
    assert lines(card)[0] == zh
    assert lines(card, "en_us")[0] == en


def test_the_place_of_others_is_told_without_you() -> None:
    """What stands before somebody else's image is counted, and nobody is called "you"."""
    card = render_queue(cards(), line(waiting(ahead=0), waiting(ahead=3, wait_seconds=90.0)))
    assert lines(card)[::2] == ["别人的 · 等待中 · 下一张", "别人的 · 等待中 · 前面 3 张 · 预计不到 3 分钟"]
    assert "you" not in "".join(lines(card, "en_us"))


def test_the_images_of_one_message_are_listed_together() -> None:
    """Four images of one message are one line a state, because /cancel takes them together."""
    entries = [waiting(1, state=State.GENERATING), *(waiting(1, ahead=place) for place in range(3)), waiting(2)]
    said = lines(render_queue(cards(), line(*entries)))
    assert said[0] == "你的第 1 个 · 正在生成"
    assert said[2] == "你的第 1 个 · 3 张 · 等待中 · 下一张"
    assert said[4] == "你的第 2 个 · 等待中"
    assert said[-1] == "取消自己的，请写序号，例如：/cancel 1"


def test_prompts_from_other_chats_stay_there() -> None:
    """A group does not read what somebody asked for elsewhere; in private it is shown."""
    secret = waiting(1, here=False, prompt="给老板的生日惊喜")
    assert "惊喜" not in "".join(lines(render_queue(cards(), line(secret))))
    assert "给老板的生日惊喜" in lines(render_queue(cards(), line(secret, private=True)))


def test_the_prompts_of_others_are_shortened() -> None:
    """One's own prompt is shown longer than those of others."""
    said = lines(render_queue(cards(), line(waiting(1, prompt="猫" * 200), waiting(prompt="狗" * 200))))
    assert said[1] == "猫" * 99 + "…"
    assert said[3] == "狗" * 39 + "…"


def test_a_long_line_is_cut_and_counted() -> None:
    """One's own are listed whatever the length of the line, and what is left out is counted."""
    view = line(*(waiting() for _ in range(50)), waiting(1, prompt="我的猫"), elsewhere=7)
    said = lines(render_queue(cards(), view))
    assert "我的猫" in said
    assert "这里还有 31 张没有列出。" in said
    assert "别的会话里还有 7 张。" in said


def test_an_empty_queue_says_so() -> None:
    """Without any image there is a sentence, and no word on cancelling."""
    assert lines(render_queue(cards(), line())) == ["这里没有等待中或正在生成的图片。"]


def test_a_paused_queue_says_so_first() -> None:
    """While an admin has paused the bot, that is the first thing to read."""
    card = render_queue(cards(), line(waiting(1), paused=True))
    assert lines(card, "en_us")[0].startswith("An admin has paused the bot")
    assert card["header"]["template"] == "orange"


def test_the_settings_tell_who_has_set_what() -> None:
    """Each default stands with its value, and whether the person, the chat or the team has set it."""
    assert lines(render_settings(cards(), SETTINGS))[0].splitlines() == [
        "模型 glm-image · 默认",
        "尺寸 1568x1056（≈3:2） · 你设置的",
        "质量 hd · 默认",
        "风格 水墨 · 本会话设置的",
        "有水印 · 默认",
        "一次 2 张 · 默认",
        "文字回复用中文 · 你设置的",
    ]


def test_ones_own_setting_comes_before_the_chats() -> None:
    """What both have set is the person's."""
    view = dataclasses.replace(SETTINGS, own=("style",), chat=("style",), language=None)
    said = lines(render_settings(cards(), view), "en_us")[0].splitlines()
    assert said[3] == "Style ink · set by you"
    assert said[-1] == "Text replies in the language of the message"


def test_a_style_taken_off_is_told() -> None:
    """Without a style the settings say so."""
    view = dataclasses.replace(SETTINGS, options=Options(style=None))
    assert "不加风格 · 本会话设置的" in lines(render_settings(cards(), view))[0]


def test_a_change_is_told_in_the_words_of_the_settings() -> None:
    """What a default was changed to reads as it does in the settings, in each language."""
    changes = {"size": "1728x960", "style": "ink", "watermark": False, "count": 2}
    card = render_changed(cards(), changes, for_chat=False)
    assert lines(card) == ["你以后的图片默认用：尺寸 1728x960（≈16:9） · 风格 水墨 · 无水印 · 一次 2 张"]
    said = "Your images now use: Size 1728x960 (≈16:9) · Style ink · No watermark · Images at once: 2"
    assert lines(card, "en_us") == [said]
    assert (
        render_changed(cards(), {"style": None}, for_chat=True)["header"]["title"]["content"]
        == "本会话的默认选项已更新"
    )


def test_the_settings_of_a_chat_say_nothing_of_a_person() -> None:
    """The chat's settings have their own title and no language."""
    card = render_settings(cards(), dataclasses.replace(SETTINGS, own=(), of_chat=True))
    said = lines(card, "en_us")[0].splitlines()
    assert card["header"]["title"]["content"] == "本会话的默认选项"
    assert said[-1] == "Images at once: 2 · default"


def test_the_history_shows_thumbnails_with_their_prompts() -> None:
    """Each picture stands small with its prompt, what it was made with, and a button to run it again."""
    card = render_history(cards(), [history(1, prompt="<at id=all></at>"), history(2, prompt="狗" * 300)])
    assert [image["scale_type"] for image in tagged(card, "img")] == ["crop_center"] * 2
    assert lines(card)[0] == "<at id=all></at>"
    assert lines(card)[1] == "glm-image · 尺寸 1280x1280（1:1）"
    assert lines(card)[2] == "狗" * 99 + "…"
    values = [button["behaviors"][0]["value"] for button in tagged(card, "button")]
    assert values == [{"a": "again", "r": "req_1"}, {"a": "again", "r": "req_2"}]


def test_the_history_without_card_actions_has_no_buttons() -> None:
    """Where the app receives no card actions the pictures are shown alone."""
    card = render_history(cards(buttons=False), [history()])
    assert len(tagged(card, "img")) == 1
    assert pressable(card) == {}


def test_an_empty_history_says_what_to_do() -> None:
    """Who has no picture yet is told how to get one."""
    card = render_history(cards(), [])
    assert lines(card, "en_us")[0].startswith("You have no images here yet.")


def test_the_ids_can_be_copied() -> None:
    """Each id stands on a line of its own, as it is."""
    said = lines(render_ids(cards(), person="ou_fake", chat="oc_fake"))
    assert said[:4] == ["你的编号（open_id）：", "ou_fake", "本会话的编号（chat_id）：", "oc_fake"]
    assert "chat_id" not in "".join(lines(render_ids(cards(), person="ou_fake", chat=None)))


def test_who_may_not_use_the_bot_is_told_the_same_ids() -> None:
    """The card says what to do with the ids, which stand on it as on the card of ``/id``."""
    card = render_not_allowed(cards(), person="ou_fake", chat="oc_fake")
    assert lines(card)[1:] == lines(render_ids(cards(), person="ou_fake", chat="oc_fake"))[:4]
    assert "管理员" in lines(card)[0]
