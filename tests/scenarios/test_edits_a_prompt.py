"""Somebody changes a prompt in the form behind the button."""

from __future__ import annotations

import json
from typing import Any

from tests.support.dsl import BotUnderTest, Card, Conversation, toast_text


def parts_of(form: Card) -> dict[str, Any]:
    """The fields of a form by their names."""
    (body,) = json.loads(form.content)["body"]["elements"]
    return {part["name"]: part for part in body["elements"] if "name" in part}


def test_form_is_filled_with_the_prompt(user: Conversation) -> None:
    """The form comes filled in with the prompt as it was typed, its size and its style."""
    card = user.ask("一座灯塔 /style 水彩 /size 3:2")
    form = card.press("edit")
    parts = parts_of(form)
    form.assert_shows("form.title")
    assert parts["prompt"]["default_value"] == "一座灯塔"
    assert parts["size"]["initial_option"] == card.paid[0]["size"]
    assert parts["style"]["initial_option"] == "watercolor"


def test_form_changes_only_what_was_changed(user: Conversation) -> None:
    """What was changed is changed, and everything else is made as before."""
    first = user.ask("一座灯塔 /style 水彩 /quality standard")
    form = first.press("edit")
    assert form.submit(prompt=" 两座灯塔 ", size="16:9", style="oil") == toast_text("toast.queued", price="¥0.10")
    (card,) = user.new_answers(2)
    assert (card.color, card.parent_id) == ("green", form.message_id)
    before, after = first.paid
    changed = {"prompt": "两座灯塔，油画质感，厚涂笔触，画布纹理", "size": "1728x960"}
    assert after == {**before, **changed}


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
    form = first.press("edit")
    form.submit(prompt="画 的人", size="16:9", style="none")
    user.new_answers(2)
    assert [body["prompt"] for body in first.paid] == ["画 的人", "画 的人"]


FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "两座灯塔 /水彩": ("misread.unknown_word", {"word": "/水彩", "suggestion": "/style 水彩"}),
    "两座灯塔 /help": ("misread.not_first", {"word": "/help"}),
    "两座灯塔 /n 9": ("misread.count", {"value": "9", "most": "4"}),
    "画": ("misread.prompt_missing", {}),
    "  \n": ("toast.empty_prompt", {}),
}


def test_form_fault_is_told_in_the_toast(user: Conversation) -> None:
    """A fault in the form, also a forged size, is shown in the toast, and nothing is paid."""
    first = user.ask("一座灯塔")
    form = first.press("edit")
    for prompt, (key, values) in FAULTS.items():
        toast = form.reload().submit(prompt=prompt, size="1280x1280", style="none")
        assert toast == toast_text(key, **values)
    forged = form.reload().submit(prompt="一座灯塔", size="512x512", style="none")
    assert "512x512" in forged["zh_cn"]
    assert user.new_answers(2) == []
    assert len(first.paid) == 1


def test_form_without_button_value_is_known_by_name(user: Conversation) -> None:
    """Where Feishu leaves out what the button carries, its name tells it."""
    form = user.ask("一座灯塔").press("edit")
    fields, name = {"prompt": "两座灯塔", "size": "1:1", "style": "none"}, form.button("submit").name
    toast = form.press_raw(None, form_value=fields, name=name, send_value=False)
    assert toast == toast_text("toast.queued", price="¥0.10")
    (card,) = user.new_answers(2)
    assert card.color == "green"


def test_a_rejected_form_can_be_sent_again(user: Conversation) -> None:
    """The form comes back as it was filled in, with a button of another name, and works."""
    form = user.ask("一座灯塔").press("edit")
    for prompt in (" ", "灯塔 /size 7"):
        before = form.button("submit").name
        form.submit(prompt=prompt, size="16:9", style="oil")
        form = form.reload()
        parts = parts_of(form)
        assert parts["prompt"]["default_value"].strip() == prompt.strip()
        assert (parts["size"]["initial_option"], parts["style"]["initial_option"]) == ("16:9", "oil")
        assert form.button("submit").name != before
    assert form.submit(prompt="两座灯塔", size="16:9", style="oil") == toast_text("toast.queued", price="¥0.10")
    (card,) = user.new_answers(2)
    assert card.color == "green"


def test_anybody_in_the_group_can_edit(member: Conversation) -> None:
    """In a group somebody else may take a prompt further, and the picture is theirs."""
    card = member.ask("一座灯塔")
    other = member.other_user()
    form = card.press("edit", by=other)
    form.submit(by=other, prompt="两座灯塔", size="1:1", style="none")
    member.new_answers(2)
    other.ask("/quota").assert_shows("quota.today", used=1, most=20, left=19)
