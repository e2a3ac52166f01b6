"""Processes that cost milliseconds: forked from a warm one that has imported everything and has a single thread."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = [
    *("tests.support.bot_process", "tests.clients.generate_driver", "bot.__main__", "bot.cli.base", "bot.cli.check"),
    *("bot.cli.export", "bot.cli.forget", "bot.cli.sandbox", "bot.cli.send", "bot.cli.setup", "alembic.command"),
    *("alembic.config", "psycopg", "PIL.JpegImagePlugin", "tests.support.forkserver_ready"),
]

_starting = threading.Lock()


def start(run: Callable[..., object], *given: object, daemon: bool = True) -> BaseProcess:
    """Starts ``run(*given)`` in a process of its own; a daemon ends with this one, and can start no processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=run, args=given, daemon=daemon)
    # The module keeps a set of all processes, which is not made for several threads.
    with _starting:
        process.start()
    return process


Program = Callable[[], int]
"""What a command runs: it reads ``sys.argv`` and gives the exit code; a function of a module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a command wrote, and its exit code."""

    code: int | None
    stdout: bytes
    stderr: str


def run_command(
    program: Program, *arguments: str, variables: Mapping[str, str], folder: Path, typed: bytes = b""
) -> Ended:
    """Runs a command in a folder to its end, its standard streams being files; ``typed`` is its standard input.

    ``variables`` are its whole environment. What Python itself reads at its start, as ``PYTHONUTF8``, has no effect.

    Raises:
        TimeoutError: it was still running after a minute, and was killed.
    """
    with tempfile.TemporaryDirectory(prefix="streams-") as streams:
        files = [Path(streams) / name for name in ("stdin", "stdout", "stderr")]
        for file, content in zip(files, (typed, b"", b""), strict=True):
            file.write_bytes(content)
        process = start(_become, program, arguments, dict(variables), folder, files, daemon=False)
        process.join(60)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{arguments} was still running")
        _, stdout, stderr = (file.read_bytes() for file in files)
    return Ended(code=process.exitcode, stdout=stdout, stderr=stderr.decode())


def _become(
    program: Program, arguments: tuple[str, ...], variables: dict[str, str], folder: Path, files: list[Path]
) -> None:
    for number, file in enumerate(files):
        end = os.open(file, os.O_RDWR)
        os.dup2(end, number)
        os.close(end)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the stream of the whole process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - likewise
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115 - likewise
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = ["glm-image-bot", *arguments]
    sys.exit(program())
