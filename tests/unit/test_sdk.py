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
report = {"stubbed": sdk.STUBBED, "modules": len(sys.modules), "uri": sdk.im.ReplyMessageRequest.builder().build().uri}
if sdk.STUBBED:
    Frame, const = sdk.load_frames()
    report["frame"] = [Frame.DESCRIPTOR.full_name, const.HEADER_TYPE, const.FORBIDDEN]
    report["more"] = len(sys.modules) - report["modules"]
report["apis"] = sorted({name.split(".")[2] for name in sys.modules if name.startswith("lark_oapi.api.")})
report["loops"] = len(loops)
report["handlers"] = len(logging.getLogger("Lark").handlers) + len(logging.getLogger().handlers)
print(json.dumps(report))
"""

OTHER_LAYOUT = {
    "__init__.py": "NEEDED = True\n",
    "api/__init__.py": "",
    "api/im/__init__.py": "",
    "api/im/v1/__init__.py": "from lark_oapi.core import Request\ndef __getattr__(name):\n    return Request\n",
    "core/__init__.py": (
        "import logging\nfrom lark_oapi import NEEDED\nlogging.getLogger('Lark').addHandler(logging.StreamHandler())\n"
        "class Request:\n    uri = '/other'\n    builder = build = classmethod(lambda cls: cls)\n"
        "BaseRequest = HttpMethod = JSON = Request\n"
    ),
}
"""A release whose parts need what only its parent package defines."""


def report(*path: Path) -> Any:
    """What a new interpreter reports after it imported the SDK."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    command = [sys.executable, "-W", "ignore", "-c", REPORT]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_only_the_used_parts_are_loaded_and_without_side_effects() -> None:
    """The stubs work: one API, under 1,000 modules where all of it would be 11,000, no event loop and no log handler.

    The frames of the long connection come without the SDK's client, its dispatcher and the APIs that it imports. A new
    minor release has to be checked before the cap is raised.
    """
    assert version("lark-oapi").startswith("1.7.")
    found = report()
    assert (found["stubbed"], found["apis"]) == (True, ["im"])
    assert found["modules"] < 1000
    assert (found["loops"], found["handlers"]) == (0, 0)
    assert found["frame"] == ["pbbp2.Frame", "type", 403]
    assert found["more"] < 200


def test_another_layout_is_imported_plainly(tmp_path: Path) -> None:
    for name, source in OTHER_LAYOUT.items():
        path = tmp_path / "lark_oapi" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    found = report(tmp_path)
    assert (found["stubbed"], found["uri"], found["handlers"]) == (False, "/other", 0)
