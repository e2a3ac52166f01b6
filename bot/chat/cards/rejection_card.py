"""The card of a message that was not carried out: what was wrong with it, or which limit it met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, Element
from bot.chat.cards.sanitize import clipped
from bot.chat.messages import Bilingual, Messages
from bot.chat.styles import Styles
from bot.errors import UserError

_LONGEST_VALUES = (800, 200, 40)
_LONGEST_LIST = 400
_ROOM = 24_000

_COLOURS = {"card.misread": "yellow", "card.limit": "orange", "card.command": "grey"}
_TITLES: Mapping[str, str] = {
    "limit": "card.limit",
    "command": "card.command",
    "misread.nothing_to_repeat": "card.command",
}
"""The title by a sentence's whole key or its first part; any other sentence is about something unclear."""

_ASKS_FOR_AN_IMAGE = (None, "again")
"""No command, or the one that makes an image; of the others it goes without saying that none was made."""


class RejectionCard:
    """The card: the sentence, and for a prompt that no image was made and nothing charged.

    Args:
        words: the catalogue.
        styles: the styles, which the sentence about an unknown one lists.
    """

    def __init__(self, *, words: Messages, styles: Styles) -> None:
        self._words = words
        # The parser knows every alias; a person is told one name a style, in the language that is read.
        self._style_names = {
            "zh_cn": clipped("、".join(style.name["zh"] for style in styles.all), _LONGEST_LIST),
            "en_us": clipped(", ".join(style.name["en"] for style in styles.all), _LONGEST_LIST),
        }

    def card(self, rejection: UserError) -> Card:
        """The card of a fault; long values are cut until it fits."""
        every = (self._card(rejection, longest) for longest in _LONGEST_VALUES)
        return next(card for card in every if len(el.content(card).encode()) < _ROOM)

    def _card(self, rejection: UserError, longest: int) -> Card:
        kind = rejection.sentence.partition(".")[0]
        title = _TITLES.get(rejection.sentence) or _TITLES.get(kind, "card.misread")
        elements = [el.line(el.label(self._sentence(rejection, longest))), *self._note(rejection, title)]
        return el.card(self._words.both(title), colour=_COLOURS[title], elements=elements)

    def _sentence(self, rejection: UserError, longest: int) -> Bilingual:
        typed = {name: clipped(value, longest) for name, value in rejection.values.items()}
        values: dict[str, object] = {"styles": self._style_names, **typed}
        key = self._words.fitting(rejection.sentence, values) or "card.misread_unknown"
        return self._words.both(key, **values)

    def _note(self, rejection: UserError, title: str) -> Iterator[Element]:
        if title != "card.command" and rejection.command in _ASKS_FOR_AN_IMAGE:
            yield el.line(el.label(self._words.both("card.misread_note")), small=True)
