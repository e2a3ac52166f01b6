"""The same request once more, and messages that were taken back: paid for and answered once, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from bot.db.database import Database, lock_admissions, read_url
from bot.db.reports import is_idle
from bot.db.requests import RequestStore, cancel, cancel_recalled
from bot.db.tables import fingerprint, generations, requests
from bot.errors import DatabaseUnavailable
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.sandbox.feishu.delivery import Attempt, RetrySchedule
from bot.service.requests import SubmitResult
from tests.support.builders import LEASE, accept, arrival, change, reception_of
from tests.support.dsl import DEADLINE, REDELIVERY, BotUnderTest, wait_for


@pytest.fixture
def bot(tmp_path: Path, database_url: str) -> Iterator[BotUnderTest]:
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": database_url}) as bot:
        yield bot


def deliveries_of(bot: BotUnderTest) -> list[Attempt]:
    return [attempt for attempt in bot.feishu.attempts if attempt.outcome == "acknowledged"]


def test_a_message_delivered_more_than_once_is_answered_once(bot: BotUnderTest) -> None:
    """Four times at the same moment, and four times more under ids of their own."""
    feishu, user = bot.feishu, bot.new_user()
    feishu.delivery = RetrySchedule(duplicates=4, new_event_id=True)
    said = user.send()
    with ThreadPoolExecutor(3) as threads:
        threads.map(feishu.push, [feishu.event_of(said)] * 3)
    wait_for(lambda: len(deliveries_of(bot)) == 8)
    assert len({attempt.event_id for attempt in deliveries_of(bot)}) == 6
    bot.feishu.delivery = REDELIVERY
    user.assert_one_image(said)
    # Nor is there a second answer after a later message.
    user.ask()
    user.assert_one_image(said)


def test_an_acknowledgement_that_comes_too_late(bot: BotUnderTest) -> None:
    """Deliveries that the bot takes, but answers after Feishu has stopped waiting, come again and are one reply."""
    bot.feishu.delivery = replace(REDELIVERY, answer_seconds=0.2)
    user = bot.new_user()
    with bot.app.database.write() as connection:
        # Nothing is accepted before this transaction ends.
        lock_admissions(connection)
        said = user.send()
        wait_for(lambda: len(bot.feishu.attempts) >= 2)
        # From here on the answer may take as long as it likes.
        bot.feishu.delivery = replace(REDELIVERY, answer_seconds=DEADLINE)
    wait_for(lambda: len(deliveries_of(bot)) == 1)
    assert [one.outcome for one in bot.feishu.attempts][:2] == ["late", "late"]
    user.assert_one_image(said)


def test_a_recall_that_overtakes_its_message(bot: BotUnderTest) -> None:
    """Where the recall is delivered first, its message is acknowledged, and nothing is paid, made or said."""
    feishu, user, address = bot.feishu, bot.new_user(), bot.feishu.webhook_url
    # The message is delivered once, in vain.
    feishu.webhook_url, feishu.delivery = None, replace(REDELIVERY, ladder=())
    said = user.send()
    wait_for(lambda: len(feishu.attempts) == 1)
    feishu.webhook_url, feishu.delivery = address, REDELIVERY
    user.recall(said)
    feishu.push(feishu.event_of(said))
    assert [one.event_type for one in feishu.attempts][1:] == ["im.message.recalled_v1", "im.message.receive_v1"]
    later = user.ask()
    assert user.posts(said) == []
    assert [(one.parent_id, one.color) for one in user.answers] == [(later.parent_id, "green")]


@pytest.mark.parametrize("tried", [False, True], ids=["not sent", "perhaps sent"])
def test_a_recall_while_the_answer_is_being_sent(database: Database, *, tried: bool) -> None:
    """What may have been sent is shown again without the prompt; what was not sent ends with the recall."""
    store = RequestStore(database, "me")
    accept(database, "om_1", count=2)
    (request_id,) = store.due_requests(limit=10)
    claimed = store.claim(request_id, lease=LEASE)
    assert claimed is not None
    assert cancel_recalled(database, "om_1") == 2
    assert store.read(request_id)[0].recalled
    store.postpone(claimed[0], seconds=0, refused=tried)
    assert store.due_requests(limit=10) == [request_id]
    assert cancel_recalled(database, "om_1") == 0
    assert is_idle(database) is not tried


def test_a_copy_that_is_accepted_at_the_same_moment_as_the_recall(database: Database) -> None:
    start = threading.Barrier(2)

    def recall(message_id: str) -> None:
        start.wait()
        cancel_recalled(database, message_id)

    def press(message_id: str) -> None:
        start.wait()
        copy = replace(arrival(f"press:{message_id}"), source=message_id)
        reception_of(database).submit(copy, ImagePrompt(prompt="一座灯塔"))

    with ThreadPoolExecutor(2) as pool:
        for race in range(8):
            accept(database, f"om_{race}")
            for done in [pool.submit(act, f"om_{race}") for act in (recall, press)]:
                done.result()
    with database.read() as connection:
        assert set(connection.scalars(select(requests.c.prompt))) == {""}
        assert connection.scalar(select(func.count()).where(generations.c.ended_at.is_(None))) == 0


CAT = ImagePrompt(prompt="一只猫")
SAME = fingerprint("ou_ann", "oc_1", "一只猫")


def submit(database: Database, key: str, message: ParsedMessage = CAT, *, same: str = SAME) -> SubmitResult:
    """A message, or with another key a press, with this fingerprint."""
    new = replace(arrival(key), fingerprint=same)
    return reception_of(database).submit(new, message, store_rejected=not key.startswith("press:"))


@pytest.mark.parametrize("key", ["om_{}", "press:{}"])
def test_same_request_to_several_processes_at_once_is_one(database_url: str, key: str) -> None:
    """Of four at the same moment one is accepted; a message leaves an offer behind, a press nothing."""
    start = threading.Barrier(4)

    def submit_one(number: int) -> SubmitResult:
        start.wait()
        while True:
            # On a busy machine the others hold the lock for longer than it is waited for; Feishu then sends again.
            with suppress(DatabaseUnavailable):
                return submit(processes[number], key.format(number))

    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        processes = [stack.enter_context(closing(Database(read_url(database_url)))) for _ in range(4)]
        found = list(pool.map(submit_one, range(4)))
    assert sorted(one.outcome for one in found) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert [one.request_id is None for one in found if one.outcome == "duplicate"] == [key.startswith("press")] * 3


@pytest.mark.parametrize(("key", "seconds"), [("om_{}", 10), ("press:{}", 3)])
def test_after_a_moment_it_is_another_request(database: Database, key: str, seconds: float) -> None:
    older = update(requests).values(accepted_at=requests.c.accepted_at - seconds / 2)
    assert submit(database, key.format(1)).outcome == "accepted"
    change(database, older)
    assert submit(database, key.format(2)).outcome == "duplicate"
    change(database, older)
    assert submit(database, key.format(3)).outcome == "accepted"


def test_what_is_no_double(database: Database) -> None:
    """What is delivered again is known; another chat makes another request; a free button is pressed once too."""
    form = Command(name="form", argument="r1")
    assert [submit(database, "om_1").outcome for _ in range(2)] == ["accepted", "repeated"]
    assert [submit(database, "om_2").outcome for _ in range(2)] == ["duplicate", "repeated"]
    assert submit(database, "om_3", same=fingerprint("ou_ann", "oc_2", "一只猫")).outcome == "accepted"
    pressed = [submit(database, f"press:{number}", form, same="of a form").outcome for number in (1, 2)]
    assert pressed == ["accepted", "duplicate"]


def test_what_has_ended_is_made_again(database: Database) -> None:
    first = submit(database, "om_1")
    with database.write() as connection:
        cancel(connection, [str(first.request_id)])
    assert submit(database, "om_2").outcome == "accepted"
    cancel_recalled(database, "om_2")
    assert submit(database, "om_3").outcome == "accepted"
