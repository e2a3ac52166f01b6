"""Stored times after the clock was set back: nothing waits for the length of the step."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from bot.db.database import Database
from bot.db.locks import change_rows
from bot.db.tables import generations, key_value, last_served, requests, timers, workers

TOLERANCE = 2.0
"""Seconds by which a clock may be corrected without being taken for set back."""

LONGEST_WAIT = 3_900.0
"""Seconds that anything waits at most: for the platform's monthly quota an hour, and what the send limit adds."""

LONGEST_TURN = 100_000.0
"""Seconds between two turns of periodic work at most, which is a day."""

LONGEST_CALL = 900.0
"""Seconds that a paid call may hold its slot at most."""

TURNS = ("clean-up", "base")
"""The names of periodic work in ``paces``; everything else there is a short wait."""

_CLOCK = "clock"


def repair_times(database: Database, connection: Connection, *, lease: float) -> bool:
    """Shortens stored times that lie further in the future than they can mean.

    The time of the last call is stored. Where that is still to come, the clock was set back, and every wait counts as
    over; leases and slots are shortened to what they last, as their owners may be alive.

    Args:
        database: where the times are.
        connection: the caller's transaction that writes.
        lease: seconds that a lease lasts.

    Returns:
        Whether the clock was set back.
    """
    now = database.time(connection)
    before = connection.scalar(select(key_value.c.value).where(key_value.c.name == _CLOCK))
    set_back = before is not None and now < float(before) - TOLERANCE
    mark = database.insert(key_value).values(name=_CLOCK, value=repr(now))
    connection.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"value": mark.excluded.value}))
    wait, grace = (0.0, 1.0) if set_back else (LONGEST_WAIT, 60.0)
    slots = and_(generations.c.slot_until.is_not(None), generations.c.slot_until > now + LONGEST_CALL)
    change_rows(connection, generations, slots, {"slot_until": now + LONGEST_CALL})
    # Only what is due to be shown has an index.
    unshown = requests.c.ended_at.is_(None) if set_back else _is_unshown()
    for table, is_open in ((generations, generations.c.ended_at.is_(None)), (requests, unshown)):
        change_rows(connection, table, and_(is_open, table.c.due_at > now + wait), {"due_at": now})
        owned = and_(table.c.owner.is_not(None), table.c.lease_until > now + lease + grace)
        change_rows(connection, table, owned, {"lease_until": now + lease})
    if set_back:
        _forget_the_future(connection, now)
    longest = 0.0 if set_back else case((timers.c.name.in_(TURNS), LONGEST_TURN), else_=LONGEST_WAIT)
    connection.execute(update(timers).where(timers.c.next_at > now + longest).values(next_at=now))
    return set_back


def _is_unshown() -> ColumnElement[bool]:
    return and_(requests.c.published_version < requests.c.desired_version, requests.c.ended_at.is_(None))


def _forget_the_future(connection: Connection, now: float) -> None:
    """What happened at a time that is still to come happened just now."""
    is_open = generations.c.ended_at.is_(None)
    for column in (generations.c.backoff_since, generations.c.called_at):
        change_rows(connection, generations, and_(is_open, column > now), {column.name: now})
    connection.execute(update(last_served).where(last_served.c.called_at > now).values(called_at=now))
    # Whoever is alive signs on again.
    connection.execute(update(workers).where(workers.c.seen_at > now).values(seen_at=0.0))
