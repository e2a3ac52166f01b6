"""The worker: takes up what is due, in one pool for paid calls, one for image transfers, one for cards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from bot.background import Background
from bot.db.generations import recover_lost_calls
from bot.db.tables import Generation
from bot.errors import DatabaseUnavailable
from bot.glm.client import call_seconds
from bot.logs import bind_ids, get_logger
from bot.models import State
from bot.timings import elapsed_time
from bot.worker.card_publisher import CardPublisher
from bot.worker.generation_steps import REPEATED_UNKNOWN, GenerationSteps

log = get_logger(__name__)

PRUNE_EVERY = 3_600.0  # seconds between two checks of the folder of originals
BETWEEN_ROUNDS = 0.04  # seconds at least
BATCH = 16  # how many rows of a kind one round takes up
STALLED_NOTICES = 3  # how often it is tried to say that a request cannot be shown


@dataclass(kw_only=True)
class Worker:
    """Takes up generations and requests until ``background`` is stopping; ``wake`` is set where new work is known.

    A slow poll finds what no wake-up has told of. ``threads`` is how many cards are sent at once, and as many images
    are transferred.
    """

    steps: GenerationSteps
    publisher: CardPublisher
    background: Background
    wake: threading.Event
    threads: int = 8
    _drained: threading.Event = field(default_factory=threading.Event, init=False)
    # A claim whose acknowledgement was lost must not be mistaken for one that another thread has made.
    _claiming: threading.Lock = field(default_factory=threading.Lock, init=False)
    _refreshed_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._requests, self._generations = self.publisher.store, self.steps.store
        self._leases, self._timings, self._stopping = self.steps.leases, self.steps.timings, self.background.stopping
        self._queue = self.publisher.renderer.queue
        # A slow image host must not keep cards and commands waiting, nor paid calls.
        self._calls = ThreadPoolExecutor(max(sum(self._queue.slots.values()), 1), thread_name_prefix="post")
        self._transfers = ThreadPoolExecutor(self.threads, thread_name_prefix="transfer")
        self._cards = ThreadPoolExecutor(self.threads, thread_name_prefix="card")

    def start(self) -> None:
        """Recovers the work of dead processes of this host, and begins to look for work."""
        poll, beat, start = self._timings.poll, self._timings.beat, self.background.start
        hang_after = 2 * self._timings.silence
        self._rounds = start(
            "worker", self._run_once, every=poll, longest_retry=poll, hang_after=hang_after, pause=self._pause
        )
        self._beats = start("heartbeat", self._heartbeat, every=beat, longest_retry=beat, stopping=self._drained)
        start("image-cache", self.steps.cache.prune, every=PRUNE_EVERY, delay=PRUNE_EVERY)

    def drain(self) -> None:
        """Waits until everything that was taken up has ended, paid calls up to their deadline included."""
        self._stopping.set()
        self.wake.set()
        self._rounds.thread.join()
        # In this order, as a paid call is followed by its transfer, and that by its card.
        for pool in (self._calls, self._transfers, self._cards):
            pool.shutdown()
        self._drained.set()
        self._beats.thread.join()
        self._leases.close()

    def _pause(self, seconds: float) -> None:
        """Waits for work; under load it lets much come together, and leaves the processor to what takes messages."""
        self._stopping.wait(BETWEEN_ROUNDS)
        self.wake.wait(seconds)

    def _run_once(self) -> None:
        """Finds what is due, and begins with it."""
        self.wake.clear()
        work = self._generations.open_work()
        if work[State.GENERATING]:
            recover_lost_calls(self._generations.database, but_not=self._leases.held, failure=REPEATED_UNKNOWN)
        for request_id in self._requests.due_requests(limit=BATCH):
            self._start(self._cards, self._publish, request_id)
        for request_id in self._requests.due_requests(limit=BATCH, originals=True):
            self._start(self._transfers, self._publish, request_id)
        for generation_id in self._generations.made_ids(limit=BATCH) if work[State.MADE] else ():
            self._start(self._transfers, self._deliver, generation_id)
        for model in work[State.WAITING]:
            # The images of a model that this version does not know are left for the version that does.
            if model in self._queue.slots:
                self._start_calls(model)
        if work[State.WAITING] and time.monotonic() - self._refreshed_at >= self._timings.poll:
            self._refreshed_at = time.monotonic()
            self._queue.refresh_cards()

    def _start_calls(self, model: str) -> None:
        while (generation := self._claim_slot(model)) is not None:
            self._calls.submit(self._run_task, self._generate, generation)

    def _start(self, pool: ThreadPoolExecutor, work: Callable[[str], None], row_id: str) -> None:
        """Starts a task for a row that no task of this process is for."""
        # What is in progress here is not begun again, even when this process slept and its own lease ran out.
        if self._leases.hold(row_id, since=elapsed_time()):
            pool.submit(self._run_task, work, row_id)

    def _publish(self, request_id: str) -> None:
        claimed = self._requests.claim(request_id, lease=self._timings.lease)
        if claimed is None:
            return
        request, images = claimed
        most = self._timings.takeups
        with bind_ids(**request.ids):
            if request.stalled_attempts <= most:
                self.publisher.publish(request, images)
                return
            log.error("request stalled", request=request_id)
            # A few times: it may be what breaks now.
            if request.stalled_attempts <= most + STALLED_NOTICES:
                self.publisher.publish_stalled(request)
            self._requests.give_up(request, outcome="stalled")

    def _deliver(self, generation_id: str) -> None:
        generation = self._generations.claim_made(generation_id, lease=self._timings.lease)
        if generation is None:
            return
        with bind_ids(**generation.ids):
            self.steps.deliver(generation)
        self._start(self._cards, self._publish, generation.request_id)

    def _generate(self, generation: Generation) -> None:
        """Makes paid calls of one model as long as one waits: the next takes the slot before an image is delivered."""
        following: Generation | None = generation
        while following is not None:
            current, following = following, None
            with bind_ids(**current.ids):
                try:
                    made = self.steps.generate(current)
                finally:
                    self._leases.release(current.generation_id)
                try:
                    following = self._claim_slot(current.model)
                finally:
                    if made:
                        self._start(self._transfers, self._deliver, current.generation_id)
                    else:
                        self._start(self._cards, self._publish, current.request_id)

    def _claim_slot(self, model: str) -> Generation | None:
        """Takes a free slot of a model for the next generation, and holds it; ``None`` without slot or generation."""
        with self._claiming:
            if self._stopping.is_set():
                return None
            slots, generation = self._queue.slots[model], None
            waiting = self._generations.next_waiting(model, slots=slots)
            if waiting is None:
                return None
            generation_id, options = waiting
            if not self._leases.hold(generation_id, since=elapsed_time()):
                # The end of its last call is being stored again, as the first commit was not acknowledged.
                return None
            try:
                generation = self._generations.claim_slot(
                    generation_id, lease=self._timings.lease, slots=slots, deadline=call_seconds(options)
                )
            except DatabaseUnavailable:
                # Its commit may not have been acknowledged; without asking, the call might be charged twice.
                generation = self.steps.retry_until_stored(partial(self._generations.claimed_slot, generation_id))
            finally:
                if generation is None:
                    self._leases.release(generation_id)
        if generation is not None:
            self.wake.set()
        return generation

    def _run_task(self, work: Callable[..., None], subject: Generation | str) -> None:
        """Runs a task of a pool; after an error the row is found again when its lease is over."""
        kind = "request" if work == self._publish else "generation"
        with bind_ids(**(subject.ids if isinstance(subject, Generation) else {kind: subject})):
            error = self.background.attempt(work.__name__.strip("_"), work, subject)
        if isinstance(subject, str):
            self._leases.release(subject)
        if not isinstance(error, DatabaseUnavailable):
            # There may be more to do; during an outage only the slow poll looks for it.
            self.wake.set()

    def _heartbeat(self) -> None:
        """Renews the leases of what is in progress here, and signs on while the work loop makes progress."""
        self._leases.beat(sign_on=self._rounds.stuck_for < self._timings.silence)
        if dead := self._leases.release_dead_leases():
            log.warning("work of dead processes recovered", owners=",".join(dead))
            self.wake.set()
