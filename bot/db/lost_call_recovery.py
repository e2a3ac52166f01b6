"""Taking over the paid calls of dead processes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, RowMapping, and_, select, update

from bot.db.database import Database
from bot.db.locks import lock_rows
from bot.db.requests import mark_dirty
from bot.db.row_models import write_failure
from bot.db.tables import generations, requests
from bot.models import Failure, State


def recover_lost_calls(database: Database, *, failure: Failure, but_not: Sequence[str] = ()) -> int:
    """Puts generations back in line whose paid call no living process is making.

    The outcome of that call is unknown. It is made once more, and the card says so; hidden a second time, the
    generation ends in words. Both calls stay charged.

    Args:
        database: where the generations are.
        failure: what is told of one whose call was hidden a second time.
        but_not: the ids of those whose call this process is making, however late its lease is.

    Returns:
        How many were found.
    """
    lost = and_(
        generations.c.ended_at.is_(None),
        generations.c.state == State.GENERATING,
        generations.c.lease_until < database.now,
        generations.c.generation_id.not_in(but_not),
    )
    with database.look() as connection:
        if connection.execute(select(generations.c.generation_id).where(lost).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        rows = lock_rows(connection, generations, lost)
        free = update(generations).values(owner=None, slot_until=None)
        failed = [row for row in rows if row["repeated"]]
        end = free.values(state=State.FAILED, failure=write_failure(failure), ended_at=database.now)
        connection.execute(end.where(_among(failed)))
        again = [row for row in rows if not row["repeated"]]
        connection.execute(free.values(state=State.WAITING, repeated=True, due_at=0.0).where(_among(again)))
        lock_rows(connection, requests, requests.c.request_id.in_([row["request_id"] for row in rows]))
        mark_dirty(connection, [row["request_id"] for row in failed])
        mark_dirty(connection, [row["request_id"] for row in again], unless_state="generating")
    return len(rows)


def _among(rows: Sequence[RowMapping]) -> ColumnElement[bool]:
    return generations.c.generation_id.in_([row["generation_id"] for row in rows])
