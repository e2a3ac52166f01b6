"""The signals that stop a long-running process."""

from __future__ import annotations

import signal
import threading

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def stop_event() -> threading.Event:
    """An event that SIGTERM or SIGINT sets from now on; to be called before any other thread starts.

    The signals are blocked and awaited in a thread. A handler would interrupt the main thread anywhere, even where it
    holds the lock of the event that it has to set.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    stopped = threading.Event()

    def wait() -> None:
        signal.sigwait(STOP_SIGNALS)
        stopped.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stopped
