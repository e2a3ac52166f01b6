"""The line as a person sees it: how many generations stand before theirs, and how long that may take."""

from __future__ import annotations

import statistics
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, or_, select

from bot.db.database import Database
from bot.db.key_value import paused
from bot.db.poll_queries import MODEL, in_flight
from bot.db.rate_holds import held
from bot.db.tables import generations, last_served
from bot.models import State

TYPICAL_SECONDS = {"glm-image": 35.0, "cogview-4": 15.0, "cogview-4-250304": 15.0, "cogview-3-flash": 10.0}
"""How long a call takes before there are measurements of one's own."""

UNKNOWN_SECONDS = 35.0
"""The same for a model that this version does not know."""

MEASURED = 20
"""How many of the last calls the median is taken of."""

BUCKETS = (60.0, 180.0, 600.0)
"""An estimate is told as under one, three or ten minutes, or as more."""


class Waiting(NamedTuple):
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


class QueuePositions(Mapping[str, Place]):
    """Where each request with a waiting generation stands, by its id; a place is worked out when it is asked for.

    Args:
        order: the waiting generations in the order in which they get slots.
        slots: how many calls may be in flight.
        running: how many are.
        now: seconds since 1970.
        seconds: how long a call takes.
        paused: see :class:`Place`.
        held: whether no call may be made now.
    """

    def __init__(
        self,
        order: Sequence[Waiting],
        *,
        slots: int,
        running: int,
        now: float,
        seconds: float,
        paused: bool,
        held: bool,
    ) -> None:
        self._order = order
        self._slots = slots
        self._running = running
        self._now = now
        self._seconds = seconds
        self._paused = paused
        self._held = held
        self._counts = Counter(one.request_id for one in order)
        self._first: dict[str, int] = {}
        for number, one in enumerate(order):
            self._first.setdefault(one.request_id, number)

    def __getitem__(self, request_id: str) -> Place:
        """The place of a request's first waiting generation."""
        number = self._first[request_id]
        ahead, backing_off = number + self._running, self._order[number].due_at > self._now
        return Place(
            ahead=ahead,
            wait_seconds=ahead // max(self._slots, 1) * self._seconds,
            starts_next=not self._held and ahead < self._slots and not backing_off,
            backing_off=backing_off,
            count=self._counts[request_id],
            paused=self._paused,
        )

    def __iter__(self) -> Iterator[str]:
        """The ids of the requests, in the order of their places."""
        return iter(self._first)

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._first)


class Line:
    """Reads the line of each model from the database.

    Args:
        database: where the generations are.
        slots: how many calls a model may have in flight.
    """

    def __init__(self, database: Database, *, slots: Mapping[str, int]) -> None:
        self._database = database
        self._slots = slots
        self._of_round: dict[str, QueuePositions] = {}
        self._lock = threading.Lock()
        self._statements = _Statements.for_database(database)

    def order(self, model: str) -> list[Waiting]:
        """The waiting generations of a model in the order in which they get slots."""
        with self._database.read() as connection:
            return self._order(connection, model)

    def begin_round(self) -> None:
        """Forgets the positions that were read for the first cards of the last round of the work loop."""
        self._of_round = {}

    def first_place(self, request_id: str, model: str) -> Place | None:
        """The position that a request's first card shows; it may be as old as the round of the work loop."""
        with self._lock:
            places = self._of_round.get(model)
            if places is None or request_id not in places:
                places = self._of_round[model] = self.places(model)
            return places.get(request_id)

    def places(self, model: str) -> QueuePositions:
        """Where each waiting request of a model stands, read now."""
        with self._database.read() as connection:
            order = self._order(connection, model)
            running, now, pausing, holds = connection.execute(self._statements.facts, {"model": model}).one()
            median = self._median_seconds(connection, model)
        return QueuePositions(
            order,
            # Of a model that this version does not know, a newer one makes the images: here no slot is ever free.
            slots=self._slots.get(model, 0),
            running=running,
            now=now,
            seconds=median,
            paused=pausing,
            held=holds,
        )

    def _order(self, connection: Connection, model: str) -> list[Waiting]:
        waiting, last_served = [], {}
        rows = connection.execute(self._statements.waiting, {"model": model})
        for generation_id, request_id, sender, accepted_at, place, begun, due_at, posted_at in rows:
            waiting.append(Waiting(generation_id, request_id, sender, (accepted_at, place), begun, due_at))
            if posted_at is not None:
                last_served[sender] = posted_at
        return fair_order(waiting, last_served)

    def _median_seconds(self, connection: Connection, model: str) -> float:
        """How long a call of this model takes: the median of the last ones, or what is typical."""
        measured = connection.scalars(self._statements.seconds, {"model": model}).all()
        return statistics.median(measured) if measured else TYPICAL_SECONDS.get(model, UNKNOWN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statements:
    """What is read of a line at every look, put together once; see ``looks``."""

    waiting: Select[Any]
    facts: Select[int, float, bool, bool]
    seconds: Select[Any]

    @classmethod
    def for_database(cls, database: Database) -> _Statements:
        """The statements for one database."""
        own = ("generation_id", "request_id", "sender", "accepted_at", "index_in_request")
        begun = or_(generations.c.repeated, generations.c.backoff_count > 0)
        in_line = (generations.c.ended_at.is_(None), generations.c.state == State.WAITING, generations.c.model == MODEL)
        measured = generations.c.call_seconds
        return cls(
            waiting=select(*(generations.c[name] for name in own), begun, generations.c.due_at, last_served.c.called_at)
            .outerjoin(
                last_served,
                and_(last_served.c.sender == generations.c.sender, last_served.c.model == generations.c.model),
            )
            .where(*in_line),
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
