"""Somebody sets what their images are made with, or an admin what a chat's are; somebody chooses a language."""

from __future__ import annotations

import json

from bot.models import Language
from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation

USUAL = {"prompt": "一座灯塔", "model": "glm-image", "size": "1280x1280", "quality": "hd"}


def made_with(user: Conversation, text: str = "一座灯塔") -> dict[str, object]:
    """What the platform is asked for by a prompt."""
    card = user.ask(text)
    assert card.color == "green"
    return {name: card.paid[0][name] for name in USUAL}


DEFAULTS = {
    "/set size 16:9": {"size": "1728x960"},
    "/设置 /质量 standard": {"quality": "standard"},
    "/set model cogview-4": {"model": "cogview-4"},
    "设置风格 水彩，尺寸 16:9": {"prompt": "一座灯塔，水彩画风格，透明叠色，纸张纹理", "size": "1728x960"},
    "/set style none n 1": {},
}


def test_personal_default_applies_in_every_chat(bot: BotUnderTest) -> None:
    for say, changed in DEFAULTS.items():
        user = bot.new_user()
        user.ask(say).assert_shows("notice.set.title")
        assert made_with(user.in_another_chat("group")) == {**USUAL, **changed}


def test_typed_option_beats_default(user: Conversation) -> None:
    """Also the number of images; the default stays."""
    user.ask("/set size 16:9 style 水彩 n 2")
    assert len(user.ask("一座灯塔").paid) == 2
    assert made_with(user, "一座灯塔 /size 1:1 /style none /n 1") == USUAL
    user.ask("/settings").assert_shows("label.size", size="1728x960", ratio="≈16:9")


def test_only_admins_set_defaults_of_a_group(bot: BotUnderTest, member: Conversation) -> None:
    """They hold for everybody there, and a person's own default comes before them; /settings says whose each is."""
    member.ask("/set size 16:9 --chat").assert_shows("command.admins_only")
    assert made_with(member) == USUAL
    said = bot.admin(member).ask("/set size 16:9 --chat").text()
    assert CATALOGUE.text("notice.set_chat.text", "zh", changes="尺寸 1728x960（≈16:9）") in said
    assert made_with(member.other_user()) == {**USUAL, "size": "1728x960"}
    member.ask("/set quality standard size 1:1")
    member.let_time_pass()
    assert made_with(member) == {**USUAL, "quality": "standard"}
    for command, lines in {
        "/settings": {"Quality standard · set by you", "Model glm-image · default"},
        "/settings --chat": {"Size 1728x960 (≈16:9) · set for this chat", "Quality hd · default"},
    }.items():
        assert lines <= set(member.ask(command).text("en").split("\n"))


def test_language_of_plain_text(bot: BotUnderTest) -> None:
    """A text in place of a refused card is in the chosen language, else in that of the message, or of its original."""
    said: list[tuple[tuple[str, ...], Language]] = [
        (("一座灯塔",), "zh"),
        (("a lighthouse",), "en"),
        (("/lang en", "一座灯塔"), "en"),
        (("/语言 中文", "a lighthouse"), "zh"),
    ]
    for (*chosen, prompt), language in said:
        user = bot.new_user()
        for command in chosen:
            user.ask(command).assert_shows("notice.language.text")
        bot.feishu.faults.arm("feishu_230099", on="reply")
        bot.wait_until_idle(user.send(prompt))
        assert is_text_in(user.new_answers(len(chosen)), language)
    user = bot.new_user()
    card = user.ask("a lighthouse")
    bot.feishu.faults.arm("feishu_230099", on="reply")
    card.press_for_toast("again")
    assert is_text_in(user.new_answers(1), "en")


def is_text_in(answers: list[Card], language: Language) -> bool:
    """Whether the one text of some answers says in this language that the image is ready."""
    (text,) = (one for one in answers if one.msg_type == "text")
    return CATALOGUE.text("state.ready", language) in json.loads(text.content)["text"]


def test_language_of_an_example(bot: BotUnderTest) -> None:
    """The example that a person presses is drawn in the language they have chosen, else in that of their last words."""
    said: list[tuple[tuple[str, ...], Language]] = [
        (("/lang zh", "a lighthouse"), "zh"),
        (("a lighthouse", "一座灯塔"), "zh"),
        (("/tips",), "en"),
    ]
    for texts, language in said:
        user = bot.new_user()
        *_, card = [user.ask(text) for text in texts]
        for _ in range(2):
            before = len(user.answers)
            card.press_raw({"a": "example", "e": "cat"})
            user.new_answers(before)
            assert bot.paid_prompts[-1] == CATALOGUE.text("welcome.example.cat.prompt", language)
