"""Forgetting a person: nothing of them is left, not even as bytes, and nobody else notices."""

from __future__ import annotations

import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.db.database import Database, read_url
from bot.db.key_value import pause, resume
from bot.db.migrate import migrate
from bot.db.retention import forget, stored_of
from bot.db.tables import (
    generations,
    last_served,
    metadata,
    monthly_usage,
    preferences,
    requests,
    sent_messages,
    timers,
)
from bot.errors import DatabaseUnavailable
from bot.models import State
from tests.clients.commands import run
from tests.support.builders import accept, add_row, count_rows
from tests.support.dsl import BotUnderTest, plain_text, wait_for

ANN, BEN = "ou_ann_of_the_tests", "ou_ben_of_the_tests"
ORIGINAL = "g_ann.jpg"


def end(database: Database, person: str) -> None:
    """Lets everything that a person asked for have ended, with a picture."""
    done: dict[str, Any] = {"ended_at": database.now, "owner": None}
    with database.write() as connection:
        connection.execute(
            update(generations)
            .where(generations.c.sender == person)
            .values(state=State.DONE, cache_name=ORIGINAL, **done)
        )
        connection.execute(
            update(requests).where(requests.c.sender == person).values(answer_id=f"om_to_{person}", **done)
        )


def fill(database: Database) -> None:
    """Stores all that there can be of two people."""
    for person in (ANN, BEN):
        accept(database, f"om_{person}", sender=person, chat=f"oc_{person}", count=2)
        accept(database, f"menu:{person}", sender=person, chat=f"oc_{person}")
        with database.write() as connection:
            own = requests.c.sender == person
            connection.execute(update(requests).where(own).values(prompt=f"画 {person}", chat_type="p2p"))
            request_id = connection.scalar(select(requests.c.request_id).where(own).limit(1))
        end(database, person)
        add_row(database, sent_messages, request_id=request_id, step="text", message_id=f"om_text_{person}")
        add_row(database, last_served, sender=person, model="glm-image", called_at=1.0)
        for subject in (person, f"oc_{person}"):
            add_row(database, preferences, subject=subject, content={"language": person})
        for name in (person, f"oc_{person}", f"om_to_{person}"):
            add_row(database, timers, name=name, next_at=1.0)
    add_row(database, monthly_usage, month="2026-11", name="glm-image", count=4)
    with database.write() as connection:
        pause(database, connection, by=ANN)


def everything(database: Database) -> str:
    """Every value of every row, as text."""
    with database.read() as connection:
        return "\n".join(
            str(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(select(table))
        )


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
    assert stored_of(database, ANN).nothing


def test_a_message_that_comes_again_is_not_paid_for_again(database: Database) -> None:
    """What Feishu delivers once more within a day is still known, by its bare id; older ids are gone."""
    for origin in ("om_young", "om_old"):
        accept(database, origin, sender=ANN)
    end(database, ANN)
    with database.write() as connection:
        old = requests.c.dedup_key == "om_old"
        connection.execute(update(requests).where(old).values(accepted_at=database.now - 90_000))
    forget(database, ANN)
    assert accept(database, "om_young", sender=ANN).outcome == "repeated"
    assert count_rows(database, requests) == 1
    assert accept(database, "om_new", sender=ANN).outcome == "accepted"


def test_whoever_is_being_served_is_not_forgotten(database: Database) -> None:
    """While an image waits nothing is removed, of what has ended either."""
    accept(database, "om_1", sender=ANN)
    end(database, ANN)
    accept(database, "om_2", sender=ANN)
    stored = forget(database, ANN)
    assert (stored.goes_on, stored.unfinished, stored.unanswered) == (True, 1, 1)
    assert (count_rows(database, requests), count_rows(database, generations)) == (2, 2)


def test_new_prompts_meanwhile_are_kept(database: Database) -> None:
    """Prompts that are accepted while the person is being forgotten are all there, whoever comes first."""
    fill(database)
    with database.write() as connection:
        resume(connection)

    def ask(number: int) -> str:
        while True:
            # A prompt whose turn to write does not come in time is delivered again.
            with suppress(DatabaseUnavailable):
                return accept(database, f"om_new_{number}", sender=ANN).outcome

    with ThreadPoolExecutor(4) as pool:
        forgotten = [pool.submit(forget, database, ANN)]
        asked = [pool.submit(ask, number) for number in range(12)]
        forgotten.append(pool.submit(forget, database, ANN))
    assert [one.result() for one in asked] == ["accepted"] * 12
    assert [one.result().nothing for one in forgotten] == [False, False]
    with database.read() as connection:
        new = select(func.count()).where(requests.c.dedup_key.startswith("om_new_"), requests.c.ended_at.is_(None))
        assert connection.scalar(new) == 12


def test_no_byte_is_left_in_the_files(tmp_path: Path) -> None:
    """Beside a running bot: neither id, chat nor prompt is found in the database's files, nor a picture on disk."""
    with BotUnderTest(folder=tmp_path) as bot:
        user = bot.new_user()
        said = user.send(f"一只橘猫，编号 {secrets.token_hex(8)}")
        user.wait_for_end(said)
        user.send("/set size 16:9")
        wait_for(lambda: len(user.answers) == 2 and bot.idle)
        wanted = [part.encode() for part in (user.person, user.chat_id, plain_text(said))]
        assert all(part in everything_on(tmp_path) for part in wanted)
        assert list((tmp_path / "originals").iterdir())
        ran = run("forget", user.person, "--yes", folder=tmp_path)
        assert (ran.code, ran.stderr) == (0, "")
        assert [part for part in wanted if part in everything_on(tmp_path)] == []
        assert list((tmp_path / "originals").iterdir()) == []
        user.wait_for_end(user.send())


def everything_on(folder: Path) -> bytes:
    """The bytes of the database's files.

    Another process reads them: the bot lives in this one, which would lose SQLite's locks with the files' closing.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    files = [str(path) for path in sorted(folder.glob("bot.db*"))]
    return subprocess.run(["cat", *files], check=True, capture_output=True).stdout


@pytest.mark.parametrize("typed", ["", "n\n"])
def test_it_asks_before(tmp_path: Path, typed: str) -> None:
    """Without a yes it tells what there is and removes nothing."""
    database = filled(tmp_path)
    ran = run("forget", ANN, folder=tmp_path, typed=typed)
    assert ran.code == 1
    assert "2 requests, 3 generations" in ran.text
    assert "Nothing was deleted" in ran.stderr
    assert stored_of(database, ANN).requests == 2
    database.close()


def test_a_yes_removes_and_tells_what_stays(tmp_path: Path) -> None:
    """Pictures that lie on another machine are counted, and what cannot be reached is named."""
    database = filled(tmp_path)
    ran = run("forget", ANN, folder=tmp_path, typed="y\n")
    assert (ran.code, ran.stderr) == (0, "")
    assert "3 images are not in this data folder" in ran.text
    assert "images in Feishu" in ran.text
    assert stored_of(database, ANN).nothing
    database.close()


def test_whom_nobody_knows_is_told(tmp_path: Path) -> None:
    """Exit code 1 and a sentence for somebody unknown; 2 for what is no person."""
    filled(tmp_path).close()
    ran = run("forget", "ou_nobody", "--yes", folder=tmp_path)
    assert (ran.code, ran.stdout, ran.stderr) == (1, b"", "Nothing is stored about ou_nobody.\n")
    assert run("forget", "oc_1", folder=tmp_path).code == 2


def filled(folder: Path) -> Database:
    """A SQLite database in a data folder, with two people in it."""
    database = Database(read_url(f"sqlite:///{folder / 'bot.db'}"))
    migrate(database)
    fill(database)
    return database
