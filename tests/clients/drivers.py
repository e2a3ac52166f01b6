"""Programs that lead a command to stand-ins, which no variable or flag of the command could do."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bot.cli.generate import main
from bot.sandbox.glm.stand_in import loopback
from bot.timings import DownloadRetries


def generate() -> int:
    inner = None
    if os.environ.get("TEST_HASTY"):
        # Imported here, as `generate` must not load the bot.
        from tests.support.dsl import TimeoutTransport

        inner = TimeoutTransport(seconds=lambda: 0.5)
    seconds = float(os.environ.get("TEST_RETRY_SECONDS", "20"))
    retries = DownloadRetries(seconds=seconds, first_wait=0.01, longest_wait=0.1)
    return main(transport=loopback(os.environ["TEST_GLM_ORIGIN"], inner=inner), retries=retries)


def setup() -> int:
    from bot.cli.setup import Setup
    from bot.errors import SettingsError

    given = json.loads(sys.argv[1])
    try:
        steps = Setup(environment=os.environ, folder=Path.cwd(), accounts=given["accounts"], domains=given["domains"])
        return 0 if steps.run(**given["run"]) else 1
    except SettingsError as error:
        sys.stderr.write("\n".join(error.faults))
        return 2
    except KeyboardInterrupt:
        return 130
