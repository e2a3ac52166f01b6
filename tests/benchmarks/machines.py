"""Two webs and three workers through a bad day, and one process on SQLite: ``python -m tests.benchmarks.machines``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.chaos_runs import on_hosts, on_one_machine, on_servers
from tests.support.outcome import Outcome, Size
from tests.support.servers import own_server

FULL = Size(messages=200, worker_kills=8, web_kills=2)
QUICK = Size(messages=60, worker_kills=3)


def on_postgres(seed: int, size: Size) -> Outcome:
    """A run with two webs and three workers."""
    with tempfile.TemporaryDirectory() as folder, own_server() as server:
        return on_servers(server, folder=Path(folder), size=size, seed=seed)


def on_namespaces(seed: int, size: Size) -> Outcome:
    """The same, each process on a host of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return on_hosts(folder=Path(folder), size=size, seed=seed)


def on_sqlite(seed: int, size: Size) -> Outcome:
    """A run with one process."""
    with tempfile.TemporaryDirectory() as folder:
        return on_one_machine(folder=Path(folder), size=size, seed=seed)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints what came of each run; the exit code is 1 when anything went wrong in one."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.machines", description=__doc__)
    options.add_argument("--runs", type=int, default=1, help="how often, each time with another seed (1)")
    options.add_argument("--quick", action="store_true", help=f"{QUICK.messages} messages instead of {FULL.messages}")
    options.add_argument("--hosts", action="store_true", help="PostgreSQL alone, on hosts of their own; needs root")
    given = options.parse_args(argv)
    size = QUICK if given.quick else FULL
    ways = {"PostgreSQL, six hosts": on_namespaces} if given.hosts else {"PostgreSQL": on_postgres, "SQLite": on_sqlite}
    good = True
    for seed in range(1, 1 + given.runs):
        for name, run in ways.items():
            outcome = run(seed, size)
            good = good and not outcome.faults
            sys.stdout.write(f"{name}, seed {seed}: {outcome.text}\n")
            sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
