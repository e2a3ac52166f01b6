"""What the header of a picture says of its size, read without decoding and in bounded time.

Before the picture itself there may stand other parts, which whoever decodes it passes over one at a time. In 20 MB is
room for millions of empty ones, at a cost of minutes and hundreds of megabytes; so a file of more than
:data:`MOST_PARTS` counts as no picture, and so does one that is not put together as its format asks.

The formats: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, https://www.w3.org/TR/png-3/,
https://www.w3.org/Graphics/GIF/spec-gif89a.txt and https://developers.google.com/speed/webp/docs/riff_container
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from zlib import crc32

Size = tuple[int, int]

MOST_PARTS = 10_000
"""Segments, chunks and blocks of a file; a picture of 20 MB has about 2,500."""

MOST_SCANS = 200
"""Passes of a progressive JPEG over all its pixels; encoders make about ten, and each may have as few as 30 bytes."""

_FILLED = 0xFF
_SEGMENTS = frozenset(range(0xC0, 0xFF)) - frozenset(range(0xD0, 0xDA))
_STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES, _START_OF_SCAN = 0xDB, 0xDA
_JPEG_BITS, _JPEG_LAYERS = 8, (1, 3, 4)
_PNG_KINDS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_GIF_IMAGE, _GIF_EXTENSION, _GIF_PALETTE = 0x2C, 0x21, 0x80
_VP8_START, _VP8L_START = b"\x9d\x01\x2a", 0x2F
_VP8_SIDE, _VP8_PROFILES = 0x3FFF, 3


def size_of(content: bytes, kind: str) -> Size | None:
    """Width and height in pixels, or ``None`` where the bytes are not those of a picture up to its first pixels.

    Args:
        content: the whole file.
        kind: ``JPEG``, ``PNG``, ``GIF`` or ``WEBP``, as its first bytes tell.
    """
    try:
        size = _READERS[kind](content)
    except (struct.error, IndexError):
        # It ends before the first pixels.
        return None
    return size if size and min(size) > 0 else None


def _jpeg(content: bytes) -> Size | None:
    at, size = 2, None
    for _ in range(MOST_PARTS):
        sign, marker = content[at], content[at + 1]
        if sign == marker == _FILLED:
            at += 1
            continue
        (length,) = struct.unpack_from(">H", content, at + 2)
        begin, at = at + 4, at + 2 + length
        if sign != _FILLED or marker not in _SEGMENTS or at > len(content):
            return None
        if marker == _TABLES and not _are_tables(content[begin:at]):
            return None
        if marker in _STARTS_OF_FRAME:
            bits, height, width, layers = struct.unpack_from(">BHHB", content, begin)
            if bits != _JPEG_BITS or layers not in _JPEG_LAYERS:
                return None
            size = width, height
        if marker == _START_OF_SCAN:
            # The pixels themselves never hold this pair of bytes.
            return size if content.count(b"\xff\xda", begin) < MOST_SCANS else None
    return None


def _are_tables(segment: bytes) -> bool:
    """Whether a segment holds whole tables of 64 numbers, each of one or two bytes as its first byte tells."""
    at = 0
    while at < len(segment):
        at += 129 if segment[at] >> 4 else 65
    return at == len(segment)


def _png(content: bytes) -> Size | None:
    at, size, begun = 8, None, False
    for number in range(MOST_PARTS):
        if begun and at + 8 > len(content):
            return size
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        if number == 0:
            *sides, depth, kind, packing, filters = struct.unpack_from(">IIBBBB", content, at + 8)
            if name != b"IHDR" or depth not in _PNG_KINDS.get(kind, ()) or packing or filters:
                return None
            size = sides[0], sides[1]
        begun = begun or name == b"IDAT"
        if name == b"IEND":
            return size if begun else None
        if not begun and struct.unpack_from(">I", content, end) != (crc32(content[at + 4 : end]),):
            return None
        at = end + 4
    return None


def _gif(content: bytes) -> Size | None:
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at, within = 13 + _palette(flags), False
    for _ in range(MOST_PARTS):
        block = content[at]
        if within:
            at, within = at + 1 + block, block > 0
        elif block == _GIF_EXTENSION:
            at, within = at + 2, True
        elif block == _GIF_IMAGE:
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", content, at + 1)
            whole = len(content) > at + 10 + _palette(flags)
            return (max(width, left + wide), max(height, top + high)) if whole else None
        else:
            return None
    return None


def _palette(flags: int) -> int:
    """The bytes of the palette that follows."""
    return 6 << (flags & 7) if flags & _GIF_PALETTE else 0


def _webp(content: bytes) -> Size | None:
    (length,) = struct.unpack_from("<I", content, 4)
    at, end = 12, 8 + length
    canvas = frame = None
    for number in range(MOST_PARTS):
        if at == end <= len(content):
            return frame if canvas in (None, frame) else None
        name, length = struct.unpack_from("<4sI", content, at)
        begin, at = at + 8, at + 8 + length + length % 2
        if at > end or (number == 0 and name not in (b"VP8 ", b"VP8L", b"VP8X")):
            return None
        if name == b"VP8X":
            sides = content[begin + 4 : begin + 7], content[begin + 7 : begin + 10]
            canvas = 1 + int.from_bytes(sides[0], "little"), 1 + int.from_bytes(sides[1], "little")
        elif name in (b"VP8 ", b"VP8L") and frame is None:
            frame = _vp8(content, begin, length) if name == b"VP8 " else _vp8l(content, begin)
        elif name == b"ANMF" and frame is None:
            # Its frames are parts of the canvas.
            frame = canvas
    return None


def _vp8(content: bytes, at: int, length: int) -> Size | None:
    start, width, height = struct.unpack_from("<3x3sHH", content, at)
    tag = int.from_bytes(content[at : at + 3], "little")
    is_shown_by_itself = not tag & 1 and tag >> 1 & 7 <= _VP8_PROFILES and tag >> 4 & 1
    if not is_shown_by_itself or tag >> 5 >= length or start != _VP8_START:
        return None
    return width & _VP8_SIDE, height & _VP8_SIDE


def _vp8l(content: bytes, at: int) -> Size | None:
    start, bits = struct.unpack_from("<BI", content, at)
    if start != _VP8L_START or bits >> 29:
        return None
    return 1 + (bits & _VP8_SIDE), 1 + (bits >> 14 & _VP8_SIDE)


_READERS: Mapping[str, Callable[[bytes], Size | None]] = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif, "WEBP": _webp}
