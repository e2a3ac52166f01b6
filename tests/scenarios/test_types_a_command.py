"""Somebody types a command: each is answered by one card, in both languages, and nothing is paid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dsl import CATALOGUE, BotUnderTest, Conversation, bot_with

GUIDES = {"sizes": "/sizes", "models": "/models", "styles": "/styles", "tips": "技巧"}

OWN = {
    "/queue": "queue.title",
    "/历史": "history.title",
    "/settings": "settings.title",
    "/set": "settings.title",
    "/额度": "quota.title",
    "/id": "id.title",
}

EXPLAINED: dict[str, tuple[str, dict[str, object]]] = {
    "/cancel": ("command.nothing_to_cancel", {}),
    "/cancel 猫": ("misread.cancel", {"value": "猫"}),
    "/again": ("misread.nothing_to_repeat", {}),
    "/lang fr": ("misread.lang", {"value": "fr"}),
    "/set 很大": ("misread.set", {"value": "很大"}),
    "/set size 16:9 --chat": ("command.admins_only", {}),
    "/stats": ("command.admins_only", {}),
    "/pause": ("command.admins_only", {}),
    "/resume": ("command.admins_only", {}),
    "/cancle": ("misread.unknown_word", {"word": "/cancle", "suggestion": "/cancel"}),
}


@pytest.mark.parametrize(("name", "say"), GUIDES.items())
def test_guide_command_returns_its_card(user: Conversation, name: str, say: str) -> None:
    """A question about how it works is answered by its card, whose lists are there for readers of either language."""
    card = user.ask(say)
    card.assert_shows(f"{name}.title")
    every = sorted(CATALOGUE.keys)
    listed = [key for key in every if key.startswith(f"{name}.") and not CATALOGUE.placeholders(key)]
    assert all(card.shows(key) for key in listed)
    assert card.paid == []


def test_guides_name_the_teams_default_model(tmp_path: Path) -> None:
    """What the team has set as its model is the default of which the guides speak."""
    with bot_with(tmp_path, {"BOT_IMAGES_MODEL": "cogview-4", "BOT_IMAGES_SIZE": "1344x768"}) as bot:
        user = bot.new_user()
        assert "cogview-4（默认）" in user.ask("/models").text()
        assert "glm-image（默认）" not in user.ask("/models").text()
        user.ask("/sizes").assert_shows("sizes.default", size="1344x768", ratio="≈16:9")
        user.ask("/help").press("command").assert_shows("help.option.model", model="cogview-4")


@pytest.mark.parametrize(("say", "title"), OWN.items())
def test_personal_command_returns_its_card(bot: BotUnderTest, say: str, title: str) -> None:
    """A question about one's own images and settings is answered alone with the bot and in a group."""
    user = bot.new_user(kind="p2p" if say.isascii() else "group")
    card = user.ask(say)
    card.assert_shows(title)
    assert card.color == "blue"


@pytest.mark.parametrize("say", EXPLAINED)
def test_impossible_command_is_explained(user: Conversation, say: str) -> None:
    """A command that cannot be carried out is answered by a card that says why; images are not mentioned."""
    card = user.ask(say)
    key, values = EXPLAINED[say]
    card.assert_shows(key, **values)
    # An unknown word may have stood before a prompt.
    assert card.shows("cost.none") is (say == "/cancle")
    assert card.paid == []


def test_id_command_shows_ids_to_copy(member: Conversation) -> None:
    """The ids of a person and of a chat are alone in their lines."""
    lines = member.ask("/id").text("en").split("\n")
    assert {member.person, member.chat_id} <= set(lines)


def test_history_is_personal_and_per_chat(bot: BotUnderTest) -> None:
    """The history shows one's own pictures of this chat, newest first, and nobody else's."""
    user, stranger = bot.new_user(), bot.new_user()
    for prompt in ("第一座灯塔", "第二座灯塔"):
        user.ask(prompt)
    stranger.ask("别人的灯塔")
    shown = user.ask("/history").text()
    assert shown.index("第二座灯塔") < shown.index("第一座灯塔")
    assert "别人" not in shown
    bot.new_user().ask("/history").assert_shows("history.empty")


def test_quota_counts_what_may_be_billed(bot: BotUnderTest, user: Conversation) -> None:
    """The quota counts what was made today or may have been billed, and not what was refused before any work."""
    user.ask("一座灯塔 /n 2")
    for fault in ("glm_1301", "glm_1214"):
        bot.glm.arm(fault)
        user.ask("一座灯塔")
    card = user.ask("/quota")
    card.assert_shows("quota.today", used=3, most=20, left=17)
    card.assert_shows("quota.pending", used=0, most=5)


def test_many_messages_at_once(user: Conversation) -> None:
    """Messages that are sent without waiting are answered in their order, one each."""
    said = [user.send(text) for text in ("/id", "/quota", "/tips", "/queue")]
    answers = [user.ask(message) for message in said]
    assert len(user.answers) == 4
    for answer, title in zip(answers, ("id", "quota", "tips", "queue"), strict=True):
        answer.assert_shows(f"{title}.title")
