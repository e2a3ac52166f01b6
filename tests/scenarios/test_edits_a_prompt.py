"""Somebody changes a prompt in the form behind the button."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import (
    answer_to,
    button,
    new_answers,
    paid_for,
    pressed,
    said_in_toast,
    shows,
    somebody_else_in,
    toast_of,
)
from tests.support.world import Talk, World, colour


def parts_of(form: ChatMessage) -> dict[str, Any]:
    """The fields of a form by their names."""
    (body,) = json.loads(form.content)["body"]["elements"]
    return {part["name"]: part for part in body["elements"] if "name" in part}


def submit(talk: Talk, form: ChatMessage, **fields: str) -> dict[str, str]:
    """Sends a form; gives the toast by language."""
    value = button(talk, form, "submit").value
    return toast_of(talk, form, value, form_value=fields, name=button(talk, form, "submit").name)


def test_the_form_holds_what_was_asked(world: World) -> None:
    """The form comes filled in with the prompt as it was typed, its size and its style."""
    talk = world.somebody()
    said = talk.say("一座灯塔 /style 水彩 /size 3:2")
    form = pressed(talk, answer_to(talk, said), "edit")
    parts = parts_of(form)
    assert shows(form, "form.title")
    assert parts["prompt"]["default_value"] == "一座灯塔"
    assert parts["size"]["initial_option"] == paid_for(talk, said)[0]["size"]
    assert parts["style"]["initial_option"] == "watercolor"


def test_a_changed_prompt(world: World) -> None:
    """What was changed is changed, and everything else is made as before."""
    talk = world.somebody()
    first = talk.say("一座灯塔 /style 水彩 /quality standard")
    form = pressed(talk, answer_to(talk, first), "edit")
    assert submit(talk, form, prompt=" 两座灯塔 ", size="16:9", style="oil") == said_in_toast("toast.queued")
    (card,) = new_answers(talk, 2)
    assert (colour(card), card.parent_id) == ("green", form.message_id)
    before, after = paid_for(talk, first)
    changed = {"prompt": "两座灯塔，油画质感，厚涂笔触，画布纹理", "size": "1728x960"}
    assert after == {**before, **changed}


def test_no_style(world: World) -> None:
    """The choice of no style takes the style of before off."""
    talk = world.somebody()
    first = talk.say("一座灯塔 /style 水彩")
    form = pressed(talk, answer_to(talk, first), "edit")
    submit(talk, form, prompt="一座灯塔", size="1280x1280", style="none")
    new_answers(talk, 2)
    assert [body["prompt"] for body in paid_for(talk, first)][1:] == ["一座灯塔"]


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
def test_options_in_the_form(world: World, prompt: str, changed: dict[str, str]) -> None:
    """What is typed into the form is read like a message that is no command; its options go over the choices."""
    talk = world.somebody()
    first = talk.say("一座灯塔 /size 1568x1056")
    form = pressed(talk, answer_to(talk, first), "edit")
    submit(talk, form, prompt=prompt, size="1568x1056", style="none")
    new_answers(talk, 2)
    before, after = paid_for(talk, first)
    assert after == {**before, **changed}


def test_several_from_the_form(world: World) -> None:
    """The number of images can be typed into the form."""
    talk = world.somebody()
    first = talk.say("一座灯塔")
    form = pressed(talk, answer_to(talk, first), "edit")
    submit(talk, form, prompt="两座灯塔 /n 2", size="1280x1280", style="none")
    new_answers(talk, 2)
    assert [body["prompt"] for body in paid_for(talk, first)] == ["一座灯塔", "两座灯塔", "两座灯塔"]


def test_what_was_not_changed_is_not_read_again(world: World) -> None:
    """A prompt that was read once is sent as it is, also where it looks like one with a leading word."""
    talk = world.somebody()
    first = talk.say("画 画 的人")
    form = pressed(talk, answer_to(talk, first), "edit")
    submit(talk, form, prompt="画 的人", size="16:9", style="none")
    new_answers(talk, 2)
    assert [body["prompt"] for body in paid_for(talk, first)] == ["画 的人", "画 的人"]


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
def test_a_fault_in_the_form(world: World, prompt: str, key: str, values: dict[str, str]) -> None:
    """A fault in the form is told in the toast, and nothing is paid."""
    talk = world.somebody()
    first = talk.say("一座灯塔")
    form = pressed(talk, answer_to(talk, first), "edit")
    assert submit(talk, form, prompt=prompt, size="1280x1280", style="none") == said_in_toast(key, **values)
    assert new_answers(talk, 2) == []
    assert len(paid_for(talk, first)) == 1


def test_an_empty_prompt(world: World) -> None:
    """A form without words is answered with a toast, and nothing is paid."""
    talk = world.somebody()
    first = talk.say("一座灯塔")
    form = pressed(talk, answer_to(talk, first), "edit")
    assert submit(talk, form, prompt="  \n", size="1:1", style="none") == said_in_toast("toast.empty_prompt")
    assert new_answers(talk, 2) == []
    assert len(paid_for(talk, first)) == 1


def test_a_form_without_its_value(world: World) -> None:
    """Where Feishu leaves out what the button carries, its name tells it."""
    talk = world.somebody()
    form = pressed(talk, answer_to(talk, talk.say("一座灯塔")), "edit")
    fields, name = {"prompt": "两座灯塔", "size": "1:1", "style": "none"}, button(talk, form, "submit").name
    toast = toast_of(talk, form, None, form_value=fields, name=name, send_value=False)
    assert toast == said_in_toast("toast.queued")
    (card,) = new_answers(talk, 2)
    assert colour(card) == "green"


@pytest.mark.parametrize(
    "rejected",
    [{"prompt": " ", "size": "16:9", "style": "oil"}, {"prompt": "灯塔 /size 7", "size": "16:9", "style": "oil"}],
)
def test_a_rejected_form_can_be_sent_again(world: World, rejected: dict[str, str]) -> None:
    """The form comes back as it was filled in, with a button of another name, and works."""
    talk = world.somebody()
    form = pressed(talk, answer_to(talk, talk.say("一座灯塔")), "edit")
    before = button(talk, form, "submit").name
    submit(talk, form, **rejected)
    form = next(one for one in talk.answers if one.message_id == form.message_id)
    parts = parts_of(form)
    assert parts["prompt"]["default_value"].strip() == rejected["prompt"].strip()
    assert (parts["size"]["initial_option"], parts["style"]["initial_option"]) == ("16:9", "oil")
    assert button(talk, form, "submit").name != before
    assert submit(talk, form, prompt="两座灯塔", size="16:9", style="oil") == said_in_toast("toast.queued")
    (card,) = new_answers(talk, 2)
    assert colour(card) == "green"


def test_somebody_else_edits(world: World) -> None:
    """In a group somebody else may take a prompt further, and the picture is theirs."""
    talk = world.somebody(kind="group")
    card = answer_to(talk, "一座灯塔")
    other = somebody_else_in(talk)
    form = pressed(other, card, "edit")
    submit(other, form, prompt="两座灯塔", size="1:1", style="none")
    new_answers(talk, 2)
    assert shows(answer_to(other, "/quota"), "quota.today", used=1, most=20, left=19)


def test_a_prompt_longer_than_the_field(world: World) -> None:
    """Of a prompt that is longer than Feishu's field the form holds the beginning, and says so."""
    talk = world.somebody()
    prompt = "灯塔" * 700
    form = pressed(talk, answer_to(talk, prompt), "edit")
    assert parts_of(form)["prompt"]["default_value"] == prompt[:1000]
    assert shows(form, "form.cut", length=1400, shown=1000)


def test_a_size_that_the_form_does_not_offer(world: World) -> None:
    """A forged size is answered with a toast, and nothing is paid."""
    talk = world.somebody()
    first = talk.say("一座灯塔")
    form = pressed(talk, answer_to(talk, first), "edit")
    toast = submit(talk, form, prompt="一座灯塔", size="512x512", style="none")
    assert "512x512" in toast["zh_cn"]
    assert new_answers(talk, 2) == []
    assert len(paid_for(talk, first)) == 1
