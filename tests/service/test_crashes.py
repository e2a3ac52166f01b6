"""A prompt has one answer and is paid for once, whatever becomes of its process, the database or the disk meanwhile.

Processes are killed, stopped past their leases, cut off from their database, or find no room. What is killed at one
step of its work is the subject of the crash matrix.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import httpx
import pytest
from sqlalchemy import Connection, event, func, select, text, update
from sqlalchemy.exc import OperationalError

from bot.db.database import NOW, Database, read_url
from bot.db.generations import GenerationStore, recover_lost_calls
from bot.db.leases import Leases
from bot.db.tables import FEISHU_CALLS, generations, monthly_usage
from bot.errors import LeaseLost
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import shared_tls
from bot.timings import elapsed_time
from bot.worker.generation_steps import REPEATED_UNKNOWN
from tests.support.base import log_table
from tests.support.bot_process import PACE, BotProcess, Cluster, KillPoint, Side, Step
from tests.support.builders import EXPIRED, accept, change, claimed
from tests.support.databases import sqlite_database
from tests.support.dsl import CATALOGUE, BotUnderTest, all_strings, around, is_final, wait_for
from tests.support.waiting import wait_until
from tests.support.wire import Wire, wired


def kill_repeatedly(cluster: Cluster, kill: KillPoint, *, times: int) -> BotProcess:
    """Starts the bot so many times, waits each time until it was killed, and then lets it run."""
    process = cluster.serve(kill=kill)
    for number in range(times):
        wait_for(lambda: not process.alive)
        process.start(kill=kill if number < times - 1 else None)
        cluster.feishu.webhook_url = process.webhook
    return process


def test_two_hidden_outcomes_end_in_words(cluster: Cluster) -> None:
    """Killed right after the paid call, twice: the card says that both may be billed, and the slot is free again."""
    said = cluster.say()
    kill_repeatedly(cluster, KillPoint(step=Step(POST), side="after"), times=2)
    later = cluster.say("一只灰猫")
    cluster.wait_for_answers(later)
    cluster.wait_for_answers(said, color="red")
    (reply,) = cluster.feishu.replies(said.message_id)
    assert CATALOGUE.text("failure.repeated_unknown", "zh") in all_strings(json.loads(reply.content))
    assert cluster.calls(said) == [2]


def test_an_image_that_every_process_dies_over_is_given_up(cluster: Cluster) -> None:
    cluster.pace = replace(PACE, takeups=2)
    said = cluster.say()
    # The first one has made the image itself.
    kill_repeatedly(cluster, KillPoint(step=Step("POST /open-apis/im/v1/images"), side="before"), times=1 + 2)
    wait_for(lambda: is_final(cluster.feishu, said))
    (reply,) = cluster.feishu.replies(said.message_id)
    shown = set(all_strings(json.loads(reply.content)))
    assert {CATALOGUE.text(key, "en") for key in ("failure.stalled", "failure.stalled.advice")} <= shown
    assert cluster.calls(said) == [1]


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_killed_process_leaves_one_record_a_generation(cluster: Cluster, side: Side) -> None:
    table = log_table(cluster.feishu)
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
PATCH = "PATCH /open-apis/im/v1/messages/:id"
POST = "POST /api/paas/v4/images/generations"
REPLY = "POST /open-apis/im/v1/messages/:id/reply interactive"

WHERE: list[tuple[str, Side, int]] = [
    # Where the process is stopped, and how many calls may be paid for.
    (REPLY, "before", 1),
    (REPLY, "after", 1),
    ("commit generations.claim_slot", "after", 1),
    (POST, "before", 1),
    # Its answer was not stored before the lease ran out, so nobody knows what became of the call.
    (POST, "after", 2),
    ("commit generations.made", "after", 1),
    ("GET /:picture", "after", 1),
    ("POST /open-apis/im/v1/images", "after", 1),
    (PATCH, "before", 1),
    (PATCH, "after", 1),
]


@pytest.mark.postgres
@pytest.mark.parametrize(("step", "side", "most"), WHERE)
def test_a_process_that_wakes_up_late_adds_nothing(postgres_cluster: Cluster, step: str, side: Side, most: int) -> None:
    """Stopped at a step until another process has finished its work, then continued: one reply, its result stays."""
    cluster = postgres_cluster
    cluster.pace = SHORT
    sleeper = cluster.serve(kill=KillPoint(step=Step(step), side=side, signal=SIGSTOP))
    said = cluster.say()
    wait_for(lambda: sleeper.stopped)
    cluster.pace = PACE
    cluster.start("both")
    cluster.wait_for_answers(said)
    sleeper.send(SIGCONT)
    cluster.wait_for_answers(cluster.say("一只灰猫", person="chen"), said)
    assert 1 <= cluster.calls(said)[0] <= most


@pytest.mark.postgres
def test_an_older_card_does_not_stay(postgres_cluster: Cluster) -> None:
    """A patch to “generating” that a stopped process sends after the result is put right again."""
    cluster = postgres_cluster
    cluster.pace = SHORT
    sleeper = cluster.serve(kill=KillPoint(step=Step(PATCH), side="before", signal=SIGSTOP))
    said = [cluster.say(f"第 {number} 只猫") for number in range(2)]
    wait_for(lambda: sleeper.stopped)
    cluster.pace = PACE
    cluster.start("both")
    cluster.wait_for_answers(*said)
    before = len(cluster.feishu.calls_named("patch"))
    sleeper.send(SIGCONT)
    wait_for(lambda: len(cluster.feishu.calls_named("patch")) > before)
    cluster.wait_for_answers(*said)


def test_a_late_beat_is_no_reason_to_pay_again(cluster: Cluster) -> None:
    """A process whose own lease has run out, as after a sleep of the machine, knows which call it is still making."""
    cluster.glm.seconds = 0.8
    cluster.pace = replace(PACE, lease=0.2, beat=60.0)
    cluster.serve()
    said = cluster.say()
    cluster.wait_for_answers(said)
    assert cluster.calls(said) == [1]


SLOW_COMMIT = (
    """
    CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER slow_claim AFTER UPDATE ON generations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state = 'waiting' AND NEW.state = 'generating' AND NEW.calls_made = 1)
    EXECUTE FUNCTION wait_at_commit()
    """,
)
"""The first claim of a generation is committed when its lease has run out."""


@pytest.mark.postgres
def test_a_claim_that_is_committed_late_is_paid_for_once(postgres_cluster: Cluster) -> None:
    cluster = postgres_cluster
    cluster.pace = replace(PACE, lease=1.2)
    with closing(Database(read_url(cluster.url))) as database:
        with database.write() as connection:
            for statement in SLOW_COMMIT:
                connection.execute(text(statement))
        cluster.serve()
        said = cluster.say()
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
            sleeping = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
            wait_for(lambda: looking.scalar(text(sleeping)))
    cluster.pace = PACE
    cluster.start("worker")
    cluster.wait_for_answers(said)
    # The worker that was late gives its charge back a moment after the other one has delivered.
    wait_for(lambda: cluster.spent() == 1, describe=cluster.spent)
    assert cluster.calls(said) == [1]


@pytest.fixture
def full_cluster(feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A bot on SQLite in a process of its own; GLM is slow enough for the disk to fill up meanwhile."""
    glm.seconds = 0.4
    with Cluster(folder=tmp_path, url=sqlite_database(tmp_path), feishu=feishu, glm=glm) as cluster:
        process = cluster.serve()
        # A process that finds no room while it starts ends, and its supervisor starts it again.
        wait_for(lambda: httpx.get(f"{process.address}/readyz", verify=shared_tls()).is_success)
        yield cluster


def room(cluster: Cluster, *, left: bool) -> BotProcess:
    """Lets no file of the process be written any more, or lets all; the kernel refuses it as on a full disk."""
    (process,) = cluster.processes
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard if left else 0, hard))
    return process


def test_an_event_that_finds_no_room_comes_again(full_cluster: Cluster) -> None:
    cluster = full_cluster
    room(cluster, left=False)
    said = cluster.say()
    wait_for(lambda: len(cluster.feishu.attempts) >= 2)
    assert {(attempt.outcome, attempt.status) for attempt in cluster.feishu.attempts} == {("refused", 503)}
    assert cluster.glm.calls == []
    room(cluster, left=True)
    cluster.wait_for_answers(said)
    assert cluster.calls(said) == [1]


def test_a_paid_image_outlives_a_full_disk(full_cluster: Cluster) -> None:
    cluster = full_cluster
    said = cluster.say()
    wait_for(lambda: cluster.glm.working == 1)
    room(cluster, left=False)
    wait_for(lambda: len(cluster.glm.paid) == 1)
    room(cluster, left=True)
    cluster.wait_for_answers(said)
    assert cluster.calls(said) == [1]


def test_a_full_disk_is_no_reason_to_spin(full_cluster: Cluster) -> None:
    """While due work cannot be claimed the worker looks for it at its own pace and burns no processor."""
    cluster = full_cluster
    cluster.feishu.faults.arm("rate_chat", on="reply", times=None)
    cluster.say()
    wait_for(lambda: len(cluster.feishu.calls_named("reply")) >= 2)
    process = room(cluster, left=False)
    before = seconds_used(process)
    wait_until(lambda: False, seconds=1.0)
    used = seconds_used(process) - before
    assert used < 0.3, used
    room(cluster, left=True)


def seconds_used(process: BotProcess) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


LATE = 1_000.0
"""Seconds since a claim, far more than any lease."""


def charged(database: Database) -> tuple[int, int]:
    """How many calls the month's budget and the generations count as paid."""
    with database.read() as connection:
        budget = select(func.sum(monthly_usage.c.count)).where(monthly_usage.c.name != FEISHU_CALLS)
        return connection.scalar(budget) or 0, connection.scalar(select(func.sum(generations.c.calls_billed))) or 0


@pytest.fixture
def leases(database: Database, tmp_path: Path) -> Iterator[Leases]:
    with closing(Leases(database, folder=tmp_path / "workers")) as leases:
        yield leases


def test_a_late_lease_that_is_still_ours_is_renewed(database: Database, leases: Leases) -> None:
    accept(database)
    generation = claimed(database, owner=leases.owner, lease=EXPIRED)
    with leases.holding(generation.generation_id, since=elapsed_time() - LATE):
        leases.confirm(generation.generation_id)
        with database.read() as connection:
            until = connection.scalar(select(generations.c.lease_until - NOW))
        assert 0 < (until or 0) <= leases.seconds


def test_a_late_lease_that_was_taken_over_stops_the_work(database: Database, leases: Leases) -> None:
    accept(database)
    generation = claimed(database, owner=leases.owner)
    with leases.holding(generation.generation_id, since=elapsed_time() - LATE):
        change(database, update(generations).values(owner="other"))
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
    with BotUnderTest(folder=tmp_path, wrap_glm=around(fail_with_the_answer)) as bot:
        user = bot.new_user()
        card = user.ask(said := user.send())
        assert card.color == "red"
        card.assert_shows("failure.unknown_outcome")
        card.assert_shows("failure.unknown_outcome.advice")
        assert charged(bot.app.database) == (1, 1) == (len(user.posts(said)), 1)


@pytest.fixture
def wire_and_bot(tmp_path: Path, postgres_url: str) -> Iterator[tuple[Wire, BotUnderTest]]:
    with (
        wired(postgres_url) as (wire, far_url),
        BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": far_url}) as bot,
    ):
        bot.glm.seconds = 0.5
        yield wire, bot


@pytest.mark.postgres
@pytest.mark.parametrize("leaves", [False, True], ids=["goes on", "leaves"])
def test_a_paid_image_outlives_the_outage(wire_and_bot: tuple[Wire, BotUnderTest], *, leaves: bool) -> None:
    """When the database goes during the paid call, also a process that leaves holds its outcome until it is back."""
    wire, bot = wire_and_bot
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: bot.glm.working == 1)
    wire.cut()
    wait_for(lambda: len(bot.glm.paid) == 1)
    with ThreadPoolExecutor(1) as pool:
        if leaves:
            leaving = pool.submit(bot.stop)
            assert not wait_until(leaving.done, seconds=0.5)
            wire.mend()
            leaving.result()
            bot.start()
        else:
            wire.mend()
    user.assert_one_image(said)


@pytest.mark.postgres
@pytest.mark.parametrize("code", ["1302", "1305"])
def test_a_refusal_before_any_work_is_not_charged_when_the_database_is_away(
    wire_and_bot: tuple[Wire, BotUnderTest], code: str
) -> None:
    wire, bot = wire_and_bot
    bot.glm.arm(f"glm_{code}", times=1)
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: bot.glm.calls)
    wire.cut()
    wait_for(lambda: not bot.glm.working)
    wire.mend()
    assert user.ask(said).color == "green"
    assert len(bot.glm.paid) == 1
    assert charged(bot.app.database) == (1, 1)
