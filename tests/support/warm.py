"""Processes that cost milliseconds: forked from a warm one that has imported everything and has a single thread."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess

PRELOADED = [
    "tests.support.cluster",
    "tests.support.crash",
    "tests.clients.generate_driver",
    "bot.__main__",
    "bot.cli.base",
    "bot.cli.check",
    "bot.cli.export",
    "bot.cli.forget",
    "bot.cli.sandbox",
    "bot.cli.send",
    "alembic.command",
    "alembic.config",
    "psycopg",
    "PIL.JpegImagePlugin",
    "tests.support.ready",
]

_starting = threading.Lock()


def start(run: Callable[..., object], *given: object) -> BaseProcess:
    """Starts ``run(*given)`` in a process of its own, which ends with this one at the latest."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=run, args=given, daemon=True)
    # The module keeps a set of all processes, which is not made for several threads.
    with _starting:
        process.start()
    return process
