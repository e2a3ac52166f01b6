"""The platform's time, learnt from the ``Date`` of its answers, since this machine's clock may be wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

from bot.logs import get_logger

log = get_logger(__name__)

TOLERANCE = 60.0
"""Seconds by which the two clocks may differ."""

LOG_EVERY = 3_600.0

# It goes on while a machine is suspended; other systems than Linux have only the one that does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class PlatformClock:
    """Tells the platform's time; until an answer has come it is this machine's.

    Args:
        clock: this machine's time in seconds since 1970.
        elapsed: seconds that only go forward, whatever becomes of the clock.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        elapsed: Callable[[], float] = lambda: time.clock_gettime(_CLOCK),
    ) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._start: float | None = None
        self._logged_at: float | None = None

    def learn(self, date: str | None) -> None:
        """Takes the ``Date`` of an answer that has just come; one that cannot be read changes nothing."""
        try:
            at = parsedate_to_datetime(date or "")
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (TypeError, ValueError, OverflowError):
            return
        now = self._elapsed()
        with self._lock:
            self._start = seconds - now
            off = self._clock() - seconds
            is_due = self._logged_at is None or now - self._logged_at >= LOG_EVERY
            if abs(off) <= TOLERANCE or not is_due:
                return
            self._logged_at = now
        log.error(
            "clock wrong", seconds_ahead_of_platform=round(off), fix="set this machine's clock, for example with NTP"
        )

    def learn_first(self, date: str | None) -> None:
        """Takes the ``Date`` of another platform's answer where this one's time is not known yet."""
        if not self.is_known:
            self.learn(date)

    def now(self) -> float:
        """The platform's time in seconds since 1970."""
        start = self._start
        return self._clock() if start is None else start + self._elapsed()

    @property
    def is_known(self) -> bool:
        """Whether the platform's time was learnt."""
        return self._start is not None

    @property
    def problem(self) -> str | None:
        """By how much this machine's clock is wrong, or ``None``."""
        off = self._clock() - self.now()
        if abs(off) <= TOLERANCE:
            return None
        hours, minutes = divmod(round(abs(off) / 60), 60)
        return f"this machine's clock is {hours} h {minutes} min {'ahead of' if off > 0 else 'behind'} the platform's"
