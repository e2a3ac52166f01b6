"""The log as it is when the bot serves, and what is written to it, for as long as a test looks at it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bot import logs


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += self.format(record).splitlines()


@contextmanager
def written(name: str = "bot", *, form: logs.Form = "text", secrets: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """The lines that a logger and those below it write in the block, at every level, as they come."""
    handler, logger = _Lines(), logging.getLogger(name)
    handler.setFormatter(logs.formatter(form, secrets=secrets))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


@contextmanager
def as_served(level: str) -> Iterator[None]:
    """What the program's own set-up makes of every logger that it changes; afterwards each is as it was before."""
    names = (None, "httpx", "httpcore", "websockets", "alembic", "waitress", "waitress.queue")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one, one.level, one.filters[:], one.handlers[:]) for one in loggers]
    logs.configure(level)
    # Under pytest the root has handlers already, so that the set-up leaves its level alone.
    logging.getLogger().setLevel(level.upper())
    try:
        yield
    finally:
        for one, its_level, filters, handlers in before:
            one.setLevel(its_level)
            one.filters[:], one.handlers[:] = filters, handlers
