"""When a message may go out: one limiter for all processes, kept in the database beside the requests."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Double, Text, bindparam, case, or_, select, update

from bot.db.database import Database
from bot.db.rate_holds import put_off
from bot.db.tables import timers


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBucket:
    """``burst`` messages at once, then ``rate`` a second: over any second at most both together."""

    rate: float
    burst: int


# The platform allows 5 messages a second to a chat, 5 updates a second of a message, 50 a second and 1,000 a minute
# in all:
# https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control
CHAT = TokenBucket(rate=2.0, burst=3)
SECOND = TokenBucket(rate=30.0, burst=20)
MINUTE = TokenBucket(rate=12.0, burst=280)


_ALL = {"second": SECOND, "minute": MINUTE}
_FOR_ALL = or_(*(timers.c.name == name for name in _ALL))
_TARGET = bindparam("target", type_=Text)


class SendRateLimiter:
    """Lets messages out as often as the platform takes them, within the caller's transaction.

    Args:
        database: where the limiter is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Put together once, as the statements of ``looks`` are.
        self._ends = select(timers.c.name, timers.c.next_at, database.now).where(_FOR_ALL)
        self._ends_locked = (
            select(timers.c.name, timers.c.next_at, database.now)
            .where(or_(_FOR_ALL, timers.c.name == _TARGET))
            .order_by(timers.c.name)
            .with_for_update()
        )
        self._add = database.insert(timers).on_conflict_do_nothing(index_elements=["name"])

    def reserve(self, connection: Connection, target: str) -> float:
        """Reserves one message to a chat, or one update of a message.

        Args:
            connection: the caller's transaction.
            target: the id of the chat, or of the message.

        Returns:
            0 when it may go out now; else the seconds to wait, and nothing is reserved.
        """
        allowances = {target: CHAT, **_ALL}
        rows = connection.execute(self._ends_locked, {"target": target}).all()
        if len(rows) < len(allowances):
            # A row that is not there yet cannot be locked: of several who came first, each would count from nothing.
            connection.execute(self._add, [{"name": name, "next_at": 0.0} for name in sorted(allowances)])
            rows = connection.execute(self._ends_locked, {"target": target}).all()
        # The clean-up may have taken a row of long ago meanwhile.
        ends = dict.fromkeys(allowances, 0.0) | {name: end for name, end, _ in rows}
        now = max((now for _, _, now in rows), default=0.0) or self._database.time(connection)
        wait = max(_wait(allowance, ends[name] - now) for name, allowance in allowances.items())
        if wait > 0:
            return wait
        moved = {name: max(ends[name], now) + 1 / allowance.rate for name, allowance in allowances.items()}
        given = {"target": target, "to": moved[target], **{f"{name}_to": moved[name] for name in _ALL}}
        connection.execute(_MOVE, given)
        return 0.0

    def messages_left(self, connection: Connection) -> int:
        """How many messages may go out now, to whichever chats."""
        rows = {name: end - now for name, end, now in connection.execute(self._ends)}
        ahead = ((one, max(rows.get(name, 0.0), 0.0)) for name, one in _ALL.items())
        return max(int(min(one.burst - seconds * one.rate for one, seconds in ahead)), 0)

    def hold(self, connection: Connection, *, seconds: float) -> None:
        """Lets nothing go out for so many seconds: the platform has said so."""
        burst = (SECOND.burst - 1) / SECOND.rate
        put_off(self._database, connection, "second", seconds=seconds + burst)


# One statement for the three rows, which are locked.
_MOVE = (
    update(timers)
    .where(or_(_FOR_ALL, timers.c.name == _TARGET))
    .values(
        next_at=case(
            *((timers.c.name == name, bindparam(f"{name}_to", type_=Double)) for name in _ALL),
            else_=bindparam("to", type_=Double),
        )
    )
)


def _wait(allowance: TokenBucket, ahead: float) -> float:
    return ahead - (allowance.burst - 1) / allowance.rate
