"""Waiting for what happens in another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, seconds: float = 10.0, every: float = 0.05) -> bool:
    """Waits until ``condition`` is true; returns whether it became so within ``seconds``.

    It is looked at again after a hundredth of a second, and less and less often, down to once in ``every`` seconds.
    """
    deadline, pause = time.monotonic() + seconds, min(0.01, every)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(1.5 * pause, every)
    return True
