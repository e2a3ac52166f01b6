"""What the chat is to show of a request now: its card, and whether that is the last word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.chat.cards.cards import Cards
from bot.db.row_models import Request
from bot.models import GenerationView, RequestView, State
from bot.worker.command_cards import CommandCards
from bot.worker.queue_positions import Line, Place, told


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedRequest:
    """A request as it is to be shown now.

    ``face`` is a word for what the card shows; ``told`` the place and wait that it tells, where it tells any.
    """

    card: dict[str, Any]
    face: str
    last: bool
    told: str | None = None
    pictures: tuple[GenerationView, ...] = ()
    request_card: RequestView | None = None


class RequestRenderer:
    """Renders requests.

    Args:
        cards: what renders the cards of prompts.
        replies: what renders everything else.
        line: who waits before whom.
        prices: yuan an image, by model.
    """

    def __init__(self, *, cards: Cards, replies: CommandCards, line: Line, prices: Mapping[str, float]) -> None:
        self._cards = cards
        self._replies = replies
        self._line = line
        self._prices = prices

    def showing(self, request: Request, pictures: tuple[GenerationView, ...]) -> RenderedRequest:
        """How a request is to be shown."""
        if request.kind != "images":
            card, face = self._replies.card(request)
            return RenderedRequest(card=card, face=face, last=True)
        states = {picture.state for picture in pictures}
        made = sum(picture.state is State.DONE for picture in pictures)
        shown = RequestView(
            request_id=request.request_id,
            prompt="" if request.hide_prompt else request.prompt,
            asked="" if request.hide_prompt else request.raw_prompt,
            options=request.options,
            pictures=pictures,
            recalled=request.recalled,
            price=self._prices.get(request.options.model, 0.0) * made,
        )
        if all(state.ended for state in states):
            face = "result" if made else "cancelled" if states == {State.CANCELLED} else "failed"
            return self._of(shown, face=face, last=True)
        if states & {State.GENERATING, State.MADE}:
            return self._of(shown, face="generating")
        place = self._place(request)
        return self._waiting(shown, place) if place is not None else self._of(shown, face="generating")

    def _place(self, request: Request) -> Place | None:
        """Where a request stands. A card is changed for what has become of it since, which no earlier reading knows."""
        model = request.options.model
        if request.card_state is None:
            return self._line.first_place(request.request_id, model)
        return self._line.places(model).get(request.request_id)

    def _waiting(self, card: RequestView, place: Place) -> RenderedRequest:
        if place.starts_next:
            # The slot is free: the card need not say "queued" for the moment until it is taken.
            first = next(number for number, one in enumerate(card.pictures) if one.state is State.WAITING)
            pictures = tuple(
                replace(one, state=State.GENERATING) if number == first else one
                for number, one in enumerate(card.pictures)
            )
            return self._of(replace(card, pictures=pictures), face="generating")
        estimate = None if place.paused else place.wait_seconds
        waiting = replace(card, ahead=place.ahead, wait_seconds=estimate, backing_off=place.backing_off)
        return self._of(waiting, face="backing_off" if place.backing_off else "queued", told=told(place))

    def _of(self, card: RequestView, *, face: str, last: bool = False, told: str | None = None) -> RenderedRequest:
        return RenderedRequest(
            card=self._cards.request(card),
            face=face,
            last=last,
            told=told,
            pictures=card.pictures,
            request_card=card,
        )
