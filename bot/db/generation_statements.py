"""The statements that move a generation on, put together once for a database.

To put one of them together takes several times as long as the database needs to execute it, and each is executed for
every picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, Integer, Text, bindparam, case, func, update
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.sql.dml import ReturningUpdate

from bot.db.database import Database
from bot.db.leases import is_free, step
from bot.db.poll_queries import may_be_called
from bot.db.stored_times import LONGEST_CALL
from bot.db.tables import generations, last_served
from bot.models import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedStatements:
    """What takes generations up, and what stores the results of their steps.

    The parameters of each stand in it; see :func:`bot.db.leases.step` for those of the steps.
    """

    claim_slot: ReturningUpdate[Any]
    claim_made: ReturningUpdate[Any]
    mark_served: SqliteInsert | PostgresInsert

    made: ReturningUpdate[Any]
    push_back: ReturningUpdate[Any]
    postpone: ReturningUpdate[Any]
    hold: ReturningUpdate[Any]
    keep: ReturningUpdate[Any]
    end: ReturningUpdate[Any]

    @classmethod
    def for_database(cls, database: Database) -> PreparedStatements:
        """The steps for one database."""
        now = database.now
        later = {
            "due_at": now + bindparam("seconds_away", type_=Double),
            "backoff_count": generations.c.backoff_count + 1,
            "backoff_since": func.coalesce(generations.c.backoff_since, now),
        }
        return cls(
            claim_slot=_claim_slot(database),
            claim_made=_claim_made(database),
            mark_served=_mark_served(database),
            made=step(
                generations,
                state=unless_cancelled(State.MADE),
                # The clock may have been set meanwhile.
                call_seconds=case(
                    (generations.c.called_at > now, 0.0),
                    (generations.c.called_at < now - LONGEST_CALL, LONGEST_CALL),
                    else_=now - generations.c.called_at,
                ),
            ).returning(generations.c.state),
            push_back=step(
                generations,
                state=unless_cancelled(State.WAITING),
                calls_billed=generations.c.calls_billed - 1,
                **later,
            ),
            postpone=step(generations, **later),
            hold=step(generations, due_at=later["due_at"]),
            keep=step(generations),
            end=step(
                generations,
                state=unless_cancelled(bindparam("end", type_=Text)),
                calls_billed=generations.c.calls_billed - bindparam("back", type_=Integer),
                ended_at=func.coalesce(generations.c.ended_at, now),
            ),
        )


_WHICH = generations.c.generation_id == bindparam("which", type_=Text)


def unless_cancelled(state: object) -> ColumnElement[Any]:
    """``state`` for a generation that still goes on; one that was cancelled meanwhile stays so."""
    return case((generations.c.state == State.CANCELLED, State.CANCELLED), else_=state)


def _claim_slot(database: Database) -> ReturningUpdate[Any]:
    return (
        update(generations)
        # A look may be older than a pause, a hold, or somebody else's call.
        .where(_WHICH, may_be_called(database, model=generations.c.model))
        .values(
            state=State.GENERATING,
            owner=bindparam("by", type_=Text),
            lease_until=database.now + bindparam("lease", type_=Double),
            calls_made=generations.c.calls_made + 1,
            calls_billed=generations.c.calls_billed + 1,
            called_at=database.now,
            slot_until=database.now + bindparam("deadline", type_=Double),
        )
        .returning(generations)
    )


def _claim_made(database: Database) -> ReturningUpdate[Any]:
    return (
        update(generations)
        .where(_WHICH, generations.c.state == State.MADE, is_free(database, generations))
        .values(
            owner=bindparam("by", type_=Text),
            lease_until=database.now + bindparam("lease", type_=Double),
            stalled_attempts=generations.c.stalled_attempts + 1,
        )
        .returning(generations)
    )


def _mark_served(database: Database) -> SqliteInsert | PostgresInsert:
    mark = database.insert(last_served).values(called_at=database.now)
    return mark.on_conflict_do_update(index_elements=["sender", "model"], set_={"called_at": mark.excluded.called_at})
