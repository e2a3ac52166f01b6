"""What has ended is forgotten in time, in small steps, by one process; what goes on, or may come again, is kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from sqlalchemy import Connection, event, func, select, update

from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.retention import BATCH, DAY, Retention
from bot.db.tables import (
    generations,
    key_value,
    last_served,
    monthly_usage,
    preferences,
    requests,
    sent_messages,
    timers,
    workers,
)
from bot.models import State
from tests.support.bot_process import Cluster
from tests.support.builders import accept, add_row, count_rows
from tests.support.bulk_rows import add_finished
from tests.support.dsl import wait_for

HOURS = 3600.0


def retention(database: Database, *, days: int = 40) -> Retention:
    """A clean-up of a process that is not about to leave."""
    return Retention(database=database, days=days, stopping=threading.Event())


def end(database: Database, *, seconds_ago: float, origin: str | None = None) -> None:
    """Lets every request, or one, have ended with its generations so long ago."""
    ended = {"ended_at": database.now - seconds_ago}
    some = requests.c.dedup_key == origin if origin else requests.c.ended_at.is_(None)
    of_some = generations.c.request_id.in_(select(requests.c.request_id).where(some))
    with database.write() as connection:
        connection.execute(update(generations).where(of_some).values(state=State.DONE, **ended))
        connection.execute(update(requests).where(some).values(**ended))


def test_what_ended_long_ago_is_gone_with_all_that_belongs_to_it(database: Database) -> None:
    """After 40 days a request goes with its prompt, its sender, its generations and what was sent for it."""
    accept(database, count=4)
    with database.read() as connection:
        request_id = connection.scalar(select(requests.c.request_id))
    add_row(database, sent_messages, request_id=request_id, step="text", message_id="om_1")
    end(database, seconds_ago=40 * DAY + 60)
    assert retention(database).clean() == 1
    assert [count_rows(database, table) for table in (requests, generations, sent_messages)] == [0, 0, 0]


@pytest.mark.parametrize("goes_on", ["younger", "not ended", "its picture is being made"])
def test_what_is_younger_or_goes_on_is_kept(database: Database, goes_on: str) -> None:
    """A request of 39 days stays, and so does one without an end, or with an image still on its way."""
    accept(database)
    if goes_on == "younger":
        end(database, seconds_ago=39 * DAY)
    with database.write() as connection:
        connection.execute(update(requests).values(accepted_at=database.now - 400 * DAY))
        if goes_on == "its picture is being made":
            connection.execute(update(requests).values(ended_at=database.now - 50 * DAY))
    retention(database).clean()
    assert [count_rows(database, table) for table in (requests, generations)] == [1, 1]


def test_a_message_is_known_for_longer_than_feishu_delivers_it(database: Database) -> None:
    """With the shortest setting, a message that was answered at once and comes again after 8 hours is a duplicate."""
    accept(database, "om_again")
    end(database, seconds_ago=8 * HOURS)
    retention(database, days=1).clean()
    assert accept(database, "om_again").outcome == "repeated"


def test_it_works_in_small_transactions(database: Database) -> None:
    """No statement deletes more than a batch, so that a message never waits behind all of them."""
    add_finished(database, 2 * BATCH + 50, days=1, ended_ago=50 * DAY)
    left = [2 * BATCH + 50]

    @event.listens_for(database.engine, "commit")
    def note(connection: Connection) -> None:
        left.append(connection.scalar(select(func.count()).select_from(requests)) or 0)

    retention(database).clean()
    event.remove(database.engine, "commit", note)
    assert left[-1] == 0
    assert max(before - after for before, after in pairwise(left)) == BATCH


def test_one_process_a_day_cleans_up(database: Database) -> None:
    """Of four processes that look at the same moment one cleans up, and none does so again on that day."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: retention(database).clean(), range(4)))
    assert sorted(result is None for result in results) == [False, True, True, True]
    assert retention(database).clean() is None
    with database.write() as connection:
        connection.execute(update(timers).values(next_at=database.now - 1))
    assert retention(database).clean() is not None


def test_a_process_that_leaves_hands_its_turn_over(database: Database) -> None:
    """A clean-up that is broken off by a leaving process is gone on with by the next one, at once."""
    add_finished(database, BATCH + 1, days=1, ended_ago=50 * DAY)
    leaving = threading.Event()
    leaving.set()
    assert Retention(database=database, days=40, stopping=leaving).clean() == BATCH
    assert retention(database).clean() == 1


def test_what_stands_beside_the_requests_is_forgotten_too(database: Database) -> None:
    """Who was served, who sent when, which workers lived, what was spent two years ago: none of it piles up."""
    with database.read() as connection:
        now = connection.scalar(select(database.now)) or 0.0
    for age, name in ((41 * DAY, "old"), (0.0, "new")):
        add_row(database, last_served, sender=f"ou_{name}", model="glm-image", called_at=now - age)
        add_row(database, timers, name=f"oc_{name}", next_at=now - age + 5)
        add_row(database, workers, owner=name, seen_at=now - age)
    for month in ("2001-01", "2999-12"):
        add_row(database, monthly_usage, month=month, name="glm-image", count=1)
    add_row(database, preferences, subject="ou_old", content={})
    add_row(database, key_value, name="user_id_key", value="fake")
    assert retention(database).clean() == 4
    # The turn of the clean-up itself is a second row of the paces.
    assert [count_rows(database, table) for table in (last_served, timers, workers, monthly_usage)] == [1, 2, 1, 1]
    assert [count_rows(database, table) for table in (preferences, key_value)] == [1, 1]


def test_a_worker_cleans_up_when_it_starts(cluster: Cluster) -> None:
    """A worker that starts on a database with old rows removes them unasked, with the days of the settings."""
    database = Database(read_url(cluster.url))
    migrate(database)
    add_finished(database, 10, days=1, ended_ago=41 * DAY)
    add_finished(database, 5, days=1, ended_ago=DAY, mark="young")
    cluster.start("worker")
    wait_for(lambda: count_rows(database, requests) == 5)
    assert count_rows(database, generations) == 5
    database.close()
