"""When a message may be sent: one limiter for all processes, kept in the database beside the requests."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, select, update

from bot.db.database import Database
from bot.db.key_value import set_timer
from bot.db.tables import timers


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBucket:
    """``burst`` messages at once, then ``rate`` a second: over any second at most both together."""

    rate: float
    burst: int

    def wait(self, ahead: float) -> float:
        """The seconds until the next message, when the timer is so many seconds ahead; not over 0 if it may be sent."""
        return ahead - (self.burst - 1) / self.rate


# The platform allows 5 messages a second to a chat, 5 updates a second of a message, 50 a second and 1,000 a minute
# in all:
# https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control
CHAT = TokenBucket(rate=2.0, burst=3)
SECOND = TokenBucket(rate=30.0, burst=20)
MINUTE = TokenBucket(rate=12.0, burst=280)
_ALL = {"second": SECOND, "minute": MINUTE}


class SendRateLimiter:
    """Lets messages be sent as often as the platform takes them, within the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, connection: Connection, target: str) -> float:
        """Reserves one message to a chat, or one update of a message, by its id.

        Returns:
            0 when it may be sent now; else the seconds to wait, and nothing is reserved.
        """
        buckets = {target: CHAT, **_ALL}
        if len(rows := self._locked(connection, target)) < len(buckets):
            # A row that is not there yet cannot be locked: of several who came first, each would count from nothing.
            add = self._database.insert(timers).on_conflict_do_nothing(index_elements=["name"])
            connection.execute(add, [{"name": name, "next_at": 0.0} for name in sorted(buckets)])
            rows = self._locked(connection, target)
        now = self._database.time(connection)
        # The clean-up may have taken a row of long ago meanwhile.
        ends = {name: max(rows.get(name, 0.0), now) for name in buckets}
        wait = max(bucket.wait(ends[name] - now) for name, bucket in buckets.items())
        if wait > 0:
            return wait
        moved = {name: ends[name] + 1 / bucket.rate for name, bucket in buckets.items()}
        next_at = case(moved, value=timers.c.name)
        connection.execute(update(timers).where(timers.c.name.in_(moved)).values(next_at=next_at))
        return 0.0

    def _locked(self, connection: Connection, target: str) -> dict[str, float]:
        names = timers.c.name.in_((target, *_ALL))
        rows = select(timers.c.name, timers.c.next_at).where(names).order_by(timers.c.name).with_for_update()
        return dict(connection.execute(rows).all())

    def messages_left(self, connection: Connection) -> int:
        """How many messages may be sent now, to whichever chats."""
        ahead = select(timers.c.name, timers.c.next_at - self._database.now).where(timers.c.name.in_(_ALL))
        seconds = dict(connection.execute(ahead).all())
        left = (bucket.burst - max(seconds.get(name, 0.0), 0.0) * bucket.rate for name, bucket in _ALL.items())
        return max(int(min(left)), 0)

    def hold(self, connection: Connection, *, seconds: float) -> None:
        """Lets nothing be sent for so many seconds: the platform has said so."""
        burst = (SECOND.burst - 1) / SECOND.rate
        set_timer(self._database, connection, "second", seconds=seconds + burst)
