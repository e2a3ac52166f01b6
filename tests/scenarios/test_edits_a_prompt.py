"""Somebody changes a prompt in the form behind the button."""

from __future__ import annotations

import json

import pytest

from tests.support.dsl import BotUnderTest, Card, Conversation, toast_text

QUEUED = toast_text("toast.queued", price="¥0.10")


@pytest.fixture
def first(user: Conversation) -> Card:
    """A result that can be edited."""
    return user.ask("一座灯塔 /style 水彩 /quality standard")


def test_form_changes_only_what_was_changed(user: Conversation, first: Card) -> None:
    form = first.press("edit")
    assert form.submit(prompt=" 两座灯塔 ", size="16:9", style="oil") == QUEUED
    (card,) = user.new_answers(2)
    assert (card.color, card.parent_id) == ("green", form.message_id)
    before, after = first.paid
    assert after == {**before, "prompt": "两座灯塔，油画质感，厚涂笔触，画布纹理", "size": "1728x960"}


TYPED: dict[str, dict[str, str]] = {
    "画：两座灯塔": {"prompt": "两座灯塔"},
    "\u200b两座\u00ad灯塔 /\ufeffsize 16:9": {"prompt": "两座灯塔", "size": "1728x960"},
    "两座灯塔 /style 油画": {"prompt": "两座灯塔，油画质感，厚涂笔触，画布纹理"},
    "两座灯塔 /model cogview-4": {"prompt": "两座灯塔", "model": "cogview-4", "size": "1280x1280"},
    "帮助 /n 2": {"prompt": "帮助"},
}


def test_form_reads_options_count_and_no_style(bot: BotUnderTest) -> None:
    """What is typed into the form is read like a message that is no command; its options go over the choices."""
    for prompt, changed in TYPED.items():
        user = bot.new_user()
        first = user.ask("一座灯塔 /size 1568x1056 /style 水彩")
        first.press("edit").submit(prompt=prompt, size="1568x1056", style="none")
        user.new_answers(2)
        before, *after = first.paid
        assert after == [{**before, **changed}] * (2 if "/n 2" in prompt else 1)


def test_unchanged_prompt_is_not_parsed_again(user: Conversation) -> None:
    """A prompt that was read once is sent as it is, also where it looks like one with a leading word."""
    first = user.ask("画 画 的人")
    first.press("edit").submit(prompt="画 的人", size="16:9", style="none")
    user.new_answers(2)
    assert [body["prompt"] for body in first.paid] == ["画 的人", "画 的人"]


FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "两座灯塔 /水彩": ("misread.unknown_word", {"word": "/水彩", "suggestion": "/style 水彩"}),
    "两座灯塔 /help": ("misread.not_first", {"word": "/help"}),
    "两座灯塔 /n 9": ("misread.count", {"value": "9", "most": "4"}),
    "画": ("misread.prompt_missing", {}),
    "  \n": ("toast.empty_prompt", {}),
}


def test_form_fault_is_told_in_the_toast(user: Conversation, first: Card) -> None:
    """Also a forged size; the form comes back as it was filled in, with a button of another name, and works.

    Where Feishu leaves out what the button carries, its name tells it.
    """
    form = first.press("edit")
    for prompt, (key, values) in FAULTS.items():
        before = form.button("submit").name
        assert form.submit(prompt=prompt, size="16:9", style="oil") == toast_text(key, **values)
        (body,) = json.loads(form.reload().content)["body"]["elements"]
        parts = {part["name"]: part for part in body["elements"] if "name" in part}
        assert parts["prompt"]["default_value"].strip() == prompt.strip()
        assert (parts["size"]["initial_option"], parts["style"]["initial_option"]) == ("16:9", "oil")
        assert form.button("submit").name != before
    assert "512x512" in form.submit(prompt="一座灯塔", size="512x512", style="none")["zh_cn"]
    assert user.new_answers(2) == []
    fields, name = {"prompt": "两座灯塔", "size": "1:1", "style": "none"}, form.button("submit").name
    assert form.press_raw(None, form_value=fields, name=name) == QUEUED
    assert [card.color for card in user.new_answers(2)] == ["green"]
    assert len(first.paid) == 2
