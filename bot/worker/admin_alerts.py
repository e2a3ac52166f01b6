"""Messages to the admins about what only they can mend: once per cause, day or month, and recipient."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path

from bot.db.database import read_time
from bot.db.reports import recent_failures
from bot.db.tables import NewRequest
from bot.errors import FOR_ADMINS
from bot.logs import get_logger
from bot.models import Command, Failure
from bot.service.requests import TO_ADMIN, RequestService

log = get_logger(__name__)

HOUR = 3_600.0
# The error codes after which nothing can succeed, and what the admins are told.
CAUSES = {"insufficient_balance": "balance", "authentication_error": "key", "MISSING_API_KEY": "key"}
# Those for which a prompt itself was the reason; they tell nothing about the bot.
ABOUT_PROMPT = frozenset({"content_filter_violation", "invalid_request"})
NEARLY, ALL = 0.8, 1.0  # the shares of a month's allowance at which the admins are told
LEAST_SHARE, LEAST_BYTES = 0.05, 2 * 1024**3  # a disk is nearly full when less than both is free


def silent_since(failures: Iterable[tuple[float, Failure]], *, last_success: float, now: float) -> float | None:
    """When it was last seen that nothing succeeds; ``None`` while that cannot be said.

    It can when the first failure after the last success is an hour old and another one is not: one failure alone is no
    silence, however long nobody asks for anything after it. The failures are in the order of time.
    """
    times = [at for at, failure in failures if at > last_success and failure.code not in ABOUT_PROMPT]
    return times[-1] if times and times[0] <= now - HOUR < times[-1] else None


def nearly_full(total: int, free: int) -> bool:
    return free < min(LEAST_SHARE * total, LEAST_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAlerts:
    """Checks how the last generations ended and what the month has used, and leaves messages to be sent.

    A message is a request like any other: it survives a crash, waits for Feishu to come back, and is one for all
    processes. It goes to ``chat``, else to each admin. ``usage`` gives what was used of each allowance of the
    month, and the allowance, where 0 means none.
    """

    requests: RequestService
    zone: tzinfo
    wake: threading.Event
    chat: str = ""
    usage: Callable[[], Mapping[str, tuple[float, float]]] = dict
    folder: Path | None = None  # the data folder, on whose disk there has to be space
    _sent: set[str] = field(default_factory=set, init=False)

    def check(self) -> None:
        """Checks what has failed lately and what is running out; raises ``DatabaseUnavailable``."""
        if self.requests.admins or self.chat:
            self._check_month(self._check_failures())

    def _check_failures(self) -> float:
        """Tells of what failed in the last hour; returns the time, in seconds since 1970."""
        now, last_success, failures = recent_failures(self.requests.database, seconds=HOUR)
        for ended_at, failure in failures:
            day = self._day(ended_at)
            if ended_at <= now - HOUR:
                continue
            if failure.code in CAUSES:
                self._alert_all(CAUSES[failure.code], period=day)
            elif failure.sentence == "failure.blocked":
                # What answered in the platform's place.
                blocked_by = f"HTTP {failure.values.get('status')} {failure.values.get('words', '')}".strip()
                self._alert_all("blocked", period=day, details=blocked_by)
            elif failure.sentence in FOR_ADMINS:
                details = failure.platform or failure.code
                self._alert_all("refused", period=f"{failure.sentence}:{day}", details=details)
        if (silent := silent_since(failures, last_success=last_success, now=now)) is not None:
            self._alert_all("silent", period=self._day(silent))
        return now

    def _check_month(self, now: float) -> None:
        month = self._day(now)[: len("2026-11")]
        for cause, (used, limit) in self.usage().items():
            share = used / limit if limit else 0.0
            if share >= NEARLY:
                reached = "100" if share >= ALL else "80"
                self._alert_all(cause, period=f"{month}:{reached}", details=f"{share:.0%} ({used:g}/{limit:g})")
        if self.folder is not None:
            disk = shutil.disk_usage(self.folder)
            if nearly_full(disk.total, disk.free):
                self._alert_all("disk", period=month, details=f"{disk.free / 1024**3:.1f} GB")

    def alert(self, cause: str) -> None:
        """Leaves the messages about something that was seen just now; raises ``DatabaseUnavailable``."""
        with self.requests.database.read() as connection:
            now = read_time(connection)
        self._alert_all(cause, period=self._day(now))

    def _day(self, seconds: float) -> str:
        return f"{datetime.fromtimestamp(seconds, self.zone):%Y-%m-%d}"

    def _alert_all(self, cause: str, *, period: str, details: str = "") -> None:
        argument = f"admin_{cause}\n{details}" if details else f"admin_{cause}"
        chat = self.chat or None
        for recipient in [self.chat] if self.chat else sorted(self.requests.admins):
            key = f"admin:{cause}:{period}:{recipient}"
            if key in self._sent:
                continue
            new = NewRequest(dedup_key=key, chat_id=chat, chat_type="group" if chat else "p2p", sender=recipient)
            result = self.requests.submit(new, Command(name=TO_ADMIN, argument=argument))
            self._sent.add(key)
            if result.outcome == "accepted":
                log.warning("admin alerted", cause=cause, recipient=recipient)
                self.wake.set()
