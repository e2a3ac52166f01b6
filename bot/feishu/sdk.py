"""The only importer of lark_oapi, loading its core and its ``im.v1`` models without the rest of it.

``import lark_oapi`` takes seconds and 170 MB, because its parent packages import every API there is, set an event
loop for the whole process, and print log records on standard output. Here the parents, down to that of ``im.v1``, are
replaced by empty packages with the same path before the two wanted parts are imported. A release whose layout does not
allow that is imported plainly; :data:`STUBBED` tells which way was taken. Once the parents are stubs,
``lark_oapi.Client`` and the like do not exist in this process; what else is wanted of the SDK is imported here, by its
full module name.

The measurements and the reasons: https://github.com/larksuite/oapi-sdk-python/issues/121
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType

_PARENTS = ("lark_oapi", "lark_oapi.api", "lark_oapi.api.im")
_PARTS = ("lark_oapi.core", "lark_oapi.api.im.v1")
_LONG_CONNECTION = "lark_oapi.ws.client"


def _import_parts() -> tuple[ModuleType, ModuleType, bool]:
    if "lark_oapi" not in sys.modules:
        try:
            _stub_parents()
            core, im = map(importlib.import_module, _PARTS)
        except (ImportError, AttributeError):
            _forget_all()
        else:
            return core, im, True
    core, im = map(importlib.import_module, _PARTS)
    return core, im, False


def _stub_parents() -> None:
    for name in _PARENTS:
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.modules[name] = module_from_spec(spec)


def _forget_all() -> None:
    for name in [name for name in sys.modules if name == "lark_oapi" or name.startswith("lark_oapi.")]:
        del sys.modules[name]


def _import_quietly() -> tuple[ModuleType, ModuleType, bool]:
    """Imports the parts, and takes away the handler that the SDK puts on its logger, as records would show twice."""
    logger = logging.getLogger("Lark")
    before = list(logger.handlers)
    imported = _import_parts()
    for handler in [handler for handler in logger.handlers if handler not in before]:
        logger.removeHandler(handler)
    return imported


def import_long_connection() -> ModuleType:
    """The module of the SDK's long-connection client, for the one command that needs it.

    It is imported without the SDK's dispatcher, which the bot does not use and which would import every API there is.
    The event loop that the module wants at its import, and would else set for the whole process, is one that is closed
    again; so of its functions only those may be used that take the running loop.
    """
    if STUBBED and _LONG_CONNECTION not in sys.modules:
        for name in ("lark_oapi.event", "lark_oapi.event.dispatcher_handler"):
            sys.modules[name] = ModuleType(name)
        vars(sys.modules["lark_oapi.event.dispatcher_handler"])["EventDispatcherHandler"] = object
    return asyncio.run(_import_within_a_loop(_LONG_CONNECTION))


async def _import_within_a_loop(name: str) -> ModuleType:
    return importlib.import_module(name)


_core, _im, STUBBED = _import_quietly()


def further(api: str) -> ModuleType:
    """The ``v1`` models of one more API, such as ``bitable``: loaded at the first use, as few processes need them."""
    parent = f"lark_oapi.api.{api}"
    spec = find_spec(parent) if STUBBED and parent not in sys.modules else None
    if spec is not None:
        # Its package would import the API's services, and those the parents that are not there.
        sys.modules[parent] = module_from_spec(spec)
    return importlib.import_module(f"{parent}.v1")


BaseRequest = _core.BaseRequest
HttpMethod = _core.HttpMethod
JSON = _core.JSON

CreateFileRequest = _im.CreateFileRequest
CreateFileRequestBody = _im.CreateFileRequestBody
CreateImageRequest = _im.CreateImageRequest
CreateImageRequestBody = _im.CreateImageRequestBody
CreateMessageRequest = _im.CreateMessageRequest
CreateMessageRequestBody = _im.CreateMessageRequestBody
DeleteMessageRequest = _im.DeleteMessageRequest
GetImageRequest = _im.GetImageRequest
PatchMessageRequest = _im.PatchMessageRequest
PatchMessageRequestBody = _im.PatchMessageRequestBody
ReplyMessageRequest = _im.ReplyMessageRequest
ReplyMessageRequestBody = _im.ReplyMessageRequestBody
