"""Every benchmark is documented."""

from __future__ import annotations

import re

from tests.benchmarks.__main__ import BENCHMARKS
from tests.repo.lock import TOP


def test_the_readme_lists_every_benchmark() -> None:
    """A benchmark that can be run is in the table, and the other way round."""
    readme = (TOP / "tests" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)`", readme.partition("## Benchmarks")[2], re.MULTILINE)) == set(BENCHMARKS)
