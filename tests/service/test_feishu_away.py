"""While Feishu does not answer nothing is lost, and when it is back every message gets its reply, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, count, takewhile
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.db.tables import requests
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.timings import Timings
from tests.support.wire import Wire
from tests.support.world import REDELIVERY, Talk, World, colour

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
def world(tmp_path: Path, feishu: FeishuStandIn, wire: Wire) -> Iterator[World]:
    """A bot that reaches Feishu by the line."""
    origin, variables = f"http://127.0.0.1:{wire.port}", {"BOT_LIMITS_PENDING": "50"}
    with World(folder=tmp_path, feishu=feishu, feishu_origin=origin, variables=variables) as world:
        yield world
        assert {call.code for call in feishu.calls} & RATE_CODES == set()


def until(world: World, condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Waits for what must come."""
    assert world.feishu.wait_for(lambda _: condition(), seconds=seconds)


def replied(world: World, said: list[ChatMessage]) -> bool:
    """Whether each message has one card, which shows its picture."""
    return all([colour(one) for one in world.feishu.replies(message.message_id)] == ["green"] for message in said)


def test_messages_that_came_meanwhile_are_answered_in_their_order(world: World, wire: Wire) -> None:
    """Twelve messages in three chats while Feishu is away for long: none is paid before, each is answered in order."""
    talks = [world.somebody() for _ in range(3)]
    wire.cut()
    said = {talk.chat_id: [say_and_wait(world, talk) for _ in range(4)] for talk in talks}
    first = [messages[0] for messages in said.values()]
    until(world, lambda: min(tries_of(world, message) for message in first) >= tries_in(AWAY))
    assert world.glm.calls == []
    wire.mend()
    until(world, lambda: all(replied(world, messages) for messages in said.values()))
    for talk in talks:
        assert [answer.parent_id for answer in talk.answers] == [message.message_id for message in said[talk.chat_id]]
    assert len(world.glm.paid) == 12


def tries_in(seconds: float) -> int:
    """How often a real bot tries to send one answer while Feishu is away for so long."""
    pace = Timings()
    waits = (min(pace.resend * 2**times, pace.resend_longest) for times in count())
    return len(list(takewhile(lambda waited: waited <= seconds, accumulate(waits))))


def tries_of(world: World, message: ChatMessage) -> int:
    """How often the answer to a message could not be sent."""
    with world.bot.database.read() as connection:
        origin = requests.c.dedup_key == message.message_id
        return connection.scalar(select(requests.c.attempts).where(origin)) or 0


def say_and_wait(world: World, talk: Talk) -> ChatMessage:
    """Says something and waits until the bot has taken it."""
    taken = sum(attempt.outcome == "acknowledged" for attempt in world.feishu.attempts)
    message = talk.say()
    until(world, lambda: sum(attempt.outcome == "acknowledged" for attempt in world.feishu.attempts) > taken)
    return message


def test_pictures_under_way_wait_for_feishu(world: World, wire: Wire) -> None:
    """An outage between the paid call and its upload costs no second call, and the card shows the picture after it."""
    talk = world.somebody()
    world.glm.seconds = 0.5
    said = talk.say()
    until(world, lambda: world.glm.working == 1 and len(talk.answers) == 1)
    wire.cut()
    until(world, lambda: bool(world.glm.downloads))
    wire.mend()
    until(world, lambda: replied(world, [said]))
    assert len(talk.posts(said)) == 1


def test_the_backlog_keeps_to_the_chats_limit(world: World, wire: Wire) -> None:
    """Ten answers for one chat go out within its five a second, so that none of them is refused."""
    talk = world.somebody()
    wire.cut()
    said = [say_and_wait(world, talk) for _ in range(10)]
    wire.mend()
    until(world, lambda: replied(world, said))
    assert len(world.feishu.calls_named("reply")) == len(talk.answers) == 10


def test_an_event_is_taken_while_feishu_is_away(world: World, wire: Wire) -> None:
    """The door answers within its time although no call can be made: the acceptance needs no network."""
    wire.cut()
    message = say_and_wait(world, world.somebody())
    (attempt,) = world.feishu.attempts
    assert attempt.outcome == "acknowledged"
    assert attempt.seconds < 1.0
    assert world.feishu.replies(message.message_id) == []
