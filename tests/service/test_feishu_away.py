"""While Feishu does not answer nothing is lost, and when it is back every message gets its reply, in order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, count, takewhile
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.db.tables import requests
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.timings import Timings
from tests.support.dsl import REDELIVERY, BotUnderTest, Conversation, header_color, wait_for
from tests.support.wire import Wire

AWAY = 600.0
"""Seconds for which Feishu is away, at the pace of a real bot."""

RATE_CODES = {230020, 99991400}
"""What the platform answers to more than it allows."""


@pytest.fixture
def feishu() -> FeishuStandIn:
    """A stand-in with the platform's own limits."""
    return FeishuStandIn(delivery=REDELIVERY)


@pytest.fixture
def wire(feishu: FeishuStandIn) -> Iterator[Wire]:
    """The line from the bot to Feishu."""
    with Wire(int(feishu.origin.rpartition(":")[2])) as wire:
        yield wire


@pytest.fixture
def bot(tmp_path: Path, feishu: FeishuStandIn, wire: Wire) -> Iterator[BotUnderTest]:
    """A bot that reaches Feishu by the line."""
    variables = {"BOT_LIMITS_PENDING": "50", "FEISHU_DOMAIN": f"http://127.0.0.1:{wire.port}"}
    with BotUnderTest(folder=tmp_path, feishu=feishu, variables=variables) as bot:
        yield bot
        assert {call.code for call in feishu.calls} & RATE_CODES == set()


def replied(bot: BotUnderTest, said: list[ChatMessage]) -> bool:
    """Whether each message has one card, which shows its picture."""
    return all([header_color(one) for one in bot.feishu.replies(message.message_id)] == ["green"] for message in said)


def test_messages_that_came_meanwhile_are_answered_in_their_order(bot: BotUnderTest, wire: Wire) -> None:
    """Twelve messages in three chats while Feishu is away for long: none is paid before, each is answered in order."""
    users = [bot.new_user() for _ in range(3)]
    wire.cut()
    said = {user.chat_id: [say_and_wait(bot, user) for _ in range(4)] for user in users}
    first = [messages[0] for messages in said.values()]
    wait_for(lambda: min(tries_of(bot, message) for message in first) >= tries_in(AWAY))
    assert bot.glm.calls == []
    wire.mend()
    wait_for(lambda: all(replied(bot, messages) for messages in said.values()))
    for user in users:
        assert [answer.parent_id for answer in user.answers] == [message.message_id for message in said[user.chat_id]]
    assert len(bot.glm.paid) == 12


def tries_in(seconds: float) -> int:
    """How often a real bot tries to send one answer while Feishu is away for so long."""
    pace = Timings()
    waits = (min(pace.resend * 2**times, pace.resend_longest) for times in count())
    return len(list(takewhile(lambda waited: waited <= seconds, accumulate(waits))))


def tries_of(bot: BotUnderTest, message: ChatMessage) -> int:
    """How often the answer to a message could not be sent."""
    with bot.app.database.read() as connection:
        origin = requests.c.dedup_key == message.message_id
        return connection.scalar(select(requests.c.attempts).where(origin)) or 0


def say_and_wait(bot: BotUnderTest, user: Conversation) -> ChatMessage:
    """Says something and waits until the bot has taken it."""
    taken = sum(attempt.outcome == "acknowledged" for attempt in bot.feishu.attempts)
    message = user.send()
    wait_for(lambda: sum(attempt.outcome == "acknowledged" for attempt in bot.feishu.attempts) > taken)
    return message


def test_pictures_under_way_wait_for_feishu(bot: BotUnderTest, wire: Wire) -> None:
    """An outage between the paid call and its upload costs no second call, and the card shows the picture after it."""
    user = bot.new_user()
    bot.glm.seconds = 0.5
    said = user.send()
    wait_for(lambda: bot.glm.working == 1 and len(user.answers) == 1)
    wire.cut()
    wait_for(lambda: bool(bot.glm.downloads))
    wire.mend()
    wait_for(lambda: replied(bot, [said]))
    assert len(user.posts(said)) == 1


def test_the_backlog_keeps_to_the_chats_limit(bot: BotUnderTest, wire: Wire) -> None:
    """Ten answers for one chat go out within its five a second, so that none of them is refused."""
    user = bot.new_user()
    wire.cut()
    said = [say_and_wait(bot, user) for _ in range(10)]
    wire.mend()
    wait_for(lambda: replied(bot, said))
    assert len(bot.feishu.calls_named("reply")) == len(user.answers) == 10


def test_an_event_is_taken_while_feishu_is_away(bot: BotUnderTest, wire: Wire) -> None:
    """It is acknowledged although no call can be made: the acceptance needs no network."""
    wire.cut()
    message = say_and_wait(bot, bot.new_user())
    assert [attempt.outcome for attempt in bot.feishu.attempts][-1] == "acknowledged"
    assert bot.feishu.replies(message.message_id) == []
