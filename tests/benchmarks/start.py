"""How long the bot takes to be ready: ``python -m tests.benchmarks.start``."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.benchmarks.figures import Figure, arguments, report
from tests.benchmarks.running import environment, fresh_database, kinds, settings_for, wait_ready


def until_ready(settings: dict[str, str]) -> float:
    """Milliseconds from the start of ``python -m bot serve`` until ``/readyz`` says 200."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.perf_counter()
    command = [sys.executable, "-m", "bot", "serve"]
    env, folder = environment({**settings, "PORT": str(port)}), settings["BOT_DATA_DIR"]
    process = subprocess.Popen(command, env=env, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        wait_ready(port)
        return (time.perf_counter() - began) * 1000
    finally:
        process.terminate()
        process.wait()


def measure(*, quick: bool) -> list[Figure]:
    """Medians of runs whose first, which writes the bytecode, is left out."""
    figures = []
    with TemporaryDirectory(prefix="benchmark-") as folder, FeishuStandIn() as feishu:
        # An installed package has its bytecode; here the run that warms the caches writes it.
        warm = {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        for kind in kinds():
            data = Path(folder) / kind
            (data / "data").mkdir(parents=True)
            with fresh_database(kind) as database:
                settings = {**settings_for(feishu, folder=data), **database, **warm}
                until_ready(settings)
                found = [until_ready(settings) for _ in range(3 if quick else 9)]
            what = f"{kind}: serve until it is ready"
            figures.append(Figure(what=what, value=statistics.median(found), most=1500.0))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("start", measure(quick=given.quick))


if __name__ == "__main__":
    raise SystemExit(main())
