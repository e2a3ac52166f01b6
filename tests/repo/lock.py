"""Writes ``requirements.txt`` anew: ``python -m tests.repo.lock`` (needs the extra ``dev``)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]
NOTE = "# Exact versions and hashes of what pyproject.toml asks for; written by: python -m tests.repo.lock\n"


def main() -> int:
    """Writes the lock; gives the exit code of the compiler."""
    path = TOP / "requirements.txt"
    command = [
        *(sys.executable, "-m", "piptools", "compile", "--quiet", "--upgrade", "--generate-hashes", "--strip-extras"),
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"),
        *("--output-file", str(path), str(TOP / "pyproject.toml")),
    ]
    code = subprocess.run(command, cwd=TOP, check=False).returncode
    if code == 0:
        # An index address of the machine that wrote it has no place in a lock.
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(("--", "#"))]
        path.write_text(NOTE + "\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
