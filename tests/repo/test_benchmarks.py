"""Each benchmark is one documented command."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.repo.lock import TOP

README = (TOP / "tests" / "README.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`([a-z_]+)`", README.partition("## Benchmarks")[2])))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_has_help_and_a_quick_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` names the command and its quick run, and measures nothing."""
    with pytest.raises(SystemExit) as ended:
        import_module(f"tests.benchmarks.{name}").main(["--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"tests.benchmarks.{name}" in shown
    assert "--quick" in shown


def test_the_readme_lists_every_benchmark() -> None:
    """A module with a command line is in the table."""
    files = (TOP / "tests" / "benchmarks").glob("*.py")
    assert sorted(path.stem for path in files if "\ndef main(argv" in path.read_text(encoding="utf-8")) == NAMES
