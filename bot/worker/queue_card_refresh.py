"""Keeping the cards of those who wait up to date, within a few patches a card."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select

from bot.db.database import Database
from bot.db.requests import MOST_PATCHES, mark_dirty
from bot.db.tables import generations, requests
from bot.models import State
from bot.worker.queue_positions import Line, Place, told

NEAR_FRONT = 3
"""The places in line whose cards follow every change; farther back only the bucket of the estimate counts."""

# The cards that say "queued" and are not being patched already. Put together once, as the statements of ``looks`` are.
_QUEUED = (
    select(generations.c.model, requests.c.request_id, requests.c.shown_position, requests.c.patch_count)
    .join(requests, requests.c.request_id == generations.c.request_id)
    .where(
        generations.c.ended_at.is_(None),
        generations.c.state == State.WAITING,
        requests.c.card_state == "queued",
        requests.c.published_version == requests.c.desired_version,
        requests.c.delivery_mode == "card",
    )
    .distinct()
)


class QueueCardRefresher:
    """Marks the cards whose place or estimate has changed as behind.

    A basic Feishu plan allows 10,000 to 50,000 calls a month, so a card is not patched at every step of the line.
    """

    def __init__(self, database: Database, *, line: Line) -> None:
        self._database = database
        self._line = line

    def refresh(self) -> int:
        """Looks at the lines of all models; gives how many cards are to be patched."""
        with self._database.look() as connection:
            queued = connection.execute(_QUEUED).all()
        places = {model: self._line.places(model) for model in {card.model for card in queued}}
        behind = [card.request_id for card in queued if _is_behind(card, places[card.model].get(card.request_id))]
        if behind:
            with self._database.write() as connection:
                mark_dirty(connection, behind)
        return len(behind)


def _is_behind(card: Row[Any, Any, Any, Any], place: Place | None) -> bool:
    if place is None:
        return False
    now = told(place)
    near = place.ahead < NEAR_FRONT
    changed = now != card.shown_position if near else now.split()[-1] != (card.shown_position or "").split(" ")[-1]
    # The change to "generating" and one a picture are kept back for.
    return bool(changed and card.patch_count < MOST_PATCHES - 1 - place.count)
