"""Messages to the admins: what makes every prompt fail, told to each of them once a cause and day."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from sqlalchemy import select

from bot.db.database import Database
from bot.db.rows import NewRequest
from bot.db.tables import generations
from bot.logs import get_logger
from bot.models import Command, State
from bot.service.requests import TO_ADMIN, RequestService

log = get_logger(__name__)

Cause = Literal["balance", "key", "blocked", "silent", "base", "feishu"]

HOUR = 3_600.0

CAUSES: dict[str, Cause] = {
    "insufficient_balance": "balance",
    "authentication_error": "key",
    "MISSING_API_KEY": "key",
}
"""The error codes that say that nothing can succeed, and what the admins are told of them."""

OWN_FAULT = frozenset({"content_filter_violation", "invalid_request"})
"""The error codes for which a prompt itself was the reason; such prompts say nothing about the bot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A generation that failed: when, in seconds since 1970, and the error code."""

    ended_at: float
    code: str
    blocked_by: str = ""
    """What answered in the platform's place, where the request was blocked on the way."""


def account_causes(failures: Iterable[Failed], *, now: float) -> Iterator[tuple[Cause, float]]:
    """What the failures of the last hour tell about the account, and when each did.

    Args:
        failures: what failed.
        now: the time in seconds since 1970.
    """
    for one in failures:
        if one.code in CAUSES and one.ended_at > now - HOUR:
            yield CAUSES[one.code], one.ended_at


def silent_at(failures: Iterable[Failed], *, last_success: float, now: float) -> float | None:
    """When it was last seen that nothing succeeds, ``None`` while that cannot be said.

    It can when the first failure after the last success is an hour old and another one is not: one failure alone is no
    silence, however long nobody asks for anything after it.

    Args:
        failures: what failed after the last success, at least, the earliest first.
        last_success: when the last image was made, in seconds since 1970.
        now: the time in seconds since 1970.
    """
    times = [one.ended_at for one in failures if one.ended_at > last_success and one.code not in OWN_FAULT]
    return times[-1] if times and times[0] <= now - HOUR < times[-1] else None


class AdminAlerts:
    """Looks at how the last generations ended, and leaves a message to each admin as a request to be answered.

    The message is a row like any other: it survives a crash, waits for Feishu to come back, and is one for all
    processes, unique by cause, day and admin. Nobody's answer waits for it.

    Args:
        database: where the generations are.
        reception: what accepts the messages.
        people: the open_ids of the admins.
        zone: the time zone in which a day is a day.
        wake: tells the worker of this process that there is work.
    """

    def __init__(
        self,
        database: Database,
        *,
        reception: RequestService,
        people: Collection[str],
        zone: tzinfo,
        wake: threading.Event,
    ) -> None:
        self._database = database
        self._reception = reception
        self._people = people
        self._zone = zone
        self._wake = wake
        self._told: set[str] = set()

    def look(self) -> None:
        """Looks at what has failed lately, and leaves the messages that are due.

        Raises:
            StoreUnavailable: the database does not answer; the next look does it.
        """
        if not self._people:
            return
        now, last_success, failures = self._read()
        for cause, seen_at in account_causes(failures, now=now):
            self._tell_all(cause, seen_at=seen_at)
        for one in failures:
            if one.blocked_by and one.ended_at > now - HOUR:
                self._tell_all("blocked", seen_at=one.ended_at, details=one.blocked_by)
        if (silent := silent_at(failures, last_success=last_success, now=now)) is not None:
            self._tell_all("silent", seen_at=silent)

    def tell(self, cause: Cause) -> None:
        """Leaves the messages about something that was seen just now.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with self._database.read() as connection:
            now = self._database.time(connection)
        self._tell_all(cause, seen_at=now)

    def _read(self) -> tuple[float, float, list[Failed]]:
        """The time, that of the last success (0 for none), and what failed since then or in the last hour."""
        ended_at = generations.c.ended_at
        with self._database.read() as connection:
            now = self._database.time(connection)
            done = select(ended_at).where(ended_at.is_not(None), generations.c.state == State.DONE)
            last_success = connection.scalar(done.order_by(ended_at.desc()).limit(1)) or 0.0
            failed = select(ended_at, generations.c.failure).where(
                generations.c.state == State.FAILED, ended_at > min(last_success, now - HOUR)
            )
            rows = connection.execute(failed.order_by(ended_at)).all()
        return now, last_success, [_failed(row.ended_at, row.failure) for row in rows]

    def _tell_all(self, cause: Cause, *, seen_at: float, details: str = "") -> None:
        day = f"{datetime.fromtimestamp(seen_at, self._zone):%Y-%m-%d}"
        for person in self._people:
            self._tell(person, cause, dedup_key=f"admin:{cause}:{day}:{person}", details=details)

    def _tell(self, person: str, cause: Cause, *, dedup_key: str, details: str) -> None:
        if dedup_key in self._told:
            return
        new = NewRequest(dedup_key=dedup_key, chat_id=None, chat_type="p2p", sender=person)
        argument = f"admin_{cause}\n{details}" if details else f"admin_{cause}"
        received = self._reception.submit(new, Command(name=TO_ADMIN, argument=argument))
        self._told.add(dedup_key)
        if received.outcome == "accepted":
            log.warning("admin alerted", cause=cause, admin=person)
            self._wake.set()


def _failed(ended_at: float, stored: str | None) -> Failed:
    failure = json.loads(stored) if stored else {}
    blocked_by = ""
    if failure.get("sentence") == "failure.blocked":
        values = failure["values"]
        blocked_by = f"HTTP {values.get('status')} {values.get('words', '')}".strip()
    return Failed(ended_at=ended_at, code=str(failure.get("code", "")), blocked_by=blocked_by)
