"""The API key masked in what the platform says."""

from __future__ import annotations

import re

_SHORTEST_PART = 8
"""Characters of a key that are masked; fewer may be an ordinary word."""
_MASKED_KEY = re.compile(r"[A-Za-z0-9._-]*[*•●]{2,}[A-Za-z0-9._*•●-]*|[A-Za-z0-9_-]{3,}(?:\.{3,}|…+)[A-Za-z0-9_-]{3,}")


def mask_key(text: str, key: str) -> str:
    """The text without the API key: whole, in part (eight characters and more), or as ``abcd****wxyz``."""
    size = min(len(key), _SHORTEST_PART)
    parts = {re.escape(key[at : at + size]) for at in range(len(key) - size + 1) if key}
    if parts:
        found = re.finditer(f"(?=(?:{'|'.join(parts)}))", text, re.IGNORECASE)
        hidden = {at for match in found for at in range(match.start(), match.start() + size)}
        marked = "".join("\0" if at in hidden else sign for at, sign in enumerate(text))
        text = re.sub("\0+", "***", marked)
    return _MASKED_KEY.sub("***", text)
