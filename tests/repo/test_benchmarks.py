"""The benchmarks can be run: each is one command that says what it measures."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.benchmarks.figures import Figure, percentile, read, report
from tests.benchmarks.picture import BENCHMARKS, draw
from tests.benchmarks.slot import of_bot
from tests.repo.lock import TOP

README = TOP / "tests" / "README.md"
FOLDER = TOP / "tests" / "benchmarks"


TOLD = re.findall(r"`([a-z_]+)`", README.read_text(encoding="utf-8").partition("## Benchmarks")[2])
"""Every benchmark that the tests' README lists."""


@pytest.mark.parametrize("name", sorted({*BENCHMARKS, *TOLD}))
def test_each_benchmark_says_what_it_measures(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` names the command that runs it, and the shorter run, and measures nothing."""
    module = import_module(f"tests.benchmarks.{name}")
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"tests.benchmarks.{name}" in told
    assert "--quick" in told


def test_the_readme_lists_every_benchmark() -> None:
    """A module that can be run stands in the table."""
    runnable = {path.stem for path in FOLDER.glob("*.py") if "\ndef main(argv" in path.read_text(encoding="utf-8")}
    assert runnable == set(TOLD)


def test_a_benchmark_measures_the_bot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of them is run, so that all have the same ground to stand on: the bot between its stand-ins, and a table."""
    kept = tmp_path / "figures.json"
    figures = [Figure(what="gap", value=value, most=10_000.0) for value in of_bot("SQLite", prompts=3, seconds=0.05)]
    assert report("slot", figures, keep=kept) == 0
    assert len(read(kept)["slot"]) == 2
    assert "+" in capsys.readouterr().out


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.75, 3.0), (0.95, 4.0), (0.0, 1.0)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    """The nearest rank is told, never a value between two."""
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value


def test_the_picture_shows_what_has_a_target() -> None:
    """A figure with a target has a bar in the colour of its outcome; one without is left out."""
    slow = Figure(what="slow & late", value=30.0, most=20.0)
    picture = draw({"slot": [slow, Figure(what="a bare loop", value=1.0)]})
    assert "slow &amp; late" in picture
    assert "✗ 30.0 ms (≤ 20)" in picture
    assert "a bare loop" not in picture
