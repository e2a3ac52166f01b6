"""The commands as processes, with what they printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.__main__ import main
from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.clients.drivers import generate as generate_driver
from tests.clients.servers import FAKE_KEY
from tests.support.forkserver import CommandResult, run_command

ROOT = Path(__file__).parents[2]
BOT = (sys.executable, "-m", "bot")
GENERATE = "from tests.clients.drivers import generate; code = generate()"

Variables = Mapping[str, str | None]  # variables of a process; one that is ``None`` is not set


def run(*arguments: str, folder: Path, typed: str = "", encoding: str = "utf-8", **variables: str) -> CommandResult:
    """Runs a command of the bot; ``folder`` is its working and its data folder, ``encoding`` that of its output.

    Its environment is empty but for ``variables``.
    """
    given = {"PATH": os.environ["PATH"], "BOT_DATA_DIR": str(folder), **variables}
    return run_command(main, *arguments, variables=given, folder=folder, typed=typed.encode(), encoding=encoding)


def app_variables(feishu: FeishuStandIn) -> dict[str, str]:
    return {"FEISHU_APP_ID": feishu.app_id, "FEISHU_APP_SECRET": feishu.app_secret, "FEISHU_DOMAIN": feishu.origin}


def generate(
    *arguments: str, origin: str = "", env: Variables | None = None, typed: bytes = b"", folder: Path | None = None
) -> CommandResult:
    variables = _variables({"TEST_GLM_ORIGIN": origin, **(env or {})})
    return run_command(generate_driver, *arguments, variables=variables, folder=folder or Path.cwd(), typed=typed)


def started(*arguments: str, env: Variables, code: str = GENERATE, **streams: Any) -> subprocess.Popen[bytes]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **streams}
    command = [sys.executable, "-c", f"{code}; raise SystemExit(code)", *arguments]
    return subprocess.Popen(command, env=_variables(env), **pipes)


def generate_anew(*arguments: str, env: Variables, code: str = GENERATE) -> CommandResult:
    """Runs ``generate`` in an interpreter of its own, where it is about how Python starts."""
    with started(*arguments, env=env, code=code) as process:
        stdout, stderr = process.communicate(timeout=60)
    return CommandResult(code=process.returncode, stdout=stdout, stderr=stderr.decode())


def in_shell(redirection: str, *command: str, env: Variables) -> CommandResult:
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", *command]
    done = subprocess.run(shell, env=_variables(env), capture_output=True, timeout=60, check=False)
    return CommandResult(code=done.returncode, stdout=done.stdout, stderr=done.stderr.decode())


def _variables(given: Variables) -> dict[str, str]:
    settings: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(ROOT), "ZHIPU_API_KEY": FAKE_KEY, **given}
    return {name: value for name, value in settings.items() if value is not None}
