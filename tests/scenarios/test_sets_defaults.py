"""Somebody sets what their images are made with, or an admin what a chat's are; somebody chooses a language."""

from __future__ import annotations

import json

import pytest

from bot.models import Language
from tests.scenarios.talking import (
    LANGUAGES,
    WORDS,
    admin_in,
    answer_to,
    flash,
    new_answers,
    paid_for,
    rest,
    shows,
    somebody_else_in,
    toast_of,
    words,
)
from tests.support.world import Talk, World, colour


def made_with(talk: Talk, text: str = "一座灯塔") -> dict[str, object]:
    """What the platform is asked for by a prompt."""
    said = talk.say(text)
    assert colour(answer_to(talk, said)) == "green"
    body, *_ = paid_for(talk, said)
    return {name: body[name] for name in ("prompt", "model", "size", "quality")}


USUAL = {"prompt": "一座灯塔", "model": "glm-image", "size": "1280x1280", "quality": "hd"}


@pytest.mark.parametrize(
    ("say", "told", "changed"),
    [
        ("/set size 16:9", ("尺寸 1728x960（≈16:9）", "Size 1728x960 (≈16:9)"), {"size": "1728x960"}),
        ("/设置 /质量 standard", ("质量 standard", "Quality standard"), {"quality": "standard"}),
        ("/set model cogview-4", ("模型 cogview-4", "Model cogview-4"), {"model": "cogview-4"}),
        (
            "设置风格 水彩，尺寸 16:9",
            ("尺寸 1728x960（≈16:9） · 风格 水彩", "Size 1728x960 (≈16:9) · Style watercolor"),
            {"prompt": "一座灯塔，水彩画风格，透明叠色，纸张纹理", "size": "1728x960"},
        ),
        ("/set style none n 1", ("不加风格 · 一次 1 张", "No style · Images at once: 1"), {}),
        ("/set watermark on", ("有水印", "Watermark"), {}),
    ],
)
def test_ones_own(world: World, say: str, told: tuple[str, str], changed: dict[str, str]) -> None:
    """A default holds for every later prompt of this person that says nothing else, in every chat."""
    talk = world.somebody()
    card = answer_to(talk, say)
    for language, changes in zip(LANGUAGES, told, strict=True):
        assert WORDS.text("notice.set.text", language, changes=changes) in words(card, language).split("\n")
    assert made_with(talk) == {**USUAL, **changed}
    group = world.feishu.world.add_chat("group", name="小组", members=[talk.person])
    there = Talk(world=world, person=talk.person, chat_id=group.chat_id, first_call=0)
    assert made_with(there) == {**USUAL, **changed}


def test_what_is_typed_comes_first(world: World) -> None:
    """An option in a prompt counts for that prompt and leaves the default as it is."""
    talk = world.somebody()
    answer_to(talk, "/set size 16:9 style 水彩")
    assert made_with(talk, "一座灯塔 /size 1:1 /style none") == USUAL
    assert shows(answer_to(talk, "/settings"), "label.size", size="1728x960", ratio="≈16:9")


def test_several_at_once(world: World) -> None:
    """The number of images is a default as well."""
    talk = world.somebody()
    answer_to(talk, "/set n 2")
    said = talk.say("一座灯塔")
    answer_to(talk, said)
    assert len(paid_for(talk, said)) == 2


def test_the_chats_by_an_admin(world: World) -> None:
    """An admin sets what holds for everybody in a group, and a person's own default comes before it."""
    talk = world.somebody(kind="group")
    boss = admin_in(world, talk)
    said = words(answer_to(boss, "/set size 16:9 --chat"))
    assert WORDS.text("notice.set_chat.text", "zh", changes="尺寸 1728x960（≈16:9）") in said
    other = somebody_else_in(talk)
    assert made_with(other) == {**USUAL, "size": "1728x960"}
    answer_to(talk, "/set size 1:1")
    assert made_with(talk) == USUAL


def test_the_chats_by_somebody_else(world: World) -> None:
    """Nobody else changes a group's defaults."""
    talk = world.somebody(kind="group")
    assert shows(answer_to(talk, "/set size 16:9 --chat"), "command.admins_only")
    assert made_with(talk) == USUAL


def test_the_settings_tell_who_has_set_what(world: World) -> None:
    """The settings name each option with whether it is one's own, the chat's or the team's."""
    talk = world.somebody(kind="group")
    answer_to(admin_in(world, talk), "/set quality standard --chat")
    answer_to(talk, "/set style 水彩")
    lines = words(answer_to(talk, "/settings"), "en").split("\n")
    assert "Quality standard · set for this chat" in lines
    assert "Style watercolor · set by you" in lines
    assert "Model glm-image · default" in lines
    assert "Text replies in the language of the message" in lines


def test_the_settings_of_the_chat(world: World) -> None:
    """The chat's settings are the same whoever asks, and say nothing of a person's."""
    talk = world.somebody(kind="group")
    answer_to(admin_in(world, talk), "/set quality standard --chat")
    answer_to(talk, "/set size 16:9 quality hd")
    card = answer_to(talk, "/settings --chat")
    lines = words(card, "en").split("\n")
    assert shows(card, "settings.title_chat")
    assert shows(card, "settings.use_chat")
    assert {"Quality standard · set for this chat", "Size 1280x1280 (1:1) · default"} <= set(lines)
    assert not any("set by you" in line or "Text replies" in line for line in lines)


@pytest.mark.parametrize(
    ("chosen", "said", "language"),
    [
        (None, "一座灯塔", "zh"),
        (None, "a lighthouse", "en"),
        ("/lang en", "一座灯塔", "en"),
        ("/语言 中文", "a lighthouse", "zh"),
    ],
)
def test_the_language_of_text(world: World, chosen: str | None, said: str, language: Language) -> None:
    """A text in place of a refused card is in the chosen language, else in that of the message."""
    talk = world.somebody()
    if chosen is not None:
        assert shows(answer_to(talk, chosen), "notice.language.text")
    before = len(talk.answers)
    world.feishu.faults.arm("feishu_230099", on="reply")
    rest(world, talk.say(said))
    texts = [one for one in new_answers(talk, before) if one.msg_type == "text"]
    assert [WORDS.text("state.ready", language) in json.loads(text.content)["text"] for text in texts] == [True]


def test_the_language_of_text_after_a_press(world: World) -> None:
    """A text that a press leads to is in the language of what it repeats."""
    talk = world.somebody()
    card = answer_to(talk, "a lighthouse")
    world.feishu.faults.arm("feishu_230099", on="reply")
    flash(talk, card, "again")
    (text,) = (one for one in new_answers(talk, 1) if one.msg_type == "text")
    assert WORDS.text("state.ready", "en") in json.loads(text.content)["text"]


@pytest.mark.parametrize(
    ("said", "language"),
    [
        (("/lang en",), "en"),
        (("/lang zh", "a lighthouse"), "zh"),
        (("a lighthouse",), "en"),
        (("a lighthouse", "一座灯塔"), "zh"),
        (("/tips",), "en"),
    ],
)
def test_the_language_of_an_example(world: World, said: tuple[str, ...], language: Language) -> None:
    """The example that a person presses is drawn in the language they have chosen, else in that of their last words."""
    talk = world.somebody()
    *_, card = [answer_to(talk, one) for one in said]
    for _ in range(2):
        before = len(talk.answers)
        toast_of(talk, card, {"a": "example", "e": "cat"})
        new_answers(talk, before)
        assert world.glm.calls[-1].body["prompt"] == WORDS.text("welcome.example.cat.prompt", language)
