"""Every duration and bound of the work, in one value that tests make smaller."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

JITTER = 0.2


def backoff_with_jitter(first: float, longest: float, times: int) -> float:
    """A wait in seconds that doubles with each of ``times``, up to ``longest``, give or take a fifth."""
    wait: float = min(first * 2 ** min(times, 30), longest)
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRetries:
    """When a failed download is repeated; durations in seconds.

    A link of the last ``fresh`` seconds is retried for ``seconds`` whatever the error: the storage may answer 404 for a
    while before it has the image. Later only transient errors are, up to ``attempts`` in all.
    """

    attempts: int = 3
    fresh: float = 120.0
    seconds: float = 20.0
    first_wait: float = 1.0
    longest_wait: float = 5.0

    def wait_after(self, attempt: int) -> float:
        """The wait after the attempt of this number, counted from 1: doubling, give or take a fifth."""
        return backoff_with_jitter(self.first_wait, self.longest_wait, attempt - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Durations in seconds, and counts."""

    lease: float = 15.0
    beat: float = 5.0
    silence: float = 15.0
    """After how long without a beat a worker counts as gone."""
    poll: float = 1.0
    """The slow look for work under the wake-ups."""
    upkeep: float = 60.0
    """Between two looks at what the admins should be told; what was counted is stored as often."""
    turn: float = 90.0
    """After how long another process may go on with the Base log, when the one that was at it says nothing more."""
    takeups: int = 5
    """How often a paid picture is taken up without getting further before it is failed in words."""
    backoff: float = 5.0
    """The first wait after 1302 or 1305; it doubles."""
    backoff_longest: float = 60.0
    backoff_in_all: float = 900.0
    """How long a generation waits for the platform's limits before it fails."""
    resend: float = 1.0
    """The first wait after a call to Feishu failed in passing; it doubles."""
    resend_longest: float = 30.0
    reset_longest: float = 60.0
    """The longest that is waited at once where Feishu itself says for how long; its limits are those of a minute."""
    resend_in_all: float = 86_400.0
    """How long an answer is kept for Feishu to come back; after that a first answer would be too late."""
    probe_longest: float = 60.0
    """The longest wait between two tries while Feishu refuses the app itself; the first is that of ``resend``."""
    outage_in_all: float = 14 * 86_400.0
    """How long what is paid for waits for such an outage to end; older cards cannot be changed any more."""
    upload_in_all: float = 1_800.0
    """How long a picture is kept for its upload before the card shows the link instead."""
    holding: float = 20.0
    """How long a process that leaves holds a paid outcome for a database that is away."""
    downloads: int = 3
    """Attempts to download an image after a transient error."""
    download_wait: float = 1.0
    """The first wait between two attempts; it doubles."""
    download_longest: float = 5.0
    fresh_link: float = 120.0
    """How long a link counts as fresh; a download from it is retried whatever the error."""
    fresh_downloads: float = 20.0
    """For how long it is retried."""

    @property
    def download_retries(self) -> DownloadRetries:
        """When a failed download is repeated."""
        return DownloadRetries(
            attempts=self.downloads,
            fresh=self.fresh_link,
            seconds=self.fresh_downloads,
            first_wait=self.download_wait,
            longest_wait=self.download_longest,
        )

    def retry_delay(self, asked: float | None, *, times: int) -> float:
        """The wait in seconds before a call to Feishu is made again.

        Args:
            asked: the platform's own wait, where it gave one.
            times: how often the call has failed before.
        """
        return min(asked, self.reset_longest) if asked else backoff_with_jitter(self.resend, self.resend_longest, times)

    def probe_after(self, times: int) -> float:
        """The wait in seconds before Feishu is tried again that refuses the app itself, after so many tries."""
        return backoff_with_jitter(self.resend, self.probe_longest, times)

    def after_refusal(self, times: int) -> float:
        """The wait in seconds of what was refused then: a little longer, so that something else is tried next."""
        return 1.25 * self.probe_after(times)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingPeriods:
    """Days and months as the team's calendar has them."""

    zone: tzinfo
    clock: Callable[[], float]

    def month(self) -> str:
        """This month, written ``2026-11``."""
        return f"{self._today():%Y-%m}"

    def day_began(self) -> float:
        """When today began, in seconds since 1970."""
        return self._today().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    def day_ends(self) -> float:
        """When tomorrow begins, in seconds since 1970."""
        noon = self._today().replace(hour=12, minute=0, second=0, microsecond=0)
        return (noon + timedelta(days=1)).replace(hour=0).timestamp()

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), self.zone)
