"""Which cards of a line are patched because their place or their estimate has changed."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from bot.db.database import Database
from bot.db.requests import MOST_PATCHES, RequestStore
from bot.db.tables import requests
from bot.worker.queue_positions import QueueReader
from tests.support.builders import accept, answer

MODEL = "glm-image"
IN_LINE = 7


@pytest.mark.parametrize(
    ("ahead", "before", "patches", "behind"),
    [
        # What a card told before: how many were ahead, and how many of 1, 3 and 10 minutes the wait was over.
        (1, "1 0", 0, False),
        (1, "2 0", 0, True),
        (1, "1 1", 0, True),
        (5, "5 1", 0, False),
        (5, "6 1", 0, False),
        (5, "6 2", 0, True),
        (5, "5 0", 0, True),
        # The last patches are kept for "generating" and for the picture.
        (5, "6 2", MOST_PATCHES - 3, True),
        (5, "6 2", MOST_PATCHES - 2, False),
    ],
)
def test_a_card_near_the_front_follows_every_change_and_one_farther_back_its_estimate(
    database: Database, ahead: int, before: str, patches: int, *, behind: bool
) -> None:
    """In a line of seven that moved on by itself, one card is due to be patched or none."""
    for number in range(IN_LINE):
        accept(database, f"om_{number}", sender=f"ou_{number}")
    answer(database)
    line = QueueReader(database, slots={MODEL: 1})
    places = line.positions(MODEL)
    with database.write() as connection:
        for request_id, place in places.items():
            card = (
                {"shown_position": before, "patch_count": patches}
                if place.ahead == ahead
                else {"shown_position": place.key}
            )
            connection.execute(update(requests).where(requests.c.request_id == request_id).values(card))
    assert line.refresh_cards() == behind
    (moved,) = [request_id for request_id, place in places.items() if place.ahead == ahead]
    assert RequestStore(database).due_requests(limit=IN_LINE) == [moved] * behind
