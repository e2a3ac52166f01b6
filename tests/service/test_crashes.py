"""A prompt has one answer and is paid for once, whatever becomes of its process, the database or the disk meanwhile.

Processes are killed, stopped past their leases, cut off from their database, or find no room. What is killed at one
step of its work is the subject of the crash matrix.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import httpx
import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from bot.db.database import Database, read_url
from bot.db.leases import Leases
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.http import shared_tls
from bot.timings import elapsed_time
from tests.support.base import LogTable
from tests.support.bot_process import PACE, BotProcess, Cluster, KillPoint, Side, Step
from tests.support.databases import sqlite_database
from tests.support.dsl import CATALOGUE, QUICK, QUICK_CALL, BotUnderTest, all_strings, around, is_final, wait_for
from tests.support.waiting import wait_until
from tests.support.wire import Wire, wired

PATCH = "PATCH /open-apis/im/v1/messages/:id"
POST = "POST /api/paas/v4/images/generations"
REPLY = "POST /open-apis/im/v1/messages/:id/reply interactive"
UPLOAD = "POST /open-apis/im/v1/images"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_sqlite
@pytest.mark.parametrize(
    ("kill", "times", "calls", "words"),
    [
        # Both paid calls may be billed.
        (KillPoint(step=Step(POST), side="after"), 2, 2, ["failure.repeated_unknown"]),
        # The first process has made the image itself.
        (KillPoint(step=Step(UPLOAD), side="before"), 3, 1, ["failure.stalled", "failure.stalled.advice"]),
    ],
    ids=["paid call", "upload"],
)
def test_an_image_that_every_process_dies_over_is_given_up(
    cluster: Cluster, kill: KillPoint, times: int, calls: int, words: list[str]
) -> None:
    """After so many kills the card says what became of the image, and the slot is free again."""
    cluster.pace = replace(PACE, takeups=2)
    said = cluster.say()
    process = cluster.serve(kill=kill)
    for left in reversed(range(times)):
        wait_for(lambda: not process.alive)
        process.start(kill=kill if left else None)
        cluster.feishu.webhook_url = process.webhook
    cluster.wait_for_answers(cluster.say("一只灰猫"))
    wait_for(lambda: is_final(cluster.feishu, said))
    (reply,) = cluster.feishu.replies(said.message_id)
    assert {CATALOGUE.text(key, "en") for key in words} <= set(all_strings(json.loads(reply.content)))
    assert cluster.calls(said) == [calls]


@on_sqlite
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_killed_process_leaves_one_record_a_generation(cluster: Cluster, side: Side) -> None:
    table = LogTable(cluster.feishu)
    cluster.pace = replace(PACE, turn=0.5)
    process = cluster.serve(kill=KillPoint(step=Step(table.call), side=side), **table.variables)
    said = cluster.say("一只橘猫 /n 2")
    wait_for(lambda: not process.alive)
    assert (side == "after") is bool(table.records)
    process.start()
    cluster.feishu.webhook_url = process.webhook
    later = cluster.say("一只灰猫", person="chen")
    cluster.wait_for_answers(said, later)
    wait_for(lambda: len(table.records) >= 3)
    assert len(table.numbers) == len(set(table.numbers)) == 3


SHORT = replace(PACE, lease=0.6, beat=0.15)

WHERE: list[tuple[str, Side, int]] = [
    # Where the process is stopped, and how many calls may be paid for.
    (REPLY, "before", 1),
    (REPLY, "after", 1),
    ("commit generations.claim_slot", "after", 1),
    (POST, "before", 1),
    # Its answer was not stored before the lease ran out, so nobody knows what became of the call.
    (POST, "after", 2),
    ("commit generations.made", "after", 1),
    (UPLOAD, "after", 1),
    (PATCH, "after", 1),
]


def stopped_past_its_lease(
    cluster: Cluster, step: str, side: Side, *texts: str
) -> tuple[BotProcess, list[ChatMessage]]:
    """A process that was stopped at a step until another one has finished its work, and the prompts."""
    cluster.pace = SHORT
    sleeper = cluster.serve(kill=KillPoint(step=Step(step), side=side, signal=SIGSTOP))
    said = [cluster.say(text) for text in texts]
    wait_for(lambda: sleeper.stopped)
    cluster.pace = PACE
    cluster.start("both")
    cluster.wait_for_answers(*said)
    return sleeper, said


@pytest.mark.postgres
@pytest.mark.parametrize(("step", "side", "most"), WHERE)
def test_a_process_that_wakes_up_late_adds_nothing(postgres_cluster: Cluster, step: str, side: Side, most: int) -> None:
    """Once it goes on there is one reply, the other process's result stays, and what was not sent is not charged."""
    cluster = postgres_cluster
    sleeper, said = stopped_past_its_lease(cluster, step, side, "一只橘猫")
    sleeper.send(SIGCONT)
    said.append(cluster.say("一只灰猫", person="chen"))
    cluster.wait_for_answers(*said)
    assert 1 <= cluster.calls(*said)[0] <= most
    wait_for(lambda: cluster.spent() == sum(cluster.calls(*said)), describe=cluster.spent)


@pytest.mark.postgres
def test_an_older_card_does_not_stay(postgres_cluster: Cluster) -> None:
    """A patch to “generating” that a stopped process sends after the result is put right again."""
    cluster = postgres_cluster
    sleeper, said = stopped_past_its_lease(cluster, PATCH, "before", "一只橘猫", "一只白猫")
    before = len(cluster.feishu.calls_named("patch"))
    sleeper.send(SIGCONT)
    wait_for(lambda: len(cluster.feishu.calls_named("patch")) > before)
    cluster.wait_for_answers(*said)


def test_a_late_beat_is_no_reason_to_pay_again(tmp_path: Path) -> None:
    """A process whose own lease has run out, as after a sleep of the machine, knows which call it is still making."""
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, lease=0.2, beat=60.0)) as bot:
        bot.glm.seconds = 0.8
        user = bot.new_user()
        user.assert_one_image(user.send())


@on_sqlite
def test_a_full_disk_loses_no_event_and_no_paid_image(cluster: Cluster) -> None:
    """What is made meanwhile is shown, what could not be stored is delivered again, and each is paid for once."""
    cluster.glm.seconds = 0.4
    process = cluster.serve()
    # One that finds no room while it starts ends, and its supervisor starts it again.
    wait_for(lambda: httpx.get(f"{process.address}/readyz", verify=shared_tls()).is_success)
    said = [cluster.say()]
    wait_for(lambda: cluster.glm.working == 1)
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    # The kernel refuses every write, as on a full disk.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
    said.append(cluster.say("一只灰猫"))
    wait_for(lambda: [(one.outcome, one.status) for one in cluster.feishu.attempts].count(("refused", 503)) >= 2)
    wait_for(lambda: len(cluster.glm.paid) == 1)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    cluster.wait_for_answers(*said)
    assert cluster.calls(*said) == [1, 1]


def test_two_threads_do_not_hold_one_row(tmp_path: Path) -> None:
    """A lease that a clock set forward has ended keeps no second thread of the process from the row; this does."""
    with (
        closing(Database(read_url(sqlite_database(tmp_path)))) as database,
        closing(Leases(database, folder=tmp_path / "workers")) as leases,
    ):
        assert [leases.hold("g1", since=elapsed_time()) for _ in range(2)] == [True, False]
        leases.release("g1")
        assert leases.hold("g1", since=elapsed_time())


@pytest.mark.parametrize(
    ("step", "fault", "calls"), [("generations.claim_slot", None, 1), ("generations.push_back", "glm_1302", 2)]
)
def test_a_commit_whose_acknowledgement_is_lost_is_made_once(
    tmp_path: Path, step: str, fault: str | None, calls: int
) -> None:
    """A claim is charged once, and a refusal that is stored again does not release the next call."""
    lost: list[str] = []

    def commit(connection: Connection) -> None:
        if not lost and connection.get_execution_options().get("step") == step:
            lost.append(step)
            connection.connection.commit()
            raise OperationalError("COMMIT", None, Exception("server closed the connection"))

    with BotUnderTest(folder=tmp_path) as bot:
        event.listen(bot.app.database.engine, "commit", commit)
        # So that the next call would be under way when the refusal is stored again.
        bot.glm.seconds = 1.0 if fault else QUICK_CALL
        if fault:
            bot.glm.arm(fault)
        user = bot.new_user()
        card = user.ask(said := user.send())
        assert (lost, card.color, card.shows("note.repeated")) == ([step], "green", False)
        assert (bot.charged, len(bot.glm.paid), len(user.posts(said))) == (1, 1, calls)


def fail_with_the_answer(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    """Sends the request, and makes the program fail while it reads the answer."""
    inner.handle_request(request).read()
    raise ValueError("a mistake of this program")


def test_a_mistake_while_an_answer_is_read_does_not_pay_again(tmp_path: Path) -> None:
    with BotUnderTest(folder=tmp_path, wrap_glm=around(fail_with_the_answer)) as bot:
        user = bot.new_user()
        card = user.ask(said := user.send())
        assert card.color == "red"
        card.assert_shows("failure.unknown_outcome")
        card.assert_shows("failure.unknown_outcome.advice")
        assert (bot.charged, len(user.posts(said))) == (1, 1)


@pytest.fixture
def wire_and_bot(tmp_path: Path, postgres_url: str) -> Iterator[tuple[Wire, BotUnderTest]]:
    with (
        wired(postgres_url) as (wire, far_url),
        BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": far_url}) as bot,
    ):
        bot.glm.seconds = 0.5
        yield wire, bot


@pytest.mark.postgres
def test_a_paid_image_outlives_the_outage(wire_and_bot: tuple[Wire, BotUnderTest]) -> None:
    """When the database goes during the paid call, also a process that leaves holds its outcome until it is back."""
    wire, bot = wire_and_bot
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: bot.glm.working == 1)
    wire.cut()
    wait_for(lambda: len(bot.glm.paid) == 1)
    with ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(bot.stop)
        assert not wait_until(leaving.done, seconds=0.5)
        wire.mend()
        leaving.result()
    bot.start()
    user.assert_one_image(said)


@pytest.mark.postgres
def test_a_refusal_before_any_work_is_not_charged_when_the_database_is_away(
    wire_and_bot: tuple[Wire, BotUnderTest],
) -> None:
    wire, bot = wire_and_bot
    bot.glm.arm("glm_1302")
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: bot.glm.calls)
    wire.cut()
    wait_for(lambda: not bot.glm.working)
    wire.mend()
    assert user.ask(said).color == "green"
    assert (bot.charged, len(bot.glm.paid)) == (1, 1)
