"""Where a whole request stands, from the states of its pictures."""

from __future__ import annotations

from enum import StrEnum

from bot.models import GenerationView, RequestView, State


class Stage(StrEnum):
    """What the card of a request says first; each stage has its colour and its title."""

    QUEUED = "queued"
    GENERATING = "generating"
    READY = "ready"
    WARNED = "warned"
    """Ready, and the content filter had something to say."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def result(self) -> bool:
        """Whether it is over and there is a picture."""
        return self in (Stage.READY, Stage.WARNED)

    @property
    def waiting(self) -> bool:
        """Whether a picture is still to come."""
        return self in (Stage.QUEUED, Stage.GENERATING)


def stage(card: RequestView) -> Stage:
    """Where the request stands."""
    states = {picture.state for picture in card.pictures}
    if not all(state.ended for state in states):
        return Stage.GENERATING if states & {State.GENERATING, State.MADE, State.DONE} else Stage.QUEUED
    if State.DONE not in states:
        return Stage.FAILED if State.FAILED in states else Stage.CANCELLED
    return Stage.WARNED if any(picture.findings for picture in finished(card)) else Stage.READY


def finished(card: RequestView) -> list[GenerationView]:
    """The pictures that are there."""
    return [picture for picture in card.pictures if picture.state is State.DONE]
