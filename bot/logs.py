"""What the log looks like: one line a step, its values by name, and the ids of what the step belongs to."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

Form = Literal["text", "json"]

LINES_A_MINUTE = 10
"""Lines that whoever sends requests can cause one by one; a flood of them is counted, and cannot fill the disk."""

_PLACEHOLDER = re.compile(r"%%|(?:(\w+)=)?(\"?)(%[-+ #0]*\d*(?:\.\d+)?[a-zA-Z])\2")
_PLAIN = re.compile(r"[^\s\"=]+")

_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """Adds ids to every line that this thread logs within the block, whichever module logs it.

    Args:
        ids: such as ``message_id="om_…"``; one that is ``None`` is left out.
    """
    before = _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value is not None}})
    try:
        yield
    finally:
        _ids.reset(before)


def set_up(level: str, *, form: Form = "text") -> None:
    """Sends the program's log to standard error.

    Args:
        level: a name such as ``info``; what is less is left out.
        form: ``text`` for ``key=value``, or ``json`` for one object a line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=level.upper())
    # httpx names whole addresses at INFO, and a picture's address is signed; a long connection's holds a ticket.
    for name in ("httpx", "httpcore", "websockets", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of every request that has to wait for a thread, so a flood of requests would fill the disk.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logging.getLogger("waitress").addFilter(RateLimitFilter(LogRateLimit()))


class LogRateLimit:
    """Allows :data:`LINES_A_MINUTE`, and counts the others; several threads may ask.

    Args:
        clock: a time in seconds that only goes forward.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._minute_ends_at = float("-inf")
        self._written = 0
        self._left_out = 0

    def take(self) -> int | None:
        """How many lines were left out since the last one; ``None`` where this one is to be left out as well."""
        with self._lock:
            now = self._clock()
            if now >= self._minute_ends_at:
                self._minute_ends_at = now + 60
                self._written = 0
            if self._written == LINES_A_MINUTE:
                self._left_out += 1
                return None
            self._written += 1
            left_out, self._left_out = self._left_out, 0
            return left_out


class RateLimitFilter(logging.Filter):
    """Lets a logger's records through as far as there is a ration; a line tells how many were left out before it."""

    def __init__(self, ration: LogRateLimit) -> None:
        super().__init__()
        self._ration = ration

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        left_out = self._ration.take()
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (left out before: {left_out})", ()
        return left_out is not None


class TextLines(logging.Formatter):
    """Time, level, module, words, then ``key=value``; a value with a space, a quote or a line break is quoted.

    A traceback follows on lines of its own. What a terminal would act on, such as ``ESC``, or what turns the direction
    of writing, stands there as its code.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        words, values = read(record)
        pairs = [f"{name}={_quoted(str(value))}" for name, value in values.items()]
        lines = [" ".join([_time(record), record.levelname, record.name, words, *pairs])]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return "\n".join(map(_visible, lines))


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``step``, the values by name, and any ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        words, values = read(record)
        line = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "step": words}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _visible(json.dumps(line | values | line, ensure_ascii=False))


def read(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    """A record's words, and its values by name: those of its message, then the ids that :func:`about` has set.

    The names stand in the template, as in ``"generation made id=%s"``, so that no value can pass for another one. A
    template of another shape, as other libraries write them, is all words.
    """
    values: dict[str, object] = {}
    arguments = list(record.args) if isinstance(record.args, tuple) else []

    def take(found: re.Match[str]) -> str:
        name, quote, conversion = found.groups()
        if conversion is None:
            return "%"
        value = arguments.pop(0)
        if name is None:
            return f"{quote}{conversion % value}{quote}"
        values[name] = _typed(value, conversion)
        return ""

    template = str(record.msg)
    wanted = sum(found[3] is not None for found in _PLACEHOLDER.finditer(template))
    # Without arguments a per cent sign is only itself.
    words = _PLACEHOLDER.sub(take, template) if arguments and wanted == len(arguments) else record.getMessage()
    return " ".join(words.split()), {**_ids.get(), **values}


def _typed(value: object, conversion: str) -> object:
    """A value as its line shows it; a number stays one."""
    if value is None or isinstance(value, bool):
        return value
    text = conversion % value
    if isinstance(value, float) and conversion[-1] in "fs":
        return float(text)
    return int(value) if isinstance(value, int | float) and conversion[-1] in "ds" else text


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) and _visible(value) == value else json.dumps(value, ensure_ascii=False)


def _visible(text: str) -> str:
    """The text with the codes of control and format characters and of line ends in their place, as JSON writes them."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return json.dumps(character)[1:-1] if hidden else character
