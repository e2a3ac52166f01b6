"""When and for how long a failed download is repeated."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable

from bot.errors import DownloadFailed
from bot.models import ImageFile
from bot.timings import DownloadRetries

log = logging.getLogger(__name__)


def fetch_with_retries(
    fetch: Callable[[], ImageFile],
    *,
    link_age: Callable[[], float],
    retries: DownloadRetries,
    stopped_in: Callable[[float], bool],
    clock: Callable[[], float] = time.monotonic,
) -> ImageFile:
    """Downloads an image, repeating what may pass.

    Args:
        fetch: one attempt.
        link_age: how many seconds ago the platform gave the link.
        retries: when to repeat an attempt.
        stopped_in: waits for so many seconds; true where the process is to stop instead.
        clock: a time in seconds that only goes forward.

    Raises:
        DownloadFailed: the error of the last attempt.
    """
    ends_at = clock() + retries.seconds
    for attempt in itertools.count(1):
        try:
            return fetch()
        except DownloadFailed as error:
            if error.permanent:
                raise
            left = min(retries.fresh - link_age(), ends_at - clock())
            wait = retries.wait_after(attempt)
            if not (error.transient and attempt < retries.attempts):
                if left <= 0:
                    raise
                # The last attempt falls on the end of the time.
                wait = min(wait, left)
            log.info("download failed", extra={"attempt": attempt, "reason": str(error), "next_in": round(wait, 1)})
            if stopped_in(wait):
                raise
    raise AssertionError
