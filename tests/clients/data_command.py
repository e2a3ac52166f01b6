"""The commands about stored data as processes of their own, with what they printed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bot.__main__ import main
from tests.support.forkserver import run_command

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one run printed, and its exit code."""

    code: int | None
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """What it printed, as text, without the mark at the beginning of a CSV."""
        return self.stdout.decode("utf-8-sig")


def run(*arguments: str, folder: Path, typed: str = "", **variables: str) -> Ran:
    """Runs ``python -m bot …`` in an empty environment but for ``variables``; ``folder`` is its data folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = {**kept, "BOT_DATA_DIR": str(folder), **variables}
    ended = run_command(main, *arguments, variables=given, folder=folder, typed=typed.encode())
    return Ran(code=ended.code, stdout=ended.stdout, stderr=ended.stderr)
