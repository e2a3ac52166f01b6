"""The cards of one line: what a command has changed, and what an admin should know."""

from __future__ import annotations

from collections.abc import Mapping

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card
from bot.chat.cards.sanitize import clipped, excerpt
from bot.chat.messages import Bilingual, Messages

_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("cancelled", "already_paused", "already_running"), "grey"),
    **dict.fromkeys(("original_gone", "original_refused", "unshown", "recalled"), "grey"),
    **dict.fromkeys(("set", "set_chat", "language", "resumed", "redownload"), "green"),
    "paused": "orange",
    **dict.fromkeys(("stalled", "admin_balance", "admin_key", "admin_blocked", "admin_silent", "admin_base"), "red"),
    "admin_feishu": "red",
}

NOTICES = tuple(_COLOURS)
"""The names of the notices; the words of each are ``notice.<name>.title`` and ``notice.<name>.text``."""

_LONGEST_VALUE = 400


def notice(name: str, values: Mapping[str, str | Bilingual], *, words: Messages) -> Card:
    """The card of a notice.

    Args:
        name: one of :data:`NOTICES`.
        values: the placeholders of its sentence, those in both languages made of sentences; a ``prompt`` stands apart
            from the sentence, as it was typed.
        words: the catalogue.

    Raises:
        KeyError: there is no such notice, or a value is missing.
    """
    known = {key: clipped(value, _LONGEST_VALUE) if isinstance(value, str) else value for key, value in values.items()}
    prompt, _ = excerpt(str(values.get("prompt", "")))
    elements = [
        el.line(el.label(words.both(f"notice.{name}.text", **known))),
        *([el.line(el.verbatim(prompt), small=True)] if prompt.strip() else []),
    ]
    return el.card(words.both(f"notice.{name}.title"), colour=_COLOURS[name], elements=elements)
