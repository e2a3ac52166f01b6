"""A message that was taken back is not drawn, whichever of the two events comes first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from bot.db.database import Database
from bot.db.requests import RequestStore, cancel_recalled
from bot.db.tables import NewRequest, generations, requests
from bot.models import ImagePrompt
from tests.support.builders import LEASE, accept, arrival, count_rows, reception_of
from tests.support.dsl import REDELIVERY, BotUnderTest, header_color, wait_for

EVENTS = ("im.message.recalled_v1", "im.message.receive_v1")
RACES = 8


def open_rows(database: Database) -> int:
    """How many requests and generations are still to come to their end."""
    with database.read() as connection:
        return sum(
            connection.scalar(select(func.count()).select_from(table).where(table.c.ended_at.is_(None))) or 0
            for table in (requests, generations)
        )


def test_a_recall_that_overtakes_its_message(tmp_path: Path, database_url: str) -> None:
    """Where the recall is delivered first, its message is acknowledged, and nothing is paid, made or said."""
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": database_url}) as bot:
        feishu, user = bot.feishu, bot.new_user()
        address, feishu.webhook_url = feishu.webhook_url, None
        feishu.delivery = replace(REDELIVERY, ladder=())
        said = user.send()
        wait_for(lambda: len(feishu.attempts) == 1)
        feishu.webhook_url, feishu.delivery = address, REDELIVERY
        feishu.recall(said.message_id, by=user.person)
        wait_for(lambda: feishu.attempts[-1].outcome == "acknowledged")
        feishu.push(feishu.event_of(said))
        assert [one.event_type for one in feishu.attempts][1:] == [*EVENTS]
        later = user.send()
        user.wait_for_end(later)
        bot.wait_until_idle()
        assert user.posts(said) == []
        assert [(one.parent_id, header_color(one)) for one in user.answers] == [(later.message_id, "green")]


def test_a_recall_is_remembered_once_and_ended(database: Database) -> None:
    """Delivered again it changes nothing, the message after it is a repetition, and there is nothing to show."""
    assert [cancel_recalled(database, "om_1") for _ in range(2)] == [0, 0]
    assert accept(database, "om_1", count=4).outcome == "repeated"
    assert RequestStore(database, "me").due_requests(limit=10) == []
    assert open_rows(database) == 0
    assert accept(database, "om_2").outcome == "accepted"


def test_recalls_of_other_messages_do_not_pile_up(database: Database) -> None:
    """Of recalls of messages that never came, the last ones are remembered, and only while a message may still come."""
    accept(database, "om_own")
    cancel_recalled(database, "om_own")
    for number in range(30):
        cancel_recalled(database, f"om_{number}", remembered=10)
    assert count_rows(database) == 1 + 10
    assert accept(database, "om_20").outcome == "repeated"
    assert accept(database, "om_19").outcome == "accepted"
    assert accept(database, "om_own").outcome == "repeated"
    with database.write() as connection:
        connection.execute(update(requests).values(accepted_at=requests.c.accepted_at - 9 * 3_600))
    cancel_recalled(database, "om_last")
    assert count_rows(database) == 3
    assert accept(database, "om_own").outcome == "repeated"


@pytest.mark.parametrize(("tried", "left"), [(False, 0), (True, 1)], ids=["not sent", "perhaps sent"])
def test_a_recall_while_the_answer_is_being_sent(database: Database, tried: bool, left: int) -> None:  # noqa: FBT001
    """What may have been sent is shown again without the prompt; what was not sent ends with the recall."""
    store = RequestStore(database, "me")
    accept(database, "om_1", count=2)
    (request_id,) = store.due_requests(limit=10)
    request = store.claim(request_id, lease=LEASE)
    assert request is not None
    assert cancel_recalled(database, "om_1") == 2
    assert store.read(request_id)[0].recalled
    store.postpone(request, seconds=0, refused=tried)
    assert store.due_requests(limit=10) == [request_id]
    assert cancel_recalled(database, "om_1") == 0
    assert open_rows(database) == left


def test_a_copy_that_is_accepted_at_the_same_moment_as_the_recall(database: Database) -> None:
    """However the two transactions fall, no copy of a recalled prompt is left."""
    for race in range(RACES):
        accept(database, f"om_{race}")
        start = threading.Barrier(2)
        copy = replace(arrival(f"press:{race}"), source=f"om_{race}")

        def recall(message_id: str = f"om_{race}", start: threading.Barrier = start) -> None:
            start.wait()
            cancel_recalled(database, message_id)

        def press(copy: NewRequest = copy, start: threading.Barrier = start) -> None:
            start.wait()
            reception_of(database).submit(copy, ImagePrompt(prompt="一座灯塔"))

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(act) for act in (recall, press)]:
                done.result()
    with database.read() as connection:
        assert set(connection.scalars(select(requests.c.prompt))) == {""}
        assert connection.scalar(select(func.count()).where(generations.c.ended_at.is_(None))) == 0
