"""Somebody types a command: each is answered by one card, in both languages, and nothing is paid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.talking import LANGUAGES, WORDS, answer_to, bot_with, is_met_with_silence, paid_for, shows, words
from tests.support.world import World, colour

GUIDES = {
    "help": ("/help", "帮助", "help", "/帮助", "你好", "hi", "，帮助"),
    "sizes": ("/sizes", "/尺寸"),
    "models": ("/models", "/模型"),
    "styles": ("/styles", "/风格"),
    "tips": ("/tips", "技巧", "/技巧"),
}

OWN = {
    "queue.title": ("/queue", "/队列"),
    "history.title": ("/history", "/历史"),
    "settings.title": ("/settings", "/设置", "/set"),
    "quota.title": ("/quota", "/额度"),
    "id.title": ("/id", "/编号"),
}

EXPLAINED = {
    "/cancel": ("command.nothing_to_cancel", {}),
    "取消": ("command.nothing_to_cancel", {}),
    "/cancel 猫": ("misread.cancel", {"value": "猫"}),
    "/again": ("misread.nothing_to_repeat", {}),
    "再来": ("misread.nothing_to_repeat", {}),
    "/lang fr": ("misread.lang", {"value": "fr"}),
    "语言": ("misread.lang_missing", {}),
    "取消两个": ("misread.cancel", {"value": "两个"}),
    "stop": ("command.nothing_to_cancel", {}),
    "/set size 512x512": None,
    "/set 很大": ("misread.set", {"value": "很大"}),
    "/set size 16:9 --chat": ("command.admins_only", {}),
    "/stats": ("command.admins_only", {}),
    "/统计": ("command.admins_only", {}),
    "/pause": ("command.admins_only", {}),
    "/resume": ("command.admins_only", {}),
    "一座灯塔 /水彩": ("misread.unknown_word", {"word": "/水彩", "suggestion": "/style 水彩"}),
    "/halp": ("misread.unknown_word", {"word": "/halp", "suggestion": "/help"}),
}


@pytest.mark.parametrize(("name", "say"), [(name, say) for name, every in GUIDES.items() for say in every])
def test_a_guide(world: World, name: str, say: str) -> None:
    """A question about how it works is answered by its card, whose lists are there for readers of either language."""
    talk = world.somebody()
    said = talk.say(say)
    card = answer_to(talk, said)
    assert shows(card, f"{name}.title")
    every = sorted(WORDS.keys())
    listed = [key for key in every if key.startswith(f"{name}.") and not WORDS.placeholders(key)]
    assert all(shows(card, key) for key in listed)
    assert paid_for(talk, said) == []


def test_the_guides_of_a_team_with_another_model(tmp_path: Path) -> None:
    """What the team has set as its model is the default of which the guides speak."""
    with bot_with(tmp_path, {"BOT_IMAGES_MODEL": "cogview-4", "BOT_IMAGES_SIZE": "1344x768"}) as world:
        talk = world.somebody()
        assert "cogview-4（默认）" in words(answer_to(talk, "/models"))
        assert "glm-image（默认）" not in words(answer_to(talk, "/models"))
        assert shows(answer_to(talk, "/sizes"), "sizes.default", size="1344x768", ratio="≈16:9")
        assert shows(answer_to(talk, "/help"), "help.option.model", model="cogview-4")


@pytest.mark.parametrize(("title", "say"), [(title, say) for title, every in OWN.items() for say in every])
def test_a_question_about_oneself(world: World, title: str, say: str) -> None:
    """A question about one's own images and settings is answered alone with the bot and in a group."""
    talk = world.somebody(kind="p2p" if say.isascii() else "group")
    card = answer_to(talk, say)
    assert shows(card, title)
    assert colour(card) == "blue"


@pytest.mark.parametrize("say", EXPLAINED)
def test_a_command_without_effect(world: World, say: str) -> None:
    """A command that cannot be carried out is answered by a card that says why; nothing is paid."""
    talk = world.somebody()
    said = talk.say(say)
    card = answer_to(talk, said)
    expected = EXPLAINED[say]
    assert expected is None or shows(card, expected[0], **expected[1]), words(card)
    assert paid_for(talk, said) == []


@pytest.mark.parametrize("say", ["/set size", "/set size 512x512", "/set n 9", "/cancel 猫", "/lang fr"])
def test_a_faulty_command_does_not_speak_of_images(world: World, say: str) -> None:
    """Where no image was asked for, nothing is said of one that was not made."""
    card = answer_to(world.somebody(), say)
    assert shows(card, "card.misread")
    assert not shows(card, "card.misread_note")


def test_help_names_every_command(world: World) -> None:
    """The help lists every option and command of both languages."""
    card = answer_to(world.somebody(), "/help")
    typed = "help sizes models styles tips queue cancel again history settings set quota lang id stats pause resume"
    assert all(f"/{name}" in words(card, language) for name in typed.split() for language in LANGUAGES)
    assert all(f"/{name}" in words(card) for name in ("size", "quality", "model", "no-watermark", "style", "n"))


def test_ids_are_there_to_copy(world: World) -> None:
    """The ids of a person and of a chat stand alone in their lines."""
    talk = world.somebody(kind="group")
    lines = words(answer_to(talk, "/id"), "en").split("\n")
    assert {talk.person, talk.chat_id} <= set(lines)


def test_the_history_is_of_this_person_in_this_chat(world: World) -> None:
    """The history shows one's own pictures of this chat, newest first, and nobody else's."""
    talk, stranger = world.somebody(), world.somebody()
    for prompt in ("第一座灯塔", "第二座灯塔"):
        answer_to(talk, prompt)
    answer_to(stranger, "别人的灯塔")
    shown = words(answer_to(talk, "/history"))
    assert shown.index("第二座灯塔") < shown.index("第一座灯塔")
    assert "别人" not in shown
    assert shows(answer_to(world.somebody(), "/history"), "history.empty")


def test_the_quota_counts(world: World) -> None:
    """The quota counts what was made today or may have been billed, and not what was refused before any work."""
    talk = world.somebody()
    answer_to(talk, "一座灯塔 /n 2")
    for fault in ("glm_1301", "glm_1214"):
        world.glm.arm(fault)
        answer_to(talk, "一座灯塔")
    card = answer_to(talk, "/quota")
    assert shows(card, "quota.today", used=3, most=20, left=17)
    assert shows(card, "quota.pending", used=0, most=5)


def test_a_command_in_a_group_needs_the_mention(world: World) -> None:
    """A command that mentions everybody and not the bot is not for the bot."""
    talk = world.somebody(kind="group")
    said = world.feishu.say(chat_id=talk.chat_id, sender=talk.person, text="@_all /help", mention_bot=False)
    assert is_met_with_silence(talk, said)
