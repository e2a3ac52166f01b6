"""Commands whose streams fail or are interrupted: no traceback, no lost object, and no file that is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.commands import BOT, GENERATE, CommandResult, app_variables, in_shell, run, started
from tests.support.dsl import DEADLINE, wait_for
from tests.support.forkserver import start_command

BUFFERED = {"PYTHONUNBUFFERED": ""}


def generate_in_shell(redirection: str, *arguments: str, glm: GlmStandIn) -> CommandResult:
    """Runs ``generate`` with its streams as a shell leads them."""
    code = f"{GENERATE}; raise SystemExit(code)"
    return in_shell(redirection, BOT[0], "-c", code, *arguments, env={"TEST_GLM_ORIGIN": glm.origin})


@pytest.mark.parametrize(
    ("redirection", "code", "reason"),
    [
        (">/dev/full", 1, "The output cannot be written: No space left on device\n"),
        (">&-", 1, "The output cannot be written: Bad file descriptor\n"),
        ("2>&-", 0, ""),
        (">/dev/full 2>/dev/full", 1, ""),
        ("<&- >&- 2>&-", 1, ""),
    ],
)
def test_an_output_that_cannot_be_written_is_no_traceback(redirection: str, code: int, reason: str) -> None:
    ran = in_shell(redirection, *BOT, "--help", env=BUFFERED)
    assert (ran.code, ran.stderr) == (code, reason)
    assert ran.stdout.startswith(b"usage") is (code == 0)


@pytest.mark.parametrize("arguments", [("config", "--help"), ("--help",)])
def test_a_reader_that_closes_the_pipe_is_no_error(arguments: tuple[str, ...]) -> None:
    """As with ``head -1``, which closes the pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, **BUFFERED}
    with subprocess.Popen([*BOT, *arguments], env=environment, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (1, b"")


def test_ctrl_c_prints_one_line(feishu: FeishuStandIn, tmp_path: Path) -> None:
    feishu.faults.arm("hang", on="token")
    streams = [Path(os.devnull), tmp_path / "stdout", tmp_path / "stderr"]
    for file in streams[1:]:
        file.touch()
    variables = {**app_variables(feishu), "FEISHU_ENCRYPT_KEY": "not-real", "BOT_DATA_DIR": str(tmp_path)}
    process = start_command(main, "check", variables=variables, folder=tmp_path, streams=streams)
    wait_for(lambda: feishu.calls)
    os.kill(process.pid or 0, signal.SIGINT)
    process.join(DEADLINE)
    assert (process.exitcode, streams[1].read_text(), streams[2].read_text()) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("command", ["check", "base"])
def test_help_can_be_read_on_an_ascii_terminal(command: str, tmp_path: Path) -> None:
    ran = run(command, "--help", folder=tmp_path, encoding="ascii")
    assert (ran.code, ran.stderr) == (0, "")
    assert f"usage: glm-image-bot {command}" in ran.text


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_note_that_cannot_be_written_is_dropped(redirection: str, glm: GlmStandIn, tmp_path: Path) -> None:
    target = tmp_path / "image.png"
    result = generate_in_shell(redirection, "-p", "猫", "-q", "standard", "--save", str(target), glm=glm)
    assert (result.code, result.stderr, result.answer["saved_file"]) == (0, "", str(target))
    assert target.read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("redirection", ["<&- >&-", ">/dev/full"])
def test_an_object_that_standard_output_does_not_take_goes_to_standard_error(redirection: str, glm: GlmStandIn) -> None:
    result = generate_in_shell(redirection, "-p", "猫", glm=glm)
    (line,) = result.stderr.splitlines()
    assert (result.code, result.stdout, len(glm.calls)) == (1, b"", 1)
    assert json.loads(line)["image_url"].startswith("https://")


def test_without_any_stream_it_ends(glm: GlmStandIn) -> None:
    result = generate_in_shell("<&- >&- 2>&-", "-p", "猫", glm=glm)
    assert (result.code, result.stdout, result.stderr) == (1, b"", "")


@pytest.mark.parametrize(
    ("redirection", "reason"), [("<&-", "is closed"), ("0>/dev/null", "cannot be read: Bad file descriptor")]
)
def test_a_prompt_that_cannot_be_read_is_an_error(redirection: str, reason: str, glm: GlmStandIn) -> None:
    result = generate_in_shell(redirection, "-p", "-", glm=glm)
    assert (result.code, glm.calls) == (1, [])
    message = f"Invalid prompt: standard input {reason}"
    assert result.answer["error"] == {"code": "INVALID_PROMPT", "message": message}


def test_a_terminal_that_goes_away_ends_only_the_counting(glm: GlmStandIn) -> None:
    above, below = os.openpty()
    glm.seconds = 1.5
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": glm.origin}, stderr=below) as process:
        os.close(below)
        os.read(above, 100)
        os.close(above)
        stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(stdout)["ok"]) == (0, True)


CALLED = "Interrupted; an image that was being made may be billed all the same"


@pytest.mark.parametrize(
    ("signals", "moment", "message"),
    [
        ((signal.SIGINT,), "call", CALLED),
        ((signal.SIGTERM, signal.SIGTERM), "call", CALLED),
        ((signal.SIGTERM,), "prompt", "Interrupted before an image was asked for; nothing is billed"),
        ((signal.SIGTERM,), "download", "Interrupted after the image was made"),
    ],
)
def test_an_interrupted_command_prints_one_object(
    signals: tuple[signal.Signals, ...], moment: str, message: str, glm: GlmStandIn, tmp_path: Path
) -> None:
    if moment != "prompt":
        glm.arm("hang" if moment == "call" else "image_hang")
    reached: dict[str, Callable[[], object]] = {
        "call": lambda: glm.calls,
        "download": lambda: glm.downloads,
        "prompt": lambda: any(tmp_path.iterdir()),
    }
    arguments = ("-p", "-" if moment == "prompt" else "猫", "--save", str(tmp_path / "image.png"))
    with started(*arguments, env={"TEST_GLM_ORIGIN": glm.origin}, stdin=subprocess.PIPE) as process:
        wait_for(reached[moment])
        for one in signals:
            process.send_signal(one)
        stdout, stderr = process.communicate(timeout=60)
    answer = json.loads(stdout)
    assert (process.returncode, stderr) == (1, b"")
    assert answer["error"] == {"code": "INTERRUPTED", "message": message}
    assert (answer["image_url"] is not None) is (moment == "download")
    assert (list(tmp_path.iterdir()), len(glm.calls)) == ([], int(moment != "prompt"))
