"""Text that somebody else wrote, made safe to show."""

from __future__ import annotations

import re
import unicodedata

PROMPT_LENGTH = 800
"""How many characters of a prompt a card shows."""

# Embeddings, overrides and isolates turn round what stands after them, so that a prompt could read as another one.
_TURNS = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}

_TAG_OR_ENTITY = re.compile(r"<|&(?=#?\w+;)")


def safe(text: str) -> str:
    """The text as typed, without control characters and signs that turn the direction of writing.

    Line ends and tabs stay; a lone surrogate, which UTF-8 cannot hold, becomes ``U+FFFD``.
    """
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(_safe(character) for character in unix)


def clipped(text: str, length: int) -> str:
    """At most ``length`` characters of the safe text; a cut ends in an ellipsis."""
    whole = safe(text)
    return whole if len(whole) <= length else whole[: length - 1] + "…"


def excerpt(prompt: str) -> tuple[str, bool]:
    """What a card shows of a prompt, and whether that is less than the whole."""
    whole = safe(prompt)
    return whole[:PROMPT_LENGTH], len(whole) > PROMPT_LENGTH


def unmarked(text: str) -> str:
    """The safe text for a text message, in which nothing is a tag and nobody is mentioned.

    ``<`` and the ``&`` of an entity become their full-width forms: a text message that holds
    ``<at user_id="all"></at>`` pings everybody, and whether entities are read back as tags is documented nowhere.
    """
    return _TAG_OR_ENTITY.sub(lambda match: "＜" if match[0] == "<" else "＆", safe(text))


def _safe(character: str) -> str:
    if character in "\n\t":
        return character
    category = unicodedata.category(character)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category == "Cc" or character in _TURNS else character
