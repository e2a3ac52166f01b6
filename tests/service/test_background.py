"""Background threads and pool tasks survive unexpected errors, and the process says when one does not work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text, update

from bot.background import Background
from bot.db.database import NOW, Database
from bot.db.leases import Leases, new_owner
from bot.db.tables import requests
from bot.errors import DatabaseUnavailable
from bot.sandbox.http import shared_tls
from tests.support.builders import LEASE, accept, change
from tests.support.dsl import CATALOGUE, DEADLINE, QUICK, BotUnderTest, all_strings, posts_of, wait_for


class Step:
    """A step that raises ``error`` until it is cured."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.runs = 0

    def __call__(self) -> None:
        self.runs += 1
        if self.error is not None:
            raise self.error


@contextmanager
def background(on_crash: Callable[[str], None] = lambda _name: None) -> Iterator[Background]:
    """A runner of loops, which end with the block."""
    stopping = threading.Event()
    runner = Background(stopping=stopping, on_crash=on_crash)
    yield runner
    stopping.set()
    runner.close()


def test_a_loop_survives_any_error(caplog: pytest.LogCaptureFixture) -> None:
    """So it does when the report of an error fails, as it may without memory."""
    step, crashed = Step(MemoryError()), list[str]()

    def report(name: str) -> None:
        crashed.append(name)
        if len(crashed) == 1:
            raise MemoryError

    with background(report) as runner:
        runner.start("example", step, every=0.01, longest_retry=0.01)
        wait_for(lambda: "background task example keeps failing" in (runner.problem or ""))
        assert "task crashed task=example" in caplog.text
        assert "Traceback" in caplog.text
        assert crashed[:3] == ["example"] * 3
        step.error = None
        wait_for(lambda: runner.problem is None)
        before = step.runs
        wait_for(lambda: step.runs > before + 2)


def test_an_outage_is_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    """A database that is away is logged in a line and neither counted nor named, as others report it."""
    step, crashed = Step(DatabaseUnavailable("gone")), list[str]()
    with background(crashed.append) as runner:
        runner.start("example", step, longest_retry=0.01)
        wait_for(lambda: step.runs > 5)
        assert (runner.problem, crashed) == (None, [])
    assert "database unavailable task=example reason=gone" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_hanging_loop_is_named() -> None:
    go_on = threading.Event()
    with background() as runner:
        runner.start("example", go_on.wait, every=DEADLINE, hang_after=0.05)
        named = "background task example has made no progress"
        wait_for(lambda: named in (runner.problem or ""))
        go_on.set()
        wait_for(lambda: runner.problem is None)


@contextmanager
def refusing(bot: BotUnderTest, condition: str) -> Iterator[None]:
    """Every matching write fails with an error that no outage causes."""
    change(
        bot.app.database, text(f"CREATE TRIGGER refuse BEFORE {condition} BEGIN SELECT RAISE(ABORT, 'refused'); END")
    )
    yield
    change(bot.app.database, text("DROP TRIGGER refuse"))


def metrics(bot: BotUnderTest) -> str:
    headers = {"Authorization": "Bearer not-a-real-token"}
    return httpx.get(f"{bot.origin}/metrics", headers=headers, trust_env=False, verify=shared_tls()).text


def is_unready(bot: BotUnderTest, *reasons: str) -> bool:
    status, text = bot.readiness
    return status == 503 and all(reason in text for reason in reasons)


def test_a_work_loop_that_keeps_failing_stops_looking_alive(tmp_path: Path) -> None:
    """It no longer signs on, and ``/readyz`` names it; once the fault is gone it makes the image and is ready again."""
    pace = replace(QUICK, beat=0.05, silence=0.5)
    with BotUnderTest(folder=tmp_path, pace=pace, variables={"METRICS_TOKEN": "not-a-real-token"}) as bot:
        user = bot.new_user()
        with refusing(bot, "UPDATE OF state ON generations WHEN new.state = 'generating'"):
            said = user.send()
            wait_for(lambda: is_unready(bot, "no recent worker heartbeat", "background task worker keeps failing"))
            assert 'bot_task_crashes_total{task="worker"}' in metrics(bot)
        user.wait_for_end(said)
        wait_for(lambda: bot.readiness[0] == 200)


def test_a_pool_task_that_crashes_loses_no_request(tmp_path: Path) -> None:
    pace = replace(QUICK, lease=0.3, beat=0.05, takeups=1000)
    with BotUnderTest(folder=tmp_path, pace=pace, variables={"METRICS_TOKEN": "not-a-real-token"}) as bot:
        user = bot.new_user()
        with refusing(bot, "UPDATE OF answer_id ON requests"):
            said = user.send()
            wait_for(lambda: 'bot_task_crashes_total{task="publish"}' in metrics(bot))
        assert user.ask(said).color == "green"


def test_a_lock_that_cannot_be_looked_at(database: Database, tmp_path: Path) -> None:
    """Where the system does not tell who lives, that one's lease is waited for, and others are known to be dead."""
    owners = [new_owner(), new_owner()]
    with closing(Leases(database, folder=tmp_path)) as leases:
        for number, owner in enumerate(owners):
            accept(database, f"om_{number}")
            mine = requests.c.dedup_key == f"om_{number}"
            change(database, update(requests).where(mine).values(owner=owner, lease_until=NOW + LEASE))
        paths = [tmp_path / f"{owner.replace(':', '-')}.lock" for owner in owners]
        paths[0].mkdir()
        paths[1].touch()
        assert leases.release_dead_leases() == owners[1:]
        assert not paths[1].exists()


def test_a_card_that_cannot_be_rendered_says_so(tmp_path: Path) -> None:
    """A request that breaks whoever shows it ends after five times, and its card tells that it did."""
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, lease=0.6, beat=0.05)) as bot:
        user = bot.new_user()
        bot.glm.seconds = 1.0
        said = user.send()
        wait_for(lambda: bot.glm.working)
        broken = {"kind": "rejected", "content": {}, "desired_version": requests.c.desired_version + 1}
        change(bot.app.database, update(requests).values(broken))
        bot.wait_until_idle()
        assert CATALOGUE.text("notice.stalled.title", "zh") in all_strings(user.first_card)
        assert len(user.answers) == len(posts_of(bot.glm, said)) == 1
