"""Text of other people as every database takes it."""

from __future__ import annotations

import re

_HALVES = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text without what a database refuses: NUL goes, half of a surrogate pair becomes ``U+FFFD``."""
    return _HALVES.sub("\N{REPLACEMENT CHARACTER}", text.replace("\0", ""))
