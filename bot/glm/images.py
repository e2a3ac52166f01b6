"""What the bytes of a picture really are.

The platform names JPEG bytes ``.png`` and sends them as ``application/octet-stream``, so only the bytes themselves are
believed. They are passed on unchanged: the label in their EXIF is part of the platform's watermark.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from bot.errors import DownloadFailed
from bot.models import ImageFile

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_FOR_FEISHU = 10 * 1024 * 1024
"""The bytes of an image that Feishu takes: https://open.feishu.cn/document/server-docs/im-v1/image/create."""

LONGEST_SIDE = 12_000
"""Pixels of a side that Feishu takes; more in so few bytes is a decompression bomb."""

MOST_PIXELS = 2**24
"""Four times as many as a model makes; to shrink a picture takes up to twenty bytes of memory a pixel."""

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF"}
_QUALITIES = (92, 85, 75)
# Neither of the two markers of a JPEG occurs within its compressed pixels.
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"
_GIF_END = b"\0;"
_MOST_SCANS = 200
"""Passes of a progressive JPEG over its pixels; encoders make about ten, and 30 bytes can make one of 10 ms."""

_LONGEST_EXIF = 65_533
"""Bytes of the one segment of a JPEG into which it has to go."""


def inspect_image(content: bytes) -> ImageFile:
    """Identifies an image by its content and decodes it once to its end, so that a truncated file is found.

    Of an animation only the first frame is decoded. The pixels are counted before.

    Raises:
        DownloadFailed: it is empty, not an image, truncated or damaged, or has too many pixels.
    """
    from PIL import Image  # noqa: PLC0415 - Pillow costs 50 ms, which the command line needs only to save a file

    if not content:
        raise DownloadFailed("the answer was empty", transient=True)
    kind = _format(content)
    if kind is None:
        raise DownloadFailed("what came is not a picture", transient=True)
    try:
        with _damage_named(), Image.open(BytesIO(content), formats=[kind]) as opened:
            width, height = opened.size
            if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
                raise too_large(f"the picture is {width}x{height} pixels")
            if kind == "JPEG" and content.count(_JPEG_SCAN) > _MOST_SCANS:
                raise too_large(f"the picture has more than {_MOST_SCANS} scans")
            if not _is_complete(content, kind):
                raise DownloadFailed("the picture is truncated", transient=True)
            opened.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large("the picture has more than 100 million pixels") from error
    return ImageFile(content=content, format=kind, width=width, height=height, suffix=_SUFFIXES[kind])


def _is_complete(content: bytes, kind: str) -> bool:
    """Whether the file has its end marker, which Pillow does not ask for once it has all pixels."""
    match kind:
        case "JPEG":
            return content.rfind(_JPEG_END) > content.rfind(_JPEG_SCAN)
        case "PNG":
            return _PNG_END in content
        case "GIF":
            return content.rstrip(b"\0").endswith(_GIF_END)
    return len(content) >= 8 + int.from_bytes(content[4:8], "little")


def too_large(message: str) -> DownloadFailed:
    """The error of a picture that is larger than any that the bot takes."""
    return DownloadFailed(message, sentence="failure.image_too_large", permanent=True)


def shrink(image: ImageFile, *, limit: int = LARGEST_FOR_FEISHU) -> ImageFile:
    """The picture as a JPEG of at most ``limit`` bytes with the same aspect and, where there is one, its EXIF label.

    Quality gives way first, then size. A label that is longer than a JPEG can hold is left out.

    Raises:
        DownloadFailed: the bytes turn out to be damaged.
    """
    from PIL import Image  # noqa: PLC0415 - as above

    with _damage_named():
        with Image.open(BytesIO(image.content), formats=[image.format]) as opened:
            exif = opened.info.get("exif", b"")
            picture = _opaque(opened)
        # What else was written about the picture would go along, as far as there is room for it.
        picture.info.clear()
        while True:
            for quality in _QUALITIES:
                content = BytesIO()
                picture.save(content, "JPEG", quality=quality, exif=exif if len(exif) <= _LONGEST_EXIF else b"")
                if content.tell() <= limit or max(picture.size) == 1:
                    return inspect_image(content.getvalue())
            picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))


@contextmanager
def _damage_named() -> Iterator[None]:
    """Whatever Pillow raises at a picture that is damaged, as a download that failed."""
    try:
        yield
    except (OSError, EOFError, ValueError, TypeError, SyntaxError, LookupError, struct.error, zlib.error) as error:
        raise DownloadFailed("the picture is damaged", transient=True) from error


def _opaque(opened: Image) -> Image:
    """The picture in RGB, on white where it was transparent."""
    from PIL import Image  # noqa: PLC0415 - as above

    if not opened.has_transparency_data:
        return opened.convert("RGB")
    layer = opened.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _format(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), None)
