"""What headers tell of pictures, beside what a decoder makes of them, and what makes a decoder work for minutes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.glm.headers import MOST_PARTS, MOST_SCANS, size_of

MEGABYTES = 20 * 1024 * 1024
LABEL = Image.Exif()
LABEL[0x010E] = '{"AIGC": {"Label": "1"}}'


def encoded(kind: str, mode: str = "RGB", **how: Any) -> bytes:
    """A picture of 64 by 48 pixels."""
    content = BytesIO()
    Image.effect_noise((64, 48), 90).convert(mode).save(content, kind, **how)
    return content.getvalue()


def frames(kind: str) -> bytes:
    """A picture that moves."""
    others = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    return encoded(kind, save_all=True, append_images=others)


PICTURES: Mapping[str, tuple[bytes, ...]] = {
    "JPEG": (
        encoded("JPEG", exif=LABEL),
        encoded("JPEG", "L", progressive=True),
        encoded("JPEG", "CMYK", comment=b"a comment"),
        encoded("JPEG", quality=100, icc_profile=bytes(200_000)),
    ),
    "PNG": (
        encoded("PNG", exif=LABEL),
        encoded("PNG", "RGBA"),
        encoded("PNG", "P"),
        encoded("PNG", "1"),
        frames("PNG"),
    ),
    "GIF": (encoded("GIF"), encoded("GIF", comment=b"a comment"), frames("GIF")),
    "WEBP": (encoded("WEBP"), encoded("WEBP", lossless=True), encoded("WEBP", exif=LABEL), frames("WEBP")),
}
EVERY = [(kind, content) for kind, contents in PICTURES.items() for content in contents]


def decoder_size(content: bytes) -> tuple[int, int] | None:
    """The size that Pillow finds when it opens a file, ``None`` where it does not take it for a picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(content), formats=list(PICTURES)) as opened:
                return opened.size
        except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None


@pytest.mark.parametrize(("kind", "content"), EVERY)
def test_every_way_of_writing_a_picture_is_read(kind: str, content: bytes) -> None:
    """Still or moving, with a palette, a label or a profile: the header tells the size."""
    assert size_of(content, kind) == decoder_size(content) == (64, 48)


# What frames and flags of WebP's extended form say of each other is left to the decoder.
SIMPLE = [(kind, content) for kind, content in EVERY if content[12:16] != b"VP8X"]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_what_no_decoder_opens_is_no_picture(data: st.DataObject) -> None:
    """Cut or changed anywhere in its header, a file is a picture of a size only where a decoder says the same."""
    kind, content = data.draw(st.sampled_from(SIMPLE))
    damaged = bytearray(content[: data.draw(st.integers(16, len(content)))])
    for _ in range(data.draw(st.integers(0, 2))):
        damaged[data.draw(st.integers(12, min(len(damaged), 700) - 1))] = data.draw(st.integers(0, 255))
    size = size_of(bytes(damaged), kind)
    # A decoder has a limit of its own, which the one for pixels is far under.
    assert size in (None, decoder_size(bytes(damaged))) or size[0] * size[1] > 2**24


GOOD = {kind: contents[0] for kind, contents in PICTURES.items()}
_EMPTY_CHUNK = b"\0\0\0\0abCd" + crc32(b"abCd").to_bytes(4)
BOMBS = {
    "empty segments": ("JPEG", GOOD["JPEG"][:2], b"\xff\xe1\0\2", GOOD["JPEG"][2:]),
    "markers without a length": ("JPEG", GOOD["JPEG"][:2], b"\xff\xd0", GOOD["JPEG"][2:]),
    "fill bytes": ("JPEG", GOOD["JPEG"][:2], b"\xff", GOOD["JPEG"][2:]),
    "zeros between segments": ("JPEG", GOOD["JPEG"][:2], b"\0", GOOD["JPEG"][2:]),
    "empty chunks": ("PNG", GOOD["PNG"][:33], _EMPTY_CHUNK, GOOD["PNG"][33:]),
    "empty chunks behind": ("PNG", GOOD["PNG"][:-12], _EMPTY_CHUNK, GOOD["PNG"][-12:]),
    "empty extensions": ("GIF", GOOD["GIF"][:13], b"!\xfe\0", b""),
    "blocks of one byte": ("GIF", GOOD["GIF"][:13] + b"!\xfe", b"\1x", b"\0"),
    "zeros before the picture": ("GIF", GOOD["GIF"][:13], b"\0", b""),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_of_millions_of_parts_is_no_picture(name: str) -> None:
    """Twenty megabytes of parts that say nothing are left after ten thousand, at the cost of a moment."""
    kind, before, part, after = BOMBS[name]
    content = before + part * (MEGABYTES // len(part)) + after
    began = time.process_time()
    assert size_of(content, kind) is None
    assert time.process_time() - began < 1


def test_a_picture_may_have_some_thousand_parts() -> None:
    """The limit is above what a picture of the largest size is written in."""
    segments = GOOD["JPEG"][:2] + b"\xff\xe1\0\2" * (MOST_PARTS // 2) + GOOD["JPEG"][2:]
    assert size_of(segments, "JPEG") == (64, 48)


def test_a_jpeg_of_hundreds_of_passes_is_no_picture() -> None:
    """A pass of thirty bytes takes as long as a whole picture, so that a file of them would take an hour."""
    content = encoded("JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    for passes, size in ((MOST_SCANS // 2, (64, 48)), (MOST_SCANS, None)):
        assert size_of(content[:-2] + last * passes + content[-2:], "JPEG") == size
