"""What wakes the worker, and keeps it back for a moment while events are being taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 0.1
"""Seconds for which the worker is kept back at most, however many events come."""


class Wake(threading.Event):
    """Set by whoever knows of new work.

    Python runs one thread at a time, and whoever sent an event waits for its acknowledgement; a card may come a moment
    later. So the worker begins nothing while an event is being taken, for :data:`LONGEST` at most. What it has begun
    goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._taken = 0
        self._calm = threading.Event()
        self._calm.set()

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Keeps the worker back for the length of the block, in which an event is taken."""
        with self._lock:
            self._taken += 1
            self._calm.clear()
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1
                if not self._taken:
                    self._calm.set()

    def wait_for_calm(self) -> None:
        """Waits until no event is being taken."""
        self._calm.wait(LONGEST)
