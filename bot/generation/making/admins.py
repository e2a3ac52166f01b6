"""Messages to the admins: what makes every prompt fail, told to each of them once a cause and day."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from sqlalchemy import or_, select

from bot.generation.intake.planning import Arrival
from bot.generation.intake.reception import Reception
from bot.generation.store.database import Database
from bot.generation.store.tables import generations
from bot.models import Command, State

log = logging.getLogger(__name__)

Cause = Literal["balance", "key", "silent", "base"]

HOUR = 3_600.0
LOOK_BACK = 2 * HOUR
"""Seconds of the past that a look takes in: the hour without an image, and the one before it in which that began."""

CAUSES: dict[str, Cause] = {
    "insufficient_balance": "balance",
    "authentication_error": "key",
    "MISSING_API_KEY": "key",
}
"""The error codes that say that nothing can succeed, and what the admins are told of them."""

OWN_FAULT = frozenset({"content_filter_violation", "invalid_request"})
"""The error codes for which a prompt itself was the reason; such prompts say nothing about the bot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A generation's end: when it was accepted and ended in seconds since 1970, and its error code if it failed."""

    accepted_at: float
    ended_at: float
    code: str | None


def causes(ends: Sequence[Ended], *, now: float) -> Iterator[tuple[Cause, float]]:
    """What the admins should know, and when it was last seen.

    Args:
        ends: what was made and what failed in the last :data:`LOOK_BACK` seconds, the earliest first.
        now: the time in seconds since 1970.
    """
    for one in ends:
        if one.code in CAUSES and one.ended_at > now - HOUR:
            yield CAUSES[one.code], one.ended_at
    last_success = max((one.ended_at for one in ends if one.code is None), default=0.0)
    failed = [one for one in ends if one.code not in OWN_FAULT and one.ended_at > last_success]
    begun = min((one.accepted_at for one in failed), default=now)
    if last_success <= now - HOUR and begun <= now - HOUR and failed[-1].ended_at > now - HOUR:
        yield "silent", failed[-1].ended_at


class Admins:
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
        reception: Reception,
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
        """Looks at the last two hours, and leaves the messages that are due.

        Raises:
            StoreUnavailable: the database does not answer; the next look does it.
        """
        if not self._people:
            return
        with self._database.read() as connection:
            now = connection.scalar(select(self._database.now)) or 0.0
            rows = connection.execute(
                select(generations.c.accepted_at, generations.c.ended_at, generations.c.failure)
                .where(
                    generations.c.ended_at > now - LOOK_BACK,
                    or_(generations.c.state == State.DONE, generations.c.state == State.FAILED),
                )
                .order_by(generations.c.ended_at)
            ).all()
        ends = [Ended(accepted_at=row.accepted_at, ended_at=row.ended_at, code=_code(row.failure)) for row in rows]
        for cause, seen_at in causes(ends, now=now):
            self._tell_all(cause, seen_at=seen_at)

    def tell(self, cause: Cause) -> None:
        """Leaves the messages about something that was seen just now.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with self._database.read() as connection:
            now = self._database.time(connection)
        self._tell_all(cause, seen_at=now)

    def _tell_all(self, cause: Cause, *, seen_at: float) -> None:
        day = f"{datetime.fromtimestamp(seen_at, self._zone):%Y-%m-%d}"
        for person in self._people:
            self._tell(person, cause, origin=f"admin:{cause}:{day}:{person}")

    def _tell(self, person: str, cause: Cause, *, origin: str) -> None:
        if origin in self._told:
            return
        arrival = Arrival(
            origin=origin,
            chat_id=None,
            chat_type="p2p",
            reply_to=None,
            in_topic=False,
            sender=person,
            language="zh",
        )
        received = self._reception.accept(arrival, Command(name="notice", argument=f"admin_{cause}"))
        self._told.add(origin)
        if received.outcome == "accepted":
            log.warning("admins told cause=%s person=%s", cause, person)
            self._wake.set()


def _code(failure: str | None) -> str | None:
    return str(json.loads(failure)["code"]) if failure else None
