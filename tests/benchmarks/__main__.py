"""Measures the bot and compares each figure with its bound: ``python -m tests.benchmarks [--quick] [NAME ...]``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tests.benchmarks import acknowledge, door_load, finished_rows, overhead, slot, soak, start

BENCHMARKS = {
    module.__name__.rpartition(".")[2]: module
    for module in (acknowledge, door_load, finished_rows, overhead, slot, soak, start)
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the named benchmarks, or all but the soak; the exit code is 1 where a bound is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    given = parser.parse_args(argv)
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    failed = False
    for name in given.names or [name for name in BENCHMARKS if name != "soak"]:
        for figure in BENCHMARKS[name].measure(quick=given.quick):
            print(f"{name:14} {figure}", flush=True)  # noqa: T201 - a report
            failed = failed or figure.exceeded
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
