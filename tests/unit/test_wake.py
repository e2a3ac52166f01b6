"""Events go first: everything else begins its transactions when none is being taken."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.db.database import Database, read_url
from bot.worker import work_signal as module
from bot.worker.work_signal import WorkSignal

DEADLINE = 30.0
"""Seconds for which is waited for what must come."""


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives way does so until no event is being taken."""
    monkeypatch.setattr(module, "LONGEST", DEADLINE)


class Taker:
    """A thread that takes an event until it is told to end."""

    def __init__(self, wake: WorkSignal, pool: ThreadPoolExecutor) -> None:
        self._wake = wake
        self._entered, self._end = threading.Event(), threading.Event()
        self._taking = pool.submit(self._take)
        assert self._entered.wait(DEADLINE)

    def _take(self) -> None:
        with self._wake.taking():
            self._entered.set()
            self._end.wait(DEADLINE)

    def end(self) -> None:
        """Ends it, and waits for that."""
        self._end.set()
        self._taking.result(DEADLINE)


@pytest.mark.usefixtures("endless")
def test_others_wait_until_the_last_event_is_taken() -> None:
    """Of two events at once, the end of one is not the end of both."""
    wake = WorkSignal()
    with ThreadPoolExecutor(3) as pool:
        first, second = Taker(wake, pool), Taker(wake, pool)
        working = pool.submit(wake.give_way)
        first.end()
        assert not working.done()
        second.end()
        working.result(DEADLINE)


@pytest.mark.usefixtures("endless")
def test_whoever_takes_an_event_does_not_wait_for_itself(tmp_path: Path) -> None:
    """The transactions of the thread that takes an event begin at once."""
    wake = WorkSignal()
    database = Database(read_url(f"sqlite:///{tmp_path}/bot.db"), give_way=wake.give_way)
    began = time.monotonic()
    with wake.taking(), database.write() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    assert time.monotonic() - began < DEADLINE
    database.close()


def test_nobody_gives_way_for_ever() -> None:
    """However many events come, what has waited for a moment goes on."""
    wake = WorkSignal()
    with ThreadPoolExecutor(1) as pool, wake.taking():
        pool.submit(wake.give_way).result(DEADLINE)


@pytest.mark.parametrize("kind", ["write", "change", "read", "look"])
def test_each_kind_of_transaction_gives_way(kind: str, tmp_path: Path) -> None:
    """Once, before it begins."""
    calls: list[str] = []
    database = Database(read_url(f"sqlite:///{tmp_path}/bot.db"), give_way=lambda: calls.append("way"))
    with getattr(database, kind)() as connection:
        calls.append("begun")
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    database.close()
    assert calls == ["way", "begun"]
