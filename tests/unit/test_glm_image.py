"""What the bytes of a picture really are."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from zlib import crc32

import pytest
from PIL import Image

from bot.errors import DownloadFailed
from bot.glm.images import LARGEST_FOR_FEISHU, inspect_image, shrink

LABEL = '{"AIGC": {"Label": "1"}}'


def encoded(kind: str, *, size: tuple[int, int] = (64, 48), mode: str = "RGB", noise: bool = False) -> bytes:
    picture = (
        Image.effect_noise(size, 90).convert(mode) if noise else Image.new(mode, size, "orange" if mode == "RGB" else 0)
    )
    exif = Image.Exif()
    exif[0x010E] = LABEL
    content = BytesIO()
    picture.save(content, kind, **({"exif": exif, "quality": 100} if kind == "JPEG" else {}))
    return content.getvalue()


def rejected(content: bytes) -> DownloadFailed:
    """The error about bytes that are no usable image."""
    with pytest.raises(DownloadFailed) as caught:
        inspect_image(content)
    return caught.value


def test_the_bytes_name_the_format() -> None:
    """They are kept as they are; a page, a fragment or another kind of file is no image, and the next may be one."""
    for kind, suffix in {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}.items():
        image = inspect_image(content := encoded(kind))
        assert (image.format, image.suffix, image.width, image.height) == (kind, suffix, 64, 48)
        assert image.content is content
    others = [b"", b"<!doctype html><title>Sign in</title>", b"%PDF-1.7", b"\xff\xd8\xff", encoded("JPEG")[:20]]
    others += [b"\x89PNG\r\n\x1a\n" + bytes(64), b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP", encoded("TIFF")]
    for content in others:
        error = rejected(content)
        assert (error.transient, error.permanent) == (True, False), content


def variants() -> dict[str, bytes]:
    """Small images of each format in the ways in which encoders write them."""
    noise = [Image.effect_noise((40, 30), 90).convert("RGB") for _ in range(3)]
    palette, see_through = noise[0].convert("P"), noise[0].convert("RGBA")
    ways: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "JPEG": (noise[0], {}),
        "JPEG progressive": (noise[0], {"progressive": True}),
        "JPEG grey": (noise[0].convert("L"), {"quality": 30}),
        "JPEG cmyk": (noise[0].convert("CMYK"), {}),
        "JPEG restarts": (noise[0], {"restart_marker_blocks": 1}),
        "PNG": (noise[0], {}),
        "PNG palette": (palette, {}),
        "PNG alpha": (see_through, {}),
        "PNG animated": (noise[0], {"save_all": True, "append_images": noise[1:]}),
        "GIF": (palette, {}),
        "GIF interlaced": (palette, {"interlace": 1}),
        "GIF animated": (noise[0], {"save_all": True, "append_images": noise[1:]}),
        "WEBP": (noise[0], {}),
        "WEBP lossless": (noise[0], {"lossless": True}),
        "WEBP alpha": (see_through, {}),
        "WEBP animated": (noise[0], {"save_all": True, "append_images": noise[1:]}),
    }
    found = {}
    for name, (image, how) in ways.items():
        content = BytesIO()
        image.save(content, name.partition(" ")[0], **how)
        found[name] = content.getvalue()
    return found


def test_an_image_that_ends_too_early_or_has_a_hole_is_refused() -> None:
    for name, content in variants().items():
        assert all(rejected(content[:length]).transient for length in range(len(content))), name
        for whole in (content, content + bytes(1000)):
            image = inspect_image(whole)
            assert (image.format, image.width, image.height) == (name.partition(" ")[0], 40, 30)
    content = encoded("PNG", noise=True)
    holed = content[: len(content) // 2] + bytes(len(content) // 4) + content[-12:]
    assert "damaged" in str(rejected(holed))


def test_a_picture_that_would_unpack_into_gigabytes_is_refused() -> None:
    """A few bytes may announce any number of pixels; up to four times as many as any model makes are decoded.

    Each scan of a JPEG is one more pass over all of them, and a small file could ask for a million.
    """
    large = [(12_001, 1), (1, 12_001), (60_000, 60_000), (10_000, 10_000), (12_000, 12_000), (4_097, 4_096)]
    for width, height in large:
        content = bytearray(encoded("PNG"))
        content[16:24] = width.to_bytes(4) + height.to_bytes(4)
        content[29:33] = crc32(content[12:29]).to_bytes(4)
        error = rejected(bytes(content))
        assert (error.sentence, error.permanent) == ("failure.image_too_large", True)
        assert "pixels" in str(error)
    for size in [(4_096, 4_096), (12_000, 1), (1, 12_000)]:
        image = inspect_image(encoded("PNG", size=size, mode="L"))
        assert (image.width, image.height) == size
    scans = BytesIO()
    Image.new("L", (64, 48)).save(scans, "JPEG", progressive=True)
    jpeg = scans.getvalue()
    last_scan = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    assert inspect_image(jpeg[:-2] + last_scan * 20 + jpeg[-2:]).width == 64
    assert rejected(jpeg[:-2] + last_scan * 100_000 + jpeg[-2:]).permanent


def test_shrinking_keeps_aspect_and_label() -> None:
    """What goes over Feishu's limit is encoded once more, as a JPEG that still says it was generated.

    One only just over the limit keeps its size: a lower quality is preferred to fewer pixels.
    """
    image = inspect_image(encoded("JPEG", size=(600, 400), noise=True))
    small = shrink(image, limit=20_000)
    assert len(small.content) <= 20_000 < len(image.content)
    assert small.format == "JPEG"
    assert small.width / small.height == pytest.approx(1.5, rel=0.02)
    assert Image.open(BytesIO(small.content)).getexif()[0x010E] == LABEL
    larger = shrink(image, limit=len(image.content) * 3 // 4)
    assert (larger.width, larger.height) == (600, 400)
    assert LARGEST_FOR_FEISHU == 10 * 1024 * 1024


def shrunk(picture: Image.Image, kind: str, **how: Any) -> Image.Image:
    """What a picture becomes that was saved in another format and then shrunk."""
    content = BytesIO()
    picture.save(content, kind, **how)
    return Image.open(BytesIO(shrink(inspect_image(content.getvalue())).content))


def test_shrinking_makes_a_jpeg_of_any_picture() -> None:
    """Transparency is put on white, as black would change the picture, and what no JPEG can hold is left out.

    Other formats have room for megabytes of EXIF and comments; in a JPEG a label has to go into one segment of 64 KB.
    """
    transparent = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    assert shrunk(transparent, "PNG").getpixel((16, 16)) == (255, 255, 255)
    picture, exif = Image.new("RGB", (64, 48), "orange"), Image.Exif()
    exif[0x010E] = "x" * 70_000
    for kind in ("PNG", "WEBP"):
        small = shrunk(picture, kind, exif=exif)
        assert (small.format, small.size, dict(small.getexif())) == ("JPEG", (64, 48), {})
    assert shrunk(picture, "GIF", comment=b"x" * 70_000).format == "JPEG"
