"""Outages: while Feishu refuses the app itself, calls of that kind wait, and one probe at a time tries again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, literal, select

from bot.db.database import Database
from bot.db.leases import change_rows
from bot.db.tables import generations, key_value, requests, timers
from bot.errors import FeishuAction, FeishuError, SendDelayed
from bot.logs import get_logger
from bot.models import State
from bot.timings import Timings

log = get_logger(__name__)

Call = Literal["send", "patch", "image", "file"]
"""The kinds of call; each may need a scope of its own, so one can be refused while the others pass."""

_PREFIX = "outage:"

RECENT = 180.0
"""Seconds without a probe after which nobody waits for the outage any more, so it is no longer reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Calls of one kind are refused: since when (seconds since 1970), why in words, what to do, and probes so far."""

    call: str
    since: float
    reason: str
    fix: str
    code: int | None
    probes: int = 0


def is_held(database: Database) -> ColumnElement[bool]:
    """The condition that the next call for a request has to wait for the next probe."""
    patches = and_(requests.c.answer_id.is_not(None), requests.c.delivery_mode == "card")
    return _is_held(database, case((patches, "patch"), (requests.c.kind == "original", "file"), else_="send"))


def is_upload_held(database: Database) -> ColumnElement[bool]:
    """The condition that uploads of images have to wait for the next probe."""
    return _is_held(database, literal("image"))


def _is_held(database: Database, call: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(timers.c.name == literal(_PREFIX).concat(call), timers.c.next_at > database.now)


def current(database: Database, connection: Connection) -> list[Outage]:
    """The outages that something waits for, in the order of their kinds."""
    statement = (
        select(key_value.c.value)
        .join(timers, timers.c.name == key_value.c.name)
        .where(key_value.c.name.startswith(_PREFIX), timers.c.next_at > database.now - RECENT)
        .order_by(key_value.c.name)
    )
    return [Outage(**json.loads(value)) for value in connection.scalars(statement)]


class Outages:
    """Keeps the outages in the database, so that all processes share one probe and a restart forgets nothing.

    Args:
        database: where they are.
        explain: returns the reason of an error and what to do.
        pace: how long the next probe is waited for.
        on_begin: called when calls of a kind begin to be refused.
        on_end: called when they pass again.
    """

    def __init__(
        self,
        database: Database,
        *,
        explain: Callable[[FeishuError], tuple[str, str]],
        pace: Timings,
        on_begin: Callable[[], None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._explain = explain
        self._pace = pace
        self._on_begin = on_begin
        self._on_end = on_end

    @contextmanager
    def guard(self, call: Call) -> Iterator[None]:
        """Makes one call of a kind within the block.

        Raises:
            SendDelayed: such calls are refused at present, and the next probe is not due.
        """
        probing = self._take_probe(call)
        try:
            yield
        except FeishuError as error:
            if error.action is FeishuAction.APP_REFUSED:
                self._record(call, error)
            elif probing and error.action is not FeishuAction.RETRY:
                # Another refusal is about this message alone: the app may call again.
                self._end(call)
            raise
        else:
            if probing:
                self._end(call)

    def current(self) -> list[Outage]:
        """The outages that something waits for."""
        with self._database.read() as connection:
            return current(self._database, connection)

    def _take_probe(self, call: Call) -> bool:
        """Whether the call is a probe, which moves the next one away."""
        name = f"{_PREFIX}{call}"
        with self._database.read() as connection:
            if connection.scalar(select(key_value.c.name).where(key_value.c.name == name)) is None:
                return False
        with self._database.write(step="outages.probe") as connection:
            outage = self._read(connection, name)
            if outage is None:
                return False
            statement = select(func.coalesce(func.max(timers.c.next_at), 0.0) - self._database.now)
            wait = connection.scalar(statement.where(timers.c.name == name)) or 0.0
            if wait > 0:
                # What waits is not looked at before the probe, and must not wait beyond the end of the outage.
                raise SendDelayed(min(wait, self._pace.poll))
            probes = outage.probes + 1
            self._write(connection, name, Outage(**(asdict(outage) | {"probes": probes})))
            self._hold(connection, name, self._pace.probe_after(probes))
        return True

    def _record(self, call: Call, error: FeishuError) -> None:
        name = f"{_PREFIX}{call}"
        reason, fix = self._explain(error)
        found = {"call": call, "reason": reason, "fix": fix}
        with self._database.write(step="outages.begin") as connection:
            before = self._read(connection, name)
            now = self._database.time(connection)
            known = {"since": before.since, "probes": before.probes} if before else {"since": now}
            self._write(connection, name, Outage(**found, code=error.code, **known))  # type: ignore[arg-type]
            if before is None:
                self._hold(connection, name, self._pace.probe_after(0))
        if before is None:
            log.error("Feishu outage", call=call, code=error.code, reason=found["reason"], fix=found["fix"])
            self._on_begin()

    def _end(self, call: Call) -> None:
        name = f"{_PREFIX}{call}"
        with self._database.write(step="outages.end") as connection:
            outage = self._read(connection, name)
            if outage is None:
                return
            if outage.probes > 1:
                # What was refused waits for longer than it has to. After a single refusal it does not: that may have
                # been about one chat, which would then be tried again and again.
                self._make_due(connection)
            connection.execute(delete(timers).where(timers.c.name == name))
            connection.execute(delete(key_value).where(key_value.c.name == name))
        log.warning("Feishu outage over", call=call, seconds=round(self._now() - outage.since))
        self._on_end()

    def _make_due(self, connection: Connection) -> None:
        now = self._database.now
        made = and_(generations.c.state == State.MADE, generations.c.ended_at.is_(None), generations.c.due_at > now)
        behind = and_(
            requests.c.published_version < requests.c.desired_version,
            requests.c.ended_at.is_(None),
            requests.c.due_at > now,
        )
        change_rows(connection, generations, made, {"due_at": 0.0})
        change_rows(connection, requests, behind, {"due_at": 0.0})

    def _now(self) -> float:
        with self._database.read() as connection:
            return self._database.time(connection)

    def _read(self, connection: Connection, name: str) -> Outage | None:
        value = connection.scalar(select(key_value.c.value).where(key_value.c.name == name).with_for_update())
        return Outage(**json.loads(value)) if value else None

    def _write(self, connection: Connection, name: str, outage: Outage) -> None:
        row = self._database.insert(key_value).values(name=name, value=json.dumps(asdict(outage)))
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))

    def _hold(self, connection: Connection, name: str, seconds: float) -> None:
        row = self._database.insert(timers).values(name=name, next_at=self._database.now + seconds)
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"next_at": row.excluded.next_at}))
