"""How little of lark_oapi is loaded, and what is done when its layout changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
print(json.dumps({
    "stubbed": sdk.STUBBED,
    "modules": len(sys.modules),
    "apis": sorted({name.split(".")[2] for name in sys.modules if name.startswith("lark_oapi.api.")}),
    "loops": len(loops),
    "handlers": len(logging.getLogger("Lark").handlers) + len(logging.getLogger().handlers),
    "uri": sdk.ReplyMessageRequest.builder().build().uri,
}))
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
    """What a new interpreter tells after it imported the SDK."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    command = [sys.executable, "-W", "ignore", "-c", REPORT]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_only_the_two_wanted_parts_are_loaded() -> None:
    """The installed release allows the stubs: one API, under 1,000 modules, where all of it would be 11,000."""
    told = report()
    assert told["stubbed"] is True
    assert told["apis"] == ["im"]
    assert told["modules"] < 1000


def test_the_import_leaves_no_event_loop_and_no_log_handler() -> None:
    """The side effects of a plain import do not happen."""
    told = report()
    assert told["loops"] == 0
    assert told["handlers"] == 0


def test_another_layout_is_imported_plainly(tmp_path: Path) -> None:
    """A release that cannot be imported under stubs is imported whole, its log handler taken away all the same."""
    for name, source in OTHER_LAYOUT.items():
        path = tmp_path / "lark_oapi" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    told = report(tmp_path)
    assert told["stubbed"] is False
    assert told["uri"] == "/other"
    assert told["handlers"] == 0
