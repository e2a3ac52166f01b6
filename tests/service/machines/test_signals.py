"""Every signal that asks a process to leave is obeyed at every step of its life: it drains and exits with 0.

Systemd and Docker send SIGTERM, a terminal sends SIGINT and SIGHUP, and an impatient operator sends SIGTERM twice.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
import pytest

from bot.__main__ import main
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.repo.lock import TOP
from tests.support import forkserver
from tests.support.bot_process import NO_LIMITS, PACE, BotProcess, ProcessSpec, Role
from tests.support.databases import postgres_database
from tests.support.dsl import DEADLINE, header_color, is_final, posts_of, variables_for, wait_for

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
COMMANDS: list[tuple[str, Role]] = [("serve", "both"), ("connect", "connected"), ("worker", "worker")]

RequestSentences = Callable[[], str]


@pytest.fixture
def feishu(command: str) -> Iterator[FeishuStandIn]:
    """Feishu, which delivers as the command needs it, again and again for as long as a test may take."""
    delivery = RetrySchedule(ladder=(0.2,) * 150, answer_seconds=DEADLINE)
    stand_in = ConnectedStandIn if command == "connect" else FeishuStandIn
    with stand_in(delivery=delivery) as feishu:
        yield feishu


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """GLM, slow enough for signals during a call."""
    with GlmStandIn(seconds=1.0) as glm:
        yield glm


@pytest.fixture
def url() -> Iterator[str]:
    """A fresh database that all commands can share."""
    with postgres_database() as url:
        yield url


def run(command: str, variables: dict[str, str], log: Path) -> None:
    """Runs a command of the command line in this process."""
    sys.stderr = log.open("w", buffering=1, encoding="utf-8")
    sys.stdout = sys.stderr
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["glm-image-bot", command]
    sys.exit(main())


@contextmanager
def started(command: str, variables: dict[str, str], log: Path) -> Iterator[BaseProcess]:
    """The process of a command; it is killed at the end."""
    process = forkserver.start(run, command, variables, log)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def stages(folder: Path, log: Path, feishu: FeishuStandIn) -> dict[str, Callable[[], bool]]:
    """What can be seen of a start from outside, in the order in which it happens."""

    def logged(*words: str) -> bool:
        return log.exists() and any(word in log.read_text() for word in words)

    return {
        "folder made": folder.exists,
        "first log line": lambda: logged("\n"),
        "identity asked": lambda: bool(feishu.calls_named("token")),
        "started": lambda: logged("started"),
    }


@pytest.mark.postgres
@pytest.mark.parametrize("stage", ["folder made", "first log line", "identity asked", "started"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["serve", "connect", "worker"])
def test_a_signal_during_the_start(
    *, command: str, number: signal.Signals, stage: str, feishu: FeishuStandIn, url: str, tmp_path: Path
) -> None:
    """Told to leave while it starts, a process ends with 0 and without a traceback."""
    folder, log = tmp_path / "data", tmp_path / "log"
    variables = {**variables_for(feishu, folder=folder), "DATABASE_URL": url, "BOT_SERVER_WORKER_PORT": "0"}
    with started(command, variables, log) as process:
        reached = stages(folder, log, feishu)[stage]
        wait_for(lambda: reached() or not process.is_alive())
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join(DEADLINE)
        assert process.exitcode == 0, log.read_text()
        assert "Traceback" not in log.read_text()


def plan_of(role: Role, *, feishu: FeishuStandIn, glm: GlmStandIn, url: str, folder: Path) -> ProcessSpec:
    """How a process of a role is started."""
    variables = {**variables_for(feishu, folder=folder), **NO_LIMITS, "DATABASE_URL": url}
    return ProcessSpec(role=role, variables=variables, glm=glm.origin, pace=PACE)


@contextmanager
def running(role: Role, *, feishu: FeishuStandIn, glm: GlmStandIn, url: str, folder: Path) -> Iterator[BotProcess]:
    """A process that does the work, and, where it takes no events itself, another that does."""
    plan = plan_of(role, feishu=feishu, glm=glm, url=url, folder=folder / role)
    with BotProcess(plan) as node:
        if role == "worker":
            with BotProcess(plan_of("web", feishu=feishu, glm=glm, url=url, folder=folder / "web")) as web:
                feishu.webhook_url = f"{web.address}/webhook/event"
                yield node
        else:
            if role == "both":
                feishu.webhook_url = f"{node.address}/webhook/event"
            if isinstance(feishu, ConnectedStandIn):
                line = feishu.line
                wait_for(lambda: line.open > 0)
            yield node


def next_role(role: Role) -> Role:
    """The role in which one process does everything over the same way of delivery."""
    return "connected" if role == "connected" else "both"


def send(node: BotProcess, *numbers: signal.Signals) -> None:
    """Sends signals to a process, one at once after the other."""
    for number in numbers:
        assert node.process.pid is not None
        os.kill(node.process.pid, number)


@pytest.mark.postgres
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize(("command", "role"), COMMANDS)
def test_a_signal_while_idle(
    *,
    command: str,
    role: Role,
    number: signal.Signals,
    feishu: FeishuStandIn,
    glm: GlmStandIn,
    url: str,
    tmp_path: Path,
) -> None:
    """With nothing to do, a process leaves with 0."""
    with running(role, feishu=feishu, glm=glm, url=url, folder=tmp_path) as node:
        send(node, number)
        assert node.wait(seconds=DEADLINE) == 0, command


@pytest.mark.postgres
@pytest.mark.parametrize(
    "numbers",
    [*((number,) for number in SIGNALS), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)],
    ids=lambda numbers: "+".join(number.name for number in numbers),
)
@pytest.mark.parametrize(("command", "role"), COMMANDS)
def test_a_signal_during_a_paid_call(
    *,
    command: str,
    role: Role,
    numbers: tuple[signal.Signals, ...],
    feishu: FeishuStandIn,
    glm: GlmStandIn,
    url: str,
    tmp_path: Path,
) -> None:
    """The paid call is brought to its card, the next prompt is left to the next process, and each is paid for once."""
    with running(role, feishu=feishu, glm=glm, url=url, folder=tmp_path) as node:
        said = [feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=f"第 {place} 只猫") for place in (1, 2)]
        with psycopg.connect(url, autocommit=True) as database:
            accepted = "SELECT count(*) FROM generations"
            wait_for(lambda: glm.working == 1 and database.execute(accepted).fetchone() == (2,))
        send(node, *numbers)
        assert node.wait(seconds=DEADLINE) == 0, command
        assert len(glm.paid) == 1
        glm.seconds = 0.05
        with running(next_role(role), feishu=feishu, glm=glm, url=url, folder=tmp_path / "next"):
            wait_for(lambda: all(is_final(feishu, one) for one in said))
    assert [[header_color(card) for card in feishu.replies(one.message_id)] for one in said] == [["green"], ["green"]]
    assert [len(posts_of(glm, one)) for one in said] == [1, 1]


@pytest.mark.parametrize("command", ["serve"])
def test_an_ignored_signal_stays_ignored(command: str, feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Started with ``nohup``, the bot outlives the terminal: SIGHUP changes nothing, SIGTERM still ends it."""
    variables = {**variables_for(feishu, folder=tmp_path / "data"), "PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)}
    arguments = ["nohup", sys.executable, "-m", "bot", command]
    with subprocess.Popen(arguments, env=variables, cwd=tmp_path, stdin=-3, stdout=-3, stderr=-1, text=True) as running:
        assert running.stderr is not None
        assert any("started" in line for line in iter(running.stderr.readline, ""))
        running.send_signal(signal.SIGHUP)
        question = f"/proc/{running.pid}/status"
        assert int(re.findall(r"SigIgn:\s+(\w+)", Path(question).read_text(encoding="ascii"))[0], 16) & 1
        running.terminate()
        _, log = running.communicate(timeout=60)
    assert running.returncode == 0, log
