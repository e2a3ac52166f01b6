"""What an uploaded picture is by its first bytes: its format, and its size where the header tells it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """A picture's format, and its width and height in pixels; 0 where the header was not understood."""

    format: str
    width: int = 0
    height: int = 0


def facts_of(content: bytes) -> PictureFacts | None:
    """The format and size of a picture, or ``None`` when it is of no kind that Feishu takes.

    The kinds: https://open.feishu.cn/document/server-docs/im-v1/image/create
    """
    for name, starts, size in _KINDS:
        if content.startswith(starts) and (name != "WEBP" or content[8:12] == b"WEBP"):
            try:
                width, height = size(content)
            except struct.error:
                width = height = 0
            return PictureFacts(format=name, width=width, height=height)
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        return PictureFacts(format="HEIC")
    return None


def _png(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _gif(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _jpeg(content: bytes) -> tuple[int, int]:
    place = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", content, place)
        if mark != 0xFF:  # noqa: PLR2004 - every JPEG marker begins with this byte
            return 0, 0
        if kind in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 2 + length


def _webp(content: bytes) -> tuple[int, int]:
    match content[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", content, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", content, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", content, 24)
            return low_width + (high_width << 16) + 1, low_height + (high_height << 16) + 1
    return 0, 0


def _bmp(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<ii", content, 18)
    return width, abs(height)


def _untold(_: bytes) -> tuple[int, int]:
    return 0, 0


_KINDS: tuple[tuple[str, tuple[bytes, ...], Callable[[bytes], tuple[int, int]]], ...] = (
    ("PNG", (b"\x89PNG\r\n\x1a\n",), _png),
    ("JPEG", (b"\xff\xd8\xff",), _jpeg),
    ("GIF", (b"GIF87a", b"GIF89a"), _gif),
    ("WEBP", (b"RIFF",), _webp),
    ("BMP", (b"BM",), _bmp),
    ("TIFF", (b"II*\x00", b"MM\x00*"), _untold),
    ("ICO", (b"\x00\x00\x01\x00",), _untold),
)
