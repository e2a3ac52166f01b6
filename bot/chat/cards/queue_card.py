"""The card of ``/queue``: what runs and waits in a chat, and what of it one may cancel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, Element
from bot.chat.cards.request_sentences import RequestSentences
from bot.chat.cards.sanitize import clipped
from bot.chat.messages import Bilingual, Messages, joined
from bot.view_models import QueueEntry, QueueView

_MOST_ROWS = 20
_LONGEST_OWN = 100
_LONGEST_OTHER = 40

Row = Sequence[QueueEntry]
"""The images of one request that stand alike; they are listed together."""


class QueueCard:
    """The card: a line and the beginning of the prompt for each request, one's own with its number for ``/cancel``.

    Nobody's name is shown. A prompt from another chat is shown only where nobody else reads.

    Args:
        words: the catalogue.
        lines: the sentences about waiting.
    """

    def __init__(self, *, words: Messages, lines: RequestSentences) -> None:
        self._say = words.both
        self._lines = lines

    def card(self, view: QueueView) -> Card:
        """The line as it stands."""
        rows = _rows(view.entries)
        listed = _listed(rows)
        left_out = sum(map(len, rows)) - sum(map(len, listed))
        elements = [
            *([el.line(el.label(self._say("queue.paused")))] if view.paused else []),
            *([] if rows else [el.line(el.label(self._say("queue.empty")))]),
            *chain.from_iterable(self._row(row, private=view.private) for row in listed),
            *self._rest("queue.more", left_out),
            *self._rest("queue.elsewhere", view.elsewhere),
            *self._cancelling(listed),
        ]
        return el.card(self._say("queue.title"), colour="orange" if view.paused else "blue", elements=elements)

    def _row(self, row: Row, *, private: bool) -> list[Element]:
        first = row[0]
        standing = [el.line(el.label(joined(self._standing(first, len(row)))))]
        prompt = clipped(first.prompt, _LONGEST_OWN if first.mine else _LONGEST_OTHER)
        if not prompt.strip() or not (first.here or private):
            return standing
        return [*standing, el.line(el.verbatim(prompt), small=True)]

    def _standing(self, entry: QueueEntry, count: int) -> list[Bilingual]:
        parts = [self._say("queue.mine", number=entry.number) if entry.mine else self._say("queue.someone")]
        if count > 1:
            parts.append(self._say("queue.count", count=count))
        parts.append(self._say(f"queue.{entry.state}"))
        if not entry.here:
            parts.append(self._say("queue.away"))
        if entry.ahead is not None:
            parts.append(self._say("queue.ahead", ahead=entry.ahead) if entry.ahead else self._say("queue.next"))
        if entry.wait_seconds is not None:
            parts.append(self._lines.estimate(entry.wait_seconds))
        return parts

    def _rest(self, key: str, count: int) -> list[Element]:
        return [el.line(el.label(self._say(key, count=count)), small=True)] if count else []

    def _cancelling(self, listed: Sequence[Row]) -> list[Element]:
        number = next((row[0].number for row in listed if row[0].mine), None)
        return [el.line(el.label(self._say("queue.cancel", number=number)), small=True)] if number else []


def _rows(entries: Sequence[QueueEntry]) -> list[Row]:
    rows: dict[tuple[object, ...], list[QueueEntry]] = {}
    for place, entry in enumerate(entries):
        # Two people may ask for the same, so that only one's own images are known to belong together.
        key = (entry.number, entry.state, entry.model) if entry.mine else (None, place)
        rows.setdefault(key, []).append(entry)
    return list(rows.values())


def _listed(rows: Sequence[Row]) -> list[Row]:
    """The rows for which a card has room, in their order; one's own come before those of others."""
    own = (place for place, row in enumerate(rows) if row[0].mine)
    others = (place for place, row in enumerate(rows) if not row[0].mine)
    return [rows[place] for place in sorted(islice(chain(own, others), _MOST_ROWS))]
