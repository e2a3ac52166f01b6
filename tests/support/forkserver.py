"""Processes that cost milliseconds: forked from a warm one that has imported everything and has a single thread."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

PRELOADED = [
    *("tests.support.bot_process", "tests.clients.drivers", "bot.__main__", "bot.cli.base", "bot.cli.check"),
    *("bot.cli.export", "bot.cli.forget", "bot.cli.sandbox", "bot.cli.send", "bot.cli.setup", "alembic.command"),
    *("alembic.config", "psycopg", "PIL.JpegImagePlugin", "tests.support.forkserver_ready"),
]

_polling = threading.Lock()


class _Process(ForkServerProcess):
    """Can be waited for in one thread while another starts a process, which polls all others for their exit codes.

    Of two polls at the same moment, one would read the code, and the other the end of the pipe, which counts as 255.
    """

    def join(self, timeout: float | None = None) -> None:
        connection.wait([self.sentinel], timeout)
        with _polling:
            super().join(0)

    def is_alive(self) -> bool:
        with _polling:
            return super().is_alive()

    @property
    def exitcode(self) -> int | None:
        with _polling:
            return super().exitcode


def start(run: Callable[..., object], *given: object, daemon: bool = True) -> BaseProcess:
    """Starts ``run(*given)`` in a process of its own; a daemon ends with this one, and can start no processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = _Process(target=run, args=given, daemon=daemon)
    with _polling:
        process.start()
    return process


Program = Callable[[], int]
"""What a command runs: it reads ``sys.argv`` and gives the exit code; a function of a module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a command printed, and its exit code."""

    code: int | None
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Its output, without the byte order mark of a CSV."""
        return self.stdout.decode("utf-8-sig")

    @property
    def answer(self) -> dict[str, Any]:
        """The one object that it printed."""
        (line,) = self.stdout.splitlines()
        found = json.loads(line)
        assert isinstance(found, dict)
        return found


def run_command(
    program: Program,
    *arguments: str,
    variables: Mapping[str, str],
    folder: Path,
    typed: bytes = b"",
    encoding: str = "utf-8",
) -> CommandResult:
    """Runs a command in a folder to its end, within a minute; ``typed`` is the file of its standard input."""
    with tempfile.TemporaryDirectory(prefix="streams-") as streams:
        files = [Path(streams) / name for name in ("stdin", "stdout", "stderr")]
        for file, content in zip(files, (typed, b"", b""), strict=True):
            file.write_bytes(content)
        process = start_command(
            program, *arguments, variables=variables, folder=folder, streams=files, encoding=encoding
        )
        process.join(60)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{arguments} was still running")
        _, stdout, stderr = (file.read_bytes() for file in files)
    return CommandResult(code=process.exitcode, stdout=stdout, stderr=stderr.decode())


def start_command(
    program: Program,
    *arguments: str,
    variables: Mapping[str, str],
    folder: Path,
    streams: Sequence[Path],
    encoding: str = "utf-8",
) -> BaseProcess:
    """Starts a command in a folder, in a session of its own.

    ``variables`` are its whole environment. What Python itself reads at its start, as ``PYTHONUTF8``, has no effect.
    ``streams`` are what its standard input, output and error lead to; a terminal controls it. Its output is in
    ``encoding``.
    """
    become = partial(_become, program, variables=dict(variables), folder=folder, streams=streams, encoding=encoding)
    return start(become, *arguments, daemon=False)


@dataclass(frozen=True, slots=True)
class RunningCommand:
    """A command whose standard output and error go to a log."""

    process: BaseProcess
    path: Path

    @property
    def log(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def send(self, number: int) -> None:
        os.kill(self.process.pid or 0, number)

    def wait(self, *, seconds: float = 60.0) -> int | None:
        """The exit code, once it has ended."""
        self.process.join(seconds)
        return self.process.exitcode

    def leave(self, number: int = signal.SIGTERM) -> int | None:
        """Sends a signal; gives the exit code."""
        self.send(number)
        return self.wait()


@contextmanager
def running_command(
    program: Program, *arguments: str, variables: Mapping[str, str], folder: Path
) -> Iterator[RunningCommand]:
    """A command in a folder, with nothing in its environment but ``variables``; it is killed at the end."""
    log = folder / "log"
    log.write_bytes(b"")
    streams = (Path(os.devnull), log, log)
    process = start_command(program, *arguments, variables=variables, folder=folder, streams=streams)
    try:
        yield RunningCommand(process, log)
    finally:
        process.kill()
        process.join()


def _become(
    program: Program,
    *arguments: str,
    variables: Mapping[str, str],
    folder: Path,
    streams: Sequence[Path],
    encoding: str,
) -> None:
    os.setsid()
    for number, stream in enumerate(streams):
        end = os.open(stream, os.O_RDWR)
        os.dup2(end, number)
        os.close(end)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the stream of the whole process
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - likewise
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115 - likewise
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = ["glm-image-bot", *arguments]
    sys.exit(program())
