"""The only importer of lark_oapi, of which the long connection's frame type and constants are used.

``import lark_oapi`` takes 2 s and 170 MB, because its parent packages import every API there is, and set an event loop
for the whole process. Here the parents are replaced by empty packages with the same path. A release whose layout does
not allow that is imported plainly.

The measurements and the reasons: https://github.com/larksuite/oapi-sdk-python/issues/121
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


def stub(*packages: str) -> None:
    """Replaces packages that are not imported yet by empty ones with the same path."""
    for name in packages:
        if name not in sys.modules:
            spec = find_spec(name)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            sys.modules[name] = module_from_spec(spec)


def load_frames() -> tuple[Any, ModuleType]:
    parts = ("lark_oapi.ws.pb.pbbp2_pb2", "lark_oapi.ws.const")
    try:
        stub("lark_oapi", "lark_oapi.ws")
        frames, constants = map(import_module, parts)
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "lark_oapi"]:
            del sys.modules[name]
        frames, constants = map(import_module, parts)
    return frames.Frame, constants
