"""Whose turn it is in a real database, and what cards show of the queue."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from bot.db.database import NOW, Database
from bot.db.generations import GenerationStore
from bot.db.key_value import Preferences
from bot.db.reports import Reports
from bot.db.requests import MOST_PATCHES, RequestStore
from bot.db.tables import Generation, generations, last_served, requests
from bot.db.usage import ApiUsageCounter
from bot.models import GeneratedImage, ImagePrompt, State
from bot.options import Options, PartialOptions
from bot.worker.request_renderer import QueueReader, RequestRenderer
from tests.support.builders import accept, answer, arrival, change, limits_of, reception_of
from tests.support.fairness import Fairness
from tests.support.waiting import wait_until
from tests.unit.card_samples import cards

USERS = ("ou_ann", "ou_bob", "ou_cai", "ou_dou", "ou_eve")
STEPS = 40
LINES = 8
HOUR = 3600.0
"""Longer than any test, so that no slot is free for having been held too long."""


class Queue:
    """The line of one model, to which people come with up to four images at a time."""

    def __init__(self, database: Database, *, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same arrivals again, nothing to guard
        self._database = database
        self._store = GenerationStore(database, "me")
        self._reception = reception_of(database)
        self._asked = 0

    def join(self) -> tuple[str, int]:
        """Somebody asks for images; gives who, and for how many."""
        self._asked += 1
        sender, count = self.random.choice(USERS), self.random.randint(1, 4)
        message = arrival(f"om_{self._asked}", sender=sender, chat=f"oc_{self._asked}")
        received = self._reception.submit(message, ImagePrompt(prompt="一只猫", options=PartialOptions(count=count)))
        # On a fast machine the limiter of all messages holds a card back for a moment.
        assert wait_until(lambda: self._is_answered(received.request_id), seconds=20)
        return sender, count

    def _is_answered(self, request_id: str | None) -> bool:
        answer(self._database)
        with self._database.read() as connection:
            answered = select(requests.c.answer_id).where(requests.c.request_id == request_id)
            return connection.scalar(answered) is not None

    def claims(self, model: str = "glm-image", *, slots: int = 999) -> Iterator[Generation]:
        while (waiting := self._store.next_waiting(model, slots=slots)) is not None:
            claimed = self._store.claim_slot(waiting[0], lease=HOUR, slots=slots, deadline=HOUR)
            assert claimed is not None
            yield claimed

    def end(self, generation: Generation) -> None:
        self._store.made(generation, GeneratedImage(url="https://x/1"), link_expires_at=None)


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_between_two_of_a_waiting_person_nobody_else_gets_two(database: Database, slots: int) -> None:
    """Over random arrivals of one to four images, whoever waits is passed once by each other person at the most."""
    queue, fairness = Queue(database, seed=slots), Fairness()
    waiting: Counter[str] = Counter()
    running: list[Generation] = []
    for _ in range(STEPS):
        if running and queue.random.random() < 0.6:
            queue.end(running.pop(queue.random.randrange(len(running))))
        else:
            sender, count = queue.join()
            waiting[sender] += count
        for claimed in queue.claims(slots=slots):
            waiting[claimed.sender] -= 1
            fairness.serve(claimed.sender, waiting=+waiting)
            running.append(claimed)
        assert len(running) == min(slots, len(running) + waiting.total())


def test_the_slot_goes_to_whom_the_line_says(database: Database) -> None:
    """The statement that gives slots away and the order that cards show are one rule, over random lines.

    Some have been served before, and some calls were begun before: hidden by a crash, or refused for the limits.
    """
    queue = Queue(database, seed=1)
    for number in range(LINES):
        for _ in range(3):
            queue.join()
        model = f"model {number}"
        mix(database, queue.random, model=model)
        told = [one.generation_id for one in QueueReader(database=database, slots={}).order(model)]
        given = [claimed.generation_id for claimed in queue.claims(model)]
        assert given == told


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
        reception_of(database).submit(arrival(f"om_{number}", chat="oc_busy"), ImagePrompt(prompt="一只猫"))
    change(database, update(requests).values(answer_id=requests.c.dedup_key))
    later = [
        reception_of(database).submit(arrival(f"om_{chat}", chat=chat), ImagePrompt(prompt="一只猫")).request_id
        for chat in ("oc_1", "oc_2")
    ]
    assert store.due_requests(limit=16)[1:3] == later


MODEL = "glm-image"
IN_LINE = 7


def rendering_of(database: Database, line: QueueReader) -> RequestRenderer:
    limits = limits_of()
    calls = ApiUsageCounter(database=database, periods=limits.periods)
    return RequestRenderer(
        cards=cards(),
        reports=Reports(database=database, prices={}, periods=limits.periods, calls=calls),
        queue=line,
        limits=limits,
        preferences=Preferences(defaults=Options()),
    )


def test_a_card_is_changed_for_what_has_become_of_its_request(database: Database) -> None:
    """Refused for the platform's limits right after the card said "generating", it is told to wait, not that again."""
    rendering = rendering_of(database, QueueReader(database=database, slots={MODEL: 1}))
    store, request_id = RequestStore(database, "me"), str(accept(database).request_id)
    assert rendering.render(*store.read(request_id)).state == "generating"
    change(
        database,
        update(requests).values(card_state="generating"),
        update(generations).values(backoff_count=1, due_at=NOW + 60),
    )
    assert rendering.render(*store.read(request_id)).state == "backing_off"


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
            card = (
                {"shown_position": before, "patch_count": patches}
                if place.ahead == ahead
                else {"shown_position": place.key}
            )
            connection.execute(update(requests).where(requests.c.request_id == request_id).values(card))
    assert line.refresh_cards() == behind
    (moved,) = [request_id for request_id, place in places.items() if place.ahead == ahead]
    assert RequestStore(database, "me").due_requests(limit=IN_LINE) == [moved] * behind
