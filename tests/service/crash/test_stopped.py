"""A process that stood still past its lease, and then goes on, does nothing twice that a person could see.

Two processes share PostgreSQL here: on SQLite there is one, and one that is stopped in a transaction keeps the file.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.db.database import Database, read_url
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.timings import DownloadRetries, Timings
from tests.service.crash.scene import count_spent
from tests.support.bot_process import BotProcess, KillPoint, ProcessSpec, Side, Step
from tests.support.databases import postgres_database
from tests.support.dsl import header_color, is_final, posts_of, variables_for, wait_for

SHORT = Timings(
    lease=0.6, beat=0.15, poll=0.05, resend=0.02, resend_longest=0.1, download=DownloadRetries(first_wait=0.01)
)

PATCH = "PATCH /open-apis/im/v1/messages/:id"
POST = "POST /api/paas/v4/images/generations"

WHERE: dict[tuple[str, Side], int] = {
    # Where the process is stopped, and how many calls may be paid for.
    ("POST /open-apis/im/v1/messages/:id/reply interactive", "before"): 1,
    ("POST /open-apis/im/v1/messages/:id/reply interactive", "after"): 1,
    ("commit generations.claim_slot", "after"): 1,
    (POST, "before"): 1,
    # Its answer was not stored before the lease ran out, so nobody knows what became of the call.
    (POST, "after"): 2,
    ("commit generations.made", "after"): 1,
    ("GET /:picture", "after"): 1,
    ("POST /open-apis/im/v1/images", "after"): 1,
    (PATCH, "before"): 1,
    (PATCH, "after"): 1,
}


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """GLM, quick."""
    with GlmStandIn(seconds=0.1) as glm:
        yield glm


@pytest.fixture
def shared(feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[ProcessSpec]:
    """How processes on one PostgreSQL are started."""
    with postgres_database() as url:
        variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": url}
        yield ProcessSpec(variables=variables, glm=glm.origin, pace=SHORT)


def colours(feishu: FeishuStandIn, said: ChatMessage) -> list[str | None]:
    """The colours of the cards under a message."""
    return [header_color(reply) for reply in feishu.replies(said.message_id)]


@pytest.mark.postgres
@pytest.mark.parametrize(("place", "most"), WHERE.items(), ids=[f"{side} {step}" for step, side in WHERE])
def test_a_process_that_wakes_up_late_adds_nothing(
    shared: ProcessSpec, feishu: FeishuStandIn, glm: GlmStandIn, place: tuple[str, Side], most: int
) -> None:
    """Stopped at a step until another process has finished its work, then continued: one reply, its result stays."""
    strike = KillPoint(step=Step(place[0], 1), side=place[1], signal=signal.SIGSTOP)
    with BotProcess(replace(shared, kill=strike)) as sleeper:
        feishu.webhook_url = sleeper.webhook
        said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
        wait_for(lambda: sleeper.stopped)
        with BotProcess(shared):
            wait_for(lambda: is_final(feishu, said))
            sleeper.resume()
            last = feishu.say(chat_id="oc_direct_chen", sender="ou_chen", text="一只灰猫")
            wait_for(lambda: is_final(feishu, last))
    assert colours(feishu, said) == ["green"]
    assert 1 <= len(posts_of(glm, said)) <= most


@pytest.mark.postgres
def test_an_older_card_does_not_stay(shared: ProcessSpec, feishu: FeishuStandIn) -> None:
    """A patch to “generating” that a stopped process sends after the result is put right again."""
    strike = KillPoint(step=Step(PATCH, 1), side="before", signal=signal.SIGSTOP)
    with BotProcess(replace(shared, kill=strike)) as sleeper:
        feishu.webhook_url = sleeper.webhook
        said = [feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=f"第 {n} 只猫") for n in range(2)]
        wait_for(lambda: sleeper.stopped)
        with BotProcess(shared):
            wait_for(lambda: all(is_final(feishu, one) for one in said))
            before = len(feishu.calls_named("patch"))
            sleeper.resume()
            wait_for(lambda: len(feishu.calls_named("patch")) > before)
            wait_for(lambda: [colours(feishu, one) for one in said] == [["green"]] * 2)


def test_a_late_beat_is_no_reason_to_pay_again(
    database_url: str, feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path
) -> None:
    """A process whose own lease has run out, as after a sleep of the machine, knows which call it is still making."""
    glm.seconds = 0.8
    variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": database_url}
    late = replace(SHORT, lease=0.2, beat=60.0)
    with BotProcess(ProcessSpec(variables=variables, glm=glm.origin, pace=late)) as process:
        feishu.webhook_url = process.webhook
        said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
        wait_for(lambda: is_final(feishu, said))
    assert colours(feishu, said) == ["green"]
    assert len(posts_of(glm, said)) == 1


SLOW_COMMIT = (
    """
    CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(2.5); RETURN NULL; END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER slow_claim AFTER UPDATE ON generations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state = 'waiting' AND NEW.state = 'generating' AND NEW.calls_made = 1)
    EXECUTE FUNCTION wait_at_commit()
    """,
)
"""The first claim of a generation is committed when its lease has run out."""


@pytest.mark.postgres
def test_a_claim_that_is_committed_late_is_paid_for_once(
    shared: ProcessSpec, feishu: FeishuStandIn, glm: GlmStandIn
) -> None:
    """With two workers, the one that claimed late and the one that may have taken over make one call between them."""
    late = replace(shared, pace=replace(SHORT, lease=2.0, beat=0.3))
    url = shared.variables["DATABASE_URL"]
    with closing(Database(read_url(url))) as database, database.write() as connection:
        for statement in SLOW_COMMIT:
            connection.execute(text(statement))
    with BotProcess(late) as first, BotProcess(late):
        feishu.webhook_url = first.webhook
        said = [feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=f"第 {n} 只猫") for n in range(2)]
        wait_for(lambda: all(is_final(feishu, one) for one in said))
        # The worker that was late gives its charge back a moment after the other one has delivered.
        wait_for(lambda: count_spent(url) == 2, describe=lambda: count_spent(url))
    assert [colours(feishu, one) for one in said] == [["green"]] * 2
    assert [len(posts_of(glm, one)) for one in said] == [1, 1]
