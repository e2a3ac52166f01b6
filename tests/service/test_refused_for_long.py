"""What Feishu goes on refusing for long holds nobody else up, costs few calls, and is not answered days later."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.db.poll_queries import HELD_UP
from bot.db.tables import generations, requests, timers
from bot.sandbox.feishu.world import ChatMessage
from tests.support.world import QUICK, Talk, World, catalogue, colour, strings_in

QUOTA = 99991403


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A bot that tries once an hour while Feishu refuses the app, and leaves a chat room between its tries."""
    with World(
        folder=tmp_path, pace=replace(QUICK, resend=3_600.0, probe_longest=3_600.0, resend_longest=1.0)
    ) as world:
        yield world


def say_and_wait(world: World, talk: Talk) -> ChatMessage:
    """Says something and waits until the bot has taken it."""
    taken = sum(attempt.outcome == "acknowledged" for attempt in world.feishu.attempts)
    message = talk.say()
    talk.wait(lambda: sum(attempt.outcome == "acknowledged" for attempt in world.feishu.attempts) > taken)
    return message


def refused(world: World, code: int) -> list[str]:
    """The names of the calls that were refused with a code."""
    return [call.name for call in world.feishu.calls if call.code == code]


def an_hour_later(world: World) -> None:
    """Lets everything be due that was put off."""
    with world.bot.database.write() as connection:
        connection.execute(update(timers).values(next_at=0.0))
        for table in (requests, generations):
            connection.execute(update(table).values(due_at=0.0))


def make_older(world: World, message: ChatMessage, *, seconds: float) -> None:
    """Moves the time at which a message was accepted back."""
    with world.bot.database.write() as connection:
        older = requests.c.accepted_at - seconds
        connection.execute(update(requests).where(requests.c.dedup_key == message.message_id).values(accepted_at=older))


def test_without_calls_left_nothing_is_sent(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Six prompts while the month's calls are used up: one call, one line in the log; all are answered afterwards."""
    talks = [world.somebody() for _ in range(6)]
    world.feishu.faults.arm("quota", times=None)
    with caplog.at_level(logging.WARNING, logger="bot"):
        said = [say_and_wait(world, talks[0])]
        talks[0].wait(lambda: refused(world, QUOTA))
        said += [say_and_wait(world, talk) for talk in talks[1:]]
        assert refused(world, QUOTA) == ["reply"]
        talks[0].wait(lambda: not_held(world))
        assert world.glm.calls == []
    assert sum(f"code={QUOTA}" in record.getMessage() for record in caplog.records) == 1
    world.feishu.faults.disarm()
    an_hour_later(world)
    for talk, message in zip(talks, said, strict=True):
        talk.wait_for_end(message)
    assert refused(world, QUOTA) == ["reply"]


@pytest.mark.parametrize("on", ["image", "patch"])
def test_a_paid_picture_waits_for_the_next_months_calls(world: World, on: str) -> None:
    """However often the month's calls turn out to be used up, a paid picture is shown when there are some again."""
    talk = world.somebody()
    world.feishu.faults.arm("quota", on=on, times=None)
    said = talk.say()
    for times in (1, 2, 3):
        talk.wait(lambda times=times: len(refused(world, QUOTA)) == times and not_held(world))
        make_older(world, said, seconds=4 * QUICK.resend_in_all)
        an_hour_later(world)
    talk.wait(lambda: len(refused(world, QUOTA)) == 4)
    world.feishu.faults.disarm()
    talk.wait(lambda: not_held(world))
    an_hour_later(world)
    talk.wait_for_end(said)
    assert [colour(answer) for answer in talk.answers] == ["green"]
    assert len(talk.posts(said)) == 1


def not_held(world: World) -> bool:
    """Whether no worker is at anything."""
    with world.bot.database.read() as connection:
        return not any(
            connection.scalars(select(table.c.owner).where(table.c.owner.is_not(None))).all()
            for table in (requests, generations)
        )


def test_one_refused_message_does_not_silence_its_chat(world: World) -> None:
    """While the first of two messages is refused again and again, the second waits a quarter of an hour and no more."""
    talk = world.somebody()
    world.feishu.faults.arm("feishu_230049", on="reply", times=None)
    first = say_and_wait(world, talk)
    talk.wait(lambda: len(refused(world, 230049)) >= 3)
    second = say_and_wait(world, talk)
    before = len(refused(world, 230049))
    talk.wait(lambda: len(refused(world, 230049)) >= before + 2)
    assert replied_to(world) == {first.message_id}
    make_older(world, first, seconds=HELD_UP)
    talk.wait(lambda: replied_to(world) == {first.message_id, second.message_id})
    world.feishu.faults.disarm()
    for message in (first, second):
        talk.wait_for_end(message)


def replied_to(world: World) -> set[str]:
    """The messages to which a reply was tried."""
    return {call.path.split("/")[-2] for call in world.feishu.calls_named("reply")}


def test_an_answer_of_yesterday_is_not_given(world: World) -> None:
    """A message that could not be answered for longer than a day is dropped unpaid; the next one is answered."""
    talk = world.somebody()
    world.feishu.faults.arm("html_502", on="reply", times=None)
    said = say_and_wait(world, talk)
    talk.wait(lambda: replied_to(world) == {said.message_id})
    make_older(world, said, seconds=QUICK.resend_in_all)
    talk.wait(lambda: world.idle)
    world.feishu.faults.disarm()
    later = talk.say()
    talk.wait_for_end(later)
    assert [answer.parent_id for answer in talk.answers] == [later.message_id]
    assert talk.posts(said) == []


def test_the_last_word_on_a_card_waits_for_the_next_months_calls(world: World) -> None:
    """An answer that is refused for good is told on its old card, after the hour when that meets the quota."""
    world.glm.seconds = 0.5
    talk = world.somebody()
    said = talk.say()
    talk.wait(lambda: talk.answers)
    world.feishu.faults.arm("patch_too_old", on="patch")
    world.feishu.faults.arm("not_in_group", on="reply", times=None)
    world.feishu.faults.arm("quota", on="patch")
    talk.wait(lambda: refused(world, QUOTA) and not_held(world))
    an_hour_later(world)
    talk.wait(lambda: world.idle)
    assert catalogue().text("notice.unshown.text", "zh") in strings_in(talk.card)
    assert len(talk.posts(said)) == 1
