"""Time: the durations of the work, the team's days and months, and the clock of the platform."""

from __future__ import annotations

import logging
import math
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime

# The command line makes an image without structlog, which takes longer to import.
log = logging.getLogger(__name__)

TOLERANCE = 60.0  # seconds by which the two clocks may differ
LOG_EVERY = 3_600.0
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_time() -> float:
    """A time in seconds that only goes forward, and goes on while the machine is suspended (on Linux)."""
    return time.clock_gettime(_CLOCK)


def backoff_with_jitter(first: float, longest: float, times: int) -> float:
    """A wait in seconds that doubles with each of ``times``, up to ``longest``, give or take a fifth."""
    wait: float = min(first * 2 ** min(times, 30), longest)
    return wait * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRetries:
    """When a failed download is repeated; durations in seconds.

    With a link younger than ``fresh``, any error is retried for ``seconds``: the storage may answer 404 before it has
    the image. Later only transient errors are retried, up to ``attempts`` in all.
    """

    attempts: int = 3
    fresh: float = 120.0
    seconds: float = 20.0
    first_wait: float = 1.0
    longest_wait: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Durations in seconds, and counts."""

    lease: float = 15.0
    beat: float = 5.0  # between two heartbeats of a worker
    silence: float = 15.0  # without a heartbeat until a worker is considered dead
    poll: float = 1.0  # between two polls for work, which finds what a wake-up missed
    upkeep: float = 60.0  # between two checks for admin alerts; API usage is stored as often
    turn: float = 90.0  # without progress until another process takes over the export to the Base
    takeups: int = 5  # how often a paid image is taken up without progress before it fails
    backoff: float = 5.0  # the first wait after 1302 or 1305, doubling up to the longest
    backoff_longest: float = 60.0
    backoff_in_all: float = 900.0  # in all, until a generation fails because of the platform's limits
    resend: float = 1.0  # the first wait after a transient error of Feishu, doubling up to the longest
    resend_longest: float = 30.0
    reset_longest: float = 60.0  # the longest wait that Feishu itself can ask for; its limits are per minute
    resend_in_all: float = 86_400.0  # how long a first answer is kept for Feishu to recover
    probe_longest: float = 60.0  # the longest wait between two probes while Feishu refuses the app itself
    outage_in_all: float = 14 * 86_400.0  # how long a paid image waits for that; older cards cannot be changed
    upload_in_all: float = 1_800.0  # how long an upload is retried before the card shows the link instead
    holding: float = 20.0  # how long a process that shuts down keeps a paid outcome while the database is unavailable
    download: DownloadRetries = DownloadRetries()

    def retry_delay(self, asked: float | None, *, times: int) -> float:
        """Seconds before a call to Feishu that has failed so many ``times`` is repeated; ``asked`` is Feishu's own."""
        return min(asked, self.reset_longest) if asked else backoff_with_jitter(self.resend, self.resend_longest, times)

    def probe_after(self, times: int) -> float:
        """Seconds before the next probe while Feishu refuses the app itself, after so many."""
        return backoff_with_jitter(self.resend, self.probe_longest, times)

    def after_refusal(self, times: int) -> float:
        """Seconds that the rejected call itself waits: longer than the probe, so that another call is tried first."""
        return 1.25 * self.probe_after(times)


def seconds_of(first: date | None, last: date | None, zone: tzinfo) -> tuple[float, float]:
    """When the first day begins and the last one ends, in seconds since 1970; one that is not given sets no bound."""
    midnight = datetime.min.time()
    since = datetime.combine(first, midnight, zone).timestamp() if first else 0.0
    until = datetime.combine(last + timedelta(days=1), midnight, zone).timestamp() if last else math.inf
    return since, until


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingPeriods:
    """Days and months in the team's time zone."""

    zone: tzinfo
    clock: Callable[[], float]

    def month(self) -> str:
        """The current month, such as ``2026-11``."""
        return f"{self._today():%Y-%m}"

    def day_began(self) -> float:
        """When today began, in seconds since 1970; ``day_ends`` is when tomorrow begins."""
        return self._today().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    def month_began(self) -> float:
        return self.bounds(self.month())[0]

    def read_month(self, text: str) -> str:
        """The month that a text names, such as ``2026-10`` or ``2026年10月``; this month where it names none."""
        found = re.fullmatch(r"\s*(20\d\d)[-/.年](0?[1-9]|1[0-2])月?\s*", text)
        return f"{found[1]}-{int(found[2]):02}" if found else self.month()

    def bounds(self, month: str) -> tuple[float, float]:
        """When a month begins and ends, in seconds since 1970."""
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=self.zone)
        after = (first + timedelta(days=31)).replace(day=1)
        return first.timestamp(), after.timestamp()

    def day_ends(self) -> float:
        noon = self._today().replace(hour=12, minute=0, second=0, microsecond=0)
        return (noon + timedelta(days=1)).replace(hour=0).timestamp()

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), self.zone)


@dataclass
class PlatformClock:
    """The platform's time, learnt from the ``Date`` of its answers; until one has come it is this machine's.

    ``clock`` is this machine's time in seconds since 1970; ``elapsed`` gives seconds that only go forward.
    """

    clock: Callable[[], float] = time.time
    elapsed: Callable[[], float] = field(default=elapsed_time, kw_only=True)
    _start: float | None = field(default=None, init=False)
    _log_at: float = field(default=float("-inf"), init=False)

    def learn(self, date: str | None) -> None:
        """Takes the ``Date`` of an answer that has just come; one that cannot be read changes nothing."""
        try:
            at = parsedate_to_datetime(date or "")
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (TypeError, ValueError, OverflowError):
            return
        now = self.elapsed()
        self._start = seconds - now
        off = self.clock() - seconds
        if abs(off) > TOLERANCE and now >= self._log_at:
            self._log_at = now + LOG_EVERY
            fix = "set this machine's clock, for example with NTP"
            log.error("clock wrong", extra={"seconds_ahead_of_platform": round(off), "fix": fix})

    def now(self) -> float:
        """The platform's time in seconds since 1970."""
        return self.clock() if self._start is None else self._start + self.elapsed()

    @property
    def is_known(self) -> bool:
        return self._start is not None

    @property
    def problem(self) -> str | None:
        """By how much this machine's clock is wrong, or ``None``."""
        off = self.clock() - self.now()
        if abs(off) <= TOLERANCE:
            return None
        hours, minutes = divmod(round(abs(off) / 60), 60)
        return f"this machine's clock is {hours} h {minutes} min {'ahead of' if off > 0 else 'behind'} the platform's"
