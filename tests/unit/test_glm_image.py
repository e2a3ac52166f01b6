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
    """A picture in a format, with the platform's label where the format is JPEG."""
    picture = (
        Image.effect_noise(size, 90).convert(mode) if noise else Image.new(mode, size, "orange" if mode == "RGB" else 0)
    )
    exif = Image.Exif()
    exif[0x010E] = LABEL
    content = BytesIO()
    picture.save(content, kind, **({"exif": exif, "quality": 100} if kind == "JPEG" else {}))
    return content.getvalue()


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("GIF", ".gif")])
def test_the_bytes_name_the_format(kind: str, suffix: str) -> None:
    """The bytes are kept as they are; what they are named for is what they are."""
    content = encoded(kind)
    image = inspect_image(content)
    assert (image.format, image.suffix, image.width, image.height) == (kind, suffix, 64, 48)
    assert image.content is content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><title>Sign in</title>",
        b"%PDF-1.7",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 64,
        b"GIF89a",
        b"RIFF\x00\x00\x00\x00WEBP",
        encoded("JPEG")[:20],
        encoded("TIFF"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    """A page, a fragment or another kind of file never passes for an image, and the next answer may be one."""
    with pytest.raises(DownloadFailed) as caught:
        inspect_image(content)
    assert (caught.value.transient, caught.value.permanent) == (True, False)


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


@pytest.mark.parametrize(("name", "content"), variants().items(), ids=lambda value: value if type(value) is str else "")
def test_an_image_that_ends_too_early_is_refused(name: str, content: bytes) -> None:
    """Wherever a file is cut, at its last byte too, it is no image; the whole one is, also with zeros after it."""
    for length in range(len(content)):
        with pytest.raises(DownloadFailed) as caught:
            inspect_image(content[:length])
        assert caught.value.transient
    for whole in (content, content + bytes(1000)):
        image = inspect_image(whole)
        assert (image.format, image.width, image.height) == (name.partition(" ")[0], 40, 30)


def test_a_damaged_image_is_refused() -> None:
    """An end marker does not make an image of a file with a hole in it."""
    content = encoded("PNG", noise=True)
    with pytest.raises(DownloadFailed, match="damaged"):
        inspect_image(content[: len(content) // 2] + bytes(len(content) // 4) + content[-12:])


def test_a_jpeg_of_very_many_scans_is_not_decoded() -> None:
    """Each scan is one more pass over all pixels, and a small file could ask for a million of them."""
    content = BytesIO()
    Image.new("L", (64, 48)).save(content, "JPEG", progressive=True)
    image = content.getvalue()
    last_scan = image[image.rfind(b"\xff\xda") : -2]
    assert inspect_image(image[:-2] + last_scan * 20 + image[-2:]).width == 64
    with pytest.raises(DownloadFailed) as caught:
        inspect_image(image[:-2] + last_scan * 100_000 + image[-2:])
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("width", "height"),
    [(12_001, 1), (1, 12_001), (60_000, 60_000), (10_000, 10_000), (12_000, 12_000), (4_097, 4_096)],
)
def test_a_picture_that_would_unpack_into_gigabytes_is_refused(width: int, height: int) -> None:
    """A few bytes may announce any number of pixels; they are measured before anything is decoded."""
    content = bytearray(encoded("PNG"))
    content[16:24] = width.to_bytes(4) + height.to_bytes(4)
    content[29:33] = crc32(content[12:29]).to_bytes(4)
    with pytest.raises(DownloadFailed, match="pixels") as caught:
        inspect_image(bytes(content))
    assert caught.value.sentence == "failure.image_too_large"
    assert caught.value.permanent


@pytest.mark.parametrize("size", [(4_096, 4_096), (12_000, 1), (1, 12_000)])
def test_a_large_picture_is_taken(size: tuple[int, int]) -> None:
    """Up to four times as many pixels as any model makes are decoded."""
    image = inspect_image(encoded("PNG", size=size, mode="L"))
    assert (image.width, image.height) == size


def test_shrinking_keeps_aspect_and_label() -> None:
    """What goes over Feishu's limit is encoded once more, as a JPEG that still says it was generated."""
    image = inspect_image(encoded("JPEG", size=(600, 400), noise=True))
    small = shrink(image, limit=20_000)
    assert len(small.content) <= 20_000 < len(image.content)
    assert small.format == "JPEG"
    assert small.width / small.height == pytest.approx(1.5, rel=0.02)
    assert Image.open(BytesIO(small.content)).getexif()[0x010E] == LABEL


def test_shrinking_prefers_a_lower_quality_to_fewer_pixels() -> None:
    """A picture only just over the limit keeps its size."""
    image = inspect_image(encoded("JPEG", size=(600, 400), noise=True))
    small = shrink(image, limit=len(image.content) * 3 // 4)
    assert (small.width, small.height) == (600, 400)


def test_shrinking_puts_transparency_on_white() -> None:
    """A JPEG has no transparency, and black would change the picture."""
    content = BytesIO()
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(content, "PNG")
    small = shrink(inspect_image(content.getvalue()))
    assert Image.open(BytesIO(small.content)).getpixel((16, 16)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_shrinking_leaves_out_a_label_that_no_jpeg_can_hold(kind: str) -> None:
    """Other formats have room for megabytes of EXIF; in a JPEG it has to go into one segment of 64 KB."""
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    content = BytesIO()
    Image.new("RGB", (64, 48), "orange").save(content, kind, exif=exif)
    small = shrink(inspect_image(content.getvalue()))
    assert (small.format, small.width, small.height) == ("JPEG", 64, 48)
    assert dict(Image.open(BytesIO(small.content)).getexif()) == {}


def test_shrinking_leaves_out_what_else_was_written() -> None:
    """A comment of any length in another format does not stand in the way."""
    content = BytesIO()
    Image.new("RGB", (64, 48), "orange").save(content, "GIF", comment=b"x" * 70_000)
    assert shrink(inspect_image(content.getvalue())).format == "JPEG"


def test_the_limit_is_feishus() -> None:
    """Feishu takes images up to 10 MB."""
    assert LARGEST_FOR_FEISHU == 10 * 1024 * 1024
