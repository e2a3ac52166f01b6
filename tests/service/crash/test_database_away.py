"""While the database is away nothing is acknowledged; Feishu delivers again what came meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bot.sandbox.server import wait_until
from tests.support.databases import postgres_database
from tests.support.wire import Wire
from tests.support.world import World, colour, posts_of

pytestmark = pytest.mark.postgres


@pytest.fixture
def wire() -> Iterator[tuple[Wire, str]]:
    """A line to a fresh database, and the database's URL over it."""
    with postgres_database() as url:
        there = make_url(url)
        with Wire(there.port or 5432, host=there.host or "127.0.0.1") as wire:
            yield wire, there.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)


@pytest.fixture
def world(tmp_path: Path, wire: tuple[Wire, str]) -> Iterator[World]:
    """A bot that reaches its database by that line."""
    with World(folder=tmp_path, variables={"DATABASE_URL": wire[1]}) as world:
        yield world
        wire[0].cut()
        wire[0].mend()


def until(world: World, condition: Callable[[], bool]) -> None:
    """Waits for what must come."""
    assert world.feishu.wait_for(lambda _: condition(), seconds=30.0)


def test_messages_meanwhile_come_again(world: World, wire: tuple[Wire, str]) -> None:
    """Four messages while the database is away: each meets 503, comes again, and is answered and paid for once."""
    talks = [world.somebody() for _ in range(4)]
    wire[0].cut()
    said = [talk.say() for talk in talks]
    until(world, lambda: len(world.feishu.attempts) >= 8)
    assert {attempt.status for attempt in world.feishu.attempts} == {503}
    wire[0].mend()
    until(world, lambda: all(answered(world, message.message_id) for message in said))
    assert [len(talk.posts(message)) for talk, message in zip(talks, said, strict=True)] == [1] * 4


def test_a_paid_picture_outlives_the_outage(world: World, wire: tuple[Wire, str]) -> None:
    """When the database goes during the paid call, the outcome is held until it is back, and nothing is paid again."""
    world.glm.seconds = 0.5
    talk = world.somebody()
    said = talk.say()
    until(world, lambda: world.glm.working == 1)
    wire[0].cut()
    until(world, lambda: len(world.glm.paid) == 1)
    wire[0].mend()
    until(world, lambda: answered(world, said.message_id))
    assert len(talk.posts(said)) == 1


def test_a_paid_picture_outlives_an_outage_in_which_the_process_leaves(world: World, wire: tuple[Wire, str]) -> None:
    """Told to leave while the database is away, a process holds what it paid for until that is back for a moment."""
    world.glm.seconds = 0.5
    said = world.somebody().say()
    until(world, lambda: world.glm.working == 1)
    wire[0].cut()
    until(world, lambda: len(world.glm.paid) == 1)
    with ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(world.stop)
        assert not wait_until(leaving.done, seconds=1.0)
        wire[0].mend()
        leaving.result()
    world.start()
    until(world, lambda: answered(world, said.message_id))
    assert len(posts_of(world.glm, said)) == 1


def answered(world: World, message_id: str) -> bool:
    """Whether the message has its one card with the picture."""
    return [colour(reply) for reply in world.feishu.replies(message_id)] == ["green"]
