"""Transactions that change the same rows wait for each other in turn, never each for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import case, select, update

from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore, recover_lost_calls
from bot.db.leases import Leases
from bot.db.requests import RequestStore, mark_dirty
from bot.db.tables import generations, requests
from bot.models import Command
from bot.timings import elapsed_time
from bot.worker.generation_steps import REPEATED_UNKNOWN, STUCK
from tests.support.builders import EXPIRED, LEASE, accept, answer, arrival, claim, reception_of
from tests.support.databases import postgres_database
from tests.support.dsl import wait_for

pytestmark = pytest.mark.postgres

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

FIRST, SECOND = "r_2", "r_1"
"""Two requests of one person in the order of their arrival, which is not that of their keys."""

HOLD_FIRST = f"SELECT 1 FROM requests WHERE request_id = '{FIRST}' FOR UPDATE"  # noqa: S608 - a constant

Act = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A database in which the two requests wait, each with one generation."""

    url: str
    database: Database

    def store(self, owner: str = "me") -> GenerationStore:
        """Its generations."""
        return GenerationStore(self.database, owner)

    def let_pass(self, held: str, *acts: Act) -> None:
        """Lets transactions queue up behind a row that somebody holds, one after the other, and then lets it go."""
        with (
            psycopg.connect(self.url) as holder,
            psycopg.connect(self.url, autocommit=True) as looking,
            ThreadPoolExecutor(len(acts)) as pool,
        ):
            holder.execute(held)
            running = []
            for number, act in enumerate(acts, 1):
                running.append(pool.submit(act))
                wait_for(lambda queued=number: looking.execute(WAITING).fetchone() == (queued,))  # type: ignore[misc]
            holder.commit()
            for one in running:
                one.result()

    def want(self, *request_ids: str) -> None:
        """Wants requests to be shown, as a look at the line does."""
        with self.database.write() as connection:
            mark_dirty(connection, request_ids)

    def lose_both(self) -> None:
        """Both calls were begun by a process that is dead now; that of the first request for the second time."""
        for _ in range(2):
            assert claim(self.database, slots=9, lease=EXPIRED)
        with self.database.write() as connection:
            connection.execute(update(generations).where(generations.c.request_id == FIRST).values(repeated=True))

    def command(self, name: str, argument: str = "") -> None:
        """The person gives a command."""
        reception_of(self.database).submit(arrival("om_command"), Command(name=name, argument=argument))


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The two requests, answered."""
    with postgres_database() as url, closing(Database(read_url(url))) as database:
        accept(database, "om_1")
        accept(database, "om_2")
        answer(database)
        with database.write() as connection:
            rows = connection.execute(select(requests).order_by(requests.c.accepted_at)).mappings().all()
            pictures = connection.execute(select(generations).order_by(generations.c.accepted_at)).mappings().all()
            connection.execute(requests.delete())
            for key, row, picture in zip((FIRST, SECOND), rows, pictures, strict=True):
                connection.execute(requests.insert().values({**row, "request_id": key}))
                own = {"request_id": key, "generation_id": f"g_{key}"}
                connection.execute(generations.insert().values({**picture, **own}))
        yield Scene(url=url, database=database)


def test_a_failure_and_the_next_call_of_a_request(scene: Scene) -> None:
    """An unbilled failure gives its price back while the next image of the same request takes a slot."""
    with scene.database.write() as connection:
        connection.execute(
            update(generations).values(
                request_id=FIRST, index_in_request=case((generations.c.request_id == FIRST, 0), else_=1)
            )
        )
    failing = claim(scene.database, slots=9)
    assert failing is not None
    scene.let_pass(
        "SELECT 1 FROM monthly_usage FOR UPDATE",
        lambda: claim(scene.database, slots=9),
        lambda: scene.store().fail(failing, STUCK, billed=False),
    )


def test_a_beat_and_the_end_of_a_generation(scene: Scene, tmp_path: Path) -> None:
    """The leases of a card and of its picture are prolonged while the picture comes to its end."""
    leases = Leases(scene.database, folder=tmp_path)
    generation = claim(scene.database, slots=9, owner=leases.owner)
    assert generation is not None
    held = RequestStore(scene.database, leases.owner).claim(generation.request_id, lease=LEASE)
    assert held is not None
    since = elapsed_time()
    with leases.holding(generation.request_id, since=since), leases.holding(generation.generation_id, since=since):
        scene.let_pass(
            HOLD_FIRST,
            leases.beat,
            lambda: scene.store(leases.owner).done(generation),
        )
    leases.close()


PAIRS: dict[str, Callable[[Scene], tuple[Act, Act]]] = {
    "two looks at the line": lambda scene: (
        lambda: scene.want(FIRST, SECOND),
        lambda: scene.want(SECOND, FIRST),
    ),
    "a language and a look at the line": lambda scene: (
        lambda: scene.command("lang", "en"),
        lambda: scene.want(SECOND, FIRST),
    ),
    "a take-over and a look at the line": lambda scene: (
        lambda: recover_lost_calls(scene.database, failure=REPEATED_UNKNOWN),
        lambda: scene.want(SECOND, FIRST),
    ),
    "cancelling and a take-over": lambda scene: (
        lambda: scene.command("cancel"),
        lambda: recover_lost_calls(scene.database, failure=REPEATED_UNKNOWN),
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_several_requests_at_once(scene: Scene, pair: str) -> None:
    """Whoever changes several requests, in whatever order they were named, takes them in the order of their keys."""
    scene.lose_both()
    scene.let_pass(HOLD_FIRST, *PAIRS[pair](scene))
