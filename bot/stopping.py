"""The signals that stop a long-running process."""

from __future__ import annotations

import signal
import threading

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def stop_event() -> threading.Event:
    """An event that SIGTERM, SIGINT or SIGHUP sets from now on; to be called before any other thread starts.

    The signals are blocked and awaited in a thread. A handler would interrupt the main thread anywhere, even where it
    holds the lock of the event that it has to set. What is ignored, as SIGHUP under ``nohup``, stays ignored.
    """
    awaited = {number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    stopped = threading.Event()

    def wait() -> None:
        signal.sigwait(awaited)
        stopped.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stopped
