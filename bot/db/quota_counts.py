"""How things stand where limits are decided: one statement counts for a group of people and for the team."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from bot.db.key_value import PAUSED
from bot.db.tables import FEISHU_CALLS, generations, key_value, monthly_usage, requests
from bot.models import State
from bot.options import Options

MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUsage:
    """Images at one moment: of the people who were asked for, and of the team by model.

    ``today`` are the paid calls of what a person asked for today, and one for each image of it that still waits. A call
    counts as it does in the budget: also when its image was cancelled, failed or was recalled meanwhile.

    ``planned`` are the month's calls that were made, and one for each image that waits: for its first, or for another
    one since a crash hid the outcome of that.
    """

    paused: bool
    pending: Counter[str]
    today: Counter[str]
    waiting: Counter[str]
    planned: Counter[str]
    recent: Counter[str] = field(default_factory=Counter)
    """Answered messages and presses of the last :data:`MINUTE`, by person."""
    warned: Counter[str] = field(default_factory=Counter)
    """How many of them said that there were too many."""

    def add(self, sender: str, options: Options) -> None:
        """Counts images that have joined the line since."""
        self.pending[sender] += options.count
        self.today[sender] += options.count
        self.waiting[options.model] += options.count
        self.planned[options.model] += options.count


def count(connection: Connection, people: Collection[str], *, month: str, day_began: float) -> QuotaUsage:
    """Counts for these people and the team.

    Args:
        connection: the transaction to count in.
        people: open ids.
        month: such as ``2026-11``.
        day_began: in seconds since 1970.
    """
    return counted(connection.execute(_COUNTS, parameters(people, month=month, day_began=day_began)))


def count_recent(connection: Connection, person: str, *, at: float) -> QuotaUsage:
    """Counts what of a person was answered in the minute before ``at``, in seconds since 1970, and nothing else."""
    return counted(connection.execute(_RECENT, {"people": [person], "lately": at - MINUTE}))


def parameters(people: Collection[str], *, month: str, day_began: float) -> dict[str, Any]:
    """What :data:`COUNTED` is executed with; see :func:`count`."""
    return {"people": list(people), "month": month, "since": day_began}


def counted(rows: Iterable[Sequence[Any]]) -> QuotaUsage:
    """The counts of what :data:`COUNTED` has found, each row with its kind, its name and its number first."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, name, number, *_ in rows:
        found[kind][name] += number
    return QuotaUsage(
        paused="paused" in found,
        pending=found["pending"],
        today=found["today"],
        waiting=found["waiting"],
        planned=found["spent"] + found["waiting"],
        recent=found["recent"],
        warned=found["warned"],
    )


def _images(kind: str, column: Any, *conditions: Any, number: ColumnElement[Any] | None = None) -> Select[Any]:
    number = func.count() if number is None else number
    return select(literal(kind), column, number).where(*conditions).group_by(column)


_THEIRS = generations.c.sender.in_(bindparam("people", expanding=True))
_GOES_ON = generations.c.ended_at.is_(None)
_WAITS = and_(_GOES_ON, generations.c.state == State.WAITING)
_CALLS = func.sum(generations.c.calls_billed + case((_WAITS, 1), else_=0))
_TODAY = generations.c.accepted_at >= bindparam("since", type_=Double)
COUNTED = (
    select(literal("paused"), key_value.c.name, literal_column("1", Integer)).where(key_value.c.name == PAUSED),
    _images("pending", generations.c.sender, _THEIRS, _GOES_ON),
    _images("today", generations.c.sender, _THEIRS, _TODAY, number=_CALLS),
    _images("waiting", generations.c.model, _WAITS),
    select(literal("spent"), monthly_usage.c.name, monthly_usage.c.count).where(
        monthly_usage.c.month == bindparam("month", type_=Text), monthly_usage.c.name != FEISHU_CALLS
    ),
)
"""The selects of which one statement is made, as each would take its time on the way to the database and back."""

_LATELY = (
    requests.c.sender.in_(bindparam("people", expanding=True)),
    requests.c.accepted_at > bindparam("lately", type_=Double),
)
RECENT = (
    _images("recent", requests.c.sender, *_LATELY, requests.c.kind != "too_fast"),
    _images("warned", requests.c.sender, *_LATELY, requests.c.kind == "too_fast"),
)
"""What was answered since ``lately``, in the form of :data:`COUNTED`."""

# Put together once, as the statements of ``looks`` are.
_COUNTS = union_all(*COUNTED)
_RECENT = union_all(*RECENT)
