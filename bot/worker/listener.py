"""Listens on PostgreSQL for work that other processes announce."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from bot.db.database import SILENCE, WAKE_CHANNEL
from bot.errors import DatabaseUnavailable


class Listener:
    """Sets ``wake`` whenever work is announced, over a connection of its own; a wait takes ``every`` seconds at most.

    It does not guarantee a wake-up: while the connection is down, the worker's slow poll finds the work.
    """

    def __init__(self, url: URL, *, wake: threading.Event, every: float) -> None:
        # As options, since libpq reads the quoting of an address otherwise than SQLAlchemy writes it.
        _, options = url.get_dialect()().create_connect_args(url)
        self._options: dict[str, Any] = {"connect_timeout": 5, **SILENCE, **options}
        self._wake, self._every = wake, every
        self._connection: psycopg.Connection[Any] | None = None

    def listen(self) -> None:
        """Connects where there is no connection, then waits once; ``DatabaseUnavailable`` if the connection is lost."""
        try:
            if self._connection is None:
                connection = psycopg.connect(autocommit=True, **self._options)
                connection.execute(f"LISTEN {WAKE_CHANNEL}")
                self._connection = connection
            for _ in self._connection.notifies(timeout=self._every, stop_after=1):
                self._wake.set()
        except psycopg.OperationalError as error:
            self.close()
            raise DatabaseUnavailable(type(error).__name__) from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
