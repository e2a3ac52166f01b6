"""The worker's own threads: what they go on with whatever happens, and what they leave for the next process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from bot.db.database import Database
from bot.db.leases import Leases, new_owner
from bot.db.tables import requests, workers
from tests.support.builders import LEASE, accept
from tests.support.dsl import CATALOGUE, QUICK, BotUnderTest, all_strings, header_color, posts_of, wait_for

WORDS = CATALOGUE


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot that would wait for minutes before it tries a download again."""
    with BotUnderTest(
        folder=tmp_path, pace=replace(QUICK, download=replace(QUICK.download, first_wait=600.0, longest_wait=600.0))
    ) as bot:
        yield bot


def seen_at(bot: BotUnderTest) -> float:
    """When the worker has signed on last."""
    with bot.app.database.read() as connection:
        return connection.scalar(select(func.max(workers.c.seen_at))) or 0.0


def test_a_beat_that_breaks_is_not_the_last(bot: BotUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong in a beat is logged, and the worker signs on again as soon as it can."""
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON workers BEGIN SELECT RAISE(ABORT, 'refused'); END"
    with bot.app.database.write() as connection:
        connection.execute(text(refuse))
    wait_for(lambda: "task crashed task=heartbeat" in caplog.text)
    before = seen_at(bot)
    with bot.app.database.write() as connection:
        connection.execute(text("DROP TRIGGER refuse"))
    wait_for(lambda: seen_at(bot) > before)


def test_a_lock_that_cannot_be_looked_at(database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the system does not tell who lives, that one's lease is waited for, and others are known to be dead."""
    owners = [new_owner(), new_owner()]
    with closing(Leases(database, folder=tmp_path)) as leases, caplog.at_level(logging.WARNING):
        for number, owner in enumerate(owners):
            accept(database, f"om_{number}")
            mine = requests.c.dedup_key == f"om_{number}"
            with database.write() as connection:
                lease = {"owner": owner, "lease_until": database.now + LEASE}
                connection.execute(update(requests).where(mine).values(lease))
        paths = [tmp_path / f"{owner.replace(':', '-')}.lock" for owner in owners]
        paths[0].mkdir()
        paths[1].touch()
        assert leases.release_dead_leases() == owners[1:]
        assert f"lease file not checked owner={owners[0]}" in caplog.text
        assert not paths[1].exists()


def test_a_process_that_leaves_fails_no_picture(bot: BotUnderTest) -> None:
    """While a download waits to be tried again, the process leaves; the next one tries, and the card shows it."""
    user = bot.new_user()
    bot.glm.arm("image_reset")
    said = user.send()
    wait_for(lambda: bot.glm.downloads)
    bot.stop()
    bot.start()
    user.wait_for_end(said)
    assert [header_color(answer) for answer in user.answers] == ["green"]
    assert len(posts_of(bot.glm, said)) == 1


def test_a_card_that_cannot_be_rendered_says_so(tmp_path: Path) -> None:
    """A request that breaks whoever shows it ends after five times, and its card tells that it did."""
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, lease=0.2, beat=0.05)) as bot:
        user = bot.new_user()
        bot.glm.seconds = 1.0
        said = user.send()
        wait_for(lambda: bot.glm.working)
        with bot.app.database.write() as connection:
            broken = {"kind": "rejected", "content": {}, "desired_version": requests.c.desired_version + 1}
            connection.execute(update(requests).values(broken))
        bot.wait_until_idle()
        assert WORDS.text("notice.stalled.title", "zh") in all_strings(user.first_card)
        assert len(user.answers) == len(posts_of(bot.glm, said)) == 1
