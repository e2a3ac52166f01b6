"""How little of lark_oapi the long connection loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPORT = """
import asyncio, json, logging, sys
from bot.feishu import sdk
before = len(sys.modules)
loaded = sdk.import_long_connection()
print(json.dumps({
    "again": sdk.import_long_connection() is loaded,
    "more": len(sys.modules) - before,
    "apis": sorted({name.split(".")[2] for name in sys.modules if name.startswith("lark_oapi.api.")}),
    "closed": loaded.loop.is_closed(),
    "left": asyncio.get_event_loop_policy()._local._loop is not None,
    "handlers": len(logging.getLogger("Lark").handlers) + len(logging.getLogger().handlers),
    "frame": loaded.Frame.DESCRIPTOR.full_name,
}))
"""


def test_the_client_comes_without_the_dispatcher_and_its_loop() -> None:
    """The module of the client is loaded without the APIs that its dispatcher names, and leaves no event loop open."""
    command = [sys.executable, "-W", "ignore", "-c", REPORT]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=True, timeout=60)
    told = json.loads(done.stdout)
    assert told["apis"] == ["im"]
    assert told["more"] < 600
    assert (told["again"], told["closed"], told["left"], told["handlers"]) == (True, True, False, 0)
    assert told["frame"] == "pbbp2.Frame"
