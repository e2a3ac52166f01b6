"""Somebody meets the bot: opens its chat, puts it into a group, presses its menu; and tries an example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import and_, select, update

from bot.db.erasure import forget
from bot.db.tables import requests
from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import WORDS, admin_in, answer_to, bot_with, paid_for, pressed, shows, words
from tests.support.world import DEADLINE, Talk, World, colour

MEETINGS: dict[str, Callable[[Talk], str]] = {
    "entered": lambda talk: talk.world.feishu.enter_p2p(talk.person),
    "added": lambda talk: talk.world.feishu.add_bot(talk.chat_id, by=talk.person),
    "menu": lambda talk: talk.world.feishu.press_menu("help", by=talk.person),
}


def met(talk: Talk, kind: str) -> list[ChatMessage]:
    """What the bot has said in the chat when it has taken the event and nothing is left to do."""
    feishu, event_id = talk.world.feishu, MEETINGS[kind](talk)
    assert feishu.wait_for(
        lambda _: talk.world.idle and any(attempt.event_id == event_id for attempt in feishu.attempts),
        seconds=DEADLINE,
    )
    return talk.answers


def somebody_at(world: World, kind: str) -> Talk:
    """A person where this kind of meeting takes place."""
    return world.somebody(kind="group" if kind == "added" else "p2p")


@pytest.mark.parametrize("kind", MEETINGS)
def test_a_welcome(world: World, kind: str) -> None:
    """Each meeting is answered by one card with three examples in the reader's language."""
    talk = somebody_at(world, kind)
    (card,) = met(talk, kind)
    assert shows(card, "welcome.title")
    for name in ("cat", "poster", "science"):
        assert shows(card, f"welcome.example.{name}.title")
        assert shows(card, f"welcome.example.{name}.prompt")


@pytest.mark.parametrize("kind", MEETINGS)
def test_no_welcome(tmp_path: Path, kind: str) -> None:
    """Each kind of welcome can be switched off by itself."""
    other = "menu" if kind != "menu" else "entered"
    with bot_with(tmp_path, {f"BOT_WELCOME_{kind.upper()}": "false"}) as world:
        assert met(somebody_at(world, kind), kind) == []
        assert len(met(somebody_at(world, other), other)) == 1


def test_opening_the_chat_again(world: World) -> None:
    """Whoever opens the chat a second time is not welcomed again."""
    talk = world.somebody()
    (card,) = met(talk, "entered")
    assert met(talk, "entered") == [card]


def test_opening_the_chat_after_a_prompt(world: World) -> None:
    """Whoever has already talked with the bot is not welcomed."""
    talk = world.somebody()
    answer = answer_to(talk, "一座灯塔")
    assert met(talk, "entered") == [answer]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_example(world: World, number: int) -> None:
    """A press on an example draws its prompt and replies under the welcome."""
    talk = world.somebody(kind="group")
    (card,) = met(talk, "added")
    before = len(world.glm.calls)
    picture = pressed(talk, card, "example", number=number)
    prompt = WORDS.text(f"welcome.example.{('cat', 'poster', 'science')[number]}.prompt", "zh")
    assert colour(picture) == "green"
    assert picture.parent_id == card.message_id
    assert [call.body["prompt"] for call in world.glm.calls[before:]] == [prompt]


@pytest.mark.parametrize("stored", ["as it is now", "as it was before"])
def test_forgetting_who_pressed_an_example_in_a_group(world: World, stored: str) -> None:
    """The settings of a group are not its members' own: they outlive the one who pressed an example there."""
    talk = world.somebody(kind="group")
    (card,) = met(talk, "added")
    pressed(talk, card, "example")
    with world.bot.database.write() as connection:
        press = and_(requests.c.chat_id == talk.chat_id, requests.c.dedup_key.startswith("press:"))
        assert connection.scalar(select(requests.c.chat_type).where(press)) == "group"
        if stored == "as it was before":
            connection.execute(update(requests).where(press).values(chat_type="p2p"))
    admin = admin_in(world, talk)
    answer_to(admin, "/set --chat /size 16:9")
    assert forget(world.bot.database, talk.person).requests > 0
    said = admin.say("一座灯塔")
    answer_to(admin, said)
    assert [body["size"] for body in paid_for(admin, said)] == ["1728x960"]


@pytest.mark.parametrize(("kind", "chat_type"), [("entered", "p2p"), ("menu", "p2p"), ("added", "group")])
def test_what_an_example_is_stored_as(world: World, kind: str, chat_type: str) -> None:
    """A press on an example carries the kind of chat in which its welcome stands."""
    talk = somebody_at(world, kind)
    (card,) = met(talk, kind)
    pressed(talk, card, "example")
    with world.bot.database.read() as connection:
        press = and_(requests.c.sender == talk.person, requests.c.dedup_key.startswith("press:"))
        assert connection.scalar(select(requests.c.chat_type).where(press)) == chat_type


def test_examples_without_buttons(tmp_path: Path) -> None:
    """Where the app gets no presses, the welcome shows the examples to copy, and no card has a button to press."""
    with bot_with(tmp_path, {"BOT_CARDS_BUTTONS": "false"}) as world:
        talk = world.somebody()
        (card,) = met(talk, "entered")
        assert shows(card, "welcome.examples_plain")
        said = talk.say(WORDS.text("welcome.example.cat.prompt", "zh"))
        picture = answer_to(talk, said)
        actions = [*world.feishu.actions(card.message_id), *world.feishu.actions(picture.message_id)]
        assert [action.value for action in actions] == [None]
        assert len(paid_for(talk, said)) == 1
        assert "打开原图" in words(picture)
