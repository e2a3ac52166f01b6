"""The platform's time, learnt from the ``Date`` of its answers, since this machine's clock may be wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from bot.logs import get_logger

log = get_logger(__name__)

TOLERANCE = 60.0
"""Seconds by which the two clocks may differ."""

LOG_EVERY = 3_600.0

# It goes on while a machine is suspended; other systems than Linux have only the one that does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass
class PlatformClock:
    """Tells the platform's time; until an answer has come it is this machine's.

    ``clock`` is this machine's time in seconds since 1970; ``elapsed`` gives seconds that only go forward.
    """

    clock: Callable[[], float] = time.time
    elapsed: Callable[[], float] = field(default=lambda: time.clock_gettime(_CLOCK), kw_only=True)
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
            log.error("clock wrong", seconds_ahead_of_platform=round(off), fix=fix)

    def learn_first(self, date: str | None) -> None:
        """Takes the ``Date`` of another platform's answer where this one's time is not known yet."""
        if not self.is_known:
            self.learn(date)

    def now(self) -> float:
        """The platform's time in seconds since 1970."""
        return self.clock() if self._start is None else self._start + self.elapsed()

    @property
    def is_known(self) -> bool:
        """Whether the platform's time was learnt."""
        return self._start is not None

    @property
    def problem(self) -> str | None:
        """By how much this machine's clock is wrong, or ``None``."""
        off = self.clock() - self.now()
        if abs(off) <= TOLERANCE:
            return None
        hours, minutes = divmod(round(abs(off) / 60), 60)
        return f"this machine's clock is {hours} h {minutes} min {'ahead of' if off > 0 else 'behind'} the platform's"
