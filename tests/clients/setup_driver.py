"""Runs ``setup`` up to its start as a process, against stand-ins whose addresses no variable or flag can set."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bot.cli.setup import Setup
from bot.errors import SettingsError


def main() -> int:
    """Reads ``{"accounts": …, "domains": …, "run": …}`` from the first argument; gives the exit code."""
    given = json.loads(sys.argv[1])
    try:
        setup = Setup(
            environment=os.environ, folder=Path.cwd(), accounts=given["accounts"], domains=given.get("domains")
        )
        return 0 if setup.run(**given["run"]) else 1
    except SettingsError as error:
        sys.stderr.write("\n".join(error.faults))
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
