"""Background threads and pool tasks survive unexpected errors, and the process says when one does not work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event, text

from bot.background import Background
from bot.errors import DatabaseUnavailable
from tests.support.dsl import DEADLINE, QUICK, BotUnderTest, header_color, wait_for


class Step:
    """A step that raises ``error`` until it is cured."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.runs = 0

    def __call__(self) -> None:
        """Runs once."""
        self.runs += 1
        if self.error is not None:
            raise self.error


@contextmanager
def background() -> Iterator[tuple[Background, list[str]]]:
    """A runner, and the names of the tasks that it counted as crashed."""
    stopping, crashed = threading.Event(), list[str]()
    runner = Background(stopping=stopping, on_crash=crashed.append)
    yield runner, crashed
    stopping.set()
    runner.close()


@pytest.mark.parametrize("error", [MemoryError(), UnicodeError("label empty"), RuntimeError(), KeyError("x")])
def test_a_loop_survives_any_error(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, counted, named as failing while it lasts, and the loop goes on afterwards."""
    step = Step(error)
    with background() as (runner, crashed):
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
    step = Step(DatabaseUnavailable("gone"))
    with background() as (runner, crashed):
        runner.start("example", step, longest_retry=0.01)
        wait_for(lambda: step.runs > 5)
        assert (runner.problem, crashed) == (None, [])
    assert "database unavailable task=example reason=gone" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_hanging_loop_is_named() -> None:
    """A step that does not return is reported until it does."""
    go_on = threading.Event()
    with background() as (runner, _):
        runner.start("example", go_on.wait, every=DEADLINE, hang_after=0.05)
        named = "background task example has made no progress"
        wait_for(lambda: named in (runner.problem or ""))
        go_on.set()
        wait_for(lambda: runner.problem is None)


def test_a_report_that_fails_ends_no_loop() -> None:
    """Even where the error cannot be counted or logged, the loop goes on."""

    def fail(_name: str) -> None:
        raise MemoryError

    stopping, step = threading.Event(), Step(RuntimeError())
    runner = Background(stopping=stopping, on_crash=fail)
    runner.start("example", step, longest_retry=0.01)
    wait_for(lambda: step.runs > 3)
    stopping.set()
    runner.close()


@contextmanager
def refusing(bot: BotUnderTest, condition: str) -> Iterator[None]:
    """Every matching write fails with an error that no outage causes."""
    with bot.app.database.write() as connection:
        connection.execute(text(f"CREATE TRIGGER refuse BEFORE {condition} BEGIN SELECT RAISE(ABORT, 'refused'); END"))
    yield
    with bot.app.database.write() as connection:
        connection.execute(text("DROP TRIGGER refuse"))


def get(bot: BotUnderTest, path: str) -> httpx.Response:
    """What the bot answers to whoever watches it."""
    origin = (bot.feishu.webhook_url or "").partition("/webhook")[0]
    return httpx.get(f"{origin}{path}", headers={"Authorization": "Bearer not-a-real-token"}, trust_env=False)


def is_unready(bot: BotUnderTest, *reasons: str) -> bool:
    """Whether one answer of ``/readyz`` is 503 and gives all these reasons."""
    answer = get(bot, "/readyz")
    return answer.status_code == 503 and all(reason in answer.text for reason in reasons)


def test_a_work_loop_that_keeps_failing_stops_looking_alive(tmp_path: Path) -> None:
    """It no longer signs on, and ``/readyz`` names it; once the fault is gone it makes the image and is ready again."""
    pace = replace(QUICK, beat=0.05, silence=0.5)
    with BotUnderTest(folder=tmp_path, pace=pace, variables={"METRICS_TOKEN": "not-a-real-token"}) as bot:
        user = bot.new_user()
        with refusing(bot, "UPDATE OF state ON generations WHEN new.state = 'generating'"):
            said = user.send()
            wait_for(lambda: is_unready(bot, "no recent worker heartbeat", "background task worker keeps failing"))
            assert 'bot_task_crashes_total{task="worker"}' in get(bot, "/metrics").text
        user.wait_for_end(said)
        wait_for(lambda: get(bot, "/readyz").status_code == 200)


def test_a_pool_task_that_crashes_loses_no_request(tmp_path: Path) -> None:
    """The answer that cannot be stored is logged and counted, and comes once it can."""
    pace = replace(QUICK, lease=0.3, beat=0.05, takeups=1000)
    with BotUnderTest(folder=tmp_path, pace=pace, variables={"METRICS_TOKEN": "not-a-real-token"}) as bot:
        user = bot.new_user()
        with refusing(bot, "UPDATE OF answer_id ON requests"):
            said = user.send()
            wait_for(lambda: 'bot_task_crashes_total{task="publish"}' in get(bot, "/metrics").text)
        user.wait_for_end(said)
        assert [header_color(answer) for answer in user.answers] == ["green"]


def test_a_work_loop_that_hangs_stops_looking_alive(tmp_path: Path) -> None:
    """While a look at the database does not return, ``/readyz`` says so and names the loop; afterwards it is ready."""
    pace = replace(QUICK, beat=0.05, silence=0.5)
    with BotUnderTest(folder=tmp_path, pace=pace) as bot:
        go_on = threading.Event()
        hanging = bot.app.database.engine

        def hang(*_: object) -> None:
            if threading.current_thread().name == "worker":
                go_on.wait(DEADLINE)

        event.listen(hanging, "before_cursor_execute", hang)
        named = "background task worker has made no progress"
        wait_for(lambda: is_unready(bot, "no recent worker heartbeat", named))
        go_on.set()
        event.remove(hanging, "before_cursor_execute", hang)
        wait_for(lambda: get(bot, "/readyz").status_code == 200)
