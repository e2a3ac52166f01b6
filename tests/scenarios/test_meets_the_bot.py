"""Somebody meets the bot: opens its chat, puts it into a group, presses its menu; and tries an example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.db.retention import forget
from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation, bot_with, wait_for

EXAMPLES = ("cat", "poster", "science")
MEETINGS: dict[str, Callable[[Conversation], str]] = {
    "entered": lambda user: user.bot.feishu.enter_p2p(user.person),
    "added": lambda user: user.bot.feishu.add_bot(user.chat_id, by=user.person),
    "menu": lambda user: user.bot.feishu.press_menu("help", by=user.person),
}


def met(user: Conversation, kind: str) -> list[Card]:
    """What the bot has said in the chat when it has taken the event and nothing is left to do."""
    feishu, event_id = user.bot.feishu, MEETINGS[kind](user)
    wait_for(lambda: any(attempt.event_id == event_id for attempt in feishu.attempts) and user.bot.idle)
    return user.answers


def somebody_at(bot: BotUnderTest, kind: str) -> Conversation:
    """A person where this kind of meeting takes place."""
    return bot.new_user(kind="group" if kind == "added" else "p2p")


def test_welcome_card_shows_three_examples(bot: BotUnderTest) -> None:
    for kind in MEETINGS:
        (card,) = met(somebody_at(bot, kind), kind)
        card.assert_shows("welcome.title")
        assert [one.value for one in card.actions] == [{"a": "example", "e": name} for name in EXAMPLES]


@pytest.mark.parametrize("off", [("entered", "added"), ("menu",)])
def test_each_welcome_can_be_switched_off(tmp_path: Path, off: tuple[str, ...]) -> None:
    with bot_with(tmp_path, {f"BOT_WELCOME_{kind.upper()}": "false" for kind in off}) as bot:
        assert {kind: len(met(somebody_at(bot, kind), kind)) for kind in MEETINGS} == {
            kind: int(kind not in off) for kind in MEETINGS
        }


def test_known_person_gets_no_welcome(bot: BotUnderTest) -> None:
    """Who opens the chat a second time, or has already talked with the bot, is not welcomed."""
    user = bot.new_user()
    (card,) = met(user, "entered")
    assert met(user, "entered") == [card]
    known = bot.new_user()
    answer = known.ask("一座灯塔")
    assert met(known, "entered") == [answer]


def test_example_button_generates_its_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """It replies under the welcome; what is set for a group outlives whoever pressed there and is forgotten."""
    (card,) = met(member, "added")
    before = len(bot.glm.calls)
    pictures = [card.press("example", number=number) for number in range(3)]
    assert [(one.color, one.parent_id) for one in pictures] == [("green", card.message_id)] * 3
    prompts = [CATALOGUE.text(f"welcome.example.{name}.prompt", "zh") for name in EXAMPLES]
    assert bot.paid_prompts[before:] == prompts
    admin = bot.admin(member)
    admin.ask("/set --chat /size 16:9")
    assert forget(bot.app.database, member.person).requests > 0
    assert [body["size"] for body in admin.ask("一座灯塔").paid] == ["1728x960"]


def test_examples_without_buttons(tmp_path: Path) -> None:
    """Where the app gets no presses, the welcome shows the examples to copy, and no card has a button to press."""
    with bot_with(tmp_path, {"BOT_CARDS_BUTTONS": "false"}) as bot:
        user = bot.new_user()
        (card,) = met(user, "entered")
        card.assert_shows("welcome.examples_plain")
        picture = user.ask(CATALOGUE.text("welcome.example.cat.prompt", "zh"))
        assert [action.value for action in (*card.actions, *picture.actions)] == [{}]
        assert len(picture.paid) == 1
        assert "打开原图" in picture.text()
