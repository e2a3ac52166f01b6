"""How things stand where limits are decided: one statement counts for a group of people and for the team."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Double,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from bot.generation.store.kept import PAUSED
from bot.generation.store.tables import generations, kept, spending
from bot.models import Options, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Images at one moment: of the people who were asked for, and of the team by model.

    ``planned`` are the month's calls that were made, and one for each image that waits: for its first, or for another
    one since a crash hid the outcome of that.
    """

    paused: bool
    pending: Counter[str]
    today: Counter[str]
    waiting: Counter[str]
    planned: Counter[str]

    def add(self, sender: str, options: Options) -> None:
        """Counts images that have joined the line since."""
        self.pending[sender] += options.count
        self.today[sender] += options.count
        self.waiting[options.model] += options.count
        self.planned[options.model] += options.count


def count(connection: Connection, people: Collection[str], *, month: str, day_began: float) -> Counts:
    """Counts for these people and the team.

    Args:
        connection: the transaction to count in.
        people: open ids.
        month: such as ``2026-11``.
        day_began: in seconds since 1970.
    """
    given = {"people": list(people), "month": month, "since": day_began}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, name, number in connection.execute(_COUNTS, given):
        found[kind][name] += number
    return Counts(
        paused="paused" in found,
        pending=found["pending"],
        today=found["today"],
        waiting=found["waiting"],
        planned=found["spent"] + found["waiting"],
    )


def _images(kind: str, column: Any, *conditions: Any) -> Select[Any]:
    return select(literal(kind), column, func.count()).where(*conditions).group_by(column)


_PEOPLE: BindParameter[list[str]] = bindparam("people", expanding=True)
_THEIRS = generations.c.sender.in_(_PEOPLE)
_GOES_ON = generations.c.ended_at.is_(None)
_WAITS = and_(_GOES_ON, generations.c.state == State.WAITING)
_GIVEN_BACK = generations.c.state.in_((State.FAILED, State.CANCELLED))
_TODAY = generations.c.accepted_at >= bindparam("since", type_=Double)
# One statement, as each takes its time on the way to the database and back, and put together once, as the statements
# of ``looks`` are.
_COUNTS = union_all(
    select(literal("paused"), kept.c.name, literal_column("1", Integer)).where(kept.c.name == PAUSED),
    _images("pending", generations.c.sender, _THEIRS, _GOES_ON),
    _images("today", generations.c.sender, _THEIRS, _TODAY, ~_GIVEN_BACK),
    _images("waiting", generations.c.model, _WAITS),
    select(literal("spent"), spending.c.model, spending.c.images).where(
        spending.c.month == bindparam("month", type_=Text)
    ),
)
