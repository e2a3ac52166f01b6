"""The queue of each model as cards show it, and the cards that show a queue position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, literal, or_, select

from bot.db.database import Database
from bot.db.generations import in_flight, is_model_held
from bot.db.key_value import paused
from bot.db.tables import generations, last_served, requests
from bot.models import State

MEASURED = 20
"""How many of the last calls are read for the estimate."""


class QueuedGeneration(NamedTuple):
    """A waiting generation; ``arrival`` orders the generations of one model."""

    generation_id: str
    request_id: str
    sender: str
    arrival: tuple[float, int]
    begun: bool = False
    """Whether its call was begun before, and hidden by a crash or refused for the platform's limits."""
    due_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One model's queue at the time ``now``; times in seconds since 1970."""

    waiting: Sequence[QueuedGeneration]
    last_served: Mapping[str, float]
    """When each waiting sender was last served, for those who were."""
    running: int
    now: float
    paused: bool
    """Whether an admin has paused the bot."""
    held: bool
    """Whether no call may be made now."""
    measured: Sequence[float]
    """The seconds of the last calls."""


def read_queue(database: Database, model: str) -> QueueState:
    """Reads one model's queue in one consistent state."""
    columns = (
        generations.c[name] for name in ("generation_id", "request_id", "sender", "accepted_at", "index_in_request")
    )
    begun = or_(generations.c.repeated, generations.c.backoff_count > 0)
    waiting = (
        select(*columns, begun, generations.c.due_at, last_served.c.called_at)
        .outerjoin(
            last_served, and_(last_served.c.sender == generations.c.sender, last_served.c.model == generations.c.model)
        )
        .where(generations.c.ended_at.is_(None), generations.c.state == State.WAITING, generations.c.model == model)
    )
    facts = select(
        in_flight(database, model=literal(model)), database.now, paused(), is_model_held(database, literal(model))
    )
    seconds = (
        select(generations.c.call_seconds)
        .where(generations.c.model == model, generations.c.call_seconds.is_not(None))
        .order_by(generations.c.ended_at.desc())
        .limit(MEASURED)
    )
    with database.read() as connection:
        rows = connection.execute(waiting).all()
        running, now, is_paused, is_held = connection.execute(facts).one()
        measured = connection.scalars(seconds).all()
    return QueueState(
        waiting=[QueuedGeneration(*row[:3], (row[3], row[4]), *row[5:7]) for row in rows],
        last_served={row.sender: row.called_at for row in rows if row.called_at is not None},
        running=running,
        now=now,
        paused=is_paused,
        held=is_held,
        measured=[value for value in measured if value is not None],
    )


def queued_cards(database: Database) -> Sequence[Row[Any, Any, Any, Any]]:
    """The cards that show a position and are not due anyway: model, request_id, shown_position and patch_count."""
    statement = (
        select(generations.c.model, requests.c.request_id, requests.c.shown_position, requests.c.patch_count)
        .join(requests, requests.c.request_id == generations.c.request_id)
        .where(
            generations.c.ended_at.is_(None),
            generations.c.state == State.WAITING,
            requests.c.card_state == "queued",
            requests.c.published_version == requests.c.desired_version,
            requests.c.delivery_mode == "card",
        )
        .distinct()
    )
    with database.read() as connection:
        return connection.execute(statement).all()
