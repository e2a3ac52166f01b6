"""A newcomer talks with the bot for a while: each message has exactly one answer, which says what the table says."""

from __future__ import annotations

import pytest

from tests.support.dsl import BotUnderTest, Conversation

Dialogue = tuple[tuple[str, str], ...]

IN_CHINESE: Dialogue = (
    ("帮助", "help.title"),
    ("一只橘猫 /size 九比十六", "card.misread"),
    ("一只橘猫 /size 9:16", "state.ready"),
    ("/set size 9:16", "notice.set.title"),
    ("再来 /style 水彩", "state.ready"),
    ("/取消", "command.nothing_to_cancel"),
    ("历史", "history.title"),
    ("额度", "quota.title"),
    ("暂停", "command.admins_only"),
)

IN_ENGLISH: Dialogue = (
    ("help", "help.title"),
    ("an orange cat /style baroque", "card.misread"),
    ("create image: an orange cat --ar 9:16", "state.ready"),
    ("/lang en", "notice.language.title"),
    ("/again /quality standard", "note.standard"),
    ("/cancel", "command.nothing_to_cancel"),
    ("/queue", "queue.empty"),
    ("/models", "models.title"),
    ("/stats", "command.admins_only"),
)


@pytest.mark.parametrize(("dialogue", "kind"), [(IN_CHINESE, "p2p"), (IN_ENGLISH, "topic")], ids=["zh", "en"])
def test_each_message_has_one_answer(bot: BotUnderTest, dialogue: Dialogue, kind: str) -> None:
    """The answers come one a message, in the order of the messages, and say what the table says."""
    user = bot.new_user(kind=kind)
    answers = []
    for said, expected in dialogue:
        answers.append(user.ask(said))
        answers[-1].assert_shows(expected)
    assert user.answers == answers


def test_many_messages_at_once(user: Conversation) -> None:
    """Messages that are sent without waiting are answered in their order, one each."""
    said = [user.send(text) for text in ("/id", "/quota", "/tips", "/queue")]
    answers = [user.ask(message) for message in said]
    assert len(user.answers) == 4
    for answer, title in zip(answers, ("id", "quota", "tips", "queue"), strict=True):
        answer.assert_shows(f"{title}.title")
