"""What has ended is forgotten in time, in small steps; a person at once, to the last byte."""

from __future__ import annotations

import secrets
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, func, select, update

from bot.db.database import NOW, Database, read_url
from bot.db.key_value import pause
from bot.db.requests import cancel_recalled
from bot.db.retention import BATCH, DAY, PersonData, delete_old_rows, forget, stored_of
from bot.db.tables import (
    generations,
    key_value,
    last_served,
    metadata,
    monthly_usage,
    preferences,
    requests,
    sent_messages,
    timers,
    workers,
)
from bot.models import State
from tests.clients.commands import run
from tests.support.builders import accept, add_row, change, count_rows
from tests.support.bulk_rows import add_finished
from tests.support.databases import sqlite_database
from tests.support.dsl import BotUnderTest, plain_text, wait_for

HOURS = 3600.0


def clean_up(database: Database, *, days: int = 40) -> int:
    """Cleans up as a process that is not about to leave."""
    return delete_old_rows(database, days=days, stopping=threading.Event())


def end_all(database: Database, *, seconds_ago: float) -> None:
    """Lets every request have ended with its generations so long ago."""
    ended = {"ended_at": NOW - seconds_ago}
    change(database, update(generations).values(state=State.DONE, **ended), update(requests).values(**ended))


def test_what_ended_long_ago_is_gone_with_all_that_belongs_to_it(database: Database) -> None:
    request_id = accept(database, count=4).request_id
    add_row(database, sent_messages, request_id=request_id, step="text", message_id="om_1")
    end_all(database, seconds_ago=40 * DAY + 60)
    assert clean_up(database) == 1
    assert [count_rows(database, table) for table in (requests, generations, sent_messages)] == [0, 0, 0]


def test_what_is_younger_or_goes_on_is_kept(database: Database) -> None:
    """A request of 39 days stays, and so does one without an end, or with an image still on its way."""
    for name in ("younger", "not ended", "being made"):
        accept(database, name)
        if name == "younger":
            end_all(database, seconds_ago=39 * DAY)
    old = requests.c.dedup_key == "being made"
    change(
        database,
        update(requests).values(accepted_at=NOW - 400 * DAY),
        update(requests).where(old).values(ended_at=NOW - 50 * DAY),
    )
    clean_up(database)
    assert [count_rows(database, table) for table in (requests, generations)] == [3, 3]


def test_a_message_is_known_for_longer_than_feishu_delivers_it(database: Database) -> None:
    """With the shortest setting, a message that was answered at once and comes again after 8 hours is a duplicate."""
    accept(database, "om_again")
    end_all(database, seconds_ago=8 * HOURS)
    clean_up(database, days=1)
    assert accept(database, "om_again").outcome == "repeated"


def test_it_works_in_small_transactions(database: Database) -> None:
    """No statement deletes more than a batch, so that a message never waits behind all of them."""
    add_finished(database, 2 * BATCH + 50, days=1, ended_ago=50 * DAY)
    left = [2 * BATCH + 50]

    @event.listens_for(database.engine, "commit")
    def note(connection: Connection) -> None:
        left.append(connection.scalar(select(func.count()).select_from(requests)) or 0)

    clean_up(database)
    event.remove(database.engine, "commit", note)
    assert left[-1] == 0
    assert max(before - after for before, after in pairwise(left)) == BATCH


def test_several_processes_clean_up_at_once(database: Database) -> None:
    """None of four fails because of another, and nothing is left."""
    add_finished(database, 2 * BATCH, days=1, ended_ago=50 * DAY)
    with ThreadPoolExecutor(4) as pool:
        removed = list(pool.map(lambda _: clean_up(database), range(4)))
    clean_up(database)
    assert (count_rows(database, requests), sum(removed) <= 2 * BATCH) == (0, True)


def test_recalls_of_other_messages_do_not_pile_up(database: Database) -> None:
    """Recalls of messages that never came are forgotten after a day, when none of them can come any more."""
    accept(database, "om_own")
    for message_id in ("om_own", "om_other", "om_young"):
        cancel_recalled(database, message_id)
    day_old = requests.c.dedup_key != "om_young"
    change(database, update(requests).where(day_old).values(ended_at=NOW - DAY - 1))
    clean_up(database)
    outcomes = [accept(database, message_id).outcome for message_id in ("om_own", "om_young", "om_other")]
    assert outcomes == ["repeated", "repeated", "accepted"]


def test_what_stands_beside_the_requests_is_forgotten_too(database: Database) -> None:
    """Who was served, who sent when, which workers lived, what was spent two years ago: none of it piles up."""
    for age, name in ((41 * DAY, "old"), (0.0, "new")):
        add_row(database, last_served, sender=f"ou_{name}", model="glm-image", called_at=NOW - age)
        add_row(database, timers, name=f"oc_{name}", next_at=NOW - age + 5)
        add_row(database, workers, owner=name, seen_at=NOW - age)
    for month in ("2001-01", "2999-12"):
        add_row(database, monthly_usage, month=month, name="glm-image", count=1)
    add_row(database, preferences, subject="ou_old", content={})
    add_row(database, key_value, name="user_id_key", value="fake")
    assert clean_up(database) == 4
    assert [count_rows(database, table) for table in (last_served, timers, workers, monthly_usage)] == [1, 1, 1, 1]
    assert [count_rows(database, table) for table in (preferences, key_value)] == [1, 1]


def test_a_bot_cleans_up_when_it_starts(tmp_path: Path) -> None:
    with closing(Database(read_url(url := sqlite_database(tmp_path)))) as database:
        add_finished(database, 10, days=1, ended_ago=41 * DAY)
        add_finished(database, 5, days=1, ended_ago=DAY, mark="young")
        with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": url}):
            wait_for(lambda: count_rows(database, generations) == 5)


ANN, BEN = "ou_ann_of_the_tests", "ou_ben_of_the_tests"
ORIGINAL = "g_ann.jpg"


def end(database: Database, person: str) -> None:
    """Lets everything that a person asked for have ended, with a picture."""
    done: dict[str, Any] = {"ended_at": NOW, "owner": None}
    change(
        database,
        update(generations).where(generations.c.sender == person).values(state=State.DONE, cache_name=ORIGINAL, **done),
        update(requests).where(requests.c.sender == person).values(answer_id=f"om_to_{person}", **done),
    )


def fill(database: Database) -> None:
    """Stores all that there can be of two people."""
    for person in (ANN, BEN):
        accept(database, f"om_{person}", sender=person, chat=f"oc_{person}", count=2)
        request_id = accept(database, f"menu:{person}", sender=person, chat=f"oc_{person}").request_id
        own = requests.c.sender == person
        change(database, update(requests).where(own).values(prompt=f"画 {person}", chat_type="p2p"))
        end(database, person)
        add_row(database, sent_messages, request_id=request_id, step="text", message_id=f"om_text_{person}")
        add_row(database, last_served, sender=person, model="glm-image", called_at=1.0)
        for subject in (person, f"oc_{person}"):
            add_row(database, preferences, subject=subject, content={"language": person})
        for name in (person, f"oc_{person}", f"om_to_{person}"):
            add_row(database, timers, name=name, next_at=1.0)
    add_row(database, monthly_usage, month="2026-11", name="glm-image", count=4)
    with database.write() as connection:
        pause(connection, by=ANN)


def everything(database: Database) -> str:
    with database.read() as connection:
        return "\n".join(str(connection.execute(select(table)).all()) for table in metadata.sorted_tables)


def test_nothing_is_left_of_one_person_and_everything_of_another(database: Database) -> None:
    """No value of any row names the person, their chat or their prompt; the other's rows and the sums stay."""
    fill(database)
    before = everything(database).count(BEN)
    stored = forget(database, ANN)
    assert (stored.requests, stored.generations, stored.sends, stored.settings, stored.turns) == (2, 3, 1, 1, 1)
    assert stored.originals == (ORIGINAL,) * 3
    left = everything(database).replace(f"om_{ANN}", "")
    assert ANN not in left
    assert left.count(BEN) == before
    assert count_rows(database, monthly_usage) == 1
    assert stored_of(database, ANN) == PersonData()


def test_a_message_that_comes_again_is_not_paid_for_again(database: Database) -> None:
    """What Feishu delivers once more within a day is still known, by its bare id; older ids are gone."""
    for origin in ("om_young", "om_old"):
        accept(database, origin, sender=ANN)
    end(database, ANN)
    old = requests.c.dedup_key == "om_old"
    change(database, update(requests).where(old).values(accepted_at=NOW - 90_000))
    forget(database, ANN)
    assert accept(database, "om_young", sender=ANN).outcome == "repeated"
    assert count_rows(database, requests) == 1
    assert accept(database, "om_new", sender=ANN).outcome == "accepted"


def test_whoever_is_being_served_is_not_forgotten(database: Database) -> None:
    accept(database, "om_1", sender=ANN)
    end(database, ANN)
    accept(database, "om_2", sender=ANN)
    stored = forget(database, ANN)
    assert (stored.goes_on, stored.unfinished, stored.unanswered) == (True, 1, 1)
    assert (count_rows(database, requests), count_rows(database, generations)) == (2, 2)


def test_no_byte_is_left_in_the_files(tmp_path: Path) -> None:
    """Beside a running bot: neither id, chat nor prompt is found in the database's files, nor a picture on disk."""
    with BotUnderTest(folder=tmp_path) as bot:
        user = bot.new_user()
        user.ask(said := user.send(f"一只橘猫，编号 {secrets.token_hex(8)}"))
        user.ask("/set size 16:9")
        wanted = [part.encode() for part in (user.person, user.chat_id, plain_text(said))]
        assert all(part in everything_on(tmp_path) for part in wanted)
        assert list((tmp_path / "originals").iterdir())
        ran = run("forget", user.person, "--yes", folder=tmp_path)
        assert (ran.code, ran.stderr) == (0, "")
        assert [part for part in wanted if part in everything_on(tmp_path)] == []
        assert list((tmp_path / "originals").iterdir()) == []
        user.ask()


def everything_on(folder: Path) -> bytes:
    """The bytes of the database's files.

    Another process reads them: the bot lives in this one, which would lose SQLite's locks with the files' closing.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    files = [str(path) for path in sorted(folder.glob("bot.db*"))]
    return subprocess.run(["cat", *files], check=True, capture_output=True).stdout


def test_the_command_asks_before_and_tells_what_stays(tmp_path: Path) -> None:
    """Exit code 1 without a yes and for somebody whom nobody knows; 2 for what is no person."""
    with closing(Database(read_url(sqlite_database(tmp_path)))) as database:
        fill(database)
        for typed in ("", "n\n"):
            ran = run("forget", ANN, folder=tmp_path, typed=typed)
            assert (ran.code, "2 requests, 3 generations" in ran.text) == (1, True)
            assert "Nothing was deleted" in ran.stderr
            assert stored_of(database, ANN).requests == 2
        ran = run("forget", ANN, folder=tmp_path, typed="y\n")
        assert (ran.code, ran.stderr) == (0, "")
        assert "3 images are not in this data folder" in ran.text
        assert "images in Feishu" in ran.text
        assert stored_of(database, ANN) == PersonData()
    ran = run("forget", ANN, "--yes", folder=tmp_path)
    assert (ran.code, ran.stdout, ran.stderr) == (1, b"", f"Nothing is stored about {ANN}.\n")
    assert run("forget", "oc_1", folder=tmp_path).code == 2
