"""Somebody types a command: each is answered by one card, in both languages, and nothing is paid."""

from __future__ import annotations

from tests.support.dsl import BotUnderTest, Conversation

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
    "/lang fr": ("misread.lang", {"value": "fr"}),
    **{f"/{name}": ("command.admins_only", {}) for name in ("stats", "pause", "resume")},
    "/cancle": ("misread.unknown_word", {"word": "/cancle", "suggestion": "/cancel"}),
}


def test_command_returns_its_card(bot: BotUnderTest) -> None:
    """Alone with the bot and in a group."""
    for command, name in TITLES.items():
        card = bot.new_user(kind="p2p" if command.isascii() else "group").ask(command)
        card.assert_shows(f"{name}.title")
        assert card.paid == []


def test_impossible_command_is_explained(user: Conversation) -> None:
    for say, (key, values) in EXPLAINED.items():
        card = user.ask(say)
        card.assert_shows(key, **values)
        # An unknown word may have stood before a prompt.
        assert card.shows("cost.none") is (say == "/cancle")
        assert card.paid == []
