"""The command line when somebody ends it: one JSON object, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import wait_until
from tests.clients.generate_process import Ran, started


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    """A stand-in that answers at once."""
    with GlmStandIn() as stand_in:
        yield stand_in


def ended(
    *arguments: str, origin: str, when: Callable[[], bool], signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
) -> Ran:
    """Runs the command line and sends it the signals at that moment; its standard input stays open."""
    with started(*arguments, env={"TEST_GLM_ORIGIN": origin}, stdin=subprocess.PIPE) as process:
        assert wait_until(when, seconds=30)
        for one in signals:
            process.send_signal(one)
        stdout, stderr = process.communicate(timeout=30)
    return Ran(code=process.returncode, stdout=stdout, stderr=stderr.decode())


@pytest.mark.parametrize(
    "signals", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)]
)
def test_an_ended_call_leaves_one_object(
    signals: tuple[signal.Signals, ...], stand_in: GlmStandIn, tmp_path: Path
) -> None:
    """Ctrl-C and ``timeout``, which sends its signal twice, are told in JSON, and no part of a file is left."""
    stand_in.arm("hang")
    save = str(tmp_path / "image.png")
    arguments = ("-p", "猫", "--save", save)
    result = ended(*arguments, origin=stand_in.origin, when=lambda: bool(stand_in.calls), signals=signals)
    message = "Interrupted; an image that was being made may be billed all the same"
    assert (result.code, result.stderr) == (1, "")
    assert result.answer["error"] == {"code": "INTERRUPTED", "message": message}
    assert result.answer["prompt"] == "猫"
    assert list(tmp_path.iterdir()) == []


def test_before_the_call_nothing_is_billed(stand_in: GlmStandIn, tmp_path: Path) -> None:
    """Ended while the prompt is being typed, it says that no image was asked for."""
    save = str(tmp_path / "image.png")
    result = ended("-p", "-", "--save", save, origin=stand_in.origin, when=lambda: any(tmp_path.iterdir()))
    message = "Interrupted before an image was asked for; nothing is billed"
    assert result.answer["error"] == {"code": "INTERRUPTED", "message": message}
    assert (list(tmp_path.iterdir()), stand_in.calls) == ([], [])


def test_after_the_call_the_link_is_told(stand_in: GlmStandIn, tmp_path: Path) -> None:
    """Ended while the image is being downloaded, it still tells where the paid image is."""
    stand_in.arm("image_hang")
    save = str(tmp_path / "image.png")
    result = ended("-p", "猫", "--save", save, origin=stand_in.origin, when=lambda: bool(stand_in.downloads))
    assert result.answer["error"] == {"code": "INTERRUPTED", "message": "Interrupted after the image was made"}
    assert result.answer["image_url"].startswith("https://")
    assert list(tmp_path.iterdir()) == []
