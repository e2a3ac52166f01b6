"""Commands with output streams that fail, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.clients.check_command import COMMAND, ROOT, variables_of
from tests.support.dsl import wait_for


@pytest.fixture
def environment(feishu: FeishuStandIn, tmp_path: Path) -> dict[str, str]:
    """The variables of a process for which everything is right, and whose output is buffered as usual."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "", **variables_of(feishu, tmp_path)}


def in_shell(redirection: str, *, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the offline check with its streams as a shell has led them."""
    command = f'exec "$@" {redirection}'
    return subprocess.run(
        ["sh", "-c", command, "sh", *COMMAND, "--offline", "--json"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        (">/dev/full", 1, "The output cannot be written: No space left on device\n"),
        (">&-", 1, "The output cannot be written: Bad file descriptor\n"),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full 2>/dev/full", 1, ""),
        ("<&- >&- 2>&-", 1, ""),
    ],
)
def test_an_output_that_cannot_be_written_is_no_traceback(
    *, redirection: str, code: int, told: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """The reason is one line on standard error, if that can be written."""
    ran = in_shell(redirection, environment=environment, folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (code, told)
    assert ran.stdout.startswith("[") is (code == 0)


@pytest.mark.parametrize("arguments", [("check", "--offline", "--json"), ("check", "--help"), ("--help",)])
def test_a_reader_that_closes_the_pipe_is_no_error(
    arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    """As with ``head -1``, which closes the pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    streams: dict[str, Any] = {"stdout": writing, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "bot", *arguments]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **streams) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (1, b"")


def test_ctrl_c_prints_one_line(feishu: FeishuStandIn, environment: dict[str, str], tmp_path: Path) -> None:
    """The exit code is 130, as in shells, and there is no traceback."""
    feishu.faults.arm("hang", on="token")
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(COMMAND, env=environment, cwd=tmp_path, **streams) as process:
        wait_for(lambda: feishu.calls)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (130, b"", b"Interrupted.\n")


@pytest.mark.parametrize("command", ["check", "base"])
def test_help_can_be_read_on_an_ascii_terminal(command: str, environment: dict[str, str], tmp_path: Path) -> None:
    """Characters that it cannot print become question marks."""
    ascii_only = {**environment, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = subprocess.run(
        [sys.executable, "-m", "bot", command, "--help"],
        env=ascii_only,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"usage: glm-image-bot {command}" in ran.stdout
