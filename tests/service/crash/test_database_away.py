"""While the database is away nothing is acknowledged; Feishu delivers again what came meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bot.sandbox.http import wait_until
from tests.support.databases import postgres_database
from tests.support.dsl import BotUnderTest, header_color, posts_of, wait_for
from tests.support.wire import Wire

pytestmark = pytest.mark.postgres


@pytest.fixture
def wire() -> Iterator[tuple[Wire, str]]:
    """A line to a fresh database, and the database's URL over it."""
    with postgres_database() as url:
        there = make_url(url)
        with Wire(there.port or 5432, host=there.host or "127.0.0.1") as wire:
            yield wire, there.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)


@pytest.fixture
def bot(tmp_path: Path, wire: tuple[Wire, str]) -> Iterator[BotUnderTest]:
    """A bot that reaches its database by that line."""
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": wire[1]}) as bot:
        yield bot
        wire[0].cut()
        wire[0].mend()


def test_messages_meanwhile_come_again(bot: BotUnderTest, wire: tuple[Wire, str]) -> None:
    """Four messages while the database is away: each meets 503, comes again, and is answered and paid for once."""
    users = [bot.new_user() for _ in range(4)]
    wire[0].cut()
    said = [user.send() for user in users]
    wait_for(lambda: len(bot.feishu.attempts) >= 8)
    assert {attempt.status for attempt in bot.feishu.attempts} == {503}
    wire[0].mend()
    wait_for(lambda: all(answered(bot, message.message_id) for message in said))
    assert [len(user.posts(message)) for user, message in zip(users, said, strict=True)] == [1] * 4


def test_a_paid_picture_outlives_the_outage(bot: BotUnderTest, wire: tuple[Wire, str]) -> None:
    """When the database goes during the paid call, the outcome is held until it is back, and nothing is paid again."""
    bot.glm.seconds = 0.5
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: bot.glm.working == 1)
    wire[0].cut()
    wait_for(lambda: len(bot.glm.paid) == 1)
    wire[0].mend()
    wait_for(lambda: answered(bot, said.message_id))
    assert len(user.posts(said)) == 1


def test_a_paid_picture_outlives_an_outage_in_which_the_process_leaves(
    bot: BotUnderTest, wire: tuple[Wire, str]
) -> None:
    """Terminated while the database is away, a process holds what it paid for until that is back for a moment."""
    bot.glm.seconds = 0.5
    said = bot.new_user().send()
    wait_for(lambda: bot.glm.working == 1)
    wire[0].cut()
    wait_for(lambda: len(bot.glm.paid) == 1)
    with ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(bot.stop)
        assert not wait_until(leaving.done, seconds=1.0)
        wire[0].mend()
        leaving.result()
    bot.start()
    wait_for(lambda: answered(bot, said.message_id))
    assert len(posts_of(bot.glm, said)) == 1


def answered(bot: BotUnderTest, message_id: str) -> bool:
    """Whether the message has its one card with the picture."""
    return [header_color(reply) for reply in bot.feishu.replies(message_id)] == ["green"]
