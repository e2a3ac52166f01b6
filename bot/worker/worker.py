"""The worker: takes up what is due, in one pool for paid calls, one for image transfer, one for cards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bot.background import Background, Loop, Pool
from bot.db.database import Database
from bot.db.generations import GenerationStore
from bot.db.leases import Leases, elapsed_time
from bot.db.lost_call_recovery import recover_lost_calls
from bot.db.requests import RequestStore
from bot.db.row_models import Generation
from bot.errors import DatabaseUnavailable
from bot.logs import bind_ids, get_logger
from bot.options import Options
from bot.timings import Timings
from bot.worker.card_publisher import CardPublisher
from bot.worker.claims import SlotClaims
from bot.worker.failures import REPEATED_UNKNOWN
from bot.worker.generation_steps import Workflow
from bot.worker.image_cache import ImageCache
from bot.worker.queue_positions import QueueReader

log = get_logger(__name__)

TIDY_EVERY = 3_600.0
"""Seconds between two looks at the folder of originals."""

AT_ONCE = 16
"""How many rows of a kind one look takes up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repositories:
    """What the worker reads its work from."""

    requests: RequestStore
    generations: GenerationStore


class Worker:
    """Takes up generations and answers until it is stopped.

    Args:
        slots: how many paid calls a model may have in flight, over all processes.
        call_seconds: after how long a paid call frees its slot whatever became of it.
        wake: set by whoever knows of new work; a slow poll is the net under it.
        stopping: set when the process is about to leave.
        threads: how many cards are sent at once, and as many images are transferred.

    It guarantees that nothing is taken up after ``stop``, not that what was taken up has ended: see ``drain``.
    """

    def __init__(
        self,
        *,
        database: Database,
        stores: Repositories,
        leases: Leases,
        workflow: Workflow,
        answering: CardPublisher,
        line: QueueReader,
        originals: ImageCache,
        slots: Mapping[str, int],
        call_seconds: Callable[[Options], float],
        pace: Timings,
        wake: threading.Event,
        stopping: threading.Event,
        background: Background,
        threads: int = 8,
    ) -> None:
        self._database = database
        self._stores = stores
        self._leases = leases
        self._workflow = workflow
        self._answering = answering
        self._originals = originals
        self._slots = slots
        self._claims = SlotClaims(
            stores.generations, leases=leases, slots=slots, call_seconds=call_seconds, pace=pace, stopping=stopping
        )
        self._pace = pace
        self._wake = wake
        self._stopping = stopping
        self._line = line
        self._waiting: tuple[str, ...] = ()
        self._moved = threading.Event()
        self._refreshed = 0.0
        # A slow image host must not keep cards and commands waiting, nor paid calls.
        self._posts = Pool(max(sum(slots.values()), 1), name="post", wake=wake)
        self._transfers = Pool(threads, name="transfer", wake=wake)
        self._cards = Pool(threads, name="card", wake=wake)
        self._background = background
        self._loops: list[Loop] = []
        self._left = threading.Event()

    def start(self) -> None:
        """Takes over what dead processes of this host have left, and begins to look for work."""
        poll, beat = self._pace.poll, self._pace.beat
        rounds = self._background.start(
            "worker",
            self._run_once,
            every=poll,
            longest_retry=poll,
            hang_after=2 * self._pace.silence,
            pause=self._wake.wait,
        )
        beats = self._background.start(
            "heartbeat", lambda: self._beat(rounds), every=beat, longest_retry=beat, stopping=self._left
        )
        self._background.start("image-cache", self._originals.prune, every=TIDY_EVERY, delay=TIDY_EVERY)
        self._loops = [rounds, beats]

    def stop(self) -> None:
        """Takes nothing new up."""
        self._stopping.set()
        self._wake.set()

    def drain(self) -> None:
        """Waits until everything that was taken up has ended, paid calls up to their deadline included."""
        self.stop()
        for rounds in self._loops[:1]:
            rounds.join()
        # In this order, as a paid call is followed by its transfer, and that by its card.
        for pool in (self._posts, self._transfers, self._cards):
            pool.drain()
        self._left.set()
        for loop in self._loops:
            loop.join()
        self._leases.close()

    def _run_once(self) -> None:
        self._wake.clear()
        self._line.begin_round()
        try:
            self._look()
        finally:
            # An error above keeps no paid call from its slot.
            self._begin_calls()

    def _look(self) -> None:
        """Finds out what is due, and begins with all of it that is not a paid call."""
        work = self._stores.generations.open_work()
        self._waiting = work.waiting
        if work.lost:
            recover_lost_calls(self._database, but_not=self._leases.held, failure=REPEATED_UNKNOWN)
        for request_id in self._stores.requests.unshown(limit=AT_ONCE):
            self._start(self._cards, self._answer, request_id)
        for request_id in self._stores.requests.unshown(limit=AT_ONCE, originals=True):
            self._start(self._transfers, self._answer, request_id)
        if work.made:
            for generation_id in self._stores.generations.made_ids(limit=AT_ONCE):
                self._start(self._transfers, self._deliver, generation_id)
        if work.waiting and (self._moved.is_set() or time.monotonic() - self._refreshed >= self._pace.poll):
            self._moved.clear()
            self._refreshed = time.monotonic()
            self._line.refresh_cards()

    def _begin_calls(self) -> None:
        # An exit stack runs every callback, whichever raises.
        with ExitStack() as calls:
            for model in self._waiting:
                # The images of a model that this version does not know are left for the version that does.
                if model in self._slots:
                    calls.callback(self._begin_calls_of, model)

    def _begin_calls_of(self, model: str) -> None:
        while (generation := self._take_slot(model)) is not None:
            self._posts.submit(partial(self._at_edge, self._generate, generation))

    def _start(self, pool: Pool, work: Callable[[str], None], row_id: str) -> None:
        # What is under way here is not begun again, even when this process slept and its own lease ran out. What finds
        # no free thread is found again in a later round: each end of work wakes the next one.
        if row_id not in self._leases.held and not self._stopping.is_set():
            pool.start(partial(self._at_edge, work, row_id))

    def _finish(self, pool: Pool, work: Callable[[str], None], row_id: str) -> None:
        """Starts what follows a piece of work; a process that is shutting down would not look for it again."""
        follow = partial(self._at_edge, work, row_id)
        if row_id not in self._leases.held and not pool.start(follow) and self._stopping.is_set():
            pool.submit(follow)

    def _take_slot(self, model: str) -> Generation | None:
        generation = self._claims.claim(model)
        if generation is not None:
            self._moved.set()
            self._wake.set()
        return generation

    def _answer(self, request_id: str) -> None:
        since = elapsed_time()
        request = self._stores.requests.claim(request_id, owner=self._leases.owner, lease=self._pace.lease)
        if request is None:
            return
        with self._leases.holding(request_id, since=since), bind_ids(**request.ids):
            if request.stalled_attempts <= self._pace.takeups:
                self._answering.publish(request)
                return
            log.error("request stalled", request=request_id)
            # Once: it may be what breaks now.
            if request.stalled_attempts == self._pace.takeups + 1 and not self._answering.publish_stalled(request):
                return
            self._stores.requests.give_up(request, owner=self._leases.owner, outcome="stalled")

    def _deliver(self, generation_id: str) -> None:
        since = elapsed_time()
        generation = self._stores.generations.claim_made(
            generation_id, owner=self._leases.owner, lease=self._pace.lease
        )
        if generation is None:
            return
        with self._leases.holding(generation_id, since=since), bind_ids(**generation.ids):
            self._workflow.deliver(generation)
        self._finish(self._cards, self._answer, generation.request_id)

    def _generate(self, generation: Generation) -> None:
        following: Generation | None = generation
        while following is not None:
            following = self._generate_one(following)

    def _generate_one(self, generation: Generation) -> Generation | None:
        """Makes one paid call; gives the next of its model, which takes the slot before this image is delivered."""
        with bind_ids(**generation.ids):
            try:
                made = self._workflow.generate(generation)
            finally:
                self._leases.release(generation.generation_id)
            try:
                return self._take_slot(generation.model)
            finally:
                if made:
                    self._finish(self._transfers, self._deliver, generation.generation_id)
                else:
                    self._finish(self._cards, self._answer, generation.request_id)

    def _at_edge(self, work: Callable[..., None], subject: object) -> bool:
        """Runs a task of a pool; after an error the request is found again when its lease is over.

        Returns:
            Whether to look for more at once. After an outage the slow poll looks again; at once, the work would only
            fail once more.
        """
        with bind_ids(**self._ids(work, subject)):
            error = self._background.attempt(work.__name__.strip("_"), work, subject)
        return not isinstance(error, DatabaseUnavailable)

    def _ids(self, work: Callable[..., None], subject: object) -> dict[str, str | None]:
        if isinstance(subject, Generation):
            return subject.ids
        return {"request" if work == self._answer else "generation": str(subject)}

    def _beat(self, rounds: Loop) -> None:
        """Renews the leases of what is worked on here, and signs on while the work loop makes progress."""
        self._leases.beat(sign_on=rounds.stuck_for < self._pace.silence)
        self._end_dead_leases()

    def _end_dead_leases(self) -> None:
        if dead := self._leases.release_dead_leases():
            log.warning("work of dead processes recovered", owners=",".join(dead))
            self._wake.set()
