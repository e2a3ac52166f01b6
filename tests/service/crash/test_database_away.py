"""While the database is away nothing is acknowledged; Feishu delivers again what came meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.databases import postgres_database
from tests.support.dsl import BotUnderTest, header_color, wait_for
from tests.support.waiting import wait_until
from tests.support.wire import Wire, wired

pytestmark = pytest.mark.postgres


@pytest.fixture
def wire_and_bot(tmp_path: Path) -> Iterator[tuple[Wire, BotUnderTest]]:
    """A bot, and the wire over which it reaches its database."""
    with (
        postgres_database() as url,
        wired(url) as (wire, far_url),
        BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": far_url}) as bot,
    ):
        bot.glm.seconds = 0.5
        yield wire, bot
        wire.cut()
        wire.mend()


def answered(bot: BotUnderTest, message_id: str) -> bool:
    """Whether the message has its one card with the image."""
    return [header_color(reply) for reply in bot.feishu.replies(message_id)] == ["green"]


def test_messages_meanwhile_come_again(wire_and_bot: tuple[Wire, BotUnderTest]) -> None:
    """Two messages while the database is away: each meets 503, comes again, and is answered and paid for once."""
    wire, bot = wire_and_bot
    users = [bot.new_user() for _ in range(2)]
    wire.cut()
    said = [user.send() for user in users]
    wait_for(lambda: len(bot.feishu.attempts) >= 4)
    assert {attempt.status for attempt in bot.feishu.attempts} == {503}
    wire.mend()
    wait_for(lambda: all(answered(bot, message.message_id) for message in said))
    assert [len(user.posts(message)) for user, message in zip(users, said, strict=True)] == [1, 1]


@pytest.mark.parametrize("leaves", [False, True], ids=["goes on", "leaves"])
def test_a_paid_image_outlives_the_outage(wire_and_bot: tuple[Wire, BotUnderTest], *, leaves: bool) -> None:
    """When the database goes during the paid call, its outcome is held until it is back, also by a process that leaves.

    Nothing is paid again.
    """
    wire, bot = wire_and_bot
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: bot.glm.working == 1)
    wire.cut()
    wait_for(lambda: len(bot.glm.paid) == 1)
    with ThreadPoolExecutor(1) as pool:
        if leaves:
            leaving = pool.submit(bot.stop)
            assert not wait_until(leaving.done, seconds=1.0)
            wire.mend()
            leaving.result()
            bot.start()
        else:
            wire.mend()
    wait_for(lambda: answered(bot, said.message_id))
    assert len(user.posts(said)) == 1
