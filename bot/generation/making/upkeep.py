"""What is done once in a while beside the work, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from bot.errors import StoreUnavailable

log = logging.getLogger(__name__)


class Upkeep:
    """Runs a few short steps every so often, and a last time when the process leaves.

    Args:
        steps: what is done; each may raise ``StoreUnavailable``, and is done again at the next time.
        every: seconds between two times.
        stopping: set when the process is about to leave.
    """

    def __init__(self, steps: Sequence[Callable[[], None]], *, every: float, stopping: threading.Event) -> None:
        self._steps = steps
        self._every = every
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begins; the first time comes after one interval."""
        self._thread.start()

    def close(self) -> None:
        """Waits for the thread and does everything a last time; ``stopping`` must have been set before."""
        if self._thread.is_alive():
            self._thread.join()
        self._once()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            self._once()

    def _once(self) -> None:
        for step in self._steps:
            try:
                step()
            except StoreUnavailable as fault:
                log.error("database away reason=%s", fault)  # noqa: TRY400 - an outage needs no traceback
