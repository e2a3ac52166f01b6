"""Queue positions: what cards show of them, and which cards are patched when they change."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from bot.db.database import Database
from bot.db.key_value import Preferences
from bot.db.reports import Reports
from bot.db.requests import MOST_PATCHES, RequestStore
from bot.db.tables import generations, requests
from bot.db.usage import ApiUsageCounter
from bot.options import Options
from bot.worker.queue_positions import QueueReader
from bot.worker.request_renderer import RequestRenderer
from tests.support.builders import accept, answer, limits_of
from tests.unit.card_samples import cards

MODEL = "glm-image"
IN_LINE = 7


def accepted(database: Database, origin: str) -> str:
    """The id of a new prompt's request."""
    request_id = accept(database, origin, sender=f"ou_{origin}").request_id
    assert request_id is not None
    return request_id


def rendering_of(database: Database, line: QueueReader) -> RequestRenderer:
    """What renders the cards of requests as they stand."""
    limits = limits_of()
    calls = ApiUsageCounter(database=database, periods=limits.periods)
    return RequestRenderer(
        database=database,
        cards=cards(),
        reports=Reports(database=database, prices={}, periods=limits.periods, calls=calls),
        queue=line,
        limits=limits,
        preferences=Preferences(database, defaults=Options()),
    )


def test_a_card_is_changed_for_what_has_become_of_its_request(database: Database) -> None:
    """Refused for the platform's limits right after the card said "generating", it is told to wait, not that again."""
    rendering = rendering_of(database, QueueReader(database=database, slots={MODEL: 1}))
    store, request_id = RequestStore(database, "me"), accepted(database, "om_1")
    assert rendering.render(*store.read(request_id)).state == "generating"
    with database.write() as connection:
        connection.execute(update(requests).values(card_state="generating"))
        connection.execute(update(generations).values(backoff_count=1, due_at=database.now + 60))
    assert rendering.render(*store.read(request_id)).state == "backing_off"


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
    line = QueueReader(database=database, slots={MODEL: 1})
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
    assert RequestStore(database, "me").due_requests(limit=IN_LINE) == [moved] * behind
