"""The line as a person sees it: how many generations stand before theirs, and how long that may take."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from bot.generation.store.database import Database
from bot.generation.store.holds import held
from bot.generation.store.kept import paused
from bot.generation.store.lists import among
from bot.generation.store.looks import MODEL, in_flight
from bot.generation.store.tables import generations, served
from bot.models import State

TYPICAL_SECONDS = {"glm-image": 35.0, "cogview-4": 15.0, "cogview-4-250304": 15.0, "cogview-3-flash": 10.0}
"""How long a call takes before there are measurements of one's own."""

UNKNOWN_SECONDS = 35.0
"""The same for a model that this version does not know."""

MEASURED = 20
"""How many of the last calls the median is taken of."""

RESTS = 10.0
"""For how many times as long as a reading of a line took, in processor time, it serves the cards of that line."""

BUCKETS = (60.0, 180.0, 600.0)
"""An estimate is told as under one, three or ten minutes, or as more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A generation in line; ``arrival`` orders the generations of one model."""

    generation_id: str
    request_id: str
    sender: str
    arrival: tuple[float, int]
    begun: bool = False
    """Whether its call was begun before, and hidden by a crash or refused for the platform's limits."""
    due_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request's first waiting generation stands."""

    ahead: int
    """Generations that get a slot before it, those that hold one now included."""
    wait_seconds: float
    starts_next: bool
    """Whether a slot is free for it now, and nothing keeps the line from moving."""
    backing_off: bool
    count: int
    """How many generations of the request wait."""
    paused: bool
    """Whether an admin has paused the bot, so that no wait can be estimated."""


def told(place: Place) -> str:
    """What a card tells of a place, in short: the number before it, and the bucket of the estimate."""
    return f"{place.ahead} {sum(place.wait_seconds >= end for end in BUCKETS)}"


def fair_order(waiting: Sequence[Waiting], last_served: Mapping[str, float]) -> list[Waiting]:
    """The order in which generations of one model get slots, if nobody else came.

    Those whose call was begun before come first. Among them, and then among the others, it is always the turn of the
    user who was served least recently (who was never served before all others, by arrival), with the oldest one.
    """
    order: list[Waiting] = []
    # Who is served here has been served later than anybody before.
    turns = {user: (0, at) for user, at in last_served.items()}
    for begun in (True, False):
        lines: dict[str, deque[Waiting]] = {}
        for one in sorted((one for one in waiting if one.begun is begun), key=lambda one: one.arrival):
            lines.setdefault(one.sender, deque()).append(one)
        users = deque(sorted(lines, key=lambda user: (turns.get(user, (0, 0.0)), lines[user][0].arrival)))
        while users:
            user = users.popleft()
            order.append(lines[user].popleft())
            turns[user] = (1, len(order))
            if lines[user]:
                users.append(user)
    return order


class Line:
    """Reads the line of each model from the database.

    Args:
        database: where the generations are.
        slots: how many calls a model may have in flight.
        clock: seconds that only go forward.
    """

    def __init__(
        self, database: Database, *, slots: Mapping[str, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._slots = slots
        self._clock = clock
        self._latest: dict[str, _Reading] = {}
        self._one_reads = threading.Lock()
        self._statements = _Statements.for_database(database)

    def order(self, model: str) -> list[Waiting]:
        """The waiting generations of a model in the order in which they get slots."""
        with self._database.read() as connection:
            return self._order(connection, model)

    def place_of(self, request_id: str, model: str) -> Place | None:
        """Where a request's first waiting generation stands; ``None`` when it has none.

        A reading takes the longer the more are waiting, and then many cards are shown; so it serves those of the next
        moments as well, for :data:`RESTS` times as long as it took.
        """
        with self._one_reads:
            reading = self._latest.get(model)
            if reading is not None and self._clock() < reading.good_until and request_id in reading.places:
                return reading.places[request_id]
            return self.places(model).get(request_id)

    def places(self, model: str) -> dict[str, Place]:
        """Where each waiting request of a model stands, read now."""
        began = time.thread_time()
        with self._database.read() as connection:
            order = self._order(connection, model)
            facts = connection.execute(self._statements.facts, {"model": model}).one()
            median = self._median_seconds(connection, model)
        # Of a model that this version does not know, a newer one makes the images: here no slot is ever free.
        slots = self._slots.get(model, 0)
        counts = Counter(one.request_id for one in order)
        places: dict[str, Place] = {}
        for number, one in enumerate(order):
            ahead, backing_off = number + facts.running, one.due_at > facts.now
            if one.request_id not in places:
                places[one.request_id] = Place(
                    ahead=ahead,
                    wait_seconds=ahead // max(slots, 1) * median,
                    starts_next=not facts.held and ahead < slots and not backing_off,
                    backing_off=backing_off,
                    count=counts[one.request_id],
                    paused=facts.paused,
                )
        took = time.thread_time() - began
        self._latest[model] = _Reading(places=places, good_until=self._clock() + RESTS * took)
        return places

    def _order(self, connection: Connection, model: str) -> list[Waiting]:
        rows = connection.execute(self._statements.waiting, {"model": model}).all()
        last = connection.execute(
            self._statements.served, {"model": model, "senders": list({row.sender for row in rows})}
        ).all()
        waiting = [
            Waiting(
                generation_id=generation_id,
                request_id=request_id,
                sender=sender,
                arrival=(accepted_at, place),
                begun=bool(repeated) or delays > 0,
                due_at=due_at,
            )
            for generation_id, request_id, sender, accepted_at, place, repeated, delays, due_at in rows
        ]
        return fair_order(waiting, dict(last))

    def _median_seconds(self, connection: Connection, model: str) -> float:
        """How long a call of this model takes: the median of the last ones, or what is typical."""
        measured = connection.scalars(self._statements.seconds, {"model": model}).all()
        return statistics.median(measured) if measured else TYPICAL_SECONDS.get(model, UNKNOWN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """The places of one model's line, and until when they serve the cards that are shown."""

    places: Mapping[str, Place]
    good_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statements:
    """What is read of a line at every look, put together once; see ``looks``."""

    waiting: Select[Any]
    served: Select[Any]
    facts: Select[int, float, bool, bool]
    seconds: Select[Any]

    @classmethod
    def for_database(cls, database: Database) -> _Statements:
        """The statements for one database."""
        own = ("generation_id", "request_id", "sender", "accepted_at", "place", "repeated", "delays", "due_at")
        in_line = (generations.c.ended_at.is_(None), generations.c.state == State.WAITING, generations.c.model == MODEL)
        measured = generations.c.seconds
        return cls(
            waiting=select(*(generations.c[name] for name in own)).where(*in_line),
            served=select(served.c.sender, served.c.posted_at).where(
                served.c.model == MODEL, among(served.c.sender, "senders")
            ),
            facts=select(
                in_flight(database).label("running"),
                database.now.label("now"),
                paused().label("paused"),
                held(database, MODEL).label("held"),
            ),
            seconds=select(measured)
            .where(generations.c.model == MODEL, measured.is_not(None))
            .order_by(generations.c.ended_at.desc())
            .limit(MEASURED),
        )
