"""Claiming slots for paid calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from bot.db.generations import GenerationStore
from bot.db.leases import Leases, elapsed_time
from bot.db.row_models import Generation
from bot.errors import DatabaseUnavailable
from bot.options import Options
from bot.timings import Timings


class SlotClaims:
    """Claims slots, one claim of this process at a time.

    Args:
        store: the generations.
        leases: where the lease of a claimed generation is held; whoever makes its call releases it.
        slots: how many paid calls a model may have in flight, over all processes.
        call_seconds: after how long a paid call frees its slot whatever became of it.
        pace: the durations of the work.
        stopping: set when the process is shutting down.
    """

    def __init__(
        self,
        store: GenerationStore,
        *,
        leases: Leases,
        slots: Mapping[str, int],
        call_seconds: Callable[[Options], float],
        pace: Timings,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._leases = leases
        self._slots = slots
        self._call_seconds = call_seconds
        self._pace = pace
        self._stopping = stopping
        # A claim whose acknowledgement was lost must not be mistaken for one that another thread has made.
        self._lock = threading.Lock()

    def claim(self, model: str) -> Generation | None:
        """Takes a free slot of a model for whoever is next; ``None`` when there is no slot or nobody for it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with self._lock:
            if self._stopping.is_set():
                return None
            waiting = self._store.next_waiting(model, slots=self._slots[model])
            if waiting is None:
                return None
            generation_id, options = waiting
            generation = None
            self._leases.hold(generation_id, since=elapsed_time())
            try:
                generation = self._claim(generation_id, model, options)
            finally:
                if generation is None:
                    self._leases.release(generation_id)
            return generation

    def _claim(self, generation_id: str, model: str, options: Options) -> Generation | None:
        try:
            return self._store.claim_slot(
                generation_id,
                owner=self._leases.owner,
                lease=self._pace.lease,
                slots=self._slots[model],
                deadline=self._call_seconds(options),
            )
        except DatabaseUnavailable:
            return self._unacknowledged(generation_id)

    def _unacknowledged(self, generation_id: str) -> Generation | None:
        """What became of a claim whose commit was not acknowledged; without asking, it might be charged twice."""
        while True:
            try:
                return self._store.claimed_slot(generation_id, owner=self._leases.owner)
            except DatabaseUnavailable:
                if self._stopping.wait(self._pace.poll):
                    raise
