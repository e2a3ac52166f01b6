"""The only importer of lark_oapi: its core, the message models and the long connection's frames.

``import lark_oapi`` takes 2 s and 170 MB, because its parent packages import every API there is, set an event loop for
the whole process, and print log records on standard output. Here the parents are replaced by empty packages with the
same path before the wanted parts are imported. A release whose layout does not allow that is imported plainly, see
:data:`STUBBED`. With stubs, ``lark_oapi.Client`` and the like do not exist in this process.

The measurements and the reasons: https://github.com/larksuite/oapi-sdk-python/issues/121
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_PARTS = ("lark_oapi.core", "lark_oapi.api.im.v1")


def _stub(name: str) -> None:
    if name not in sys.modules:
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.modules[name] = module_from_spec(spec)


def _import_parts() -> tuple[Any, Any, bool]:
    if "lark_oapi" not in sys.modules:
        try:
            for parent in ("lark_oapi", "lark_oapi.api", "lark_oapi.api.im"):
                _stub(parent)
            core, im = map(importlib.import_module, _PARTS)
        except (ImportError, AttributeError):
            for name in [name for name in sys.modules if name.split(".")[0] == "lark_oapi"]:
                del sys.modules[name]
        else:
            return core, im, True
    core, im = map(importlib.import_module, _PARTS)
    return core, im, False


_logger = logging.getLogger("Lark")
_handlers = list(_logger.handlers)
_core, im, STUBBED = _import_parts()
# The SDK adds a handler to its logger, so records would be written twice.
_logger.handlers[:] = _handlers

JSON = _core.JSON


def load_frames() -> tuple[Any, ModuleType]:
    """The frame type and the constants of the long connection, without the SDK's client and its event loop."""
    if STUBBED:
        _stub("lark_oapi.ws")
    return importlib.import_module("lark_oapi.ws.pb.pbbp2_pb2").Frame, importlib.import_module("lark_oapi.ws.const")


def plain_request(
    method: str,
    uri: str,
    *,
    paths: Mapping[str, str] | None = None,
    queries: Iterable[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, object] | None = None,
) -> Any:
    """The request of a call whose models are not imported; ``uri`` has the names of ``paths``, as in ``:app_token``."""
    builder = _core.BaseRequest.builder().http_method(_core.HttpMethod[method]).uri(uri).body(body)
    return builder.paths(dict(paths or {})).queries(list(queries)).headers(dict(headers or {})).build()
