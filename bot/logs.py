"""The log: structlog events written through the standard library, as text or JSON, with the ids of their context."""

from __future__ import annotations

import json
import logging
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

Form = Literal["text", "json"]

LINES_A_MINUTE = 10
"""Lines that senders of requests can cause one by one; more are counted, so that a flood cannot fill the disk."""

SHORTEST_SECRET = 8

_QUIET = ("httpx", "httpcore", "websockets", "alembic")
"""httpx logs whole addresses at INFO, and an image's address is signed; a long connection's holds a ticket."""

_HEAD = ("time", "level", "logger", "event")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


class _Event(dict[str, Any]):
    """An event whose ``str`` is its line of text, so that it is readable with any handler."""

    def __str__(self) -> str:
        return _words(self)


_SHARED: tuple[Callable[..., Any], ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.format_exc_info,
)

# Unconfigured, structlog would print to standard output, where commands write their results.
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        lambda _logger, _name, event: _Event(event),
        ProcessorFormatter.wrap_for_formatter,
    ],
    wrapper_class=BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)


def get_logger(name: str) -> BoundLogger:
    """The logger of a module: ``log.info("event", key=value)``."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bind_ids(**ids: str | None) -> AbstractContextManager[None]:
    """Adds ids such as ``message_id`` to every event that this thread logs in the block; ``None`` is left out."""
    return structlog.contextvars.bound_contextvars(**{name: value for name, value in ids.items() if value is not None})


def configure(level: str, *, form: Form = "text", secrets: Iterable[str] = ()) -> None:
    """Writes the log to standard error, from ``level`` such as ``info``; see :func:`formatter`."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form, secrets=secrets))
    logging.basicConfig(handlers=[handler], level=level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of every request that has to wait for a thread, so a flood of requests would fill the disk.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logging.getLogger("waitress").addFilter(LogRateLimit())


def formatter(form: Form, *, secrets: Iterable[str] = ()) -> logging.Formatter:
    """Formats the events of structlog, and what libraries log: ``key=value``, or one JSON object per line.

    ``secrets`` are masked wherever they occur; short ones would mask ordinary words, and are not.
    """
    masked = tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)

    def render(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
        if form == "json":
            ordered = {key: event[key] for key in _HEAD} | dict(event)
            line = _visible(json.dumps(ordered, ensure_ascii=False, default=str))
        else:
            line = f"{event['time']} {event['level'].upper()} {event['logger']} {_words(event)}"
        for secret in masked:
            line = line.replace(secret, "***")
        return line

    return ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_SHARED],
        processors=[ProcessorFormatter.remove_processors_meta, render],
    )


class LogRateLimit(logging.Filter):
    """Allows :data:`LINES_A_MINUTE` and counts the others; thread-safe. ``clock`` is monotonic, in seconds.

    As the filter of a logger it appends to the next record that passes how many were suppressed before.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._lock = clock, threading.Lock()
        self._minute_ends_at, self._written, self._suppressed = float("-inf"), 0, 0

    def take(self) -> int | None:
        """How many lines were suppressed since the last one; ``None`` if this one is to be suppressed as well."""
        with self._lock:
            now = self._clock()
            if now >= self._minute_ends_at:
                self._minute_ends_at = now + 60
                self._written = 0
            if self._written == LINES_A_MINUTE:
                self._suppressed += 1
                return None
            self._written += 1
            suppressed, self._suppressed = self._suppressed, 0
            return suppressed

    def filter(self, record: logging.LogRecord) -> bool:
        suppressed = self.take()
        if suppressed:
            record.msg, record.args = f"{record.getMessage()} (suppressed before: {suppressed})", ()
        return suppressed is not None


def _words(event: Mapping[str, Any]) -> str:
    """``event key=value …``, and a traceback on lines of its own."""
    values = {key: value for key, value in event.items() if key not in {*_HEAD, "exception"}}
    line = " ".join([str(event["event"]), *(f"{key}={_quoted(str(value))}" for key, value in values.items())])
    return "\n".join(map(_visible, [line, *str(event.get("exception", "")).splitlines()]))


def _quoted(value: str) -> str:
    """A value in quotes where it could be taken for more than one."""
    plain = value and not any(character.isspace() or character in '"=' for character in value)
    return value if plain and _visible(value) == value else json.dumps(value, ensure_ascii=False)


def _visible(text: str) -> str:
    """The text with control and format characters and line ends escaped as in JSON."""
    if text.isprintable():
        return text
    return "".join(json.dumps(one)[1:-1] if unicodedata.category(one) in _HIDDEN else one for one in text)
