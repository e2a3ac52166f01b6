"""What Feishu goes on refusing for long holds nobody else up, costs few calls, and is not answered days later."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.db.requests import HELD_UP
from bot.db.tables import generations, requests, timers
from bot.db.timers import current_outages
from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import CATALOGUE, QUICK, BotUnderTest, Conversation, all_strings, header_color, wait_for

QUOTA = 99991403


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot that tries every forty minutes while Feishu refuses the app, and leaves a chat room between its tries."""
    with BotUnderTest(
        folder=tmp_path, pace=replace(QUICK, resend=2_400.0, probe_longest=2_400.0, resend_longest=1.0)
    ) as bot:
        yield bot


def say_and_wait(bot: BotUnderTest, user: Conversation) -> ChatMessage:
    """Says something and waits until the bot has taken it."""
    taken = sum(attempt.outcome == "acknowledged" for attempt in bot.feishu.attempts)
    message = user.send()
    wait_for(lambda: sum(attempt.outcome == "acknowledged" for attempt in bot.feishu.attempts) > taken)
    return message


def refused(bot: BotUnderTest, code: int) -> list[str]:
    """The names of the calls that were refused with a code."""
    return [call.name for call in bot.feishu.calls if call.code == code]


def an_hour_later(bot: BotUnderTest) -> None:
    """Lets everything be due that was put off."""
    with bot.app.database.write() as connection:
        connection.execute(update(timers).values(next_at=0.0))
        for table in (requests, generations):
            connection.execute(update(table).values(due_at=0.0))


def make_older(bot: BotUnderTest, message: ChatMessage, *, seconds: float) -> None:
    """Moves the time at which a message was accepted back."""
    with bot.app.database.write() as connection:
        older = requests.c.accepted_at - seconds
        connection.execute(update(requests).where(requests.c.dedup_key == message.message_id).values(accepted_at=older))


def test_without_calls_left_nothing_is_sent(bot: BotUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """Six prompts while the month's calls are used up: one call, one line in the log; all are answered afterwards."""
    users = [bot.new_user() for _ in range(6)]
    bot.feishu.faults.arm("quota", times=None)
    with caplog.at_level(logging.WARNING, logger="bot"):
        said = [say_and_wait(bot, users[0])]
        wait_for(lambda: current_outages(bot.app.database))
        said += [say_and_wait(bot, user) for user in users[1:]]
        assert refused(bot, QUOTA) == ["reply"]
        wait_for(lambda: not_held(bot))
        assert bot.glm.calls == []
    assert sum(f"code={QUOTA}" in record.getMessage() for record in caplog.records) == 1
    bot.feishu.faults.disarm()
    an_hour_later(bot)
    for user, message in zip(users, said, strict=True):
        user.wait_for_end(message)
    assert refused(bot, QUOTA) == ["reply"]


@pytest.mark.parametrize("on", ["image", "patch"])
def test_a_paid_picture_waits_for_the_next_months_calls(bot: BotUnderTest, on: str) -> None:
    """However often the month's calls turn out to be used up, a paid picture is shown when there are some again."""
    user = bot.new_user()
    bot.feishu.faults.arm("quota", on=on, times=None)
    said = user.send()
    for times in (1, 2, 3):
        wait_for(lambda times=times: len(refused(bot, QUOTA)) == times and not_held(bot))  # type: ignore[misc]
        make_older(bot, said, seconds=4 * QUICK.resend_in_all)
        an_hour_later(bot)
    wait_for(lambda: len(refused(bot, QUOTA)) == 4)
    bot.feishu.faults.disarm()
    wait_for(lambda: not_held(bot))
    an_hour_later(bot)
    user.wait_for_end(said)
    assert [header_color(answer) for answer in user.answers] == ["green"]
    assert len(user.posts(said)) == 1


def not_held(bot: BotUnderTest) -> bool:
    """Whether no worker is at anything."""
    with bot.app.database.read() as connection:
        return not any(
            connection.scalars(select(table.c.owner).where(table.c.owner.is_not(None))).all()
            for table in (requests, generations)
        )


def test_one_refused_message_does_not_silence_its_chat(bot: BotUnderTest) -> None:
    """While the first of two messages is refused again and again, the second waits a quarter of an hour and no more."""
    user = bot.new_user()
    bot.feishu.faults.arm("feishu_230049", on="reply", times=None)
    first = say_and_wait(bot, user)
    wait_for(lambda: len(refused(bot, 230049)) >= 3)
    second = say_and_wait(bot, user)
    before = len(refused(bot, 230049))
    wait_for(lambda: len(refused(bot, 230049)) >= before + 2)
    assert replied_to(bot) == {first.message_id}
    make_older(bot, first, seconds=HELD_UP)
    wait_for(lambda: replied_to(bot) == {first.message_id, second.message_id})
    bot.feishu.faults.disarm()
    for message in (first, second):
        user.wait_for_end(message)


def replied_to(bot: BotUnderTest) -> set[str]:
    """The messages to which a reply was tried."""
    return {call.path.split("/")[-2] for call in bot.feishu.calls_named("reply")}


def test_an_answer_of_yesterday_is_not_given(bot: BotUnderTest) -> None:
    """A message that could not be answered for longer than a day is dropped unpaid; the next one is answered."""
    user = bot.new_user()
    bot.feishu.faults.arm("html_502", on="reply", times=None)
    said = say_and_wait(bot, user)
    wait_for(lambda: replied_to(bot) == {said.message_id})
    make_older(bot, said, seconds=QUICK.resend_in_all)
    bot.wait_until_idle()
    bot.feishu.faults.disarm()
    later = user.send()
    user.wait_for_end(later)
    assert [answer.parent_id for answer in user.answers] == [later.message_id]
    assert user.posts(said) == []


def test_the_last_word_on_a_card_waits_for_the_next_months_calls(bot: BotUnderTest) -> None:
    """An answer that is refused for good is told on its old card, after the hour when that meets the quota."""
    bot.glm.seconds = 0.5
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: user.answers)
    bot.feishu.faults.arm("patch_too_old", on="patch")
    bot.feishu.faults.arm("not_in_group", on="reply", times=None)
    bot.feishu.faults.arm("quota", on="patch")
    wait_for(lambda: refused(bot, QUOTA) and not_held(bot))
    an_hour_later(bot)
    bot.wait_until_idle()
    assert CATALOGUE.text("notice.unshown.text", "zh") in all_strings(user.first_card)
    assert len(user.posts(said)) == 1
