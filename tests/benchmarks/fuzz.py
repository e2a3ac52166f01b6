"""Coverage-guided fuzzing of the door and of what it lets in: ``python -m tests.benchmarks.fuzz``; needs atheris."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any


def run(*, seconds: int, write: Callable[[str], object]) -> None:
    """Fuzzes for so long; a fault ends the process and leaves its input in the folder of temporary files.

    Raises:
        ModuleNotFoundError: atheris is not installed; it comes with the extra ``dev``.
    """
    logging.disable()
    # It traces what is imported from here on, so nothing of the bot may have been imported before.
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["bot.web", "bot.chat"]):
        target: Any = importlib.import_module("tests.benchmarks.fuzzed_door")
    fuzzed = target.Fuzzed()
    began = time.monotonic()

    def one(data: bytes) -> None:
        fuzzed(data)
        if time.monotonic() - began >= seconds:
            tries = fuzzed.answers.total()
            write(f"{tries} inputs in {seconds} s, no fault\n")
            write("".join(f"{count:9d}  {answer}\n" for answer, count in sorted(fuzzed.answers.items())))
            sys.stdout.flush()
            # The fuzzer takes every other end for a fault that it has found.
            os._exit(0)

    with TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.SEEDS):
            for kind in range(target.KINDS):
                (Path(corpus) / f"{number}-{kind}").write_bytes(bytes([kind]) + seed)
        atheris.Setup([sys.argv[0], "-max_len=2048", "-verbosity=0", f"-artifact_prefix={gettempdir()}/", corpus], one)
        atheris.Fuzz()


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the options and runs."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.fuzz", description=__doc__)
    options.add_argument("--seconds", type=int, default=60, help="for how long (60)")
    options.add_argument("--quick", action="store_true", help="ten seconds")
    given = options.parse_args(argv)
    run(seconds=10 if given.quick else given.seconds, write=sys.stdout.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
