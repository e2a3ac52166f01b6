"""Somebody changes a prompt in the form behind the button."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.dsl import BotUnderTest, Card, header_color, toast_text


def parts_of(form: Card) -> dict[str, Any]:
    """The fields of a form by their names."""
    (body,) = json.loads(form.content)["body"]["elements"]
    return {part["name"]: part for part in body["elements"] if "name" in part}


def test_the_form_holds_what_was_asked(bot: BotUnderTest) -> None:
    """The form comes filled in with the prompt as it was typed, its size and its style."""
    user = bot.new_user()
    said = user.send("一座灯塔 /style 水彩 /size 3:2")
    form = user.ask(said).press("edit")
    parts = parts_of(form)
    form.assert_shows("form.title")
    assert parts["prompt"]["default_value"] == "一座灯塔"
    assert parts["size"]["initial_option"] == user.paid_since(said)[0]["size"]
    assert parts["style"]["initial_option"] == "watercolor"


def test_a_changed_prompt(bot: BotUnderTest) -> None:
    """What was changed is changed, and everything else is made as before."""
    user = bot.new_user()
    first = user.send("一座灯塔 /style 水彩 /quality standard")
    form = user.ask(first).press("edit")
    assert form.submit(prompt=" 两座灯塔 ", size="16:9", style="oil") == toast_text("toast.queued")
    (card,) = user.new_answers(2)
    assert (header_color(card), card.parent_id) == ("green", form.message_id)
    before, after = user.paid_since(first)
    changed = {"prompt": "两座灯塔，油画质感，厚涂笔触，画布纹理", "size": "1728x960"}
    assert after == {**before, **changed}


def test_no_style(bot: BotUnderTest) -> None:
    """The choice of no style takes the style of before off."""
    user = bot.new_user()
    first = user.send("一座灯塔 /style 水彩")
    form = user.ask(first).press("edit")
    form.submit(prompt="一座灯塔", size="1280x1280", style="none")
    user.new_answers(2)
    assert [body["prompt"] for body in user.paid_since(first)][1:] == ["一座灯塔"]


@pytest.mark.parametrize(
    ("prompt", "changed"),
    [
        ("画：两座灯塔", {"prompt": "两座灯塔"}),
        ("\u200b两座\u00ad灯塔 /\ufeffsize 16:9", {"prompt": "两座灯塔", "size": "1728x960"}),
        ("两座灯塔 /style 油画", {"prompt": "两座灯塔，油画质感，厚涂笔触，画布纹理"}),
        ("两座灯塔 /size 16:9 /quality standard", {"prompt": "两座灯塔", "size": "1728x960", "quality": "standard"}),
        ("两座灯塔（--ar 1:1）", {"prompt": "两座灯塔", "size": "1280x1280"}),
        ("两座灯塔 /model cogview-4", {"prompt": "两座灯塔", "model": "cogview-4", "size": "1280x1280"}),
        ("帮助", {"prompt": "帮助"}),
        ("取消两个", {"prompt": "取消两个"}),
    ],
)
def test_options_in_the_form(bot: BotUnderTest, prompt: str, changed: dict[str, str]) -> None:
    """What is typed into the form is read like a message that is no command; its options go over the choices."""
    user = bot.new_user()
    first = user.send("一座灯塔 /size 1568x1056")
    form = user.ask(first).press("edit")
    form.submit(prompt=prompt, size="1568x1056", style="none")
    user.new_answers(2)
    before, after = user.paid_since(first)
    assert after == {**before, **changed}


def test_several_from_the_form(bot: BotUnderTest) -> None:
    """The number of images can be typed into the form."""
    user = bot.new_user()
    first = user.send("一座灯塔")
    form = user.ask(first).press("edit")
    form.submit(prompt="两座灯塔 /n 2", size="1280x1280", style="none")
    user.new_answers(2)
    assert [body["prompt"] for body in user.paid_since(first)] == ["一座灯塔", "两座灯塔", "两座灯塔"]


def test_what_was_not_changed_is_not_read_again(bot: BotUnderTest) -> None:
    """A prompt that was read once is sent as it is, also where it looks like one with a leading word."""
    user = bot.new_user()
    first = user.send("画 画 的人")
    form = user.ask(first).press("edit")
    form.submit(prompt="画 的人", size="16:9", style="none")
    user.new_answers(2)
    assert [body["prompt"] for body in user.paid_since(first)] == ["画 的人", "画 的人"]


@pytest.mark.parametrize(
    ("prompt", "key", "values"),
    [
        ("两座灯塔 /水彩", "misread.unknown_word", {"word": "/水彩", "suggestion": "/style 水彩"}),
        ("两座灯塔 /help", "misread.not_first", {"word": "/help"}),
        ("两座灯塔 /style 浮世绘", "misread.style_plain", {"value": "浮世绘"}),
        ("两座灯塔 /n 9", "misread.count", {"value": "9", "most": "4"}),
        ("画", "misread.prompt_missing", {}),
    ],
)
def test_a_fault_in_the_form(bot: BotUnderTest, prompt: str, key: str, values: dict[str, str]) -> None:
    """A fault in the form is told in the toast, and nothing is paid."""
    user = bot.new_user()
    first = user.send("一座灯塔")
    form = user.ask(first).press("edit")
    assert form.submit(prompt=prompt, size="1280x1280", style="none") == toast_text(key, **values)
    assert user.new_answers(2) == []
    assert len(user.paid_since(first)) == 1


def test_an_empty_prompt(bot: BotUnderTest) -> None:
    """A form without words is answered with a toast, and nothing is paid."""
    user = bot.new_user()
    first = user.send("一座灯塔")
    form = user.ask(first).press("edit")
    assert form.submit(prompt="  \n", size="1:1", style="none") == toast_text("toast.empty_prompt")
    assert user.new_answers(2) == []
    assert len(user.paid_since(first)) == 1


def test_a_form_without_its_value(bot: BotUnderTest) -> None:
    """Where Feishu leaves out what the button carries, its name tells it."""
    user = bot.new_user()
    form = user.ask(user.send("一座灯塔")).press("edit")
    fields, name = {"prompt": "两座灯塔", "size": "1:1", "style": "none"}, form.button("submit").name
    toast = form.press_raw(None, form_value=fields, name=name, send_value=False)
    assert toast == toast_text("toast.queued")
    (card,) = user.new_answers(2)
    assert header_color(card) == "green"


@pytest.mark.parametrize(
    "rejected",
    [{"prompt": " ", "size": "16:9", "style": "oil"}, {"prompt": "灯塔 /size 7", "size": "16:9", "style": "oil"}],
)
def test_a_rejected_form_can_be_sent_again(bot: BotUnderTest, rejected: dict[str, str]) -> None:
    """The form comes back as it was filled in, with a button of another name, and works."""
    user = bot.new_user()
    form = user.ask(user.send("一座灯塔")).press("edit")
    before = form.button("submit").name
    form.submit(by=None, **rejected)
    form = next(one for one in user.answers if one.message_id == form.message_id)
    parts = parts_of(form)
    assert parts["prompt"]["default_value"].strip() == rejected["prompt"].strip()
    assert (parts["size"]["initial_option"], parts["style"]["initial_option"]) == ("16:9", "oil")
    assert form.button("submit").name != before
    assert form.submit(prompt="两座灯塔", size="16:9", style="oil") == toast_text("toast.queued")
    (card,) = user.new_answers(2)
    assert header_color(card) == "green"


def test_somebody_else_edits(bot: BotUnderTest) -> None:
    """In a group somebody else may take a prompt further, and the picture is theirs."""
    user = bot.new_user(kind="group")
    card = user.ask("一座灯塔")
    other = user.other_user()
    form = card.press("edit", by=other)
    form.submit(by=other, prompt="两座灯塔", size="1:1", style="none")
    user.new_answers(2)
    other.ask("/quota").assert_shows("quota.today", used=1, most=20, left=19)


def test_a_prompt_longer_than_the_field(bot: BotUnderTest) -> None:
    """Of a prompt that is longer than Feishu's field the form holds the beginning, and says so."""
    user = bot.new_user()
    prompt = "灯塔" * 700
    form = user.ask(prompt).press("edit")
    assert parts_of(form)["prompt"]["default_value"] == prompt[:1000]
    form.assert_shows("form.cut", length=1400, shown=1000)


def test_a_size_that_the_form_does_not_offer(bot: BotUnderTest) -> None:
    """A forged size is answered with a toast, and nothing is paid."""
    user = bot.new_user()
    first = user.send("一座灯塔")
    form = user.ask(first).press("edit")
    toast = form.submit(prompt="一座灯塔", size="512x512", style="none")
    assert "512x512" in toast["zh_cn"]
    assert user.new_answers(2) == []
    assert len(user.paid_since(first)) == 1
