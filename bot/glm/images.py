"""Image files: identified by their bytes, and re-encoded where Feishu takes fewer.

The platform names JPEG bytes ``.png`` and sends them as ``application/octet-stream``. They are passed on unchanged: the
label in their EXIF is part of the platform's watermark.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from bot.errors import DownloadFailed
from bot.models import ImageFile

LARGEST_FOR_FEISHU = 10 * 1024 * 1024
"""The bytes of an image that Feishu takes: https://open.feishu.cn/document/server-docs/im-v1/image/create."""

_MAX_SIDE = 12_000  # pixels of a side that Feishu takes
_MAX_PIXELS = 2**24  # four times as many as a model makes; re-encoding takes up to twenty bytes of memory a pixel
_MAX_SCANS = 200  # passes of a progressive JPEG over its pixels; encoders make ten, and 30 bytes can make one of 10 ms
_MAX_EXIF = 65_533  # bytes of the one segment of a JPEG that holds it
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
_JPEG_SCAN = b"\xff\xda"


def inspect_image(content: bytes) -> ImageFile:
    """Identifies an image and decodes it once to its end, so that truncation is noticed.

    Only the first frame of an animation is decoded. ``DownloadFailed`` if it is empty, not an image, truncated or
    damaged, or has too many pixels, which are counted first.
    """
    from PIL import Image  # noqa: PLC0415 - 50 ms that most starts of the command line save

    if not content:
        raise DownloadFailed("the answer was empty", transient=True)
    with _damage_as_error(), Image.open(BytesIO(content), formats=list(_SUFFIXES)) as opened:
        # A JPEG of several pictures calls itself MPO.
        kind = opened.format if opened.format in _SUFFIXES else "JPEG"
        width, height = opened.size
        if max(width, height) > _MAX_SIDE or width * height > _MAX_PIXELS:
            raise too_large(f"the picture is {width}x{height} pixels")
        if kind == "JPEG" and content.count(_JPEG_SCAN) > _MAX_SCANS:
            raise too_large(f"the picture has more than {_MAX_SCANS} scans")
        if not _is_complete(content, kind):
            raise DownloadFailed("the picture is truncated", transient=True)
        opened.load()
    return ImageFile(content=content, format=kind, width=width, height=height, suffix=_SUFFIXES[kind])


def shrink(image: ImageFile, *, limit: int = LARGEST_FOR_FEISHU) -> ImageFile:
    """The image as a JPEG of at most ``limit`` bytes, of the same aspect and with its EXIF label.

    Quality is reduced first, then size. A label that is longer than a JPEG can hold is left out.
    """
    from PIL import Image  # noqa: PLC0415 - as above

    with _damage_as_error():
        with Image.open(BytesIO(image.content), formats=[image.format]) as opened:
            exif = opened.info.get("exif", b"")
            if opened.has_transparency_data:
                layer = opened.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
            else:
                picture = opened.convert("RGB")
        # Other metadata would be written too, and may be too long for a JPEG.
        picture.info.clear()
        while True:
            for quality in (92, 85, 75):
                content = BytesIO()
                picture.save(content, "JPEG", quality=quality, exif=exif if len(exif) <= _MAX_EXIF else b"")
                if content.tell() <= limit or max(picture.size) == 1:
                    return inspect_image(content.getvalue())
            picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))


def too_large(message: str) -> DownloadFailed:
    """The error of an image that is larger than any that the bot takes."""
    return DownloadFailed(message, sentence="failure.image_too_large", permanent=True)


def _is_complete(content: bytes, kind: str) -> bool:
    """Whether the file has its end marker, which Pillow does not require once it has all pixels."""
    match kind:
        case "JPEG":
            # Neither of these two markers occurs within the compressed pixels.
            return content.rfind(b"\xff\xd9") > content.rfind(_JPEG_SCAN)
        case "PNG":
            return b"IEND\xaeB`\x82" in content
        case "GIF":
            return content.rstrip(b"\0").endswith(b"\0;")
    return len(content) >= 8 + int.from_bytes(content[4:8], "little")


@contextmanager
def _damage_as_error() -> Iterator[None]:
    """Turns whatever Pillow raises for a damaged image into ``DownloadFailed``."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - as above

    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large("the picture has more than 100 million pixels") from error
    except UnidentifiedImageError as error:
        raise DownloadFailed("what came is not a picture", transient=True) from error
    except (OSError, EOFError, ValueError, TypeError, SyntaxError, LookupError, struct.error, zlib.error) as error:
        raise DownloadFailed("the picture is damaged", transient=True) from error
