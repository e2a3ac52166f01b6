"""A card as plain text, for a chat that refused the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.chat.cards.sanitize import unmarked
from bot.chat.messages import LOCALES
from bot.models import Language

_TEXTS = ("plain_text", "markdown")


def text_of(card: Mapping[str, Any], language: Language) -> str:
    """The words of a card's header and body in one language, a line a text; no part of it is a tag."""
    parts = [*_texts(card.get("header", {}), language), *_texts(card.get("body", {}), language)]
    return unmarked("\n".join(parts))


def _texts(element: Any, language: Language) -> Iterator[str]:
    if isinstance(element, list):
        for part in element:
            yield from _texts(part, language)
    elif isinstance(element, Mapping):
        if element.get("tag") in _TEXTS and element.get("content"):
            yield element.get("i18n_content", {}).get(LOCALES[language], element["content"])
            return
        for name, part in element.items():
            if name != "alt":
                yield from _texts(part, language)
