"""Whose turn it is in a real database, and what cards show of the queue."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from sqlalchemy import select, update

from bot.db.database import Database
from bot.db.generations import GenerationStore, read_queue
from bot.db.requests import MOST_PATCHES, RequestStore
from bot.db.tables import generations, last_served, requests
from bot.models import State
from bot.worker.request_renderer import QueueReader
from tests.support.builders import accept, answer, change, claimed

USERS = ("ou_ann", "ou_bob", "ou_cai", "ou_dou", "ou_eve")
MODEL = "glm-image"
HOUR = 3600.0  # longer than any test, so that no slot is free for having been held too long


@pytest.mark.parametrize("seed", range(3))
def test_whoever_waits_is_passed_once_by_each_other_person(database: Database, seed: int) -> None:
    """While somebody waits, nobody else gets two slots between two of theirs, whoever comes meanwhile."""
    chance = random.Random(seed)  # noqa: S311 - the same arrivals again, nothing to guard
    waiting: Counter[str] = Counter()
    passed: dict[str, Counter[str]] = {}
    for moment in range(60):
        if not +waiting or chance.random() < 0.4:
            sender, count = chance.choice(USERS), chance.randint(1, 4)
            accept(database, f"om_{moment}", sender=sender, count=count)
            waiting[sender] += count
            continue
        first = claimed(database, lease=HOUR, slots=999, deadline=HOUR).sender
        waiting[first] -= 1
        passed = {user: passed.get(user, Counter()) for user in +waiting}
        passed[first] = Counter()
        for user in passed.keys() - {first}:
            passed[user][first] += 1
            assert passed[user][first] == 1, f"{user} was passed twice by {first}"


def test_the_slot_goes_to_whom_the_line_says(database: Database) -> None:
    """The statement that gives slots away and the order that cards show are one rule, over random lines.

    Some have been served before, and some calls were begun before: hidden by a crash, or refused for the limits.
    """
    chance = random.Random(1)  # noqa: S311 - the same arrivals again, nothing to guard
    store = GenerationStore(database, "me")
    for number in range(8):
        for place in range(3):
            accept(database, f"om_{number}_{place}", sender=chance.choice(USERS), count=chance.randint(1, 4))
        change(database, update(requests).values(answer_id=requests.c.dedup_key))
        model = f"model {number}"
        mix(database, chance, model=model)
        told = [one.generation_id for one in read_queue(database, model).waiting]
        given = []
        while waiting := store.next_waiting(model, slots=999):
            taken = store.claim_slot(waiting[0], lease=HOUR, slots=999, deadline=HOUR)
            assert taken is not None
            given.append(taken.generation_id)
        assert given == told
        assert len(told) >= 3


def mix(database: Database, chance: random.Random, *, model: str) -> None:
    """Gives what waits to a model of its own, with a past of its own."""
    waits = generations.c.state == State.WAITING
    with database.write() as connection:
        for generation_id in connection.scalars(select(generations.c.generation_id).where(waits)).all():
            past = {"repeated": chance.random() < 0.3, "backoff_count": int(chance.random() < 0.3), "model": model}
            connection.execute(update(generations).where(generations.c.generation_id == generation_id).values(past))
        for user in chance.sample(USERS, 3):
            row = {"sender": user, "model": model, "called_at": chance.uniform(1.0, 1e9)}
            connection.execute(last_served.insert().values(row))


def test_chats_take_turns(database: Database) -> None:
    store = RequestStore(database, "me")
    for number in range(30):
        accept(database, f"om_{number}", chat="oc_busy")
    change(database, update(requests).values(answer_id=requests.c.dedup_key))
    later = [accept(database, f"om_{chat}", chat=chat).request_id for chat in ("oc_1", "oc_2")]
    assert store.due_requests(limit=16)[1:3] == later


IN_LINE = 7


@pytest.mark.parametrize(
    ("ahead", "before", "patches", "behind"),
    [
        # What a card told before: how many were ahead, and how many of 1, 3 and 10 minutes the wait was over.
        (1, "1 0", 0, False),
        (1, "2 0", 0, True),
        (1, "1 1", 0, True),
        (5, "5 1", 0, False),
        (5, "6 1", 0, False),
        (5, "6 2", 0, True),
        (5, "5 0", 0, True),
        # The last patches are kept for "generating" and for the picture.
        (5, "6 2", MOST_PATCHES - 3, True),
        (5, "6 2", MOST_PATCHES - 2, False),
    ],
)
def test_a_card_near_the_front_follows_every_change_and_one_farther_back_its_estimate(
    database: Database, ahead: int, before: str, patches: int, *, behind: bool
) -> None:
    """In a line of seven that moved on by itself, one card is due to be patched or none."""
    for number in range(IN_LINE):
        accept(database, f"om_{number}", sender=f"ou_{number}")
    answer(database)
    line = QueueReader(database=database, slots={MODEL: 1})
    places = line.positions(MODEL)
    with database.write() as connection:
        for request_id, place in places.items():
            moved = {"shown_position": before, "patch_count": patches}
            card = moved if place.ahead == ahead else {"shown_position": place.key}
            connection.execute(update(requests).where(requests.c.request_id == request_id).values(card))
    assert line.refresh_cards() == behind
    (due,) = [request_id for request_id, place in places.items() if place.ahead == ahead]
    assert RequestStore(database, "me").due_requests(limit=IN_LINE) == [due] * behind
