"""What is left of a text when parts of it are taken out, with no comma or space left dangling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from itertools import pairwise

_COMMAS = ",，、;； "
_ENDS = ".。!！?？"
# A full stop with something behind it is the beginning of a name: "./file", ".5".
_STOP = re.compile(r"[,，、;；。!！?？]|\.(?!\S)")
_OPENERS = re.compile(r"(?:[,，、;；。:：\s]|\.(?!\S))+")
# An input method may write the two brackets of a pair in different widths.
_BRACKETS = {"(": ")）", "（": ")）", "[": "]］", "［": "]］", "{": "}｝", "｛": "}｝", "【": "】"}
_CLOSING = frozenset("".join(_BRACKETS.values()))


def without(text: str, parts: Iterable[tuple[int, int]]) -> str:
    """The text without its parts and without white space at its ends; away from the parts it stays as it is.

    Args:
        text: any text.
        parts: where each part begins and ends, in their order.
    """
    ends = [0, *(place for part in parts for place in part), len(text)]
    pieces = [text[start:end] for start, end in list(pairwise(ends))[::2]]
    if len(pieces) == 1:
        return text.strip()
    first, *between, last = pieces
    # White space between two parts belongs to neither side: it must not cost the comma before the first.
    return reduce(_joined, [*(piece for piece in between if piece.strip()), last], first).strip()


def _joined(left: str, right: str) -> str:
    left, right = _without_emptied(left, right)
    before, after = left.rstrip(), right.lstrip()
    gap = left[len(before) :] + right[: len(right) - len(after)]
    stop = _STOP.match(after)
    closes = after[:1] in _CLOSING
    if stop or closes or not after:
        before = before.rstrip(_COMMAS)
    if not before or before[-1] in _BRACKETS:
        opener = _OPENERS.match(after)
        return before + (after[opener.end() :] if opener else after)
    if stop:
        return before + (after[1:] if before[-1] in _ENDS else after)
    if closes or not after:
        return before + after
    return before + ("\n" if "\n" in gap else " ") + after


def _without_emptied(left: str, right: str) -> tuple[str, str]:
    """The two sides without a pair of brackets that held nothing but the part between them."""
    before, after = left.rstrip(), right.lstrip()
    if after and after[0] in _BRACKETS.get(before[-1:], ""):
        return before[:-1], after[1:]
    return left, right
