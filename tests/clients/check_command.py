"""The check as a process of its own, against stand-ins, with what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.__main__ import main
from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.support.databases import sqlite_database
from tests.support.forkserver import run_command

ROOT = Path(__file__).parents[2]
FAKE_KEY = "fake-key-of-the-tests.not-a-secret"
COMMAND = (sys.executable, "-m", "bot", "check")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one run printed, and its exit code."""

    code: int | None
    stdout: str
    stderr: str

    def all_named(self, name: str) -> list[dict[str, Any]]:
        """The results of that name, of a run with ``--json``."""
        return [finding for finding in json.loads(self.stdout) if finding["name"] == name]

    def named(self, name: str) -> dict[str, Any]:
        """The one result of that name."""
        (finding,) = self.all_named(name)
        return finding

    @property
    def bad(self) -> list[str]:
        """The names of the checks that failed."""
        return [finding["name"] for finding in json.loads(self.stdout) if finding["ok"] is False]


def variables_of(stand_in: FeishuStandIn, folder: Path) -> dict[str, str]:
    """The variables of a bot for which everything is right, its database made in ``folder``."""
    sqlite_database(folder)
    return {
        "FEISHU_APP_ID": stand_in.app_id,
        "FEISHU_APP_SECRET": stand_in.app_secret,
        "FEISHU_ENCRYPT_KEY": stand_in.encrypt_key,
        "FEISHU_VERIFICATION_TOKEN": stand_in.verification_token,
        "FEISHU_DOMAIN": stand_in.origin,
        "ZHIPU_API_KEY": FAKE_KEY,
        "BOT_DATA_DIR": str(folder),
        "PORT": "0",
    }


def checked(*arguments: str, variables: Mapping[str, str], cwd: Path) -> Checked:
    """Runs the check in an empty environment but for ``variables``; by Python itself where they are for Python."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = {**kept, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **variables}
    if "PYTHONIOENCODING" not in variables:
        ended = run_command(main, "check", *arguments, variables=given, folder=cwd)
        return Checked(code=ended.code, stdout=ended.stdout.decode(), stderr=ended.stderr)
    ran = subprocess.run(
        [*COMMAND, *arguments], env=given, cwd=cwd, capture_output=True, timeout=60, check=False, encoding="utf-8"
    )
    return Checked(code=ran.returncode, stdout=ran.stdout, stderr=ran.stderr)
