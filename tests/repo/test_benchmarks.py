"""The benchmarks can be run: each is one command that says what it measures."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.picture import BENCHMARKS, draw


@pytest.mark.parametrize("name", [*BENCHMARKS, "picture"])
def test_each_benchmark_says_what_it_measures(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` names the command that runs it, and measures nothing."""
    module = import_module(f"tests.benchmarks.{name}")
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    assert f"tests.benchmarks.{name}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.75, 3.0), (0.95, 4.0), (0.0, 1.0)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    """The nearest rank is told, never a value between two."""
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value


def test_the_picture_shows_what_has_a_target() -> None:
    """A figure with a target has a bar in the colour of its outcome; one without is left out."""
    slow = Figure(what="slow & late", value=30.0, most=20.0)
    picture = draw({"slot": [slow, Figure(what="a bare loop", value=1.0)]})
    assert "slow &amp; late" in picture
    assert "30 of 20 ms" in picture
    assert "a bare loop" not in picture
