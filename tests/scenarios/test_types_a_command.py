"""Somebody types a command: each is answered by one card, in both languages, and nothing is paid."""

from __future__ import annotations

from pathlib import Path

from tests.support.dsl import BotUnderTest, Conversation, bot_with

GUIDES = {"/sizes": "sizes", "/models": "models", "/styles": "styles", "技巧": "tips"}
OWN = {"/queue": "queue", "/历史": "history", "/settings": "settings", "/额度": "quota", "/id": "id"}
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
    """A question is answered by its card, alone with the bot and in a group."""
    for command, name in (GUIDES | OWN).items():
        card = bot.new_user(kind="p2p" if command.isascii() else "group").ask(command)
        card.assert_shows(f"{name}.title")
        assert card.paid == []


def test_guides_name_the_teams_default_model(tmp_path: Path) -> None:
    """What the team has set as its model is the default of which the guides speak."""
    with bot_with(tmp_path, {"BOT_IMAGES_MODEL": "cogview-4", "BOT_IMAGES_SIZE": "1344x768"}) as bot:
        user = bot.new_user()
        assert "cogview-4（默认）" in user.ask("/models").text()
        user.ask("/sizes").assert_shows("sizes.default", size="1344x768", ratio="≈16:9")
        user.ask("/help").press("command").assert_shows("help.option.model", model="cogview-4")


def test_impossible_command_is_explained(user: Conversation) -> None:
    """A command that cannot be carried out is answered by a card that says why; images are not mentioned."""
    for say, (key, values) in EXPLAINED.items():
        card = user.ask(say)
        card.assert_shows(key, **values)
        # An unknown word may have stood before a prompt.
        assert card.shows("cost.none") is (say == "/cancle")
        assert card.paid == []


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


def test_slip_in_a_command_that_shows_something_is_put_right(user: Conversation) -> None:
    """A command that changes nothing is understood with a slip in it."""
    for text, title in {"/hlep": "help.title", "/szies": "sizes.title", "/历吏": "history.title"}.items():
        user.ask(text).assert_shows(title)
