"""The parts of an uploaded ``multipart/form-data`` body."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BOUNDARY = re.compile(r'multipart/form-data\s*;.*boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(r'[;\s]name="([^"]*)"')
_FILE_NAME = re.compile(r'[;\s]filename="([^"]*)"')
_TYPE = re.compile(r"^content-type:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part; ``filename`` and ``content_type`` are ``None`` where the part has none."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes

    @property
    def text(self) -> str:
        """The content of a plain field."""
        return self.content.decode("utf-8", "replace")


def parts_of(body: bytes, content_type: str) -> dict[str, Part]:
    """The parts by name; empty when the body is no such form."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return {}
    parts = {}
    for piece in body.split(b"--" + found[1].encode())[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        heading = head.decode("utf-8", "replace")
        if name := _NAME.search(heading):
            filename, kind = _FILE_NAME.search(heading), _TYPE.search(heading)
            parts[name[1]] = Part(
                name=name[1],
                filename=filename[1] if filename else None,
                content_type=kind[1] if kind else None,
                content=content.removesuffix(b"\r\n"),
            )
    return parts
