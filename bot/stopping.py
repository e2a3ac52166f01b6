"""The signals that stop a long-running process, and the one that makes it reread its secrets."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from bot.logs import get_logger

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = get_logger(__name__)


class StopEvent(threading.Event):
    """Set when the process is to stop; where there is an ``on_hangup``, SIGHUP calls that instead."""

    on_hangup: Callable[[], None] | None = None


def stop_event(*, on_hangup: Callable[[], None] | None = None) -> StopEvent:
    """An event that SIGTERM, SIGINT or SIGHUP sets from now on; to be called before any other thread starts.

    The signals are blocked and awaited in a thread. A handler would interrupt the main thread anywhere, even where it
    holds the lock of the event that it has to set. What is ignored, as SIGHUP under ``nohup``, stays ignored.
    """
    awaited = {number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    stopped = StopEvent()
    stopped.on_hangup = on_hangup

    def wait() -> None:
        while signal.sigwait(awaited) == signal.SIGHUP and stopped.on_hangup is not None:
            try:
                stopped.on_hangup()
            except Exception:
                # Whatever is wrong with the secrets, this thread has to hear the next signal.
                log.exception("hangup not handled")
        stopped.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stopped
