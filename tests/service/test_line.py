"""The queue positions that cards show."""

from __future__ import annotations

from sqlalchemy import update

from bot.db.admission import Preferences
from bot.db.cancellation import cancel
from bot.db.database import Database
from bot.db.reports import Reports
from bot.db.requests import RequestStore
from bot.db.tables import generations, requests
from bot.db.usage import ApiUsageCounter
from bot.options import Options
from bot.worker.queue_positions import QueueReader
from bot.worker.request_renderer import RequestRenderer
from tests.support.builders import accept, limits_of
from tests.unit.card_samples import cards

MODEL = "glm-image"


def accepted(database: Database, origin: str) -> str:
    """The id of a new prompt's request."""
    request_id = accept(database, origin, sender=f"ou_{origin}").request_id
    assert request_id is not None
    return request_id


def rendering_of(database: Database, line: QueueReader) -> RequestRenderer:
    """What renders the cards of requests as they stand."""
    limits = limits_of()
    calls = ApiUsageCounter(database, periods=limits.periods)
    return RequestRenderer(
        database=database,
        cards=cards(),
        reports=Reports(database=database, prices={}, periods=limits.periods, calls=calls),
        queue=line,
        limits=limits,
        preferences=Preferences(database, defaults=Options()),
        prices={},
    )


def test_positions_are_read_once_per_round_for_first_cards(database: Database) -> None:
    """First cards of one round of the work loop share a reading, unless a request is not in it yet."""
    line = QueueReader(database, slots={MODEL: 1})
    first, second = (accepted(database, origin) for origin in ("om_1", "om_2"))
    before = line.first_position(second, MODEL)
    assert before is not None
    assert before.ahead == 1
    with database.write() as connection:
        cancel(database, connection, [first])
    assert line.first_position(second, MODEL) == before
    assert line.positions(MODEL)[second].ahead == 0
    line.first_position(accepted(database, "om_3"), MODEL)
    after = line.first_position(second, MODEL)
    line.begin_round()
    assert after == line.first_position(second, MODEL) != before


def test_a_card_is_changed_for_what_has_become_of_its_request(database: Database) -> None:
    """Refused for the platform's limits right after the card said "generating", it is told to wait, not that again."""
    rendering = rendering_of(database, QueueReader(database, slots={MODEL: 1}))
    store, request_id = RequestStore(database), accepted(database, "om_1")
    assert rendering.render(*store.read(request_id)).state == "generating"
    with database.write() as connection:
        connection.execute(update(requests).values(card_state="generating"))
        connection.execute(update(generations).values(backoff_count=1, due_at=database.now + 60))
    assert rendering.render(*store.read(request_id)).state == "backing_off"
