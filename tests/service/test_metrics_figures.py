"""How things stand, and the month's calls to Feishu, as they are kept in the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text, update

from bot.background import Background
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.reports import Reports
from bot.db.tables import generations
from bot.db.usage import ApiUsageCounter, charge
from bot.errors import DatabaseUnavailable
from bot.metrics import Metrics
from bot.models import State
from bot.sandbox.http import wait_until
from bot.timings import BillingPeriods
from bot.view_models import StateSnapshot
from tests.support.builders import accept

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
PERIODS = BillingPeriods(zone=UTC, clock=lambda: NOON)


def reading(database: Database) -> StateSnapshot:
    """How things stand."""
    calls = ApiUsageCounter(database=database, periods=PERIODS)
    reports = Reports(database=database, prices={"glm-image": 0.1, "cogview-4": 0.06}, periods=PERIODS, calls=calls)
    return reports.snapshot(slots={"glm-image": 1, "cogview-4": 5}, alive_within=15.0)


def test_the_line_and_the_slots_are_counted_by_model(database: Database) -> None:
    """Who waits, for how long, and who holds a slot is told on either engine."""
    accept(database, "om_1", model="glm-image", count=2)
    accept(database, "om_2", model="cogview-4")
    now = database.now
    with database.write() as connection:
        connection.execute(update(generations).values(accepted_at=generations.c.accepted_at - 90))
        connection.execute(
            update(generations)
            .where(generations.c.model == "glm-image", generations.c.index_in_request == 0)
            .values(state=State.GENERATING, slot_until=now + 60, lease_until=now + 60)
        )
    models = reading(database).models
    assert [(one.waiting, one.slots_taken) for one in models.values()] == [(1, 1), (1, 0)]
    assert [90 <= one.oldest_seconds < 120 for one in models.values()] == [True, True]


def test_an_empty_database_stands_at_nothing(database: Database) -> None:
    """With nobody waiting the oldest wait is 0, and the size is still known."""
    stands = reading(database)
    assert {(one.waiting, one.oldest_seconds, one.slots_taken) for one in stands.models.values()} == {(0, 0.0, 0)}
    assert (stands.workers, stands.month_images, stands.month_feishu_calls) == (0, 0, 0)
    assert stands.database_bytes > 10_000


def test_the_month_is_priced_by_model(database: Database) -> None:
    """Yuan are the images of each model times its price, of this month alone."""
    with database.write() as connection:
        charge(database, connection, month="2026-11", model="glm-image", images=3)
        charge(database, connection, month="2026-11", model="cogview-4", images=5)
        charge(database, connection, month="2026-10", model="cogview-4", images=70)
    stands = reading(database)
    assert stands.month_images == 8
    assert stands.month_yuan == pytest.approx(0.6)


def test_without_a_database_only_that_is_told() -> None:
    """An outage leaves the counts readable and says that the database is away."""

    def away() -> StateSnapshot:
        raise DatabaseUnavailable("gone")

    text_ = Metrics(snapshot=away, budget=0).text().decode()
    assert "\nbot_database_up 0.0\n" in text_
    assert "bot_queue_length" not in text_


def test_calls_of_several_processes_add_up(database: Database) -> None:
    """What two processes count at the same time is stored without losing one, each month apart."""
    now = [NOON]
    both = [
        ApiUsageCounter(database=database, periods=BillingPeriods(zone=UTC, clock=lambda: now[0])) for _ in range(2)
    ]
    for month in range(2):
        now[0] = NOON + month * 31 * 86_400
        threads = [threading.Thread(target=_count_and_store, args=(calls,)) for calls in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [calls.of_month() for calls in both] == [100, 100]


def _count_and_store(calls: ApiUsageCounter) -> None:
    for _ in range(10):
        for _ in range(5):
            calls.count("reply")
        calls.store()


def test_a_call_for_a_token_is_not_counted(database: Database) -> None:
    """The plan does not count it, nor does the bot; a call without an answer counts."""
    calls = ApiUsageCounter(database=database, periods=PERIODS)
    calls.count("token")
    calls.count("patch")
    assert calls.of_month() == 1


@contextmanager
def without_the_table(database: Database) -> Iterator[None]:
    """A database that refuses to take the counts, for the length of the block."""
    with database.write() as connection:
        connection.execute(text("ALTER TABLE monthly_usage RENAME TO away"))
    yield
    with database.write() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO monthly_usage"))


def test_what_could_not_be_stored_is_kept_for_the_next_time(tmp_path: Path) -> None:
    """An outage loses no call: it is stored once the database is back."""
    database = Database(read_url(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(database)
    stopping = threading.Event()
    calls = ApiUsageCounter(database=database, periods=PERIODS)
    background = Background(stopping=stopping)
    with without_the_table(database):
        calls.count("reply")
        assert isinstance(background.attempt("api-usage", calls.store), DatabaseUnavailable)
    background.start("api-usage", calls.store, every=0.01)
    assert wait_until(lambda: ApiUsageCounter(database=database, periods=PERIODS).of_month() == 1, seconds=30)
    stopping.set()
    background.close()
    database.close()


def test_nobody_makes_the_labels_grow_without_end() -> None:
    """Event types that nothing reads, and codes beyond those of a usual day, are counted together as other."""

    def away() -> StateSnapshot:
        raise DatabaseUnavailable("away")

    metrics = Metrics(snapshot=away, budget=0.0)
    for number in range(1_000):
        metrics.event_answered(f"im.unknown_{number}", "accepted", 0.1)
        metrics.feishu_called("reply", 0.1, 230_000 + number)
        metrics.glm_called("glm-image", 1.0, f"{number}" * 50)
    figures = metrics.text().decode()
    assert 'bot_events_total{kind="other",outcome="accepted"} 1000.0' in figures
    assert 'bot_feishu_call_seconds_count{call="reply",code="230000"} 1.0' in figures
    for name in ("bot_feishu_call_seconds_count", "bot_glm_call_seconds_count"):
        series = [line for line in figures.splitlines() if line.startswith(name)]
        assert len(series) < 100
        assert max(map(len, series)) < 150
        assert sum(float(line.split()[-1]) for line in series) == 1_000
