"""A process of the bot's own beside the stand-ins."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from bot.sandbox.page.controls import Unable

P = TypeVar("P")

START_SECONDS = 30.0
"""For how long a process is waited for until the bot in it listens."""


class BotProcess(Generic[P]):
    """The bot in a process of its own, which can be killed as a crash would.

    Args:
        run: what the process does: runs the bot of a plan until SIGTERM, and first sends its port through the pipe.
        plan: how the bot is started.
    """

    def __init__(self, run: Callable[[P, Connection], None], plan: P) -> None:
        self._run = run
        self._plan = plan
        self._process: BaseProcess | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid if self._process else None

    def start(self) -> int:
        """Starts the process; gives the port on which the bot listens.

        Raises:
            Unable: it did not begin to listen.
        """
        # A fork would copy the stand-ins' threads and locks in whatever state they are.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=self._run, args=(self._plan, there), daemon=True)
        self._process.start()
        there.close()
        try:
            if here.poll(START_SECONDS):
                return int(here.recv())
        except EOFError:
            pass
        self.kill()
        raise Unable("the bot's process did not begin to listen", sentence="not_started")

    def kill(self) -> None:
        """Ends the process with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def stop(self) -> None:
        """Ends the process with SIGTERM and waits."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()
