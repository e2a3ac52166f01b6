"""How little of lark_oapi is loaded, and what happens if its layout changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

REPORT = """
import asyncio, json, logging, sys
loops = []
class Policy(asyncio.DefaultEventLoopPolicy):
    def set_event_loop(self, loop):
        loops.append(loop)
asyncio.set_event_loop_policy(Policy())
from bot.feishu import sdk
before = len(sys.modules)
Frame, const = sdk.load_frames()
report = {"more": len(sys.modules) - before, "loops": len(loops)}
report["handlers"] = len(logging.getLogger("Lark").handlers) + len(logging.getLogger().handlers)
report["frame"] = [Frame.DESCRIPTOR.full_name, const.HEADER_TYPE, const.FORBIDDEN]
print(json.dumps(report))
"""

OTHER_LAYOUT = {
    "__init__.py": "NEEDED = 'other'\n",
    "ws/__init__.py": "",
    "ws/const.py": "HEADER_TYPE = 'kind'\nFORBIDDEN = 7\n",
    "ws/pb/__init__.py": "",
    "ws/pb/pbbp2_pb2.py": (
        "from lark_oapi import NEEDED\nclass Frame:\n    class DESCRIPTOR:\n        full_name = NEEDED\n"
    ),
}
"""A release whose parts need what only its parent package defines."""


def report(*path: Path) -> Any:
    """What a new interpreter reports after it imported the SDK."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    command = [sys.executable, "-W", "ignore", "-c", REPORT]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_only_the_frames_are_loaded_and_without_side_effects() -> None:
    """The stubs work: under 200 modules where all of the SDK would be 11,000, no event loop and no log handler.

    A new minor release has to be checked before the cap is raised.
    """
    assert version("lark-oapi").startswith("1.7.")
    found = report()
    assert found.pop("more") < 200
    assert found == {"loops": 0, "handlers": 0, "frame": ["pbbp2.Frame", "type", 403]}


def test_another_layout_is_imported_plainly(tmp_path: Path) -> None:
    for name, source in OTHER_LAYOUT.items():
        path = tmp_path / "lark_oapi" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    assert report(tmp_path)["frame"] == ["other", "kind", 7]
