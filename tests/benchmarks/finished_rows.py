"""What 100,000 finished generations cost whoever accepts, looks for work and claims.

Two databases of one engine, an empty one and a full one, take turns at each step, so that what else the machine does
affects both.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from sqlalchemy import text, update

from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore, recover_lost_calls
from bot.db.requests import RequestStore
from bot.db.tables import requests
from bot.models import GeneratedImage, ImagePrompt
from bot.settings import LimitSettings
from bot.worker.generation_steps import REPEATED_UNKNOWN
from bot.worker.request_renderer import QueueReader
from tests.benchmarks.harness import Figure, engines, fresh_database
from tests.support.builders import Team, arrival, change, reception_of
from tests.support.bulk_rows import add_finished

PEOPLE = 20
IMAGE = GeneratedImage(url="https://example.invalid/1.png")
# Limits that refuse nothing here, but are counted as in production.
LIMITS = {"pending": 1_000, "waiting": 100_000, "per_day": 100_000, "images_per_month": 10_000_000}
TEAM = Team(limits=LimitSettings(per_minute=0, yuan_per_month=1_000_000, **LIMITS))


class Side:
    """One of the two databases, and the times of its steps in milliseconds."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self._reception = reception_of(database, TEAM)
        self._requests = RequestStore(database, "me")
        self._generations = GenerationStore(database, "me")
        self._line = QueueReader(database=database, slots={"glm-image": 1})

    def step(self, number: int) -> None:
        """One prompt, from its acceptance to its end: what a worker reads in a round, and what its paid call costs."""
        who = f"ou_{number % PEOPLE}"
        with self._timed("accept"):
            said = arrival(f"om_{number}", sender=who, chat=f"oc_{who}")
            received = self._reception.submit(said, ImagePrompt(prompt="一只猫"))
        assert received.outcome == "accepted", received
        unanswered = update(requests).where(requests.c.request_id == received.request_id)
        change(self.database, unanswered.values(answer_id="om_1", published_version=requests.c.desired_version))
        with self._timed("look"):
            recover_lost_calls(self.database, failure=REPEATED_UNKNOWN)
            self._requests.due_requests(limit=16)
            self._generations.made_ids(limit=16)
            self._line.positions("glm-image")
        with self._timed("claim"):
            waiting = self._generations.next_waiting("glm-image")
            assert waiting is not None
            claimed = self._generations.claim_slot(waiting[0], lease=60, slots=1, deadline=60)
            assert claimed is not None
            self._generations.made(claimed, IMAGE, link_expires_at=None)
        made = self._generations.claim_made(claimed.generation_id, lease=60)
        assert made is not None
        self._generations.done(made)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.times[name].append((time.perf_counter() - began) * 1000)


def compare(engine: str, *, number: int, rounds: int) -> Iterator[Figure]:
    """Measures one engine with so many finished generations."""
    with ExitStack() as stack:
        urls = [stack.enter_context(fresh_database(engine)) for _ in range(2)]
        empty, full = (Side(stack.enter_context(closing(Database(read_url(url))))) for url in urls)
        add_finished(full.database, number, people=PEOPLE)
        if engine == "PostgreSQL":
            # As its autovacuum does of itself after a while.
            change(full.database, text("ANALYZE"))
        for place in range(rounds):
            for side in (empty, full) if place % 2 else (full, empty):
                side.step(place)
    for name, times in full.times.items():
        slower = statistics.median(times) / statistics.median(empty.times[name])
        what = f"{engine}: {name} with {number:,} finished generations"
        yield Figure(what=what, value=slower, unit="times", most=1.5)


def measure(*, quick: bool) -> Iterator[Figure]:
    number, rounds = (10_000, 60) if quick else (100_000, 300)
    for engine in engines():
        yield from compare(engine, number=number, rounds=rounds)
