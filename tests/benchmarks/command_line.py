"""How long the command line takes to answer: run ``python tests/benchmarks/command_line.py``; prints a table."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bot.sandbox.glm.stand_in import GlmStandIn  # noqa: E402 - found by the line above

RUNS = 15
MAIN = "from bot.cli.generate import main; raise SystemExit(main())"
DRIVE = """
import os
from bot.cli.generate import main
from bot.sandbox.glm.transport import API_HOST, IMAGE_HOST, LoopbackTransport
origin = os.environ["TEST_GLM_ORIGIN"]
raise SystemExit(main(transport=LoopbackTransport({API_HOST: origin, IMAGE_HOST: origin + "/images"})))
"""
PARSE = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("-p")
parser.parse_args(["-p", "cat"])
"""


def measure(code: str, *arguments: str, env: dict[str, str]) -> list[float]:
    """The milliseconds of some runs, the first one, which warms the caches, left out."""
    milliseconds = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        command = [sys.executable, "-c", code, *arguments]
        subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=False)
        milliseconds.append((time.perf_counter() - began) * 1000)
    return milliseconds[1:]


def show(name: str, milliseconds: Sequence[float]) -> None:
    """One line of the table."""
    print(f"{name:44} {statistics.median(milliseconds):7.0f} {max(milliseconds):7.0f}")  # noqa: T201 - a report


def run() -> None:
    """Measures and prints."""
    print(f"{'milliseconds of ' + str(RUNS) + ' runs':44} {'median':>7} {'worst':>7}")  # noqa: T201 - a report
    with TemporaryDirectory() as folder, GlmStandIn() as stand_in:
        # An installed package has its bytecode; here it is written by the run that warms the caches.
        settings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": folder, "ZHIPU_API_KEY": "fake-key"}
        settings.pop("PYTHONDONTWRITEBYTECODE", None)
        keyless = {name: value for name, value in settings.items() if name != "ZHIPU_API_KEY"}
        led = {**settings, "TEST_GLM_ORIGIN": stand_in.origin}
        show("python -c pass", measure("pass", env=settings))
        show("python with argparse and json", measure(PARSE, env=settings))
        show("glm-image: no key", measure(MAIN, "-p", "cat", env=keyless))
        show("glm-image: a wrong size", measure(MAIN, "-p", "cat", "-s", "512x512", env=settings))
        show("glm-image: a usage error", measure(MAIN, "--frobnicate", env=settings))
        show("glm-image: a call, answered at once", measure(DRIVE, "-p", "cat", env=led))
        saving = ("--save", f"{folder}/cat.jpg")
        show("glm-image: a call and --save", measure(DRIVE, "-p", "cat", *saving, env=led))


if __name__ == "__main__":
    run()
