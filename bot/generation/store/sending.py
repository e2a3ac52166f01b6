"""When a message may go out: one limiter for all processes, kept in the database beside the requests."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Text, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.generation.store.database import Database
from bot.generation.store.holds import put_off
from bot.generation.store.tables import paces


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """``burst`` messages at once, then ``rate`` a second: over any second at most both together."""

    rate: float
    burst: int


# The platform allows 5 messages a second to a chat, 5 updates a second of a message, 50 a second and 1,000 a minute
# in all:
# https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control
CHAT = Allowance(rate=2.0, burst=3)
SECOND = Allowance(rate=30.0, burst=20)
MINUTE = Allowance(rate=12.0, burst=280)


# Put together once for each kind of database, as the statements of ``looks`` are.
_ALL = {"second": SECOND, "minute": MINUTE}
_FOR_ALL = or_(*(paces.c.name == name for name in _ALL))
_ENDS = select(paces.c.name, paces.c.next_at).where(_FOR_ALL)
_ENDS_LOCKED = (
    select(paces.c.name, paces.c.next_at)
    .where(or_(_FOR_ALL, paces.c.name == bindparam("target", type_=Text)))
    .order_by(paces.c.name)
    .with_for_update()
)
_ADD = {
    True: sqlite_insert(paces).on_conflict_do_nothing(index_elements=["name"]),
    False: postgres_insert(paces).on_conflict_do_nothing(index_elements=["name"]),
}
_MOVE = update(paces).where(paces.c.name == bindparam("which", type_=Text))


def reserve(database: Database, connection: Connection, target: str) -> float:
    """Reserves one message to a chat, or one update of a message, within the caller's transaction.

    Args:
        database: where the limiter is.
        connection: the caller's transaction.
        target: the id of the chat, or of the message.

    Returns:
        0 when it may go out now; else the seconds to wait, and nothing is reserved.
    """
    allowances = {target: CHAT, **_ALL}
    ends = dict(connection.execute(_ENDS_LOCKED, {"target": target}).all())
    if len(ends) < len(allowances):
        # A row that is not there yet cannot be locked: of several who came first, each would count from nothing.
        connection.execute(_ADD[database.is_sqlite], [{"name": name, "next_at": 0.0} for name in sorted(allowances)])
        ends = dict(connection.execute(_ENDS_LOCKED, {"target": target}).all())
    now = database.time(connection)
    # The clean-up may have taken a row of long ago meanwhile.
    wait = max(_wait(allowance, ends.get(name, 0.0) - now) for name, allowance in allowances.items())
    if wait > 0:
        return wait
    moved = {name: max(ends.get(name, 0.0), now) + 1 / allowance.rate for name, allowance in allowances.items()}
    connection.execute(_MOVE, [{"which": name, "next_at": end} for name, end in moved.items()])
    return 0.0


def messages_left(database: Database, connection: Connection) -> int:
    """How many messages may go out now, to whichever chats."""
    now = database.time(connection)
    ends = dict(connection.execute(_ENDS).all())
    return max(int(min(one.burst - max(ends.get(name, 0.0) - now, 0.0) * one.rate for name, one in _ALL.items())), 0)


def hold(database: Database, connection: Connection, *, seconds: float) -> None:
    """Lets nothing go out for so many seconds: the platform has said so."""
    burst = (SECOND.burst - 1) / SECOND.rate
    put_off(database, connection, "second", seconds=seconds + burst)


def _wait(allowance: Allowance, ahead: float) -> float:
    return ahead - (allowance.burst - 1) / allowance.rate
