"""The command line when its streams fail or somebody interrupts it: the object is not lost, and no file is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.generate_process import in_shell, started
from tests.support.dsl import wait_for


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_a_note_that_cannot_be_written_is_dropped(redirection: str, glm: GlmStandIn, tmp_path: Path) -> None:
    """It never lands in the object, and its failure costs nothing."""
    target = tmp_path / "image.png"
    result = in_shell(redirection, "-p", "猫", "-q", "standard", "--save", str(target), origin=glm.origin)
    assert (result.code, result.stderr, result.answer["saved_file"]) == (0, "", str(target))
    assert target.read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&-"])
def test_an_object_that_standard_output_does_not_take_goes_to_standard_error(redirection: str, glm: GlmStandIn) -> None:
    """The image is paid for, so its URL has to be printed somewhere; the exit code is 1."""
    result = in_shell(redirection, "-p", "猫", origin=glm.origin)
    (line,) = result.stderr.splitlines()
    assert (result.code, result.stdout, len(glm.calls)) == (1, b"", 1)
    assert json.loads(line)["image_url"].startswith("https://")


def test_an_object_without_a_reader_goes_to_standard_error(glm: GlmStandIn) -> None:
    """As in a pipeline whose second part has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": glm.origin}, stdout=writing) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=60)
    (line,) = stderr.splitlines()
    assert (process.returncode, json.loads(line)["ok"]) == (1, True)


def test_without_any_stream_it_ends(glm: GlmStandIn) -> None:
    """There is no traceback either."""
    result = in_shell("<&- >&- 2>&-", "-p", "猫", origin=glm.origin)
    assert (result.code, result.stdout, result.stderr) == (1, b"", "")


@pytest.mark.parametrize(
    ("redirection", "reason"), [("<&-", "is closed"), ("0>/dev/null", "cannot be read: Bad file descriptor")]
)
def test_a_prompt_that_cannot_be_read_is_an_error(redirection: str, reason: str, glm: GlmStandIn) -> None:
    """Nothing is paid, and the reason is the system's."""
    result = in_shell(redirection, "-p", "-", origin=glm.origin)
    message = f"Invalid prompt: standard input {reason}"
    assert (result.code, glm.calls) == (1, [])
    assert result.answer["error"] == {"code": "INVALID_PROMPT", "message": message}


def test_a_terminal_that_goes_away_ends_only_the_counting(glm: GlmStandIn) -> None:
    """The image is made all the same."""
    above, below = os.openpty()
    glm.seconds = 1.5
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": glm.origin}, stderr=below) as process:
        os.close(below)
        os.read(above, 100)
        os.close(above)
        stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(stdout)["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("signals", "moment", "message"),
    [
        (("SIGINT",), "call", "Interrupted; an image that was being made may be billed all the same"),
        (("SIGTERM", "SIGTERM"), "call", "Interrupted; an image that was being made may be billed all the same"),
        (("SIGINT", "SIGINT"), "call", "Interrupted; an image that was being made may be billed all the same"),
        (("SIGTERM",), "prompt", "Interrupted before an image was asked for; nothing is billed"),
        (("SIGTERM",), "download", "Interrupted after the image was made"),
    ],
)
def test_an_interrupted_command_prints_one_object(
    signals: tuple[str, ...], moment: str, message: str, glm: GlmStandIn, tmp_path: Path
) -> None:
    """It says what that means for the bill, also for ``timeout``, which sends its signal twice."""
    glm.arm({"call": "hang", "download": "image_hang", "prompt": "hang"}[moment])
    arguments = ("-p", "-" if moment == "prompt" else "猫", "--save", str(tmp_path / "image.png"))
    with started(*arguments, env={"TEST_GLM_ORIGIN": glm.origin}, stdin=subprocess.PIPE) as process:
        reached = {
            "call": lambda: bool(glm.calls),
            "download": lambda: bool(glm.downloads),
            "prompt": lambda: any(tmp_path.iterdir()),
        }
        wait_for(reached[moment])
        for one in signals:
            process.send_signal(signal.Signals[one])
        stdout, stderr = process.communicate(timeout=60)
    answer = json.loads(stdout)
    assert (process.returncode, stderr) == (1, b"")
    assert answer["error"] == {"code": "INTERRUPTED", "message": message}
    assert (answer["image_url"] is not None) is (moment == "download")
    assert (list(tmp_path.iterdir()), len(glm.calls)) == ([], int(moment != "prompt"))
