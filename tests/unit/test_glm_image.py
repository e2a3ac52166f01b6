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


def saved(picture: Image.Image, kind: str, **how: Any) -> bytes:
    content = BytesIO()
    picture.save(content, kind, **how)
    return content.getvalue()


def plain(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    return saved(Image.new("L", size), kind)


def noise(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


def rejected(content: bytes) -> DownloadFailed:
    """The error about bytes that are no usable image."""
    with pytest.raises(DownloadFailed) as caught:
        inspect_image(content)
    return caught.value


def test_the_bytes_name_the_format() -> None:
    """They are kept as they are; a page, a fragment or another kind of file is no image, and the next may be one."""
    for kind, suffix in {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}.items():
        image = inspect_image(content := plain(kind))
        assert (image.format, image.suffix, image.width, image.height) == (kind, suffix, 64, 48)
        assert image.content is content
    others = [b"", b"<!doctype html><title>Sign in</title>", b"%PDF-1.7", b"\xff\xd8\xff", plain("TIFF")]
    others += [b"\x89PNG\r\n\x1a\n" + bytes(64), b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP"]
    for content in others:
        error = rejected(content)
        assert (error.transient, error.permanent) == (True, False), content


def test_an_image_that_ends_too_early_or_has_a_hole_is_refused() -> None:
    frames = [noise(16, 12) for _ in range(3)]
    several: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    ways: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {"lossless": True}),
    ]
    for kind, how in [*ways, *((kind, how) for kind in ("PNG", "GIF", "WEBP") for how in ({}, several))]:
        content = saved(frames[0], kind, **how)
        assert all(rejected(content[:length]).transient for length in range(len(content))), (kind, how)
        for whole in (content, content + bytes(1000)):
            image = inspect_image(whole)
            assert (image.format, image.width, image.height) == (kind, 16, 12)
    content = saved(noise(64, 48), "PNG")
    holed = content[: len(content) // 2] + bytes(len(content) // 4) + content[-12:]
    assert "damaged" in str(rejected(holed))


def test_a_picture_that_would_unpack_into_gigabytes_is_refused() -> None:
    """A few bytes may announce any number of pixels; up to four times as many as any model makes are decoded.

    Each scan of a JPEG is one more pass over all of them, and a small file could ask for a million.
    """
    large = [(12_001, 1), (1, 12_001), (60_000, 60_000), (10_000, 10_000), (12_000, 12_000), (4_097, 4_096)]
    for width, height in large:
        content = bytearray(plain("PNG"))
        content[16:24] = width.to_bytes(4) + height.to_bytes(4)
        content[29:33] = crc32(content[12:29]).to_bytes(4)
        error = rejected(bytes(content))
        assert (error.sentence, error.permanent) == ("failure.image_too_large", True)
        assert "pixels" in str(error)
    for size in [(4_096, 4_096), (12_000, 1), (1, 12_000)]:
        image = inspect_image(plain("PNG", size))
        assert (image.width, image.height) == size
    jpeg = saved(Image.new("L", (64, 48)), "JPEG", progressive=True)
    last_scan = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    assert inspect_image(jpeg[:-2] + last_scan * 20 + jpeg[-2:]).width == 64
    assert rejected(jpeg[:-2] + last_scan * 100_000 + jpeg[-2:]).permanent


def test_shrinking_keeps_aspect_and_label() -> None:
    """What goes over Feishu's limit is encoded once more, as a JPEG that still says it was generated.

    One only just over the limit keeps its size: a lower quality is preferred to fewer pixels.
    """
    label = Image.Exif()
    label[0x010E] = LABEL
    image = inspect_image(saved(noise(600, 400), "JPEG", exif=label, quality=100))
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
    return Image.open(BytesIO(shrink(inspect_image(saved(picture, kind, **how))).content))


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
