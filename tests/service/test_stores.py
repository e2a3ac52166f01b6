"""Requests and generations in a real database: slots counted over all, paid calls never forgotten, no deadlocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, case, select, update

from bot.db.database import BOUNDS, NOW, Database, read_url
from bot.db.generations import GenerationStore, recover_lost_calls, resume_images
from bot.db.key_value import pause
from bot.db.leases import Leases
from bot.db.requests import RequestStore, cancel, mark_dirty
from bot.db.tables import Generation, generations, requests
from bot.db.timers import pause_model
from bot.errors import DatabaseUnavailable, LeaseLost
from bot.models import Command, GeneratedImage, State
from bot.timings import elapsed_time
from bot.worker.generation_steps import REPEATED_UNKNOWN, STUCK
from tests.support.builders import EXPIRED, LEASE, accept, answer, arrival, change, claim, claimed, make, reception_of
from tests.support.databases import sqlite_database
from tests.support.dsl import wait_for


def test_slots_hold_under_a_race(database: Database) -> None:
    """However many workers claim at once, no more calls are in flight than there are slots."""
    accept(database, count=4)
    answer(database)
    start = threading.Barrier(8)

    def take(number: int) -> Generation | None:
        start.wait()
        try:
            return claim(database, owner=f"worker{number}", slots=2)
        except DatabaseUnavailable:
            # Its turn to write did not come in time; a worker would look again.
            return None

    with ThreadPoolExecutor(8) as pool:
        taken = [generation for generation in pool.map(take, range(8)) if generation]
    assert 1 <= len(taken) <= 2
    assert len({generation.generation_id for generation in taken}) == len(taken)


def test_a_stored_url_frees_the_slot(database: Database) -> None:
    """Once the URL is stored the next call may begin, while the picture is still being fetched."""
    accept(database, count=2)
    first = claimed(database, slots=1)
    store = GenerationStore(database, "me")
    assert [bool(store.next_waiting("glm-image", slots=slots)) for slots in (1, 2)] == [False, True]
    make(database, first)
    assert claim(database, slots=1) is not None


def test_a_call_that_hangs_frees_its_slot_at_its_deadline(database: Database) -> None:
    """Past the deadline the next call begins although the first one's process lives; what still comes is stored."""
    store = GenerationStore(database, "me")
    accept(database, count=2)
    hanging = claimed(database, deadline=-1, slots=1)
    assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 0
    following = claimed(database, slots=1)
    assert following.generation_id != hanging.generation_id
    assert make(database, hanging)
    assert store.made_ids(limit=5) == [hanging.generation_id]


SINCE_THE_LOOK: dict[str, Callable[[Connection], object]] = {
    "an admin has paused the bot": partial(pause, by="ou_admin"),
    "the platform was busy": partial(pause_model, model="glm-image", seconds=60),
    "it was put off": lambda connection: connection.execute(update(generations).values(due_at=4e9)),
    "it was cancelled": lambda connection: connection.execute(update(generations).values(ended_at=1.0)),
    "its card is gone": lambda connection: connection.execute(update(requests).values(answer_id=None)),
}


@pytest.mark.parametrize("since", SINCE_THE_LOOK)
def test_a_look_that_is_out_of_date_claims_nothing(database: Database, since: str) -> None:
    """What has happened since the look at the line counts when the slot is taken."""
    store = GenerationStore(database, "me")
    accept(database)
    answer(database)
    waiting = store.next_waiting("glm-image")
    assert waiting is not None
    with database.write() as connection:
        SINCE_THE_LOOK[since](connection)
    assert store.claim_slot(waiting[0], lease=LEASE, slots=1, deadline=180) is None


def test_a_call_that_is_lost_during_a_take_over_waits_for_the_next_one(tmp_path: Path) -> None:
    """A repeated call whose lease ends between two statements of a take-over is not made a third time."""
    readings = [0.0]
    url = read_url(sqlite_database(tmp_path))
    with closing(Database(url, clock=lambda: readings.pop(0) if len(readings) > 1 else readings[0])) as database:
        accept(database, count=2)
        claimed(database, lease=EXPIRED)
        recover_lost_calls(database, failure=REPEATED_UNKNOWN)
        repeated = claimed(database, lease=30)
        claimed(database, lease=EXPIRED)
        readings[:] = [0.0, 0.0, 60.0]
        assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 1
        assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 1
        ended = select(generations.c.generation_id).where(generations.c.state == State.FAILED)
        with database.read() as connection:
            assert connection.scalars(ended).all() == [repeated.generation_id]


def test_slots_in_force_fall_while_the_platform_refuses_and_recover(database: Database) -> None:
    """Each call refused for the platform's limits takes one slot out of force until it gets through."""
    store = GenerationStore(database, "me")
    accept(database, count=4)
    refused = claimed(database, slots=3)
    store.push_back(refused, seconds=-1)
    again = claimed(database, slots=3)
    assert again.generation_id == refused.generation_id
    assert claim(database, slots=3) is not None
    assert claim(database, slots=3) is None
    store.made(again, GeneratedImage(url="https://x/1"), link_expires_at=None)
    assert [claim(database, slots=3) is not None for _ in range(3)] == [True, True, False]


def test_a_cancelled_image_is_kept_for_a_day(database: Database) -> None:
    """What the platform made although it was cancelled can be had without another call, and only for a day."""
    accept(database)
    generation = claimed(database)
    with database.write() as connection:
        cancel(connection, [generation.request_id])
    assert not make(database, generation)
    for hours, kept in ((25, 0), (23, 1)):
        with database.write() as connection:
            connection.execute(update(generations).values(ended_at=NOW - hours * 3_600))
            assert resume_images(connection, generation.request_id, kept=True) == kept
        assert GenerationStore(database, "me").made_ids(limit=5) == [generation.generation_id] * kept


def test_who_lost_the_lease_writes_nothing(database: Database) -> None:
    """One worker at a time shows a request; when its lease has run out, it is another one's."""
    store = RequestStore(database, "me")
    accept(database)
    (request_id,) = store.due_requests(limit=10)
    slow = store.claim(request_id, lease=EXPIRED)
    assert slow is not None
    assert RequestStore(database, "quick").claim(request_id, lease=LEASE)
    assert store.claim(request_id, lease=LEASE) is None
    assert store.due_requests(limit=10) == []
    with pytest.raises(LeaseLost):
        store.mark_published(slow[0], card_state="result", last=True, answer_id="om_x")
    assert store.read(request_id)[0].answer_id is None


def test_a_change_during_the_last_showing_is_shown_after_it(database: Database) -> None:
    """A recall that comes while the final card is on its way is not lost: the request does not end before it."""
    store = RequestStore(database, "me")
    accept(database)
    (request_id,) = store.due_requests(limit=10)
    for left in ([request_id], []):
        assert store.claim(request_id, lease=LEASE)
        rendered, _ = store.read(request_id)
        if left:
            with database.write() as connection:
                mark_dirty(connection, [request_id])
        store.mark_published(rendered, card_state="result", last=True, answer_id="om_x")
        assert store.due_requests(limit=10) == left


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

FIRST, SECOND = "r_2", "r_1"
"""Two requests of one person in the order of their arrival, which is not that of their keys."""

HOLD_FIRST = f"SELECT 1 FROM requests WHERE request_id = '{FIRST}' FOR UPDATE"  # noqa: S608 - a constant


@pytest.fixture
def two(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The two requests wait, each with one generation.

    Who waits for a lock waits until PostgreSQL finds a deadlock, for which it looks after a second.
    """
    for name in BOUNDS:
        monkeypatch.setitem(BOUNDS, name, 60.0)
    with closing(Database(read_url(postgres_url))) as database:
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
        yield database


def let_pass(url: str, held: str, *acts: Callable[[], object]) -> None:
    """Lets transactions queue up behind a row that somebody holds, one after the other, and then lets it go."""
    with (
        psycopg.connect(url) as holder,
        psycopg.connect(url, autocommit=True) as looking,
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


@pytest.mark.postgres
def test_a_failure_and_the_next_call_of_a_request(two: Database, postgres_url: str) -> None:
    """An unbilled failure gives its price back while the next image of the same request takes a slot."""
    place = case((generations.c.request_id == FIRST, 0), else_=1)
    change(two, update(generations).values(request_id=FIRST, index_in_request=place))
    failing = claim(two, slots=9)
    assert failing is not None
    let_pass(
        postgres_url,
        "SELECT 1 FROM monthly_usage FOR UPDATE",
        lambda: claim(two, slots=9),
        lambda: GenerationStore(two, "me").fail(failing, STUCK, billed=False),
    )


@pytest.mark.postgres
def test_a_beat_and_the_end_of_a_generation(two: Database, postgres_url: str, tmp_path: Path) -> None:
    with closing(Leases(two, folder=tmp_path)) as leases:
        generation = claim(two, slots=9, owner=leases.owner)
        assert generation is not None
        assert RequestStore(two, leases.owner).claim(generation.request_id, lease=LEASE)
        store = GenerationStore(two, leases.owner)
        for row_id in (generation.request_id, generation.generation_id):
            leases.hold(row_id, since=elapsed_time())
        let_pass(postgres_url, HOLD_FIRST, leases.beat, lambda: store.done(generation))


def want(database: Database, *request_ids: str) -> None:
    with database.write() as connection:
        mark_dirty(connection, request_ids)


def command(database: Database, name: str, argument: str = "") -> None:
    reception_of(database).submit(arrival("om_command"), Command(name=name, argument=argument))


ACTS: dict[str, Callable[[Database], object]] = {
    "look": lambda database: want(database, FIRST, SECOND),
    "look back": lambda database: want(database, SECOND, FIRST),
    "language": lambda database: command(database, "lang", "en"),
    "take-over": partial(recover_lost_calls, failure=REPEATED_UNKNOWN),
    "cancel": lambda database: command(database, "cancel"),
}

PAIRS = [("look", "look back"), ("language", "look back"), ("take-over", "look back"), ("cancel", "take-over")]


@pytest.mark.postgres
@pytest.mark.parametrize("pair", PAIRS)
def test_several_requests_at_once(two: Database, postgres_url: str, pair: tuple[str, str]) -> None:
    """Whoever changes several requests, in whatever order they were named, takes them in the order of their keys.

    Both calls were begun by a process that is dead now; that of the first request for the second time.
    """
    for _ in range(2):
        assert claim(two, slots=9, lease=EXPIRED)
    change(two, update(generations).where(generations.c.request_id == FIRST).values(repeated=True))
    let_pass(postgres_url, HOLD_FIRST, *(partial(ACTS[name], two) for name in pair))
