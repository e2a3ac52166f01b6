"""Every signal that asks a process to leave is obeyed at every step of its life: it drains and exits with 0.

Systemd and Docker send SIGTERM, a terminal sends SIGINT, and an impatient operator sends SIGTERM twice. SIGHUP, after
which secrets are reread, is the subject of ``test_rotation``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals

import psycopg
import pytest

from bot.__main__ import main
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.repo.lock import TOP
from tests.support import forkserver
from tests.support.bot_process import BotProcess, Cluster, Role
from tests.support.dsl import DEADLINE, variables_for, wait_for

SIGNALS = [SIGTERM, SIGINT]
ROLES: dict[str, Role] = {"serve": "both", "connect": "connected", "worker": "worker"}

STAGES: dict[str, Callable[[Path, str, FeishuStandIn], bool]] = {
    "folder made": lambda folder, _log, _feishu: folder.exists(),
    "first log line": lambda _folder, log, _feishu: "\n" in log,
    "identity asked": lambda _folder, _log, feishu: bool(feishu.calls_named("token")),
    "started": lambda _folder, log, _feishu: "started" in log,
}
"""What can be seen of a start from outside, in the order in which it happens."""

STARTS = [
    (command, stage, SIGNALS[(row + column) % len(SIGNALS)])
    for row, command in enumerate(ROLES)
    for column, stage in enumerate(STAGES)
]


@pytest.fixture
def feishu(command: str) -> Iterator[FeishuStandIn]:
    """Feishu, which delivers as the command needs it, again and again for as long as a test may take."""
    delivery = RetrySchedule(ladder=(0.2,) * 150, answer_seconds=DEADLINE)
    stand_in = ConnectedStandIn if command == "connect" else FeishuStandIn
    with stand_in(delivery=delivery) as feishu:
        yield feishu


def run(command: str, variables: dict[str, str], log: Path) -> None:
    """Runs a command of the command line in this process."""
    sys.stdout = sys.stderr = log.open("w", buffering=1, encoding="utf-8")
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["glm-image-bot", command]
    sys.exit(main())


@pytest.mark.postgres
@pytest.mark.parametrize(("command", "stage", "number"), STARTS)
def test_a_signal_during_the_start(
    command: str, stage: str, number: Signals, postgres_cluster: Cluster, tmp_path: Path
) -> None:
    """Told to leave while it starts, a process ends with 0 and without a traceback."""
    feishu, folder, log = postgres_cluster.feishu, tmp_path / "data", tmp_path / "log"
    log.touch()
    variables = {
        **variables_for(feishu, folder=folder),
        "DATABASE_URL": postgres_cluster.url,
        "BOT_SERVER_WORKER_PORT": "0",
    }
    process = forkserver.start(run, command, variables, log)
    try:
        wait_for(lambda: STAGES[stage](folder, log.read_text(), feishu) or not process.is_alive())
        os.kill(process.pid or 0, number)
        process.join(DEADLINE)
        assert process.exitcode == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.join()


def begin(cluster: Cluster, command: str) -> BotProcess:
    """Starts a process that does the work, and, where it takes no events itself, another that does."""
    node = cluster.start(ROLES[command])
    if isinstance(cluster.feishu, ConnectedStandIn):
        line = cluster.feishu.line
        wait_for(lambda: line.open > 0)
    else:
        cluster.feishu.webhook_url = (cluster.start("web") if command == "worker" else node).webhook
    return node


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("command", "signals", "fault"),
    [
        ("serve", (SIGTERM, SIGTERM), None),
        ("serve", (SIGINT, SIGTERM), None),
        ("serve", (SIGTERM,), "level_0"),
        ("connect", (SIGTERM, SIGTERM), None),
        ("connect", (SIGINT,), None),
        ("worker", (SIGTERM, SIGTERM), None),
        ("worker", (SIGINT,), None),
    ],
)
def test_a_signal_during_a_paid_call(
    command: str, signals: tuple[Signals, ...], fault: str | None, postgres_cluster: Cluster
) -> None:
    """The paid call is brought to its card, the next prompt is left to the next process, and each is paid for once."""
    cluster = postgres_cluster
    cluster.glm.seconds = 2.0
    if fault:
        cluster.glm.arm(fault)
    node = begin(cluster, command)
    said = [cluster.say("第一只猫"), cluster.say("第二只猫")]
    with psycopg.connect(cluster.url, autocommit=True) as database:
        accepted = "SELECT count(*) FROM generations"
        wait_for(lambda: cluster.glm.working == 1 and database.execute(accepted).fetchone() == (2,))
    node.send(*signals)
    assert node.wait() == 0
    assert len(cluster.glm.paid) == 1
    cluster.glm.seconds = 0.05
    begin(cluster, "serve" if command == "worker" else command)
    colors = [["green"], ["red" if fault else "green"]]
    wait_for(lambda: sorted(cluster.colors(one) for one in said) == colors)
    assert cluster.calls(*said) == [1, 1]


@pytest.mark.parametrize("command", ["serve"])
def test_an_ignored_signal_stays_ignored(command: str, feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Started with ``nohup``, the bot outlives the terminal: SIGHUP changes nothing, SIGTERM still ends it."""
    variables = {**variables_for(feishu, folder=tmp_path / "data"), "PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)}
    arguments = ["nohup", sys.executable, "-m", "bot", command]
    with subprocess.Popen(arguments, env=variables, cwd=tmp_path, stdin=-3, stdout=-3, stderr=-1, text=True) as running:
        assert running.stderr is not None
        assert any("started" in line for line in iter(running.stderr.readline, ""))
        running.send_signal(SIGHUP)
        status = Path(f"/proc/{running.pid}/status").read_text(encoding="ascii")
        assert int(re.findall(r"SigIgn:\s+(\w+)", status)[0], 16) & 1
        running.terminate()
        _, log = running.communicate(timeout=60)
    assert running.returncode == 0, log
