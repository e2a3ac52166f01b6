"""What wakes the worker, and lets events go first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 0.05
"""Seconds for which a thread gives way at most, however many events come."""


class WorkSignal(threading.Event):
    """Set by whoever knows of new work.

    Python runs one thread at a time, and whoever sent an event waits for its acknowledgement; a card may come a moment
    later. So all else begins no transaction while an event is being taken, for :data:`LONGEST` at most. What it has
    begun goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._taken = 0
        self._calm = threading.Event()
        self._calm.set()
        self._own = threading.local()

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Keeps other threads back for the length of the block, in which an event is taken."""
        with self._lock:
            self._taken += 1
            self._calm.clear()
        self._own.takes = True
        try:
            yield
        finally:
            self._own.takes = False
            with self._lock:
                self._taken -= 1
                if not self._taken:
                    self._calm.set()

    def give_way(self) -> None:
        """Waits until no event is being taken; a thread that takes one goes on."""
        if not getattr(self._own, "takes", False):
            self._calm.wait(LONGEST)
