"""The listener wakes the worker when work is announced, and opens its connection again when it was lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy.engine import make_url

from bot.background import Background
from bot.db.database import Database, read_url
from bot.worker.listener import Listener
from tests.support.databases import postgres_database
from tests.support.dsl import DEADLINE, wait_for
from tests.support.wire import Wire

pytestmark = pytest.mark.postgres

LONG = 600.0
"""Seconds after which the listener would look by itself: longer than any test."""

PASSWORD = "a word of 100% / one's own"
"""One with characters that mean something in an address; this server asks for none."""

QUIET = 0.5
"""Seconds within which an announcement arrives."""


class Listening:
    """A listener at the far end of a wire, and the database in which work is announced."""

    def __init__(self, database: Database, wire: Wire) -> None:
        self.wire = wire
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self._database = database
        url = database.engine.url.set(host="127.0.0.1", port=wire.port, password=PASSWORD)
        before = set(threading.enumerate())
        self.listener = Listener(url, wake=self.wake, every=LONG)
        self.background = Background(stopping=self.stopping)
        self.background.start("listener", self.listener.listen)
        (self.thread,) = (one for one in threading.enumerate() if one.name == "listener" and one not in before)

    def hears(self) -> bool:
        """Whether an announcement wakes, within a moment."""
        self.wake.clear()
        with self._database.write() as connection:
            self._database.notify_workers(connection)
        return self.wake.wait(QUIET)


@pytest.fixture
def listening() -> Iterator[Listening]:
    """One that hears; it ends with the test."""
    with postgres_database() as url, closing(Database(read_url(url))) as database:
        there = make_url(url)
        with Wire(there.port or 5432, host=there.host or "127.0.0.1") as wire:
            listening = Listening(database, wire)
            wait_for(listening.hears)
            yield listening
            listening.stopping.set()
            listening.hears()
            listening.background.close()
            listening.listener.close()


def test_a_lost_connection_is_opened_again(listening: Listening) -> None:
    """Cut off while it sleeps, it notices without looking, and hears again once the database is back."""
    listening.wire.cut()
    assert not listening.hears()
    listening.wire.mend()
    wait_for(listening.hears)


def test_it_leaves_when_it_is_told(listening: Listening) -> None:
    """With the process about to leave, the next time that it wakes is its last."""
    listening.stopping.set()
    listening.hears()
    listening.thread.join(DEADLINE)
    assert not listening.thread.is_alive()
