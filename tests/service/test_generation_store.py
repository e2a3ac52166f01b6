"""Generations in a real database: slots counted over everybody, paid calls never forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Table, select, update

from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore, recover_lost_calls, resume_images
from bot.db.key_value import pause
from bot.db.requests import RequestStore, cancel
from bot.db.tables import Generation, generations, requests
from bot.db.timers import pause_model
from bot.errors import DatabaseUnavailable, LeaseLost
from bot.models import GeneratedImage, State
from bot.worker.generation_steps import REPEATED_UNKNOWN
from tests.support.builders import EXPIRED, LEASE, accept, answer, claim, claimed, make
from tests.support.databases import sqlite_database


def test_nothing_is_paid_before_its_card_stands_in_the_chat(database: Database) -> None:
    """A generation gets a slot only when its request has been answered with a card."""
    accept(database)
    assert claim(database) is None
    answer(database)
    assert claim(database) is not None


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
    assert claim(database, slots=1) is None
    make(database, first)
    assert claim(database, slots=1) is not None


def test_nobody_is_next_while_every_slot_is_taken(database: Database) -> None:
    """Whose turn it would be is told only when there is a slot for it."""
    store = GenerationStore(database, "me")
    accept(database, count=2)
    answer(database)
    assert claim(database) is not None
    assert store.next_waiting("glm-image", slots=1) is None
    assert store.next_waiting("glm-image", slots=2) is not None


def test_a_call_that_hangs_frees_its_slot_at_its_deadline(database: Database) -> None:
    """Past the deadline the next call begins although the first one's process lives; what still comes is stored."""
    store = GenerationStore(database, "me")
    accept(database, count=2)
    answer(database)
    hanging = claim(database, deadline=-1)
    assert hanging is not None
    assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 0
    following = claim(database)
    assert following is not None
    assert following.generation_id != hanging.generation_id
    assert make(database, hanging)
    assert store.made_ids(limit=5) == [hanging.generation_id]


def pause_bot(database: Database) -> None:
    """An admin pauses the bot."""
    with database.write() as connection:
        pause(database, connection, by="ou_admin")


def hold_line(database: Database) -> None:
    """The platform says that the model is busy."""
    with database.write() as connection:
        pause_model(database, connection, "glm-image", seconds=60)


def change(table: Table, **values: object) -> Callable[[Database], None]:
    """Somebody changes the rows of a table."""

    def act(database: Database) -> None:
        with database.write() as connection:
            connection.execute(update(table).values(values))

    return act


SINCE_THE_LOOK: dict[str, Callable[[Database], None]] = {
    "an admin has paused the bot": pause_bot,
    "the platform was busy": hold_line,
    "it was put off": change(generations, due_at=4e9),
    "it was cancelled": change(generations, ended_at=1.0),
    "its card is gone": change(requests, answer_id=None),
}


@pytest.mark.parametrize("since", SINCE_THE_LOOK)
def test_a_look_that_is_out_of_date_claims_nothing(database: Database, since: str) -> None:
    """What has happened since the look at the line counts when the slot is taken."""
    store = GenerationStore(database, "me")
    accept(database)
    answer(database)
    waiting = store.next_waiting("glm-image")
    assert waiting is not None
    SINCE_THE_LOOK[since](database)
    assert store.claim_slot(waiting[0], lease=LEASE, slots=1, deadline=180) is None


def test_a_dead_workers_call_is_made_once_more_and_only_once(database: Database) -> None:
    """A call whose outcome a crash hid is repeated; hidden again, it ends in words."""
    accept(database)
    answer(database)
    for posts in (1, 2):
        generation = claim(database, lease=EXPIRED)
        assert generation is not None
        assert (generation.calls_made, generation.repeated) == (posts, posts == 2)
        recover_lost_calls(database, failure=REPEATED_UNKNOWN)
    assert claim(database) is None
    (request_id,) = RequestStore(database, "me").due_requests(limit=1)
    (picture,) = RequestStore(database, "me").read(request_id)[1]
    assert (picture.state, picture.failure) == (State.FAILED, REPEATED_UNKNOWN)


def test_a_call_that_is_lost_during_a_take_over_waits_for_the_next_one(tmp_path: Path) -> None:
    """A repeated call whose lease ends between two statements of a take-over is not made a third time."""
    readings = [0.0]
    url = read_url(sqlite_database(tmp_path))
    with closing(Database(url, clock=lambda: readings.pop(0) if len(readings) > 1 else readings[0])) as database:
        accept(database, count=2)
        answer(database)
        assert claim(database, lease=EXPIRED) is not None
        recover_lost_calls(database, failure=REPEATED_UNKNOWN)
        repeated = claim(database, lease=30)
        assert repeated is not None
        assert claim(database, lease=EXPIRED, slots=2) is not None
        readings[:] = [0.0, 0.0, 60.0]
        assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 1
        assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 1
        ended = select(generations.c.generation_id).where(generations.c.state == State.FAILED)
        with database.read() as connection:
            assert connection.scalars(ended).all() == [repeated.generation_id]


def test_a_living_workers_call_is_left_alone(database: Database) -> None:
    """Nothing is taken over while the lease runs."""
    accept(database)
    answer(database)
    claim(database)
    assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 0


def test_a_stored_url_is_never_paid_for_again(database: Database) -> None:
    """When the worker dies after the URL was stored, the next one goes on with the download."""
    store = GenerationStore(database, "me")
    accept(database)
    generation = claimed(database, lease=EXPIRED)
    make(database, generation)
    assert recover_lost_calls(database, failure=REPEATED_UNKNOWN) == 0
    (made,) = store.made_ids(limit=5)
    again = GenerationStore(database, "other").claim_made(made, lease=LEASE)
    assert again is not None
    assert (again.url, again.calls_made) == ("https://x/1", 1)


def test_a_worker_that_lost_its_call_stores_nothing(database: Database) -> None:
    """A process that was stopped past its lease does not overwrite what its successor does."""
    store = GenerationStore(database, "slow")
    accept(database)
    slow = claimed(database, owner="slow", lease=EXPIRED)
    recover_lost_calls(database, failure=REPEATED_UNKNOWN)
    assert claim(database, owner="quick") is not None
    with pytest.raises(LeaseLost):
        store.made(slow, GeneratedImage(url="https://x/1"), link_expires_at=None)


def test_a_generation_that_the_platform_refused_waits(database: Database) -> None:
    """Pushed back, it frees its slot and is not next until its time has come."""
    store = GenerationStore(database, "me")
    accept(database)
    generation = claimed(database)
    store.push_back(generation, seconds=60)
    assert claim(database) is None
    with database.read() as connection:
        assert connection.scalar(select(generations.c.slot_until)) is None


def test_slots_in_force_fall_while_the_platform_refuses_and_recover(database: Database) -> None:
    """Each call refused for the platform's limits takes one slot out of force until it gets through."""
    store = GenerationStore(database, "me")
    accept(database, count=4)
    answer(database)
    refused = claim(database, slots=3)
    assert refused is not None
    store.push_back(refused, seconds=-1)
    again = claim(database, slots=3)
    assert again is not None
    assert again.generation_id == refused.generation_id
    assert claim(database, slots=3) is not None
    assert claim(database, slots=3) is None
    store.made(again, GeneratedImage(url="https://x/1"), link_expires_at=None)
    assert [claim(database, slots=3) is not None for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("hours", "kept"), [(23, 1), (25, 0)])
def test_a_cancelled_image_is_kept_for_a_day(database: Database, hours: float, kept: int) -> None:
    """What the platform made although it was cancelled can be had without another call, and only for a day."""
    accept(database)
    generation = claimed(database)
    with database.write() as connection:
        cancel(database, connection, [generation.request_id])
    store = GenerationStore(database, "me")
    assert not make(database, generation)
    with database.write() as connection:
        ago = generations.c.ended_at - hours * 3_600
        connection.execute(update(generations).values(ended_at=ago))
    with database.write() as connection:
        assert resume_images(database, connection, generation.request_id) == 0
        assert resume_images(database, connection, generation.request_id, kept=True) == kept
    assert store.made_ids(limit=5) == [generation.generation_id] * kept
