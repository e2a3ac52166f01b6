"""Somebody sends a picture, a file or nothing: the help card is offered, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import BotUnderTest, Conversation, header_color

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b"!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

WORDLESS: dict[str, Callable[[Conversation], ChatMessage]] = {
    "a picture": lambda user: user.bot.feishu.say(
        chat_id=user.chat_id, sender=user.person, mention_bot=False, image=GIF
    ),
    "a file": lambda user: user.bot.feishu.send_file(
        chat_id=user.chat_id, sender=user.person, content=b"words", name="a.txt"
    ),
    "nothing": lambda user: user.send(" "),
    "a merged forward": lambda user: user.send("Merged and Forwarded Message"),
    "a mere mention of somebody": lambda user: user.bot.feishu.say(
        chat_id=user.chat_id, sender=user.person, text="", mentions=[user.other_user().person]
    ),
}


@pytest.mark.parametrize("sent", WORDLESS)
def test_message_without_words_returns_help(bot: BotUnderTest, user: Conversation, sent: str) -> None:
    """What holds no words is answered by the help card, and nothing is paid."""
    before = len(bot.glm.calls)
    card = user.ask(WORDLESS[sent](user))
    card.assert_shows("help.title")
    assert len(bot.glm.calls) == before


def test_help_is_offered_once(bot: BotUnderTest, user: Conversation) -> None:
    """Ten pictures in a row are answered once, and a prompt after them is answered as ever."""
    sent = [WORDLESS["a picture"](user)]
    user.ask(sent[0])
    sent += [WORDLESS[name](user) for name in (*WORDLESS, *WORDLESS, *WORDLESS)]
    for message in sent:
        bot.wait_until_idle(message)
    assert len(user.answers) == 1
    assert header_color(user.ask("一座灯塔")) == "green"


def test_bare_mention_returns_help(bot: BotUnderTest, member: Conversation) -> None:
    """In a group a mention without words is answered by the help card."""
    member.ask(bot.feishu.say(chat_id=member.chat_id, sender=member.person, text="")).assert_shows("help.title")


def test_group_picture_without_mention_is_ignored(bot: BotUnderTest, member: Conversation) -> None:
    """A picture in a group that mentions nobody is not for the bot."""
    said = bot.feishu.say(chat_id=member.chat_id, sender=member.person, text="@_all", mention_bot=False)
    member.assert_no_answer(said)


def test_words_beside_a_picture_are_the_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """A picture with words is the prompt that the words are; the picture is left aside."""
    said = bot.feishu.say(chat_id=member.chat_id, sender=member.person, image=GIF, text="一座灯塔")
    assert header_color(member.ask(said)) == "green"
    assert bot.glm.calls[-1].body["prompt"] == "一座灯塔"
