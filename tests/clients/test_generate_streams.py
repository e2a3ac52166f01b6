"""The command line with standard streams that are closed, full or without a reader: the object is not lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.generate_process import in_shell, started


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    """A stand-in that answers at once."""
    with GlmStandIn() as stand_in:
        yield stand_in


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_a_note_that_nobody_can_read_is_dropped(redirection: str, stand_in: GlmStandIn, tmp_path: Path) -> None:
    """What goes to standard error never lands in the object, and its failure costs nothing."""
    target = tmp_path / "image.png"
    result = in_shell(redirection, "-p", "猫", "-q", "standard", "--save", str(target), origin=stand_in.origin)
    assert (result.code, result.stderr) == (0, "")
    assert result.answer["saved_file"] == str(target)
    assert target.read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&-"])
def test_an_object_that_standard_output_does_not_take_goes_to_standard_error(
    redirection: str, stand_in: GlmStandIn
) -> None:
    """The image is paid for, so its URL has to be told somewhere; the exit code says that something failed."""
    result = in_shell(redirection, "-p", "猫", origin=stand_in.origin)
    (line,) = result.stderr.splitlines()
    assert (result.code, result.stdout, len(stand_in.calls)) == (1, b"", 1)
    assert json.loads(line)["image_url"].startswith("https://")


def test_an_object_whose_reader_has_left_goes_to_standard_error(stand_in: GlmStandIn) -> None:
    """As in a pipeline whose second part has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": stand_in.origin}, stdout=writing) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=30)
    (line,) = stderr.splitlines()
    assert process.returncode == 1
    assert json.loads(line)["ok"]


def test_with_no_stream_at_all_it_ends(stand_in: GlmStandIn) -> None:
    """There is nobody to tell, and so no traceback either."""
    result = in_shell("<&- >&- 2>&-", "-p", "猫", origin=stand_in.origin)
    assert (result.code, result.stdout, result.stderr) == (1, b"", "")


@pytest.mark.parametrize(
    ("redirection", "reason"), [("<&-", "is closed"), ("0>/dev/null", "cannot be read: Bad file descriptor")]
)
def test_a_prompt_that_cannot_be_read_is_told(redirection: str, reason: str, stand_in: GlmStandIn) -> None:
    """Nothing is paid, and the reason is the system's."""
    result = in_shell(redirection, "-p", "-", origin=stand_in.origin)
    message = f"Invalid prompt: standard input {reason}"
    assert result.answer["error"] == {"code": "INVALID_PROMPT", "message": message}
    assert (result.code, stand_in.calls) == (1, [])


def test_a_terminal_that_goes_away_ends_the_counting_alone(stand_in: GlmStandIn) -> None:
    """Where the seconds can no longer be shown, the image is made all the same."""
    above, below = os.openpty()
    stand_in.seconds = 1.5
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": stand_in.origin}, stderr=below) as process:
        os.close(below)
        os.read(above, 100)
        os.close(above)
        stdout, _ = process.communicate(timeout=30)
    assert json.loads(stdout)["ok"]
    assert process.returncode == 0
