"""One message is one request, however often and in whatever form Feishu delivers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox.feishu.delivery import Attempt, RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import DEADLINE, REDELIVERY, BotUnderTest, Conversation, header_color, wait_for


@pytest.fixture
def bot(tmp_path: Path, database_url: str) -> Iterator[BotUnderTest]:
    """A bot on each engine in turn."""
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": database_url}) as bot:
        yield bot


def deliveries_of(bot: BotUnderTest) -> list[Attempt]:
    """The pushes of messages, each acknowledged."""
    return [attempt for attempt in bot.feishu.attempts if attempt.outcome == "acknowledged"]


def once(bot: BotUnderTest, user: Conversation, said: ChatMessage) -> None:
    """One call was paid and one card stands under the message; a later message brings no second one either."""
    user.wait_for_end(said)
    later = user.send()
    user.wait_for_end(later)
    bot.wait_until_idle()
    assert len(user.posts(said)) == 1
    assert [header_color(reply) for reply in bot.feishu.replies(said.message_id)] == ["green"]
    assert len(user.answers) == 2


@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param(RetrySchedule(duplicates=1), id="twice"),
        pytest.param(RetrySchedule(in_parallel=4), id="four at the same moment"),
        pytest.param(RetrySchedule(duplicates=2, new_event_id=True), id="again under new event ids"),
        pytest.param(RetrySchedule(in_parallel=4, duplicates=4, new_event_id=True), id="all of it"),
    ],
)
def test_a_message_delivered_more_than_once_is_answered_once(bot: BotUnderTest, delivery: RetrySchedule) -> None:
    """Every delivery is acknowledged, and all of them together are one paid call and one reply."""
    copies = delivery.in_parallel + delivery.duplicates
    bot.feishu.delivery = delivery
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: len(deliveries_of(bot)) == copies)
    bot.feishu.delivery = REDELIVERY
    once(bot, user, said)


def test_an_acknowledgement_that_comes_too_late(bot: BotUnderTest) -> None:
    """Deliveries that the bot takes, but answers after Feishu has stopped waiting, come again and are one reply."""
    bot.feishu.delivery = replace(REDELIVERY, answer_seconds=0.2)
    user = bot.new_user()
    with bot.app.database.write() as connection:
        # Nothing is accepted before this transaction ends.
        bot.app.database.lock_admissions(connection)
        said = user.send()
        wait_for(lambda: len(bot.feishu.attempts) >= 2)
        # From here on the answer may take as long as it likes.
        bot.feishu.delivery = replace(REDELIVERY, answer_seconds=DEADLINE)
    wait_for(lambda: len(deliveries_of(bot)) == 1)
    assert [one.outcome for one in bot.feishu.attempts][:2] == ["late", "late"]
    once(bot, user, said)


def test_two_prompts_that_change_places(bot: BotUnderTest) -> None:
    """Of two prompts the second is delivered first: each has its picture, in the order in which the bot heard them."""
    feishu, user = bot.feishu, bot.new_user()
    address, feishu.webhook_url = feishu.webhook_url, None
    feishu.delivery = replace(REDELIVERY, ladder=())
    first, second = user.send(), user.send()
    wait_for(lambda: len(feishu.attempts) == 2)
    feishu.webhook_url, feishu.delivery = address, REDELIVERY
    for said in (second, first):
        feishu.push(feishu.event_of(said))
    for said in (first, second):
        user.wait_for_end(said)
    assert [answer.parent_id for answer in user.answers] == [second.message_id, first.message_id]
    assert [header_color(answer) for answer in user.answers] == ["green", "green"]
    assert [len(user.posts(said)) for said in (first, second)] == [1, 1]


def test_a_message_delivered_again_after_a_restart_is_answered_once(bot: BotUnderTest) -> None:
    """A restart forgets nothing: the same event, as it was and under a new id, changes nothing."""
    user = bot.new_user()
    said = user.send()
    user.wait_for_end(said)
    (first,) = deliveries_of(bot)
    bot.stop()
    bot.start()
    again = sealed_again(bot.feishu, first)
    assert {attempt.outcome for attempt in again} == {"acknowledged"}
    once(bot, user, said)


def sealed_again(feishu: FeishuStandIn, first: Attempt) -> list[Attempt]:
    """Delivers an event again twice: as it was, and under a new event id."""
    header = {**first.event["header"], "token": feishu.verification_token}
    same = {**first.event, "header": header}
    renamed = {**first.event, "header": {**header, "event_id": "again_under_a_new_id"}}
    return [feishu.push(same), feishu.push(renamed)]


def test_two_messages_with_the_same_words_are_two_requests(bot: BotUnderTest) -> None:
    """What makes a message the same is its id, not its text, but for the seconds in which people send twice."""
    user = bot.new_user()
    for number in (1, 2):
        said = user.send("一只白鹭")
        user.wait_for_end(said)
        assert (len(user.posts(said)), len(user.answers)) == (number, number)
        user.let_time_pass()
