"""One pass over a plain text that finds its options and other signed words, and leaves quotes and links alone.

A sign is ``/``, ``--``, or what input methods make of them: ``—``, ``——`` and ``、``. What stands before it tells an
option from prose:

========================================  ================================================================
before the sign                           what counts
========================================  ================================================================
a digit, ``_ / ~ <`` …                    nothing: ``24/7``, ``~/size``
an ASCII letter                           known options with a value of their own, after ``/`` only a size:
                                          ``a cat--ar 16:9``, but ``and/or``, ``src/size``, ``well--known``
another letter                            known options, Chinese names only with a value: ``颜色/风格统一``
a bracket, a quotation mark, an emoji     known options
the start, a space, a comma, a stop       known options and words; after ``/`` and ``--`` unknown words too
========================================  ================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from bot.chat.parsing.option_values import HAN, nameless, read, switch
from bot.chat.parsing.vocabulary import CHAT_WORDS, COMMANDS, FLAGS, LEADING_AFTER_SIGN, OPTIONS, MentionMask

QUOTED = r"“[^“”]*”|「[^「」]*」|『[^『』]*』|(?<![0-9])\"[^\"]*\""
"""A pattern of text in quotation marks; a second opening mark ends the search, which keeps it linear.

A straight mark right after a digit means inches.
"""
WORD = rf"(?P<word>[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*|{HAN}+)"
"""A pattern of a word, which is Latin or Chinese."""
SIGN = r"(?P<sign>/|(?<![-—])(?:-[-—]{1,2}|—[-—]{0,2})|、)"
"""A pattern of what stands before the names of options and commands."""

_LINK = r"(?:https?|ftp)://[!#-;=?-~]*"
_WORD_OR_VALUE = rf"(?:{WORD}|(?P<value>[0-9]))"
_SIGNED = re.compile(rf"(?P<kept>{QUOTED}|{_LINK})|{SIGN}{_WORD_OR_VALUE}")
_UNSIGNED = re.compile(rf"(?P<kept>{QUOTED}|{_LINK})|(?:{SIGN}|(?<![^\s,;，；。、])){_WORD_OR_VALUE}")
_LEADING = re.compile(rf"{LEADING_AFTER_SIGN}(?:(?<={HAN})(?!{HAN})|(?<=[a-z])(?![a-z0-9_-])) *:?")
_LETTERS = re.compile(r"[a-z]+(?=[0-9])")
_NEVER_BEFORE = frozenset("_/\\~<@#&=%+-")
_SPACING = frozenset(",;:!?，；。！？、")
_WEAK_SIGNS = ("—", "、")

Role = Literal["command", "leading", "chat", "unknown", "value"]
"""What a signed word is that is no option.

``leading`` stands before a prompt, ``chat`` belongs to ``/set``, and ``value`` begins with a digit, so that it is a
fault only where it is the value of an option.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option; ``start`` and ``end`` are its place in the text."""

    name: str
    """``size``, ``quality``, ``model``, ``style``, ``count`` or ``watermark``."""
    value: str | int | bool | None
    """``None`` where it is missing; a count that is no number is the text that stood there."""
    start: int
    name_end: int
    """Where the name ends that was typed."""
    end: int
    sure: bool = True
    """Whether it is unmistakably an option where no sign stands before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word with a sign before it that is no option; ``start`` and ``end`` are its place in the text."""

    role: Role
    word: str
    """The word in its plain form, without the sign."""
    start: int
    end: int


class _Before(IntEnum):
    """How much room for an option there is before a sign."""

    CLOSED = 0
    LATIN = 1
    LETTER = 2
    MARK = 3
    FREE = 4


def scan(plain: str, *, unsigned: bool = False) -> Iterator[Option | Word]:
    """The options and signed words of a text, in their order.

    Args:
        plain: the text as :func:`bot.chat.parsing.vocabulary.fold` gives it.
        unsigned: whether options count without a sign too, and values without their option's name, as after ``/set``.
    """
    pattern = _UNSIGNED if unsigned else _SIGNED
    at, after_option = 0, -1
    while match := pattern.search(plain, at):
        at = match.end()
        if match["kept"] is not None:
            continue
        before = _Before.FREE if match.start() == after_option else _before(plain, match.start())
        token = _token(plain, match, before)
        if token is None and unsigned and before is _Before.FREE:
            token = _nameless(plain, match)
        if token:
            yield token
            at = after_option = token.end


def _before(plain: str, start: int) -> _Before:
    last = plain[start - 1] if start else " "
    if last == ".":  # "a mat./size 16:9" ends a sentence, "./size" begins a path
        return _Before.FREE if start > 1 and plain[start - 2].isalnum() else _Before.CLOSED
    if last in _NEVER_BEFORE or last in "0123456789":
        return _Before.CLOSED
    if last.isascii() and last.isalpha():
        return _Before.LATIN
    if last.isspace() or last in _SPACING:
        return _Before.FREE
    return _Before.LETTER if last.isalnum() else _Before.MARK


def _token(plain: str, match: re.Match[str], before: _Before) -> Option | Word | None:
    if before is _Before.CLOSED or (match["sign"] == "、" and before is not _Before.FREE):
        return None
    if option := _option(plain, match, before):
        return option
    return _signed_word(plain, match) if before is _Before.FREE else None


def _option(plain: str, match: re.Match[str], before: _Before) -> Option | None:
    word, start = match["word"], match.start()
    found = name_in(word, OPTIONS) if word else None
    if found is None:
        return None
    name, name_end = OPTIONS[found], match.start("word") + len(found)
    whole, chinese = match.end() == name_end, not found.isascii()
    weak = match["sign"] is not None and match["sign"].startswith(_WEAK_SIGNS)
    if name in FLAGS:
        said, end = switch(plain, name_end) or (True, name_end)
        if before is _Before.LATIN or (end < match.end() and (not chinese or weak or before is _Before.LETTER)):
            return None
        return Option(name="watermark", value=FLAGS[name] is said, start=start, name_end=name_end, end=end)
    reading = read(name, plain, name_end)
    apart = whole and reading.value is not None and plain[name_end] in " \t:="
    if before is _Before.LATIN and not (reading.certain and (name == "size" or _is_double_hyphen(match["sign"]))):
        return None
    if chinese and not reading.certain and ((before is _Before.LETTER and not apart) or (weak and not whole)):
        return None
    sure = reading.certain or apart or (whole and reading.value is None)
    return Option(name=name, value=reading.value, start=start, name_end=name_end, end=reading.end, sure=sure)


def _nameless(plain: str, match: re.Match[str]) -> Option | None:
    found = nameless(plain, _place(match))
    if found is None:
        return None
    name, reading = found
    return Option(name=name, value=reading.value, start=match.start(), name_end=match.start(), end=reading.end)


def _signed_word(plain: str, match: re.Match[str]) -> Word | None:
    sign, at = match["sign"], _place(match)
    word = match["word"] or _value(plain, at)
    end = at + len(word)
    if word.isascii() and plain.startswith("/", end):  # "/usr/local" is a path
        return None
    role: Role = "unknown" if match["word"] else "value"
    if word in CHAT_WORDS:
        role = "chat"
    elif sign is None:
        return None
    elif leading := _LEADING.match(plain, at):
        role, word, end = "leading", leading[0].rstrip(" :"), leading.end()
    elif (command := name_in(word, COMMANDS)) and (command == word or command.isascii()):
        role, word, end = "command", command, at + len(command)
    elif not _counts(sign, word):
        return None
    return Word(role=role, word=word, start=match.start(), end=end)


def _counts(sign: str, word: str) -> bool:
    """Whether a sign before an unknown word makes it more than prose, which has dashes too."""
    if sign == "/":
        return True
    if _is_double_hyphen(sign):
        return word.isascii() or nameless(word, 0) is not None
    return word[0].isdigit() and nameless(word, 0) is not None


def _place(match: re.Match[str]) -> int:
    return match.start("word" if match["word"] else "value")


def _value(plain: str, at: int) -> str:
    found = nameless(plain, at)
    return plain[at : (found[1] if found else read("style", plain, at)).end]


def _is_double_hyphen(sign: str) -> bool:
    return sign.startswith("--")


def name_in(word: str, names: MentionMask) -> str | None:
    """The name that ``word`` is, or begins with: Chinese is written without spaces, numbers often too (``/n4``)."""
    if (hyphened := word.replace("_", "-")) in names:
        return hyphened
    if word.isascii():
        letters = _LETTERS.match(word)
        return letters[0] if letters and letters[0] in names else None
    return max((name for name in names if not name.isascii() and word.startswith(name)), key=len, default=None)
