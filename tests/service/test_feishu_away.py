"""While Feishu does not answer nothing is lost, and when it is back every message gets its reply, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from tests.support.wire import Wire
from tests.support.world import REDELIVERY, Talk, World, colour


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
    with World(folder=tmp_path, feishu=feishu, feishu_origin=f"http://127.0.0.1:{wire.port}") as world:
        yield world


def until(world: World, condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Waits for what must come."""
    assert world.feishu.wait_for(lambda _: condition(), seconds=seconds)


def replied(world: World, said: list[ChatMessage]) -> bool:
    """Whether each message has one card, which shows its picture."""
    return all([colour(one) for one in world.feishu.replies(message.message_id)] == ["green"] for message in said)


def test_messages_that_came_meanwhile_are_answered_in_their_order(world: World, wire: Wire) -> None:
    """Twelve messages in three chats during an outage: nothing is paid in it, each has one reply after it, in order."""
    talks = [world.somebody() for _ in range(3)]
    wire.cut()
    said = {talk.chat_id: [say_and_wait(world, talk) for _ in range(4)] for talk in talks}
    assert world.glm.calls == []
    wire.mend()
    until(world, lambda: all(replied(world, messages) for messages in said.values()))
    for talk in talks:
        assert [answer.parent_id for answer in talk.answers] == [message.message_id for message in said[talk.chat_id]]
    assert len(world.glm.paid) == 12


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
    """Eight answers for one chat come within its five a second: refused sends are few, and none is lost."""
    talks = [world.somebody()] * 4
    wire.cut()
    said = [say_and_wait(world, talk) for talk in talks]
    talk = talks[0]
    wire.mend()
    until(world, lambda: replied(world, said))
    times = sorted(answer.created for answer in talk.answers)
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[5:], strict=False))


def test_an_event_is_taken_while_feishu_is_away(world: World, wire: Wire) -> None:
    """The door answers within its time although no call can be made: the acceptance needs no network."""
    wire.cut()
    message = say_and_wait(world, world.somebody())
    (attempt,) = world.feishu.attempts
    assert attempt.outcome == "acknowledged"
    assert attempt.seconds < 1.0
    assert world.feishu.replies(message.message_id) == []
