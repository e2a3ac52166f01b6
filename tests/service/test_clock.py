"""The clock jumps, in a running bot and while it is stopped: nothing goes silent, and nothing is dropped unseen."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Column, select, update

from bot.db.database import NOW, Database
from bot.db.leases import Leases, workers_alive
from bot.db.tables import generations, key_value, requests, timers, workers
from bot.timings import PlatformClock
from tests.support.builders import LEASE, accept, change
from tests.support.dsl import QUICK, BotUnderTest, MovableClock, header_color, wait_for

HOUR = 3600.0
PACE = replace(QUICK, beat=0.05)


def test_a_clock_that_is_set_back_while_the_bot_is_stopped(tmp_path: Path) -> None:
    """A prompt that waited for the platform's limit and a new one are both answered."""
    clock = MovableClock()
    with BotUnderTest(folder=tmp_path, pace=PACE, clock=clock) as bot:
        user = bot.new_user()
        user.ask()
        bot.glm.arm("glm_1302", times=2)
        waiting = user.send()
        wait_for(lambda: user.posts(waiting))
        bot.stop()
        clock.ahead -= 24 * HOUR
        bot.start()
        new = user.send()
        for message in (waiting, new):
            user.wait_for_end(message)
        assert [header_color(answer) for answer in user.answers] == ["green"] * 3


def waits(database: Database, *columns: Column[float]) -> list[float]:
    """How far each stored time is ahead, in seconds."""
    with database.read() as connection:
        return [float(wait) for column in columns for wait in connection.scalars(select(column - NOW))]


def test_no_stored_time_outlasts_a_step_back(database: Database, tmp_path: Path) -> None:
    """On either engine waits are over, leases and slots are as long as they can be, and the dead do not look alive."""
    accept(database, "om_1")
    # Shorter than the longest wait, so that only the step itself shows that these times mean nothing.
    then = NOW + 600
    lease = {"owner": "other", "lease_until": then + LEASE, "due_at": then + 1, "accepted_at": then}
    names = ("second", "minute", "oc_1", "om_1", "model:glm-image", "clean-up", "base")
    with closing(Leases(database, folder=tmp_path, seconds=LEASE)) as leases:
        leases.beat()
        change(
            database,
            update(requests).values(lease),
            update(generations).values(slot_until=then + 60, **lease),
            update(workers).values(seen_at=then),
            update(key_value).where(key_value.c.name == "clock").values(value=repr(time.time() + 600)),
            *(timers.insert().values(name=name, next_at=then + 1) for name in names),
        )
        assert not workers_alive(database, within=15)
        leases.beat()
        assert workers_alive(database, within=15)
    assert max(waits(database, requests.c.due_at, generations.c.due_at, timers.c.next_at)) <= 0
    assert all(0 < wait <= LEASE for wait in waits(database, requests.c.lease_until, generations.c.lease_until))
    assert all(0 < wait <= 900 for wait in waits(database, generations.c.slot_until))


def test_a_clock_that_is_wrong_drops_no_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Events are as old as Feishu's own time says; the log and ``/readyz`` tell by how much the clock is wrong."""
    clock = MovableClock()
    with BotUnderTest(folder=tmp_path, pace=PACE, clock=clock) as bot:
        wait_for(lambda: bot.readiness[0] == 200)
        clock.ahead = 8.5 * HOUR
        assert bot.new_user().ask().color == "green"
        status, reason = bot.readiness
        assert (status, "8 h 30 min ahead of" in reason) == (503, True)
        assert sum("clock wrong" in record.message for record in caplog.records) == 1
        assert "event dropped" not in caplog.text
        clock.ahead = 0.0
        wait_for(lambda: bot.readiness[0] == 200)


def test_a_date_that_cannot_be_read_changes_nothing() -> None:
    platform = PlatformClock(lambda: 1000.0)
    for date in (None, "", "yesterday", "Thu, 99 Foo 2026 00:00:00 GMT", "Mon, 01 Jan 99999999 0:0:0"):
        platform.learn(date)
        assert (platform.is_known, platform.now(), platform.problem) == (False, 1000.0, None), date


def test_the_platforms_time_goes_on_whatever_becomes_of_the_clock() -> None:
    now, elapsed = [1_000_000_000.0], [50.0]
    platform = PlatformClock(lambda: now[0], elapsed=lambda: elapsed[0])
    platform.learn("Sun, 09 Sep 2001 01:46:40 GMT")
    now[0] += 8 * HOUR
    elapsed[0] += 10
    assert platform.now() == 1_000_000_010.0
    assert platform.problem == "this machine's clock is 8 h 0 min ahead of the platform's"
    now[0] -= 9 * HOUR
    assert platform.problem == "this machine's clock is 1 h 0 min behind the platform's"
