"""The places that cards tell: read from the database, and not more often than the processor can afford."""

from __future__ import annotations

from sqlalchemy import update

from bot.db.api_usage import ApiUsageCounter
from bot.db.database import Database
from bot.db.preferences import Preferences
from bot.db.requests import RequestStore
from bot.db.tables import generations, requests
from bot.models import Options
from bot.service.cancellation import cancel
from bot.worker.command_cards import CommandCards
from bot.worker.command_queries import CommandQueries
from bot.worker.queue_positions import Line
from bot.worker.request_renderer import RequestRenderer
from tests.support.requests import accept, limits_of
from tests.unit.card_samples import cards

MODEL = "glm-image"


def accepted(database: Database, origin: str) -> str:
    """The id of a new prompt's request."""
    request_id = accept(database, origin, sender=f"ou_{origin}").request_id
    assert request_id is not None
    return request_id


def rendering_of(database: Database, line: Line) -> RequestRenderer:
    """What renders the cards of requests as they stand."""
    limits, drawn = limits_of(), cards()
    calls = ApiUsageCounter(database, periods=limits.periods)
    overview = CommandQueries(database, line=line, prices={}, periods=limits.periods, calls=calls)
    preferences = Preferences(database, defaults=Options())
    replies = CommandCards(database, cards=drawn, limits=limits, overview=overview, preferences=preferences)
    return RequestRenderer(cards=drawn, replies=replies, line=line, prices={})


def test_one_reading_serves_the_cards_of_the_next_moments(database: Database) -> None:
    """Where many cards are shown at once the line is read for the first; a while later it is read again."""
    now = [0.0]
    line = Line(database, slots={MODEL: 1}, clock=lambda: now[0])
    first, second = (accepted(database, origin) for origin in ("om_1", "om_2"))
    before = line.place_of(second, MODEL)
    with database.write() as connection:
        cancel(database, connection, [first])
    assert before is not None
    assert before.ahead == 1
    assert line.place_of(second, MODEL) == before
    now[0] += 3600
    after = line.place_of(second, MODEL)
    assert after is not None
    assert after.ahead == 0


def test_who_came_since_the_reading_is_told_their_own_place(database: Database) -> None:
    """A prompt that the last reading does not know is not left without a place."""
    line = Line(database, slots={MODEL: 1}, clock=lambda: 0.0)
    line.place_of(accepted(database, "om_1"), MODEL)
    place = line.place_of(accepted(database, "om_2"), MODEL)
    assert place is not None
    assert place.ahead == 1


def test_a_look_at_the_whole_line_is_a_new_one(database: Database) -> None:
    """What is compared with the cards is never an earlier reading."""
    line = Line(database, slots={MODEL: 1}, clock=lambda: 0.0)
    first, second = (accepted(database, origin) for origin in ("om_1", "om_2"))
    line.places(MODEL)
    with database.write() as connection:
        cancel(database, connection, [first])
    assert line.places(MODEL)[second].ahead == 0


def test_a_card_is_changed_for_what_has_become_of_its_request(database: Database) -> None:
    """Refused for the platform's limits right after the card said "generating", it is told to wait, not that again."""
    rendering = rendering_of(database, Line(database, slots={MODEL: 1}, clock=lambda: 0.0))
    store, request_id = RequestStore(database), accepted(database, "om_1")
    assert rendering.showing(*store.read(request_id)).face == "generating"
    with database.write() as connection:
        connection.execute(update(requests).values(face="generating"))
        connection.execute(update(generations).values(delays=1, due_at=database.now + 60))
    assert rendering.showing(*store.read(request_id)).face == "backing_off"
