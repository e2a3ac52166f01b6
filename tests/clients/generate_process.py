"""The command line as a process, with what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.generate_driver import drive
from tests.clients.glm_wire import FAKE_KEY
from tests.support.forkserver import run_command

ROOT = Path(__file__).parents[2]
DRIVER = "from tests.clients.generate_driver import drive; raise SystemExit(drive())"


@dataclass(frozen=True)
class Ran:
    """What the command line did."""

    code: int | None
    stdout: bytes
    stderr: str

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything else there is a failure."""
        (line,) = self.stdout.splitlines()
        found = json.loads(line)
        assert isinstance(found, dict)
        return found


def started(
    *arguments: str, env: Mapping[str, str | None] | None = None, code: str = DRIVER, **streams: Any
) -> subprocess.Popen[bytes]:
    """The command line as a process; a variable of ``env`` that is ``None`` is not set."""
    pipes: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
        **streams,
    }
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=_variables(env or {}), **pipes)


def _variables(given: Mapping[str, str | None]) -> dict[str, str]:
    settings: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(ROOT), "ZHIPU_API_KEY": FAKE_KEY, **given}
    return {name: value for name, value in settings.items() if value is not None}


def ran(
    *arguments: str,
    origin: str | None = None,
    env: Mapping[str, str | None] | None = None,
    typed: bytes | None = None,
    code: str = DRIVER,
    folder: Path | None = None,
) -> Ran:
    """Runs the command line to its end.

    It is forked from a warm process unless it is about how Python starts: other ``code``, or variables for it.

    Args:
        arguments: what is given to it.
        origin: the stand-in's.
        env: further variables; ``None`` takes one away.
        typed: its standard input.
        code: what Python runs.
        folder: where it runs; here by default.
    """
    settings = {"TEST_GLM_ORIGIN": origin, **(env or {})}
    if code == DRIVER and origin is not None and not any(name.startswith(("PYTHON", "LC_")) for name in settings):
        ended = run_command(
            drive, *arguments, variables=_variables(settings), folder=folder or Path.cwd(), typed=typed or b""
        )
        return Ran(code=ended.code, stdout=ended.stdout, stderr=ended.stderr)
    streams: dict[str, Any] = {"cwd": folder} if typed is None else {"cwd": folder, "stdin": subprocess.PIPE}
    with started(*arguments, env=settings, code=code, **streams) as process:
        stdout, stderr = process.communicate(typed, timeout=60)
    return Ran(code=process.returncode, stdout=stdout, stderr=stderr.decode())


def in_shell(redirection: str, *arguments: str, origin: str) -> Ran:
    """Runs the command line with its streams as a shell leads them, such as ``2>/dev/full``."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-c", DRIVER, *arguments]
    environment = _variables({"TEST_GLM_ORIGIN": origin})
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    return Ran(code=done.returncode, stdout=done.stdout, stderr=done.stderr.decode())
