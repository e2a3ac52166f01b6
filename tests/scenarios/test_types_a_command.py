"""Somebody types a command: each is answered by one card, in both languages, and nothing is paid."""

from __future__ import annotations

from pathlib import Path

from tests.support.dsl import BotUnderTest, Conversation, bot_with

TITLES = {
    **{f"/{name}": name for name in ("sizes", "models", "styles", "queue", "settings", "id")},
    "技巧": "tips",
    "/历史": "history",
    "/额度": "quota",
    # With a slip in it, a command that changes nothing is understood.
    "/hlep": "help",
    "/szies": "sizes",
    "/历吏": "history",
}
EXPLAINED: dict[str, tuple[str, dict[str, object]]] = {
    "/cancel": ("command.nothing_to_cancel", {}),
    "/again": ("misread.nothing_to_repeat", {}),
    "/lang fr": ("misread.lang", {"value": "fr"}),
    "/set size 16:9 --chat": ("command.admins_only", {}),
    "/stats": ("command.admins_only", {}),
    "/pause": ("command.admins_only", {}),
    "/resume": ("command.admins_only", {}),
    "/cancle": ("misread.unknown_word", {"word": "/cancle", "suggestion": "/cancel"}),
}


def test_command_returns_its_card(bot: BotUnderTest) -> None:
    """Alone with the bot and in a group."""
    for command, name in TITLES.items():
        card = bot.new_user(kind="p2p" if command.isascii() else "group").ask(command)
        card.assert_shows(f"{name}.title")
        assert card.paid == []


def test_guides_name_the_teams_default_model(tmp_path: Path) -> None:
    with bot_with(tmp_path, {"BOT_IMAGES_MODEL": "cogview-4", "BOT_IMAGES_SIZE": "1344x768"}) as bot:
        user = bot.new_user()
        assert "cogview-4（默认）" in user.ask("/models").text()
        user.ask("/sizes").assert_shows("sizes.default", size="1344x768", ratio="≈16:9")
        user.ask("/help").press("command").assert_shows("help.option.model", model="cogview-4")


def test_impossible_command_is_explained(user: Conversation) -> None:
    for say, (key, values) in EXPLAINED.items():
        card = user.ask(say)
        card.assert_shows(key, **values)
        # An unknown word may have stood before a prompt.
        assert card.shows("cost.none") is (say == "/cancle")
        assert card.paid == []


def test_many_messages_at_once(user: Conversation) -> None:
    """They are answered one each."""
    titles = ("id", "quota", "tips", "queue")
    said = [user.send(f"/{title}") for title in titles]
    for message, title in zip(said, titles, strict=True):
        user.ask(message).assert_shows(f"{title}.title")
    assert len(user.answers) == 4
