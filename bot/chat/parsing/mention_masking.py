"""The names of people whom a message mentions, held back while its words are read.

People choose their names themselves, and one may be called ``张三 /n 4``: a name is text, never an option or a command.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.models import Command, ImagePrompt, ParsedMessage, PartialOptions, UserError, fields_of
from bot.text import storable, visible

MOST = 1000
"""How many different names a message may hold; further ones are left out."""

# Unicode keeps this character for a program's own use: nobody can mean anything by it. The one after it tells which
# name is meant, and is a letter of none of the words that the parser knows.
_MARK = "\ufdd0"
_FIRST = "\N{HANGUL SYLLABLE GA}"
_HELD = re.compile(f"{_MARK}(.?)", re.DOTALL)


class MentionMask:
    """The names of one message, each of which stands in its text as two signs."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def hold(self, name: str) -> str:
        """What stands in the text for a name; nothing where there is none."""
        known = visible(storable(name))
        if not known or (known not in self._numbers and len(self._numbers) == MOST):
            return ""
        return _MARK + chr(ord(_FIRST) + self._numbers.setdefault(known, len(self._numbers)))

    @property
    def held(self) -> tuple[str, ...]:
        """The names, as :func:`put_in` takes them."""
        return tuple(self._numbers)


def typed(text: str) -> str:
    """What somebody wrote, without invisible characters, in which nothing can pass for a held name."""
    return visible(storable(text).replace(_MARK, ""))


def put_in(text: str, names: Sequence[str]) -> str:
    """The text with the names that were held back."""

    def name(found: re.Match[str]) -> str:
        number = ord(found[1]) - ord(_FIRST) if found[1] else -1
        return names[number] if 0 <= number < len(names) else ""

    return _HELD.sub(name, text)


def named(understood: ParsedMessage, names: Sequence[str]) -> ParsedMessage:
    """What a message asks for, with the names that were held back while it was read."""
    match understood:
        case ImagePrompt():
            return replace(
                understood, prompt=put_in(understood.prompt, names), options=_options(understood.options, names)
            )
        case Command():
            return replace(
                understood, argument=put_in(understood.argument, names), options=_options(understood.options, names)
            )
        case UserError():
            return replace(understood, values={key: put_in(value, names) for key, value in understood.values.items()})


def _options(options: PartialOptions, names: Sequence[str]) -> PartialOptions:
    changed: dict[str, Any] = {
        key: put_in(value, names) for key, value in fields_of(options).items() if isinstance(value, str)
    }
    return replace(options, **changed)
