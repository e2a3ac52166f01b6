"""What 100,000 finished generations cost who accepts and claims: ``python -m tests.benchmarks.retention``.

Two databases of one engine, an empty one and a full one, take turns at each step, so that what else the machine does
meets both. Beside the medians' ratio it tells how large the full one is, and how long its clean-up takes.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import text, update

from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore, recover_lost_calls
from bot.db.migrate import migrate
from bot.db.requests import RequestStore
from bot.db.retention import Retention
from bot.db.tables import requests
from bot.models import GeneratedImage, ImagePrompt
from bot.settings import LimitSettings
from bot.worker.generation_steps import REPEATED_UNKNOWN
from bot.worker.queue_positions import QueueReader
from tests.benchmarks.figures import Figure, arguments, percentile, report
from tests.benchmarks.running import kinds
from tests.support.builders import Team, arrival, reception_of
from tests.support.bulk_rows import add_finished
from tests.support.databases import postgres_database

PEOPLE = 20
ALLOWED = 1.5
IMAGE = GeneratedImage(url="https://example.invalid/1.png")
# Limits that refuse nothing here, but are counted as in production.
TEAM = Team(
    limits=LimitSettings(
        per_minute=0,
        pending=1_000,
        waiting=100_000,
        per_day=100_000,
        images_per_month=10_000_000,
        yuan_per_month=1_000_000,
    )
)


class Side:
    """One of the two databases, and the times of its steps in milliseconds."""

    def __init__(self, url: str) -> None:
        self.database = Database(read_url(url))
        migrate(self.database)
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self._reception = reception_of(self.database, TEAM)
        self._requests = RequestStore(self.database)
        self._generations = GenerationStore(self.database)
        self._line = QueueReader(self.database, slots={"glm-image": 1})

    def step(self, number: int) -> None:
        """One prompt, from its acceptance to its end."""
        who = f"ou_{number % PEOPLE}"
        self._timed("accept", lambda: self.accept(f"om_{number}", who))
        with self.database.write() as connection:
            connection.execute(
                update(requests)
                .where(requests.c.answer_id.is_(None))
                .values(answer_id="om_1", published_version=requests.c.desired_version)
            )
        self._timed("look", self._look)
        self._timed("claim", self._claim)

    def accept(self, origin: str, who: str) -> None:
        """One prompt is stored, its limits counted."""
        received = self._reception.submit(arrival(origin, sender=who, chat=f"oc_{who}"), ImagePrompt(prompt="一只猫"))
        assert received.outcome == "accepted", received

    def _look(self) -> None:
        """What a worker reads in each round."""
        recover_lost_calls(self.database, failure=REPEATED_UNKNOWN)
        self._requests.due_requests(limit=16)
        self._generations.made_ids(limit=16)
        self._line.positions("glm-image")

    def _claim(self) -> None:
        """What lies between two paid calls: the end of one, the choice of the next, and its claim."""
        waiting = self._generations.next_waiting("glm-image")
        assert waiting is not None
        claimed = self._generations.claim_slot(waiting[0], owner="me", lease=60, slots=1, deadline=60)
        assert claimed is not None
        self._generations.made(claimed, IMAGE, owner="me", link_expires_at=None)
        self._generations.done(claimed, owner="me")

    def _timed(self, name: str, work: Callable[[], None]) -> None:
        began = time.perf_counter()
        work()
        self.times[name].append((time.perf_counter() - began) * 1000)


@contextmanager
def two_urls(engine: str) -> Iterator[tuple[str, str]]:
    """Two fresh databases of an engine."""
    with ExitStack() as stack:
        if engine == "PostgreSQL":
            yield stack.enter_context(postgres_database()), stack.enter_context(postgres_database())
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield f"sqlite:///{folder / 'empty.db'}", f"sqlite:///{folder / 'full.db'}"


def compare(engine: str, *, number: int, rounds: int) -> list[Figure]:
    """Measures one engine."""
    with two_urls(engine) as urls:
        empty, full = (Side(url) for url in urls)
        add_finished(full.database, number, people=PEOPLE)
        if engine == "PostgreSQL":
            with full.database.write() as connection:
                # As the server's autovacuum does of itself after a while.
                connection.execute(text("ANALYZE"))
        for place in range(rounds):
            for side in (empty, full) if place % 2 else (full, empty):
                side.step(place)
        figures = [
            _ratio(f"{engine}: {name}, {number:,} finished", empty.times[name], times)
            for name, times in full.times.items()
        ]
        figures += _clean_up(engine, full)
        for side in (empty, full):
            side.database.close()
    return figures


def _ratio(what: str, empty: Sequence[float], full: Sequence[float]) -> Figure:
    before, after = statistics.median(empty), statistics.median(full)
    beside = f"{before:.2f} ms empty, {after:.2f} ms full"
    return Figure(what=what, value=after / before, unit="times", most=ALLOWED, beside=beside)


def _clean_up(engine: str, side: Side) -> list[Figure]:
    """Deletes what is older than 20 days while prompts come in."""
    with side.database.read() as connection:
        pages = "SELECT pg_database_size(current_database())"
        on_sqlite = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        size = connection.scalar(text(on_sqlite if engine == "SQLite" else pages)) or 0
    cleaning = threading.Thread(
        target=Retention(side.database, days=20, stopping=threading.Event()).clean, name="clean-up"
    )
    accepted: list[float] = []
    began = time.perf_counter()
    cleaning.start()
    while cleaning.is_alive():
        before = time.perf_counter()
        side.accept(f"om_meanwhile_{len(accepted)}", f"ou_{len(accepted)}")
        accepted.append((time.perf_counter() - before) * 1000)
        cleaning.join(0.05)
    seconds = time.perf_counter() - began
    p50, p99 = (percentile(accepted, share) for share in (0.5, 0.99))
    return [
        Figure(what=f"{engine}: size", value=size / 2**20, unit="MiB"),
        Figure(what=f"{engine}: clean-up of half of it", value=seconds, unit="s"),
        Figure(what=f"{engine}: accept meanwhile, p50", value=p50, beside=f"p99 {p99:.1f} ms"),
    ]


def measure(*, number: int, rounds: int) -> list[Figure]:
    """On each database."""
    return [figure for engine in kinds() for figure in compare(engine, number=number, rounds=rounds)]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints; the exit code is 1 when a full database is too slow."""
    parser = arguments(__doc__)
    parser.add_argument("--finished", type=int, help="how many generations are there (100,000; with --quick 10,000)")
    given = parser.parse_args(argv)
    number = given.finished or (10_000 if given.quick else 100_000)
    figures = measure(number=number, rounds=60 if given.quick else 300)
    report("retention", figures)
    return 1 if any(figure.reached is False for figure in figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
