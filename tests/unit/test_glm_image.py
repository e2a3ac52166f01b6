"""What the bytes of a picture really are."""

from __future__ import annotations

from io import BytesIO
from zlib import crc32

import pytest
from PIL import Image

from bot.errors import DownloadFailed
from bot.glm.image import LARGEST_FOR_FEISHU, look_at, shrink

LABEL = '{"AIGC": {"Label": "1"}}'


def encoded(kind: str, *, size: tuple[int, int] = (64, 48), mode: str = "RGB", noise: bool = False) -> bytes:
    """A picture in a format, with the platform's label where the format is JPEG."""
    picture = Image.effect_noise(size, 90).convert(mode) if noise else Image.new(mode, size, "orange")
    exif = Image.Exif()
    exif[0x010E] = LABEL
    content = BytesIO()
    picture.save(content, kind, **({"exif": exif, "quality": 100} if kind == "JPEG" else {}))
    return content.getvalue()


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("GIF", ".gif")])
def test_the_bytes_name_the_format(kind: str, suffix: str) -> None:
    """The bytes are kept as they are; what they are named for is what they are."""
    content = encoded(kind)
    image = look_at(content)
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
    """A page, a fragment or another kind of file never passes for an image."""
    with pytest.raises(DownloadFailed) as caught:
        look_at(content)
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("width", "height", "why"),
    [
        (12_001, 1, "more than 12000 a side"),
        (1, 12_001, "more than 12000 a side"),
        (60_000, 60_000, "more than 12000 a side"),
        (4_097, 4_096, "more than 16777216 in all"),
        (4_096, 4_096, ""),
        (12_000, 1, ""),
    ],
)
def test_a_picture_that_would_unpack_into_gigabytes_is_refused(width: int, height: int, why: str) -> None:
    """A few bytes may announce any number of pixels; they are measured, never decoded."""
    content = bytearray(encoded("PNG"))
    content[16:24] = width.to_bytes(4) + height.to_bytes(4)
    content[29:33] = crc32(content[12:29]).to_bytes(4)
    if why:
        with pytest.raises(DownloadFailed, match=why) as caught:
            look_at(bytes(content))
        assert caught.value.sentence == "failure.image_too_large"
    else:
        assert look_at(bytes(content)).width == width


def test_shrinking_keeps_aspect_and_label() -> None:
    """What goes over Feishu's limit is encoded once more, as a JPEG that still says it was generated."""
    image = look_at(encoded("JPEG", size=(600, 400), noise=True))
    small = shrink(image, limit=20_000)
    assert len(small.content) <= 20_000 < len(image.content)
    assert small.format == "JPEG"
    assert small.width / small.height == pytest.approx(1.5, rel=0.02)
    assert Image.open(BytesIO(small.content)).getexif()[0x010E] == LABEL


def test_shrinking_prefers_a_lower_quality_to_fewer_pixels() -> None:
    """A picture only just over the limit keeps its size."""
    image = look_at(encoded("JPEG", size=(600, 400), noise=True))
    small = shrink(image, limit=len(image.content) * 3 // 4)
    assert (small.width, small.height) == (600, 400)


def test_shrinking_puts_transparency_on_white() -> None:
    """A JPEG has no transparency, and black would change the picture."""
    content = BytesIO()
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(content, "PNG")
    small = shrink(look_at(content.getvalue()))
    assert Image.open(BytesIO(small.content)).getpixel((16, 16)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_shrinking_leaves_out_a_label_that_no_jpeg_can_hold(kind: str) -> None:
    """Other formats have room for megabytes of EXIF; in a JPEG it has to go into one segment of 64 KB."""
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    content = BytesIO()
    Image.new("RGB", (64, 48), "orange").save(content, kind, exif=exif)
    small = shrink(look_at(content.getvalue()))
    assert (small.format, small.width, small.height) == ("JPEG", 64, 48)
    assert dict(Image.open(BytesIO(small.content)).getexif()) == {}


def test_shrinking_leaves_out_what_else_was_written() -> None:
    """A comment of any length in another format does not stand in the way."""
    content = BytesIO()
    Image.new("RGB", (64, 48), "orange").save(content, "GIF", comment=b"x" * 70_000)
    assert shrink(look_at(content.getvalue())).format == "JPEG"


def test_a_damaged_picture_cannot_be_shrunk() -> None:
    """Damage that the header does not show is found when the picture is decoded."""
    whole = encoded("JPEG", size=(600, 400), noise=True)
    with pytest.raises(DownloadFailed):
        shrink(look_at(whole[: len(whole) // 2]))


def test_the_limit_is_feishus() -> None:
    """Feishu takes images up to 10 MB."""
    assert LARGEST_FOR_FEISHU == 10 * 1024 * 1024
