"""A request object of the SDK, as the HTTP request that our own client sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bot.feishu import sdk

Part = tuple[str, bytes]
"""A file of a multipart body: its name, which the platform demands, and its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Method, path, query and body of one call; of ``json`` and ``files`` at most one is filled."""

    method: str
    path: str
    """Begins with ``/``; the values in it are percent-encoded."""
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: bytes | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    """The plain parts of a multipart body."""
    files: Mapping[str, Part] = field(default_factory=dict)
    """The file parts of a multipart body."""


def wire(request: Any) -> Wire:
    """Derives the HTTP request from what an SDK builder built.

    Args:
        request: a ``BaseRequest`` of lark_oapi. A body with a ``(name, bytes)`` value becomes multipart, every other
            one JSON without its ``None`` fields. The SDK's own transport leaves the file name out, which the platform
            refuses with 99992402.
    """
    values = {name: value for name, value in _values(request.body).items() if value is not None}
    files = {name: value for name, value in values.items() if isinstance(value, tuple)}
    text = sdk.JSON.marshal(values) if values and not files else None
    return Wire(
        method=request.http_method.name,
        path=re.sub(r":(\w+)", lambda name: quote(request.paths[name[1]], safe=""), request.uri),
        query=tuple(request.queries),
        headers=dict(request.headers),
        # A lone surrogate, which JSON may carry and UTF-8 may not, is sent as a question mark.
        json=None if text is None else text.encode("utf-8", "replace"),
        fields={name: str(value) for name, value in values.items() if name not in files} if files else {},
        files=files,
    )


def _values(body: Any) -> Mapping[str, Any]:
    if body is None:
        return {}
    return body if isinstance(body, Mapping) else vars(body)
