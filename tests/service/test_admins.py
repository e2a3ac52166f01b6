"""Messages to the admins: one a cause and day to each, and nobody's answer waits for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC

import pytest
from sqlalchemy import select, update

from bot.generation.making.admins import HOUR, Admins, Ended, causes
from bot.generation.store.database import Database
from bot.generation.store.tables import generations, requests
from bot.models import State
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from tests.support.requests import accept, reception_of
from tests.support.world import DEADLINE, QUICK, REDELIVERY, World, catalogue, colour, strings_in

NOW = 10_000_000.0
WORDS = catalogue()
ABSENT = "ou_nobody"
ADMINS = ("管理甲", "管理乙")


def ended(minutes_ago: float, code: str | None = None, *, waited: float = 1.0) -> Ended:
    """A generation that ended so many minutes ago, after having waited some."""
    at = NOW - minutes_ago * 60
    return Ended(accepted_at=at - waited * 60, ended_at=at, code=code)


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([], []),
        ([ended(5)], []),
        ([ended(5, "insufficient_balance")], ["balance"]),
        ([ended(5, "authentication_error")], ["key"]),
        ([ended(5, "MISSING_API_KEY")], ["key"]),
        ([ended(5, "insufficient_balance"), ended(1)], ["balance"]),
        ([ended(61, "insufficient_balance"), ended(1)], []),
        ([ended(5, "server_error")], []),
        ([ended(90, "server_error"), ended(5, "TIMEOUT")], ["silent"]),
        ([ended(5, "server_error", waited=70)], ["silent"]),
        ([ended(90, "server_error"), ended(30), ended(5, "TIMEOUT")], []),
        ([ended(95, "server_error"), ended(90), ended(5, "TIMEOUT")], []),
        ([ended(95), ended(90, "server_error"), ended(5, "TIMEOUT")], ["silent"]),
        ([ended(90, "server_error")], []),
        ([ended(90, "content_filter_violation"), ended(5, "content_filter_violation")], []),
    ],
)
def test_what_the_admins_should_know(ends: list[Ended], told: list[str]) -> None:
    """An account's fault is told at once, silence after an hour in which prompts came and none was its own reason."""
    assert [cause for cause, _ in causes(ends, now=NOW)] == told


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A bot with two admins that exist and one whom Feishu does not know."""
    feishu = FeishuStandIn(delivery=REDELIVERY)
    people = [feishu.world.add_person(name).open_id for name in ADMINS]
    made = World(
        folder=tmp_path_factory.mktemp("bot"),
        pace=replace(QUICK, upkeep=0.05),
        feishu=feishu,
        variables={"BOT_TEAM_ADMINS": ",".join([ABSENT, *people])},
    )
    with made as world:
        yield world


def told(world: World) -> list[ChatMessage]:
    """The messages to the admins."""
    admins = [person for person in world.feishu.people if person.name in ADMINS]
    chats = {world.feishu.world.direct_chat(person.open_id).chat_id for person in admins}
    return [message for message in world.feishu.messages if message.chat_id in chats]


@pytest.mark.parametrize(
    ("fault", "key"), [("glm_1113", "notice.admin_balance.text"), ("glm_1002", "notice.admin_key.text")]
)
def test_each_admin_gets_one_message_a_cause(world: World, fault: str, key: str) -> None:
    """Three failed prompts make one message to each admin, in both languages, and the people get their cards."""
    world.glm.arm(fault, times=3)
    for talk in [world.somebody() for _ in range(3)]:
        talk.wait_for_end(talk.say())
        assert colour(talk.answers[0]) == "red"
    assert world.feishu.wait_for(lambda _: len(told(world)) >= 2 and world.idle, seconds=DEADLINE)
    world.stop()
    world.start()
    talk = world.somebody()
    talk.wait_for_end(talk.say())
    messages = told(world)
    assert len({message.chat_id for message in messages}) == len(messages) == 2
    for message in messages:
        shown = list(strings_in(json.loads(message.content)))
        assert WORDS.text(key, "zh") in shown
        assert WORDS.text(key, "en") in shown


def test_an_admin_who_cannot_be_reached_is_in_nobodys_way(world: World) -> None:
    """What Feishu refuses to deliver ends at once, and the others are told."""
    world.glm.arm("glm_1113")
    talk = world.somebody()
    talk.wait_for_end(talk.say())
    assert world.feishu.wait_for(lambda _: len(told(world)) == 2 and world.idle, seconds=DEADLINE)
    with world.bot.database.read() as connection:
        row = connection.execute(select(requests.c.outcome).where(requests.c.sender == ABSENT)).one()
    assert row.outcome.startswith("feishu_")


def look(database: Database) -> list[str]:
    """The origins of the messages that are left after a look by a process that has just started."""
    admins = Admins(database, reception=reception_of(database), people=["ou_a"], zone=UTC, wake=threading.Event())
    admins.look()
    with database.read() as connection:
        return [origin for origin in connection.scalars(select(requests.c.origin)) if origin.startswith("admin:")]


def end(database: Database, origin: str, *, ago: float, code: str) -> None:
    """Lets a prompt fail so many seconds ago."""
    accept(database, origin)
    failure = json.dumps({"code": code, "sentence": "failure.server", "values": {}, "platform": None, "roles": []})
    of_request = select(requests.c.request_id).where(requests.c.origin == origin).scalar_subquery()
    at = database.now - ago
    with database.write() as connection:
        connection.execute(
            update(generations)
            .where(generations.c.request_id == of_request)
            .values(state=State.FAILED, failure=failure, accepted_at=at, ended_at=at)
        )


def test_silence_is_told_once_over_all_processes(database: Database) -> None:
    """After an hour without an image each look finds the one message that is there, on either engine."""
    end(database, "om_1", ago=90, code="server_error")
    assert look(database) == []
    end(database, "om_2", ago=HOUR + 60, code="server_error")
    first = look(database)
    assert [origin.split(":")[1] for origin in first] == ["silent"]
    assert look(database) == first


def test_processes_that_look_at_once_leave_one_message(database: Database) -> None:
    """Eight looks at the same moment leave one message for one admin."""
    end(database, "om_1", ago=60, code="insufficient_balance")
    looks = [threading.Thread(target=look, args=(database,)) for _ in range(8)]
    for one in looks:
        one.start()
    for one in looks:
        one.join()
    assert [origin.split(":")[1] for origin in look(database)] == ["balance"]
