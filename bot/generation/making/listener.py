"""Listens on PostgreSQL for work that other processes announce."""

from __future__ import annotations

import logging
import select
import threading
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from bot.generation.store.database import WAKE_CHANNEL
from bot.generation.store.engines import SILENCE

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds after which the thread looks whether it has to leave."""

OPEN_AGAIN = 1.0
"""Seconds after which a connection that was lost is opened anew."""


class Listener:
    """A thread with a connection of its own that sets ``wake`` whenever work is announced.

    It does not guarantee a wake-up: while the connection is down, the worker's slow poll finds the work.

    Args:
        url: the database.
        wake: set at each announcement.
        stopping: set when the process is about to leave.
        every: seconds; see :data:`LOOK_EVERY`.
    """

    def __init__(
        self, url: URL, *, wake: threading.Event, stopping: threading.Event, every: float = LOOK_EVERY
    ) -> None:
        # As options, since libpq reads the quoting of an address otherwise than SQLAlchemy writes it.
        _, options = url.get_dialect()().create_connect_args(url)
        self._options: dict[str, Any] = {"connect_timeout": 5, **SILENCE, **options}
        self._wake = wake
        self._stopping = stopping
        self._every = every
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begins to listen."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except psycopg.OperationalError as fault:
                log.warning("listener lost reason=%s", type(fault).__name__)
                self._stopping.wait(OPEN_AGAIN)

    def _listen(self) -> None:
        with psycopg.connect(autocommit=True, **self._options) as connection:
            connection.execute(f"LISTEN {WAKE_CHANNEL}")
            waiting = select.poll()
            waiting.register(connection.fileno(), select.POLLIN)
            while not self._stopping.is_set():
                if list(connection.notifies(timeout=0)):
                    self._wake.set()
                # To wait, notifies wakes ten times a second. The end of the connection, too, is something to be read.
                waiting.poll(self._every * 1_000)
