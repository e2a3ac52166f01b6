"""SIGTERM and SIGINT at any moment of a start lead to a clean exit, and no paid call is cut off."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.service.test_production_commands import PROCFILE, Running, running
from tests.support.bot_process import PACE, Cluster
from tests.support.databases import postgres_database, sqlite_database
from tests.support.dsl import DEADLINE, is_final, posts_of, variables_for, wait_for

CONNECT = "python -m bot connect"
COMMANDS = [PROCFILE["web"], CONNECT, pytest.param(PROCFILE["worker"], marks=pytest.mark.postgres)]


def is_blocked(command: Running, number: signal.Signals) -> bool:
    """Whether the kernel keeps a signal for the process instead of ending it."""
    lines = Path(f"/proc/{command.process.pid}/status").read_text(encoding="ascii").splitlines()
    blocked = next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:"))
    return bool(blocked & 1 << number - 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("line", COMMANDS)
def test_a_signal_before_the_first_migration(
    feishu: FeishuStandIn, tmp_path: Path, line: str, number: signal.Signals
) -> None:
    """A process that is stopped while it still imports exits with 0 and says no more than that."""
    with postgres_database() as url:
        variables = variables_for(feishu, folder=tmp_path / "data")
        if line == PROCFILE["worker"]:
            variables["DATABASE_URL"] = url
        with running(line, variables=variables, folder=tmp_path) as command:
            wait_for(lambda: is_blocked(command, number))
            assert not (tmp_path / "data" / "bot.db").exists()
            command.process.send_signal(number)
            assert command.process.wait(DEADLINE) == 0, command.log
            assert "Traceback" not in command.log
            assert "started" not in command.log


@pytest.mark.parametrize("line", [PROCFILE["web"], CONNECT])
def test_a_signal_while_the_database_is_locked(feishu: FeishuStandIn, tmp_path: Path, line: str) -> None:
    """A start that waits for another process's migration exits with 0, too."""
    folder = tmp_path / "data"
    folder.mkdir()
    with (
        closing(sqlite3.connect(folder / "bot.db", isolation_level=None)) as other,
        running(line, variables=variables_for(feishu, folder=folder), folder=tmp_path) as command,
    ):
        other.execute("BEGIN EXCLUSIVE")
        wait_for(lambda: is_blocked(command, signal.SIGTERM))
        command.process.terminate()
        other.execute("ROLLBACK")
        assert command.process.wait(DEADLINE) == 0, command.log
    assert "Traceback" not in command.log


def test_a_database_that_is_away_is_no_error_of_a_process_that_is_stopped(
    feishu: FeishuStandIn, tmp_path: Path
) -> None:
    """Stopped before it finds out that there is no database, it exits with 0."""
    variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": "postgresql://127.0.0.1:1/db"}
    with running(PROCFILE["web"], variables=variables, folder=tmp_path) as command:
        wait_for(lambda: is_blocked(command, signal.SIGTERM))
        command.process.terminate()
        assert command.process.wait(DEADLINE) == 0, command.log


def test_a_paid_call_right_after_the_start_is_finished(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Stopped while the first call of a restarted process is open, it stores the image and exits with 0."""
    sqlite_database(tmp_path)
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    with (
        GlmStandIn(seconds=2.0) as glm,
        Cluster(folder=tmp_path, url=url, pace=PACE, glm=glm, feishu=feishu) as cluster,
    ):
        node = cluster.start("both")
        said = [feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=text) for text in ("一只橘猫", "一只白猫")]
        assert all(cluster.push(message, web=node) for message in said)
        for message in said:
            wait_for(lambda: bool(posts_of(glm, message)))  # noqa: B023
            node.terminate()
            assert node.wait(seconds=DEADLINE) == 0
            assert [len(posts_of(glm, one)) for one in said] == [1, int(message is said[1])]
            if message is said[0]:
                node.start()
        assert all(is_final(feishu, message) for message in said)
