"""The clock jumps, in a running bot and while it is stopped: nothing goes silent, and nothing is dropped unseen."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from bot.db.database import NOW, Database, insert
from bot.db.leases import Leases, repair_times, workers_alive
from bot.db.tables import generations, key_value, requests, timers, workers
from bot.timings import PlatformClock
from tests.support.builders import LEASE, accept
from tests.support.dsl import QUICK, BotUnderTest, MovableClock, header_color, wait_for

HOUR = 3600.0
PACE = replace(QUICK, beat=0.05, backoff_in_all=60.0)
"""The platform's limit is waited for, however long a bot takes to stop and start."""


@pytest.mark.parametrize(("step", "stopped"), [(-60.0, False), (-24 * HOUR, True)], ids=["running", "stopped"])
def test_a_clock_that_is_set_back(tmp_path: Path, step: float, *, stopped: bool) -> None:
    """A prompt that waits for the platform's limit and a new one are both answered, by a running and a new process."""
    clock = MovableClock()
    with BotUnderTest(folder=tmp_path, pace=PACE, clock=clock) as bot:
        user = bot.new_user()
        user.ask()
        bot.glm.arm("glm_1302", times=2)
        waiting = user.send()
        wait_for(lambda: user.posts(waiting))
        if stopped:
            bot.stop()
        clock.ahead += step
        if stopped:
            bot.start()
        new = user.send()
        for message in (waiting, new):
            user.wait_for_end(message)
        assert [header_color(answer) for answer in user.answers] == ["green"] * 3


def shift(database: Database, seconds: float) -> None:
    """Moves what is stored into the future, as setting the clock back does."""
    columns = [table.c[name] for table in (requests, generations) for name in ("due_at", "lease_until", "accepted_at")]
    with database.write() as connection:
        for column in [*columns, generations.c.slot_until, timers.c.next_at, workers.c.seen_at]:
            connection.execute(update(column.table).values({column.name: column + seconds}))
        connection.execute(
            update(key_value).where(key_value.c.name == "clock").values(value=repr(time.time() + seconds))
        )


def stored(database: Database, column: object) -> float:
    """The latest of the stored times, in seconds from now."""
    with database.read() as connection:
        return float(connection.scalar(select(func.max(column) - NOW)) or 0.0)


def test_no_stored_time_outlasts_a_step_back(database: Database, tmp_path: Path) -> None:
    """On either engine waits are over, leases and slots are as long as they can be, and the dead do not look alive."""
    accept(database, "om_1")
    leases = Leases(database, folder=tmp_path, seconds=LEASE)
    leases.beat()
    with database.write() as connection:
        connection.execute(update(requests).values(owner="other", lease_until=NOW + LEASE, due_at=NOW + 1))
        slot = {"owner": "other", "lease_until": NOW + LEASE, "slot_until": NOW + 60, "due_at": NOW + 1}
        connection.execute(update(generations).values(slot))
        names = ("second", "minute", "oc_1", "om_1", "model:glm-image", "clean-up", "base")
        connection.execute(timers.insert(), [{"name": name, "next_at": time.time() + 1} for name in names])
    # Shorter than the longest wait, so that only the step itself shows that these times mean nothing.
    shift(database, 600.0)
    assert not workers_alive(database, within=15)
    leases.beat()
    assert workers_alive(database, within=15)
    for column in (requests.c.due_at, generations.c.due_at, timers.c.next_at):
        assert stored(database, column) <= 0
    for column in (requests.c.lease_until, generations.c.lease_until):
        assert 0 < stored(database, column) <= LEASE
    assert 0 < stored(database, generations.c.slot_until) <= 900
    leases.close()


@pytest.mark.parametrize("name", ["second", "clean-up"])
def test_a_time_that_no_wait_can_mean_counts_as_now(database: Database, name: str) -> None:
    """Also where nothing else shows that the clock was set back; a wait that can be is kept."""
    accept(database, "om_1")
    for seconds, kept_times in ((600.0, True), (10 * 24 * HOUR, False)):
        with database.write() as connection:
            at = time.time() + seconds
            connection.execute(update(requests).values(due_at=at))
            connection.execute(update(generations).values(due_at=at))
            row = insert(connection, timers).values(name=name, next_at=at)
            connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"next_at": at}))
        with database.write() as connection:
            assert not repair_times(connection, lease=LEASE)
        for column in (requests.c.due_at, generations.c.due_at, timers.c.next_at):
            assert (stored(database, column) > 0) is kept_times


@pytest.mark.parametrize(
    ("step", "words", "stopped"),
    [(8.5 * HOUR, "8 h 30 min ahead of", False), (-HOUR, "1 h 0 min behind", True)],
    ids=["running", "stopped"],
)
def test_a_clock_that_is_wrong_drops_no_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, step: float, words: str, *, stopped: bool
) -> None:
    """Events are as old as Feishu's own time says; the log and ``/readyz`` tell by how much the clock is wrong."""
    clock = MovableClock()
    with BotUnderTest(folder=tmp_path, pace=PACE, clock=clock) as bot:
        wait_for(lambda: bot.readiness[0] == 200)
        if stopped:
            bot.stop()
        clock.ahead += step
        if stopped:
            bot.start()
        assert bot.new_user().ask().color == "green"
        status, reason = bot.readiness
        assert (status, words in reason) == (503, True)
        assert sum("clock wrong" in record.message for record in caplog.records) == 1
        assert "event dropped" not in caplog.text
        clock.ahead = 0.0
        wait_for(lambda: bot.readiness[0] == 200)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Foo 2026 00:00:00 GMT", "Mon, 01 Jan 99999999 0:0:0"])
def test_a_date_that_cannot_be_read_changes_nothing(date: str | None) -> None:
    platform = PlatformClock(lambda: 1000.0)
    platform.learn(date)
    assert (platform.is_known, platform.now(), platform.problem) == (False, 1000.0, None)


def test_the_platforms_time_goes_on_whatever_becomes_of_the_clock() -> None:
    now, elapsed = [1_000_000_000.0], [50.0]
    platform = PlatformClock(lambda: now[0], elapsed=lambda: elapsed[0])
    platform.learn("Sun, 09 Sep 2001 01:46:40 GMT")
    now[0] += 8 * HOUR
    elapsed[0] += 10
    assert platform.now() == 1_000_000_010.0
    assert platform.problem == "this machine's clock is 8 h 0 min ahead of the platform's"
