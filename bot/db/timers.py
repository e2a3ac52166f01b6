"""When something may be done again: periodic jobs, sends, a model's calls, and calls that Feishu refuses for now.

Timers are kept in the database, so that all processes share them and a restart forgets nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa

from bot.db.database import NOW, Database, insert, read_time, upsert
from bot.db.key_value import IS_PAUSED, VALUE
from bot.db.leases import change_rows
from bot.db.tables import IS_BEHIND, UNFINISHED, G, R, generations, key_value, requests, timers
from bot.errors import DatabaseUnavailable, FeishuAction, FeishuError, SendDelayed
from bot.logs import get_logger
from bot.models import State
from bot.timings import Timings

log = get_logger(__name__)


def timer_runs(name: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The condition that a timer has not run out."""
    return sa.exists().where(timers.c.name == name, timers.c.next_at > NOW)


def set_timer(connection: sa.Connection, name: str, *, seconds: float) -> None:
    """Lets a timer run for so many seconds; one that runs longer is not shortened."""
    next_at = NOW + seconds
    upsert(connection, timers, timers.c.next_at < next_at, name=name, next_at=next_at)


def is_model_held(model: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The condition that no call of a model may be made now: the bot is paused, or the platform says it is busy."""
    return sa.or_(IS_PAUSED, timer_runs(sa.literal("model:").concat(model)))


def pause_model(connection: sa.Connection, model: str, *, seconds: float) -> None:
    """Lets no call of a model be made for so many seconds."""
    set_timer(connection, f"model:{model}", seconds=seconds)


@dataclass(frozen=True, slots=True)
class PeriodicLock:
    """A job that one process at a time does now and then, for all of them."""

    database: Database
    name: str
    seconds: float  # after which another process may take over a job that has stopped

    def take(self) -> bool:
        """Takes the lock; false when the job is not due, or another process does it."""
        with self.database.write() as connection:
            return upsert(connection, timers, timers.c.next_at <= NOW, name=self.name, next_at=NOW + self.seconds)

    def end(self, seconds: float) -> None:
        """Makes the job due again after so many seconds."""
        with self.database.write() as connection:
            connection.execute(sa.update(timers).where(timers.c.name == self.name).values(next_at=NOW + seconds))


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
# Few at once, as sending them takes the processor from acknowledging the messages of those who write at that moment.
SECOND = TokenBucket(rate=30.0, burst=5)
MINUTE = TokenBucket(rate=12.0, burst=280)
_ALL = {"second": SECOND, "minute": MINUTE}

_STEP = sa.bindparam("step", type_=sa.Double)
_ALL_AHEAD = sa.select(timers.c.name, timers.c.next_at - NOW).where(timers.c.name.in_(_ALL))
_LATER_OF_BOTH = sa.case((timers.c.next_at > NOW, timers.c.next_at), else_=NOW)


@dataclass(frozen=True, slots=True)
class SendRateLimiter:
    """Lets messages be sent as often as the platform takes them, counted over all processes."""

    database: Database

    def reserve(self, target: str) -> float:
        """Reserves one message to a chat, or one update of a message, by its id.

        Returns 0 when it may be sent now; else the seconds to wait, and nothing is reserved.
        """
        buckets = {target: CHAT, **_ALL}
        steps = {name: 1 / bucket.rate for name, bucket in buckets.items()}
        with self.database.write(step="requests.reserve") as connection:
            row = insert(connection, timers).values(next_at=NOW + _STEP)
            row = row.on_conflict_do_update(index_elements=["name"], set_={"next_at": _LATER_OF_BOTH + _STEP})
            reserved = row.returning(timers.c.name, timers.c.next_at - NOW)
            # In the order of their names; see ``leases``.
            rows = [{"name": name, "step": steps[name]} for name in sorted(steps)]
            ahead: dict[str, float] = dict(connection.execute(reserved, rows).all())
            wait = max(bucket.wait(ahead[name] - steps[name]) for name, bucket in buckets.items())
            if wait > 0:
                connection.rollback()
            return max(wait, 0.0)

    def hold(self, seconds: float) -> None:
        """Lets nothing be sent for so many seconds: the platform has said so."""
        burst = (SECOND.burst - 1) / SECOND.rate
        with self.database.write(step="requests.hold") as connection:
            set_timer(connection, "second", seconds=seconds + burst)


def messages_left(connection: sa.Connection) -> int:
    """How many messages may be sent now, to whichever chats."""
    seconds = dict(connection.execute(_ALL_AHEAD).all())
    left = (bucket.burst - max(seconds.get(name, 0.0), 0.0) * bucket.rate for name, bucket in _ALL.items())
    return max(int(min(left)), 0)


KINDS = {
    **dict.fromkeys(("reply", "create"), "send"),
    **dict.fromkeys(("patch", "recall"), "patch"),
    "image": "image",
    **dict.fromkeys(("file", "own_image"), "file"),
}
"""The kinds of calls to Feishu by their names; each may need a scope of its own, so one can be refused alone."""

_PREFIX = "outage:"

_PATCHES = sa.and_(R.answer_id.is_not(None), R.delivery_mode == "card")
_NEXT_CALL = sa.case((_PATCHES, "patch"), (R.kind == "original", "file"), else_="send")
IS_HELD = timer_runs(sa.literal(_PREFIX).concat(_NEXT_CALL))
"""The condition that the next call for a request has to wait for the next probe."""
IS_UPLOAD_HELD = timer_runs(sa.literal(f"{_PREFIX}image"))

RECENT = 180.0  # seconds without a probe after which nobody waits for an outage any more: it is not reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Feishu refuses the app's calls of one kind; ``since`` in seconds since 1970, ``fix`` is what to do."""

    call: str
    since: float
    reason: str
    fix: str
    code: int | None
    probes: int = 0


def current_outages(database: Database) -> list[Outage]:
    """The outages that something waits for, in the order of their kinds."""
    statement = (
        sa.select(key_value.c.value)
        .join(timers, timers.c.name == key_value.c.name)
        .where(key_value.c.name.startswith(_PREFIX), timers.c.next_at > NOW - RECENT)
        .order_by(key_value.c.name)
    )
    with database.read() as connection:
        return [Outage(**json.loads(value)) for value in connection.scalars(statement)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """While Feishu refuses the app itself, calls of that kind wait, and one probe at a time tries again.

    ``explain`` returns the reason of an error and what to do; ``on_begin`` and ``on_end`` are called when calls of a
    kind begin to be refused, and when they pass again.
    """

    database: Database
    explain: Callable[[FeishuError], tuple[str, str]]
    pace: Timings
    on_begin: Callable[[], None] = lambda: None
    on_end: Callable[[], None] = lambda: None

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """Put around each call to Feishu, by its name; ``SendDelayed`` means that it has to wait for the next probe."""
        if (call := KINDS.get(name)) is None:
            yield
            return
        probing = self._take_probe(f"{_PREFIX}{call}")
        try:
            yield
        except FeishuError as error:
            self._note(call, error, probing=probing)
            raise
        self._note(call, None, probing=probing)

    def _note(self, call: str, error: FeishuError | None, *, probing: bool) -> None:
        """Stores what a call has shown. Where that fails the call must not fail, which would be made again."""
        try:
            if error is not None and error.action is FeishuAction.APP_REFUSED:
                self._record(call, error)
            elif probing and (error is None or error.action is not FeishuAction.RETRY):
                # Another refusal is about this message alone: the app may call again.
                self._end(call)
        except DatabaseUnavailable as unavailable:
            log.warning("outage not stored", call=call, reason=unavailable)

    def _take_probe(self, name: str) -> bool:
        """Whether the call is a probe, which moves the next one away."""
        with self.database.read() as connection:
            if connection.scalar(VALUE, {"name": name}) is None:
                return False
        with self.database.write(step="outages.probe") as connection:
            outage = _locked_outage(connection, name)
            if outage is None:
                return False
            wait = connection.scalar(sa.select(timers.c.next_at - NOW).where(timers.c.name == name)) or 0.0
            if wait > 0:
                # What waits is not looked at before the probe, and must not wait beyond the end of the outage.
                raise SendDelayed(min(wait, self.pace.poll))
            self._store(connection, replace(outage, probes=outage.probes + 1), next_probe=True)
        return True

    def _record(self, call: str, error: FeishuError) -> None:
        reason, fix = self.explain(error)
        with self.database.write(step="outages.begin") as connection:
            before = _locked_outage(connection, f"{_PREFIX}{call}")
            since, probes = (before.since, before.probes) if before else (read_time(connection), 0)
            outage = Outage(call=call, since=since, reason=reason, fix=fix, code=error.code, probes=probes)
            self._store(connection, outage, next_probe=before is None)
        if before is None:
            log.error("Feishu outage", call=call, code=error.code, reason=reason, fix=fix)
            self.on_begin()

    def _store(self, connection: sa.Connection, outage: Outage, *, next_probe: bool) -> None:
        name = f"{_PREFIX}{outage.call}"
        upsert(connection, key_value, name=name, value=json.dumps(asdict(outage)))
        if next_probe:
            upsert(connection, timers, name=name, next_at=NOW + self.pace.probe_after(outage.probes))

    def _end(self, call: str) -> None:
        name = f"{_PREFIX}{call}"
        with self.database.write(step="outages.end") as connection:
            outage = _locked_outage(connection, name)
            if outage is None:
                return
            if outage.probes > 1:
                # What was refused waits for longer than it has to. After a single refusal it does not: that may have
                # been about one chat, which would then be tried again and again.
                made = sa.and_(UNFINISHED, G.state == State.MADE)
                for table, is_refused in ((generations, made), (requests, IS_BEHIND)):
                    change_rows(connection, table, sa.and_(is_refused, table.c.due_at > NOW), {"due_at": 0.0})
            for table in (timers, key_value):
                connection.execute(sa.delete(table).where(table.c.name == name))
            seconds = round(read_time(connection) - outage.since)
        log.warning("Feishu outage over", call=call, seconds=seconds)
        self.on_end()


def _locked_outage(connection: sa.Connection, name: str) -> Outage | None:
    value = connection.scalar(VALUE.with_for_update(), {"name": name})
    return Outage(**json.loads(value)) if value else None
