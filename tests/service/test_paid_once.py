"""A prompt is paid for once, whatever goes wrong around its call while the process lives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, event, func, select, update
from sqlalchemy.exc import OperationalError

from bot.db.database import Database
from bot.db.generations import GenerationStore, recover_lost_calls
from bot.db.leases import Leases
from bot.db.tables import FEISHU_CALLS, generations, monthly_usage
from bot.errors import LeaseLost
from bot.timings import elapsed_time
from bot.worker.generation_steps import REPEATED_UNKNOWN
from tests.support.builders import EXPIRED, accept, claimed
from tests.support.databases import postgres_database
from tests.support.dsl import BotUnderTest, around, wait_for
from tests.support.wire import wired

LATE = 1_000.0
"""Seconds since a claim, far more than any lease."""


def charged(database: Database) -> tuple[int, int]:
    """How many calls the month's budget and the generations count as paid."""
    with database.read() as connection:
        return (
            connection.scalar(select(func.sum(monthly_usage.c.count)).where(monthly_usage.c.name != FEISHU_CALLS)) or 0,
            connection.scalar(select(func.sum(generations.c.calls_billed))) or 0,
        )


@pytest.fixture
def leases(database: Database, tmp_path: Path) -> Iterator[Leases]:
    """The leases of this process."""
    with closing(Leases(database, folder=tmp_path / "workers")) as leases:
        yield leases


def test_a_late_lease_that_is_still_ours_is_renewed(database: Database, leases: Leases) -> None:
    """A claim that was committed late is asked for once; then it counts as renewed."""
    accept(database)
    generation = claimed(database, owner=leases.owner, lease=EXPIRED)
    with leases.holding(generation.generation_id, since=elapsed_time() - LATE):
        leases.confirm(generation.generation_id)
        with database.read() as connection:
            until = connection.scalar(select(generations.c.lease_until - database.now))
        assert 0 < (until or 0) <= leases.seconds


def test_a_late_lease_that_was_taken_over_stops_the_work(database: Database, leases: Leases) -> None:
    """When another worker has taken the row over, or nothing is held any more, the side effect is not made."""
    accept(database)
    generation = claimed(database, owner=leases.owner)
    with leases.holding(generation.generation_id, since=elapsed_time() - LATE):
        with database.write() as connection:
            connection.execute(update(generations).values(owner="other"))
        with pytest.raises(LeaseLost):
            leases.confirm(generation.generation_id)
    with pytest.raises(LeaseLost):
        leases.confirm(generation.generation_id)


def test_two_threads_do_not_hold_one_row(leases: Leases) -> None:
    """A lease that a clock set forward has ended keeps no second thread of the process from the row; this does."""
    with leases.holding("g1", since=elapsed_time()) as first:
        with leases.holding("g1", since=elapsed_time()) as second:
            assert (first, second) == (True, False)
        assert leases.held == ["g1"]
    assert leases.held == []


def test_what_was_not_sent_is_not_charged(database: Database) -> None:
    """A claim whose call was never sent gives its charge back, also when another worker has taken it over since."""
    slow, quick = GenerationStore(database, "slow"), GenerationStore(database, "quick")
    accept(database)
    generation = claimed(database, owner="slow", lease=EXPIRED)
    recover_lost_calls(database, failure=REPEATED_UNKNOWN)
    again = claimed(database, owner="quick")
    assert charged(database) == (2, 2)
    slow.undo_claim(generation)
    assert charged(database) == (1, 1)
    quick.undo_claim(again)
    assert charged(database) == (0, 0)
    assert quick.next_waiting("glm-image") is not None


@contextmanager
def unacknowledged(database: Database, step: str) -> Iterator[list[str]]:
    """The first commit of a step is made, but its acknowledgement is lost."""
    lost: list[str] = []

    def commit(connection: Connection) -> None:
        if not lost and connection.get_execution_options().get("step") == step:
            lost.append(step)
            connection.connection.commit()
            raise OperationalError("COMMIT", None, Exception("server closed the connection"))

    event.listen(database.engine, "commit", commit)
    yield lost
    event.remove(database.engine, "commit", commit)


def test_a_claim_whose_acknowledgement_is_lost_is_charged_once(tmp_path: Path) -> None:
    """The worker asks what became of its claim, and goes on with it."""
    with BotUnderTest(folder=tmp_path) as bot, unacknowledged(bot.app.database, "generations.claim_slot") as lost:
        user = bot.new_user()
        card = user.ask(said := user.send())
        assert len(lost) == 1
        assert card.color == "green"
        assert not card.shows("note.repeated")
        assert charged(bot.app.database) == (1, 1) == (len(user.posts(said)), 1)


def test_a_refusal_whose_acknowledgement_is_lost_does_not_release_the_next_call(tmp_path: Path) -> None:
    """The refusal is stored again while the generation is due again; its next call begins only after that."""
    with BotUnderTest(folder=tmp_path) as bot, unacknowledged(bot.app.database, "generations.push_back") as lost:
        # So that the next call would be under way when the refusal is stored again.
        bot.glm.seconds = 1.0
        bot.glm.arm("glm_1302", times=1)
        user = bot.new_user()
        card = user.ask(said := user.send())
        assert len(lost) == 1
        assert card.color == "green"
        assert charged(bot.app.database) == (1, 1)
        assert (len(bot.glm.paid), len(user.posts(said))) == (1, 2)


def fail_with_the_answer(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    """Sends the request, and makes the program fail while it reads the answer."""
    inner.handle_request(request).read()
    raise ValueError("a mistake of this program")


def test_a_mistake_while_an_answer_is_read_does_not_pay_again(tmp_path: Path) -> None:
    """An unexpected exception after the call was sent ends the image; the card says that it may have been billed."""
    with BotUnderTest(folder=tmp_path, wrap_glm=around(fail_with_the_answer)) as bot:
        user = bot.new_user()
        card = user.ask(said := user.send())
        assert card.color == "red"
        card.assert_shows("failure.unknown_outcome")
        card.assert_shows("failure.unknown_outcome.advice")
        assert charged(bot.app.database) == (1, 1) == (len(user.posts(said)), 1)


@pytest.mark.postgres
@pytest.mark.parametrize("code", ["1302", "1305"])
def test_a_refusal_before_any_work_is_not_charged_when_the_database_is_away(tmp_path: Path, code: str) -> None:
    """The call is refused while the database does not answer; when it does, the charge is given back, and it waits."""
    with (
        postgres_database() as url,
        wired(url) as (wire, far_url),
        BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": far_url}) as bot,
    ):
        bot.glm.seconds = 0.5
        bot.glm.arm(f"glm_{code}", times=1)
        user = bot.new_user()
        said = user.send()
        wait_for(lambda: bot.glm.calls)
        wire.cut()
        wait_for(lambda: not bot.glm.working)
        wire.mend()
        user.wait_for_end(said)
        assert [card.color for card in user.answers] == ["green"]
        assert len(bot.glm.paid) == 1
        assert charged(bot.app.database) == (1, 1)
