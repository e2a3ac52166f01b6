"""How long the command line takes to answer: ``python -m tests.benchmarks.command_line``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.glm.stand_in import GlmStandIn
from tests.benchmarks.figures import Figure, arguments, report
from tests.benchmarks.running import FAKE_KEY, environment
from tests.benchmarks.serving import GLM

BARE, PARSING = "python -c pass", "python with argparse and json"
WRONG_SIZE = "glm-image: a wrong size"

PARSE = "import argparse, json; p = argparse.ArgumentParser(); p.add_argument('-p'); p.parse_args(['-p', 'cat'])"
MAIN = "from bot.cli.generate import main; raise SystemExit(main())"
LED = f"""
import os
from bot.cli.generate import main
from bot.sandbox.glm.transport import API_HOST, IMAGE_HOST, LoopbackTransport
origin = os.environ["{GLM}"]
raise SystemExit(main(transport=LoopbackTransport({{API_HOST: origin, IMAGE_HOST: origin + "/images"}})))
"""


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """What is run: the code, and the arguments of the command line."""
    saved = str(folder / "cat.jpg")
    return {
        BARE: ("pass",),
        PARSING: (PARSE,),
        WRONG_SIZE: (MAIN, "-p", "cat", "-s", "512x512"),
        "glm-image: a usage error": (MAIN, "--frobnicate"),
        "glm-image: a call, answered at once": (LED, "-p", "cat"),
        "glm-image: a call and --save": (LED, "-p", "cat", "--save", saved),
    }


def run(command: Sequence[str], *, variables: Mapping[str, str]) -> float:
    """Milliseconds of one run of Python."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", *command],
        env=environment(variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return (time.perf_counter() - began) * 1000


def measure(*, quick: bool) -> list[Figure]:
    """Medians of runs in turn; the first of each, which writes the bytecode that a package comes with, is left out."""
    found: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="benchmark-") as folder, GlmStandIn() as glm:
        variables = {"PYTHONPYCACHEPREFIX": folder, "ZHIPU_API_KEY": FAKE_KEY, GLM: glm.origin}
        for _ in range(6 if quick else 26):
            for name, command in commands(Path(folder)).items():
                found.setdefault(name, []).append(run(command, variables=variables))
    medians = {name: statistics.median(times[1:]) for name, times in found.items()}
    bare, parsing = medians[BARE], medians[PARSING]
    return [
        *(
            Figure(what=name, value=value, beside=f"{value / bare:.1f} times bare Python")
            for name, value in medians.items()
        ),
        Figure(what=f"{WRONG_SIZE}, against bare Python", value=medians[WRONG_SIZE] / bare, unit="times", most=2.0),
        Figure(
            what=f"{WRONG_SIZE}, against parsing alone", value=medians[WRONG_SIZE] / parsing, unit="times", most=1.3
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("command_line", measure(quick=given.quick), keep=given.keep)


if __name__ == "__main__":
    raise SystemExit(main())
