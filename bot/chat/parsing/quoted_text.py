"""What stands in quotation marks in a prompt is text to be drawn, not a description of the picture."""

from __future__ import annotations

import re

from bot.chat.parsing.tokenizer import QUOTED

_QUOTED = re.compile(QUOTED)


def unquoted(prompt: str) -> str:
    """The prompt without what stands in quotation marks."""
    return _QUOTED.sub(" ", prompt)
