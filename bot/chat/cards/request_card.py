"""How the card of one request is laid out, at any stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.card_stage import Stage, stage
from bot.chat.cards.elements import Card, Element
from bot.chat.cards.failures import grouped, repeatable, resumable
from bot.chat.cards.request_sentences import RequestSentences
from bot.chat.cards.sanitize import excerpt
from bot.chat.messages import Bilingual, Messages
from bot.models import GenerationView, RequestView, State

COLOURS: Mapping[Stage, str] = {
    Stage.QUEUED: "blue",
    Stage.GENERATING: "wathet",
    Stage.READY: "green",
    Stage.WARNED: "orange",
    Stage.FAILED: "red",
    Stage.CANCELLED: "grey",
}
"""The colour of the header at each stage."""


class RequestLayout:
    """The layout: pictures as they come, failures, the prompt, the parameters, the small print, the buttons.

    Args:
        words: the catalogue.
        lines: the sentences about a request.
        buttons: whether the app receives card actions; links work without.
    """

    def __init__(self, *, words: Messages, lines: RequestSentences, buttons: bool) -> None:
        self._say = words.both
        self._lines = lines
        self._buttons = buttons

    def card(self, card: RequestView) -> Card:
        """The card of a request as it stands."""
        elements = [
            *self._pictures(card),
            *self._failures(card),
            *self._prompt(card.prompt),
            el.line(el.label(self._lines.parameters(card))),
            *(el.line(el.label(words), small=True) for words in self._lines.small_print(card)),
            *_row(self._actions(card)),
        ]
        return el.card(self._lines.title(card), colour=COLOURS[stage(card)], elements=elements)

    def _pictures(self, card: RequestView) -> Iterator[Element]:
        several = len(card.pictures) > 1
        for number, picture in enumerate(card.pictures, 1):
            if (status := self._lines.status(card, picture)) is not None:
                yield self._about(card, [number], status)
            if picture.state is not State.DONE:
                continue
            if picture.image_key:
                yield el.image(picture.image_key, alt=self._say("label.alt"))
            yield from (el.line(el.label(warning)) for warning in self._lines.warnings(picture))
            if several:
                yield el.line(el.label(self._lines.caption(number, picture)), small=True)
                yield from _row(self._picture_actions(picture))

    def _failures(self, card: RequestView) -> Iterator[Element]:
        for failed in grouped(card):
            said = self._lines.told(failed)
            yield self._about(card, failed.numbers, said.sentence)
            if said.platform:
                yield el.line(el.verbatim(said.platform), small=True)
            if failed.request_ids:
                ids = ", ".join(failed.request_ids)
                yield el.line(el.label(self._say("label.platform_request_id", ids=ids)), small=True)
            yield el.line(el.label(said.advice))
            if len(card.pictures) > 1:
                yield from _row(self._numbered_links(card, failed.numbers))

    def _prompt(self, prompt: str) -> Iterator[Element]:
        shown, cut = excerpt(prompt)
        if shown.strip():
            yield el.line(el.verbatim(shown))
        if cut:
            yield el.line(el.label(self._lines.prompt_length(prompt)), small=True)

    def _about(self, card: RequestView, numbers: Sequence[int], said: Bilingual) -> Element:
        return el.line(el.label(self._lines.about(card, numbers, said)))

    def _actions(self, card: RequestView) -> list[Element]:
        row = self._request_actions(card) if self._buttons and not card.recalled else []
        return row + self._picture_actions(card.pictures[0]) if len(card.pictures) == 1 else row

    def _request_actions(self, card: RequestView) -> list[Element]:
        def value(action: str) -> dict[str, str]:
            return {"a": action, "r": card.request_id}

        at = stage(card)
        if at.waiting:
            return [el.button(self._say("button.cancel"), value=value("cancel"))]
        edit = el.button(self._say("button.edit"), value=value("edit"))
        resume = []
        if any(resumable(picture) for picture in card.pictures):
            # What was paid for is fetched again, and never paid for again.
            resume = [el.button(self._say("button.resume"), value=value("resume"), kind="primary")]
        if at is Stage.FAILED and resume:
            return [*resume, edit]
        if at is Stage.FAILED:
            retry = el.button(self._say("button.retry"), value=value("again"), kind="primary")
            return [retry, edit] if all(repeatable(failed.failure) for failed in grouped(card)) else [edit]
        again = el.button(self._say("button.again"), value=value("again"), kind="primary")
        return [*resume, again, el.select(self._say("button.ratio"), choices=sizes.RATIOS, value=value("ratio")), edit]

    def _picture_actions(self, picture: GenerationView) -> list[Element]:
        row = []
        if self._buttons and picture.state is State.DONE:
            value = {"a": "original", "g": picture.generation_id}
            row.append(el.button(self._say("button.original"), value=value))
        if url := self._lines.link(picture):
            row.append(el.link(self._say("button.link"), url=url))
        return row

    def _numbered_links(self, card: RequestView, numbers: Sequence[int]) -> list[Element]:
        return [
            el.link(self._say("button.link_number", number=number), url=url)
            for number in numbers
            if (url := self._lines.link(card.pictures[number - 1]))
        ]


def _row(elements: Sequence[Element]) -> list[Element]:
    return [el.row(elements)] if elements else []
