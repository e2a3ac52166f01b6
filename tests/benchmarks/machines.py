"""The chaos run in full: run ``python tests/benchmarks/machines.py [runs]``; prints a line a run, on both engines."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.chaos import on_one_machine, on_servers  # noqa: E402 - found by the line above
from tests.support.outcome import Outcome, Size  # noqa: E402
from tests.support.servers import own_server  # noqa: E402

FULL = Size(messages=200, worker_kills=8, web_kills=2)


def on_postgres(seed: int) -> Outcome:
    """A run with two webs and three workers."""
    with tempfile.TemporaryDirectory() as folder, own_server() as server:
        return on_servers(server, folder=Path(folder), size=FULL, seed=seed)


def on_sqlite(seed: int) -> Outcome:
    """A run with one process."""
    with tempfile.TemporaryDirectory() as folder:
        return on_one_machine(folder=Path(folder), size=FULL, seed=seed)


def main(arguments: Sequence[str]) -> int:
    """Prints what came of each run; the exit code is 1 when anything went wrong in one."""
    good = True
    for seed in range(1, 1 + int(arguments[0] if arguments else 1)):
        for name, run in (("PostgreSQL", on_postgres), ("SQLite", on_sqlite)):
            outcome = run(seed)
            good = good and not outcome.faults
            sys.stdout.write(f"{name}, seed {seed}: {outcome.text}\n")
            sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
