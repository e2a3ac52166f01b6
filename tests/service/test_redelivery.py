"""One message is one request, however often and in whatever form Feishu delivers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox.feishu.delivery import Attempt, RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from tests.support.world import REDELIVERY, Talk, World, colour


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A bot on each engine in turn."""
    with World(folder=tmp_path, variables={"DATABASE_URL": database_url}) as world:
        yield world


def deliveries_of(world: World) -> list[Attempt]:
    """The pushes of messages, each acknowledged."""
    return [attempt for attempt in world.feishu.attempts if attempt.outcome == "acknowledged"]


def once(world: World, talk: Talk, said: ChatMessage) -> None:
    """One call was paid and one card stands under the message; a later message brings no second one either."""
    talk.wait_for_end(said)
    later = talk.say()
    talk.wait_for_end(later)
    talk.wait(lambda: world.idle)
    assert len(talk.posts(said)) == 1
    assert [colour(reply) for reply in world.feishu.replies(said.message_id)] == ["green"]
    assert len(talk.answers) == 2


@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param(RetrySchedule(duplicates=1), id="twice"),
        pytest.param(RetrySchedule(in_parallel=4), id="four at the same moment"),
        pytest.param(RetrySchedule(duplicates=2, new_event_id=True), id="again under new event ids"),
        pytest.param(RetrySchedule(in_parallel=4, duplicates=4, new_event_id=True), id="all of it"),
    ],
)
def test_a_message_delivered_more_than_once_is_answered_once(world: World, delivery: RetrySchedule) -> None:
    """Every delivery is acknowledged, and all of them together are one paid call and one reply."""
    copies = delivery.in_parallel + delivery.duplicates
    world.feishu.delivery = delivery
    talk = world.somebody()
    said = talk.say()
    talk.wait(lambda: len(deliveries_of(world)) == copies)
    world.feishu.delivery = REDELIVERY
    once(world, talk, said)


def test_an_acknowledgement_that_comes_too_late(world: World) -> None:
    """Deliveries that the bot takes, but answers after Feishu has stopped waiting, come again and are one reply."""
    world.feishu.delivery = replace(REDELIVERY, answer_seconds=0.2)
    talk = world.somebody()
    with world.bot.database.write() as connection:
        # Nothing is accepted before this transaction ends.
        world.bot.database.enter(connection)
        said = talk.say()
        talk.wait(lambda: len(world.feishu.attempts) >= 2)
    talk.wait(lambda: len(deliveries_of(world)) == 1)
    assert [one.outcome for one in world.feishu.attempts][:2] == ["late", "late"]
    world.feishu.delivery = REDELIVERY
    once(world, talk, said)


def test_two_prompts_that_change_places(world: World) -> None:
    """Of two prompts the second is delivered first: each has its picture, in the order in which the bot heard them."""
    world.feishu.delivery = replace(REDELIVERY, swapped=True)
    talk = world.somebody()
    first, second = talk.say(), talk.say()
    for said in (first, second):
        talk.wait_for_end(said)
    assert [answer.parent_id for answer in talk.answers] == [second.message_id, first.message_id]
    assert [colour(answer) for answer in talk.answers] == ["green", "green"]
    assert [len(talk.posts(said)) for said in (first, second)] == [1, 1]


def test_a_message_delivered_again_after_a_restart_is_answered_once(world: World) -> None:
    """A restart forgets nothing: the same event, as it was and under a new id, changes nothing."""
    talk = world.somebody()
    said = talk.say()
    talk.wait_for_end(said)
    (first,) = deliveries_of(world)
    world.stop()
    world.start()
    again = sealed_again(world.feishu, first)
    assert {attempt.outcome for attempt in again} == {"acknowledged"}
    once(world, talk, said)


def sealed_again(feishu: FeishuStandIn, first: Attempt) -> list[Attempt]:
    """Delivers an event again twice: as it was, and under a new event id."""
    header = {**first.event["header"], "token": feishu.verification_token}
    same = {**first.event, "header": header}
    renamed = {**first.event, "header": {**header, "event_id": "again_under_a_new_id"}}
    return [*feishu.push(same), *feishu.push(renamed)]


def test_two_messages_with_the_same_words_are_two_requests(world: World) -> None:
    """What makes a message the same is its id, not its text."""
    talk = world.somebody()
    messages = [talk.say("一只白鹭"), talk.say("一只白鹭")]
    for said in messages:
        talk.wait_for_end(said)
    assert len(talk.posts(messages[0])) == 2
    assert len(talk.answers) == 2
