"""A process that stood still past its lease, and then goes on, does nothing twice that a person could see.

Two processes share PostgreSQL here: on SQLite there is one, and one that is stopped in a transaction keeps the file.
Only the one that is stopped has a short lease.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from signal import SIGCONT, SIGSTOP

import pytest
from sqlalchemy import text

from bot.db.database import Database, read_url
from tests.support.bot_process import PACE, Cluster, KillPoint, Side, Step
from tests.support.dsl import wait_for

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
    """The worker that claimed late and the one that may have taken over make one call between them."""
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
