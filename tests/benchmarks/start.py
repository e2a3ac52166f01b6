"""How long ``serve`` takes to be ready, and how much memory it takes then."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.benchmarks.harness import Figure, engines, fresh_database, megabytes, wait_ready
from tests.support.dsl import variables_for
from tests.support.servers import free_port


def start(variables: Mapping[str, str]) -> tuple[float, float]:
    """Starts ``python -m bot serve``; gives the milliseconds until ``/readyz`` says 200, and the megabytes then."""
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables, "PORT": str(port)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    command = [sys.executable, "-m", "bot", "serve"]
    process = subprocess.Popen(command, env=env, cwd=variables["BOT_DATA_DIR"], stderr=subprocess.DEVNULL)
    try:
        wait_ready(port)
        return (time.perf_counter() - began) * 1000, megabytes(process.pid, "Pss")
    finally:
        process.terminate()
        process.wait()


def measure(*, quick: bool) -> Iterator[Figure]:
    """Medians on each database, without the first run, which writes the bytecode."""
    with TemporaryDirectory(prefix="benchmark-") as folder, FeishuStandIn() as feishu:
        bytecode = {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        for engine in engines():
            data = Path(folder) / engine
            data.mkdir()
            with fresh_database(engine) as url:
                variables = {**variables_for(feishu, folder=data), "DATABASE_URL": url, **bytecode}
                runs = [start(variables) for _ in range(4 if quick else 10)][1:]
            seconds, memory = (statistics.median(values) for values in zip(*runs, strict=True))
            yield Figure(what=f"{engine}: from start to ready", value=seconds, most=1500.0)
            yield Figure(what=f"{engine}: memory when idle", value=memory, unit="MB", most=120.0)
