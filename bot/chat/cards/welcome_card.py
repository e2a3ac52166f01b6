"""The card with which the bot introduces itself: who it is, and three examples to press."""

from __future__ import annotations

from collections.abc import Iterator

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, Element
from bot.chat.messages import Messages

EXAMPLES: tuple[str, ...] = ("cat", "poster", "science")
"""The names of the examples; the prompt of each is the sentence ``welcome.example.<name>.prompt``."""


def welcome(words: Messages, *, buttons: bool) -> Card:
    """The card; its buttons carry ``{"a": "example", "e": name}``.

    Args:
        words: the catalogue.
        buttons: whether the app receives card actions; the prompts can be copied without.
    """
    say = words.both

    def example(name: str) -> Iterator[Element]:
        yield el.line(el.label(say(f"welcome.example.{name}.prompt")))
        if buttons:
            value = {"a": "example", "e": name}
            yield el.row([el.button(say(f"welcome.example.{name}.title"), value=value)])

    elements = [
        el.line(el.label(say("welcome.intro"))),
        el.line(el.label(say("welcome.examples" if buttons else "welcome.examples_plain")), small=True),
        *(element for name in EXAMPLES for element in example(name)),
        el.line(el.label(say("welcome.help")), small=True),
    ]
    return el.card(say("welcome.title"), colour="blue", elements=elements)
