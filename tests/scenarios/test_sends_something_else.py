"""Somebody sends a picture, a file or nothing: the help card is offered, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import answer_to, is_met_with_silence, rest, shows, somebody_else_in
from tests.support.world import Talk, World, colour

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b"!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

WORDLESS: dict[str, Callable[[Talk], ChatMessage]] = {
    "a picture": lambda talk: talk.world.feishu.send_picture(chat_id=talk.chat_id, sender=talk.person, content=GIF),
    "a file": lambda talk: talk.world.feishu.send_file(
        chat_id=talk.chat_id, sender=talk.person, content=b"words", name="a.txt"
    ),
    "nothing": lambda talk: talk.say(" "),
    "a merged forward": lambda talk: talk.say("Merged and Forwarded Message"),
    "a mere mention of somebody": lambda talk: talk.world.feishu.say(
        chat_id=talk.chat_id, sender=talk.person, text="", mentions=[somebody_else_in(talk).person]
    ),
}


@pytest.mark.parametrize("sent", WORDLESS)
def test_it_is_answered_with_the_help(world: World, sent: str) -> None:
    """What holds no words is answered by the help card, and nothing is paid."""
    talk = world.somebody()
    before = len(world.glm.calls)
    card = answer_to(talk, WORDLESS[sent](talk))
    assert shows(card, "help.title")
    assert len(world.glm.calls) == before


def test_the_help_is_offered_once(world: World) -> None:
    """Ten pictures in a row are answered once, and a prompt after them is answered as ever."""
    talk = world.somebody()
    sent = [WORDLESS["a picture"](talk)]
    answer_to(talk, sent[0])
    sent += [WORDLESS[name](talk) for name in (*WORDLESS, *WORDLESS, *WORDLESS)]
    for message in sent:
        rest(world, message)
    assert len(talk.answers) == 1
    assert colour(answer_to(talk, "一座灯塔")) == "green"


def test_a_mention_alone(world: World) -> None:
    """In a group a mention without words is answered by the help card."""
    talk = world.somebody(kind="group")
    assert shows(answer_to(talk, world.feishu.say(chat_id=talk.chat_id, sender=talk.person, text="")), "help.title")


def test_a_picture_in_a_group(world: World) -> None:
    """A picture in a group that mentions nobody is not for the bot."""
    talk = world.somebody(kind="group")
    said = world.feishu.say(chat_id=talk.chat_id, sender=talk.person, text="@_all", mention_bot=False)
    assert is_met_with_silence(talk, said)


def test_a_picture_with_words(world: World) -> None:
    """A picture with words is the prompt that the words are; the picture is left aside."""
    talk = world.somebody(kind="group")
    said = world.feishu.send_picture(
        chat_id=talk.chat_id, sender=talk.person, content=GIF, text="一座灯塔", mention_bot=True
    )
    assert colour(answer_to(talk, said)) == "green"
    assert world.glm.calls[-1].body["prompt"] == "一座灯塔"
