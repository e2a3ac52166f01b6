"""The threads of a process: loops, and the one that awaits signals; an unexpected error ends none of them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from bot.errors import BotError, DatabaseUnavailable, LeaseLost
from bot.logs import get_logger
from bot.timings import backoff_with_jitter

log = get_logger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.5, 10.0  # seconds before a failed step is repeated; the wait doubles
CRASHES = 3  # after so many crashes in a row a loop counts as failing
HANG_SECONDS = 120.0  # without a successful step for so long, a loop counts as hanging
EXIT_SECONDS = 5.0  # for which an exiting process waits for its loops: daemon threads, whose steps can be repeated
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(kw_only=True)
class Loop:
    """One background thread that repeats a step; see :meth:`Background.start`."""

    name: str
    hang_after: float
    crashes: int = 0  # in a row
    database_away: bool = False  # whether the last step failed because the database took or gave nothing
    # When the current step started or first failed; `None` between successful steps.
    started_at: float | None = field(default_factory=time.monotonic)
    thread: threading.Thread = field(default_factory=threading.Thread)

    @property
    def stuck_for(self) -> float:
        """Seconds for which the current step has been running or failing; 0 between successful steps."""
        started_at = self.started_at
        return 0.0 if started_at is None else time.monotonic() - started_at

    @property
    def problem(self) -> str | None:
        if self.crashes >= CRASHES:
            return f"background task {self.name} keeps failing, see the log"
        if self.stuck_for > self.hang_after:
            return f"background task {self.name} has made no progress for {self.stuck_for:.0f} seconds"
        return None


@dataclass(kw_only=True)
class Background:
    """Runs the loops and tasks of one process; ``on_crash`` is called with a task's name after an unexpected error."""

    stopping: threading.Event = field(default_factory=threading.Event)
    on_crash: Callable[[str], None] = lambda _name: None
    _loops: list[Loop] = field(default_factory=list, init=False)

    def start(
        self,
        name: str,
        step: Callable[[], object],
        *,
        every: float = 0.0,
        delay: float = 0.0,
        longest_retry: float = LONGEST_RETRY,
        hang_after: float = HANG_SECONDS,
        stopping: threading.Event | None = None,
        pause: Callable[[float], object] | None = None,
    ) -> Loop:
        """Repeats a step in a thread of its own, ``every`` so many seconds; after a failure with increasing waits.

        The name is that of the thread, in logs, metrics and ``/readyz``. The loop ends after a step when ``stopping``
        is set, by default that of the process; ``pause`` waits for ``every`` seconds or less.
        """
        stop = stopping or self.stopping
        loop = Loop(name=name, hang_after=hang_after + delay)

        def run() -> None:
            failures = 0
            stop.wait(delay)
            while not stop.is_set():
                loop.started_at = loop.started_at or time.monotonic()
                error = self.attempt(name, step)
                loop.database_away = isinstance(error, DatabaseUnavailable)
                if error is None:
                    failures, loop.crashes, loop.started_at = 0, 0, None
                    (pause or stop.wait)(every)
                else:
                    # An outage is reported by the checks of the database and the platform.
                    loop.crashes = 0 if isinstance(error, BotError) else loop.crashes + 1
                    stop.wait(backoff_with_jitter(min(FIRST_RETRY, longest_retry), longest_retry, failures))
                    failures += 1

        loop.thread = threading.Thread(target=run, name=name, daemon=True)
        loop.thread.start()
        self._loops.append(loop)
        return loop

    def attempt(self, name: str, work: Callable[..., object], *args: object) -> Exception | None:
        """Runs a task once, logs its error and returns it; one that is no ``BotError`` with traceback, and counted."""
        try:
            work(*args)
        except Exception as error:  # noqa: BLE001 - the edge of every background thread and pool task
            # Short of memory, even the report may fail.
            with suppress(Exception):
                self._report(name, error)
            return error
        return None

    def _report(self, name: str, error: Exception) -> None:
        if isinstance(error, LeaseLost):
            log.warning("lease lost", task=name)
        elif isinstance(error, DatabaseUnavailable):
            log.error("database unavailable", task=name, reason=error)
        elif isinstance(error, BotError):
            log.error("task failed", task=name, error=type(error).__name__, reason=error)
        else:
            self.on_crash(name)
            log.error("task crashed", task=name, exc_info=error)

    @property
    def problem(self) -> str | None:
        """The loops that fail or hang, by name, or ``None``."""
        return "; ".join(filter(None, (loop.problem for loop in list(self._loops)))) or None

    @property
    def database_away(self) -> bool:
        return any(loop.database_away for loop in list(self._loops))

    def close(self) -> None:
        """Waits for the loops for :data:`EXIT_SECONDS`; their ``stopping`` must have been set before."""
        ends_at = time.monotonic() + EXIT_SECONDS
        for loop in self._loops:
            loop.thread.join(max(ends_at - time.monotonic(), 0.0))


class StopEvent(threading.Event):
    """Set by SIGTERM, SIGINT or SIGHUP from now on; where there is an ``on_hangup``, SIGHUP calls that instead.

    To be made before any other thread starts: the signals are blocked and awaited in a thread. A handler would
    interrupt the main thread anywhere, even where it holds the lock of the event that it has to set. What is ignored,
    as SIGHUP under ``nohup``, stays ignored.
    """

    def __init__(self, *, on_hangup: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.on_hangup = on_hangup
        self._awaited = {number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
        signal.pthread_sigmask(signal.SIG_BLOCK, self._awaited)
        threading.Thread(target=self._await_signals, name="signals", daemon=True).start()

    def _await_signals(self) -> None:
        while signal.sigwait(self._awaited) == signal.SIGHUP and self.on_hangup is not None:
            try:
                self.on_hangup()
            except Exception:
                # Whatever is wrong with the secrets, this thread has to hear the next signal.
                log.exception("hangup not handled")
        self.set()
