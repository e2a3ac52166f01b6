"""The JSON of a push, read without trust; whatever is wrong with it is ``EventRefused`` with status 400."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from bot.errors import EventRejected

BAD_REQUEST = 400

_LONGEST_NAME = 128
_DEEPEST = 64
_MICROSECONDS = 10**14
_LONGEST_TIME = 20


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def parse(data: bytes, *, padded: bool = False) -> dict[str, Any]:
    """The JSON object in ``data``.

    Args:
        data: UTF-8.
        padded: whether something may follow the object, which is then left unread.
    """
    try:
        text = data.decode().lstrip()
        value, end = _decoder.raw_decode(text)
    except (ValueError, RecursionError):
        raise EventRejected(BAD_REQUEST, "not JSON") from None
    if not isinstance(value, dict) or (not padded and text[end:].strip()):
        raise EventRejected(BAD_REQUEST, "not a JSON object")
    return value


def check_depth(content: dict[str, Any]) -> None:
    """Refuses nesting that would exhaust the stack further inside."""
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        if not level:
            return
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        level = inner
    raise EventRejected(BAD_REQUEST, "nested too deeply")


def name_of(value: object) -> str:
    """An ``event_id`` or ``event_type``: 1 to 128 printable ASCII characters."""
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isascii() and value.isprintable():
        return value
    raise EventRejected(BAD_REQUEST, "no event_id or event_type")


def seconds_of(value: object) -> float:
    """Seconds since 1970 of a ``create_time``: milliseconds as text, of a card action microseconds."""
    digits = str(value)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST_TIME:
        raise EventRejected(BAD_REQUEST, "no create_time")
    # Milliseconds reach this figure in the year 5138, microseconds did in 1973: so the size tells which they are.
    count = int(digits)
    return count / (1_000_000 if count >= _MICROSECONDS else 1000)
