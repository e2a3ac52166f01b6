"""Messages to the admins about what makes every prompt fail, once per cause, day and admin."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Literal

from bot.db.database import Database
from bot.db.reports import FailureRecord, recent_failures
from bot.db.tables import NewRequest
from bot.errors import FOR_ADMINS
from bot.logs import get_logger
from bot.models import Command
from bot.service.requests import TO_ADMIN, RequestService

log = get_logger(__name__)

AlertCause = Literal["balance", "key", "blocked", "refused", "silent", "base", "feishu"]

HOUR = 3_600.0

CAUSES: dict[str, AlertCause] = {
    "insufficient_balance": "balance",
    "authentication_error": "key",
    "MISSING_API_KEY": "key",
}
"""The error codes after which nothing can succeed."""

ABOUT_PROMPT = frozenset({"content_filter_violation", "invalid_request"})
"""The error codes for which a prompt itself was the reason; they tell nothing about the bot."""


def account_causes(failures: Iterable[FailureRecord], *, now: float) -> Iterator[tuple[AlertCause, float]]:
    """What the failures of the hour before ``now`` tell about the account, and when each happened."""
    for one in failures:
        if one.code in CAUSES and one.ended_at > now - HOUR:
            yield CAUSES[one.code], one.ended_at


def silent_since(failures: Iterable[FailureRecord], *, last_success: float, now: float) -> float | None:
    """When it was last seen that nothing succeeds; ``None`` while that cannot be said.

    It can when the first failure after the last success is an hour old and another one is not: one failure alone is no
    silence, however long nobody asks for anything after it. The failures are in the order of time.
    """
    times = [one.ended_at for one in failures if one.ended_at > last_success and one.code not in ABOUT_PROMPT]
    return times[-1] if times and times[0] <= now - HOUR < times[-1] else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAlerts:
    """Checks how the last generations ended, and leaves a message to each admin as a request to be answered.

    The message is a row like any other: it survives a crash, waits for Feishu to come back, and is one for all
    processes. ``zone`` is the time zone of the days; ``wake`` is set when there is work for the worker of this process.
    """

    database: Database
    requests: RequestService
    admins: Collection[str]
    zone: tzinfo
    wake: threading.Event
    _sent: set[str] = field(default_factory=set, init=False)

    def check(self) -> None:
        """Checks what has failed lately, and leaves the messages that are due.

        Raises:
            DatabaseUnavailable: the database does not answer; the next check does it.
        """
        if not self.admins:
            return
        now, last_success, failures = recent_failures(self.database, seconds=HOUR)
        for cause, seen_at in account_causes(failures, now=now):
            self._alert_all(cause, seen_at=seen_at)
        for one in failures:
            if one.ended_at <= now - HOUR:
                continue
            if one.blocked_by:
                self._alert_all("blocked", seen_at=one.ended_at, details=one.blocked_by)
            elif one.sentence in FOR_ADMINS and one.code not in CAUSES:
                details = one.platform or one.code
                self._alert_all("refused", about=one.sentence, seen_at=one.ended_at, details=details)
        if (silent := silent_since(failures, last_success=last_success, now=now)) is not None:
            self._alert_all("silent", seen_at=silent)

    def alert(self, cause: AlertCause) -> None:
        """Leaves the messages about something that was seen just now.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self.database.read() as connection:
            now = self.database.time(connection)
        self._alert_all(cause, seen_at=now)

    def _alert_all(self, cause: AlertCause, *, seen_at: float, details: str = "", about: str = "") -> None:
        day = f"{datetime.fromtimestamp(seen_at, self.zone):%Y-%m-%d}"
        argument = f"admin_{cause}\n{details}" if details else f"admin_{cause}"
        for admin in self.admins:
            key = f"admin:{cause}{about and ':'}{about}:{day}:{admin}"
            if key in self._sent:
                continue
            new = NewRequest(dedup_key=key, chat_id=None, chat_type="p2p", sender=admin)
            result = self.requests.submit(new, Command(name=TO_ADMIN, argument=argument))
            self._sent.add(key)
            if result.outcome == "accepted":
                log.warning("admin alerted", cause=cause, admin=admin)
                self.wake.set()
