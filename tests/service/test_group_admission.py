"""Prompts that come at the same moment, accepted in one transaction of a real database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from bot.db.database import LIMITS_LOCK, Database, read_url
from bot.db.migrate import migrate
from bot.db.requests import cancel_recalled
from bot.db.tables import key_value
from bot.models import ImagePrompt
from bot.service.requests import RequestService, SubmitResult
from tests.support.builders import UNLIMITED, Team, arrival, count_rows, reception_of
from tests.support.databases import postgres_database
from tests.support.dsl import wait_for

CAT = ImagePrompt(prompt="一只猫")
WAITING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""
"""How many transactions of a database wait for another one."""
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
END_ALL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def at_once(reception: RequestService, asked: Sequence[tuple[str, ImagePrompt]]) -> list[Future[SubmitResult]]:
    """What becomes of these prompts, by origin, each of a person of their own, that come at the same moment."""
    start = threading.Barrier(len(asked))

    def ask(number: int, origin: str, prompt: ImagePrompt) -> SubmitResult:
        start.wait()
        return reception.submit(arrival(origin, sender=f"ou_{number}", chat=f"oc_{number}"), prompt)

    with ThreadPoolExecutor(len(asked)) as pool:
        return [pool.submit(ask, number, *one) for number, one in enumerate(asked)]


def test_a_limit_is_exact_within_a_group(database: Database) -> None:
    """Of twelve prompts at the same moment as many are accepted as there is room for, and each is answered."""
    reception = reception_of(database, Team(limits=UNLIMITED.model_copy(update={"images_per_month": 5})))
    outcomes = [one.result().outcome for one in at_once(reception, [(f"om_{n}", CAT) for n in range(12)])]
    assert (outcomes.count("accepted"), outcomes.count("rejected")) == (5, 7)
    assert count_rows(database) == 12


def test_one_message_many_times_at_once_is_one_request(database: Database) -> None:
    """Eight deliveries of a message at the same moment are one request and seven repetitions."""
    outcomes = [one.result().outcome for one in at_once(reception_of(database), [("om_1", CAT)] * 8)]
    assert (outcomes.count("accepted"), outcomes.count("repeated")) == (1, 7)
    assert count_rows(database) == 1


def test_a_prompt_that_cannot_be_stored_harms_no_other(database: Database) -> None:
    """Text that no database takes fails alone, whoever else has come at the same moment."""
    asked = [(f"om_{number}", CAT) for number in range(7)]
    *others, bad = at_once(reception_of(database), [*asked, ("om_bad", ImagePrompt(prompt="half of a pair: \ud83d"))])
    assert [one.result().outcome for one in others] == ["accepted"] * 7
    assert bad.exception() is not None
    assert count_rows(database) == 7


def test_an_error_tells_nothing_of_what_was_typed(database: Database) -> None:
    """The words of a statement's error, which a log may show, hold none of the values."""
    twice = [{"name": "twice", "value": "一只猫"}] * 2
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        connection.execute(insert(key_value), twice)
    assert "一只猫" not in str(caught.value)


@pytest.mark.postgres
def test_a_recall_that_wins_the_race_makes_the_message_known() -> None:
    """A message whose recall is being stored by another process at the same moment is a repetition, not a fault."""
    with (
        postgres_database() as url,
        psycopg.connect(url, autocommit=True) as looking,
        psycopg.connect(url) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        database = Database(read_url(url))
        migrate(database)
        cancel_recalled(database, "om_1")
        other.execute("CREATE TEMP TABLE recalled AS SELECT * FROM requests")
        other.execute("DELETE FROM requests")
        other.commit()
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LIMITS_LOCK,))
        other.execute("INSERT INTO requests SELECT * FROM recalled")
        said = pool.submit(reception_of(database).submit, arrival("om_1"), CAT)
        wait_for(lambda: looking.execute(WAITING).fetchone() == (1,))
        other.commit()
        assert said.result().outcome == "repeated"
        database.close()


@pytest.mark.postgres
def test_a_connection_that_was_cut_while_it_rested_is_opened_anew() -> None:
    """A message after a rest, in which the database has ended every connection, is stored all the same."""
    with postgres_database() as url, psycopg.connect(url, autocommit=True) as other:
        database = Database(read_url(url))
        migrate(database)
        assert count_rows(database) == 0
        other.execute(END_ALL)
        wait_for(lambda: other.execute(CONNECTED).fetchone() == (1,))
        assert reception_of(database).submit(arrival(), CAT).outcome == "accepted"
        database.close()
