"""The images that the stand-in makes: a pattern from the prompt, marked as coming from the sandbox."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cache, lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

# Pillow looks for these names in the system's font folders; Linux, macOS and Windows each bring some.
# fmt: off
_CHINESE_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf", "NotoSerifCJK-Regular.ttc",
    "NotoSerifCJK-Bold.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "PingFang.ttc",
    "Hiragino Sans GB.ttc", "STHeiti Medium.ttc", "msyh.ttc", "simhei.ttf", "simsun.ttc",
)
# fmt: on
_IMAGE_DESCRIPTION = 0x010E
_PROMPT_SHOWN = 24
_SCALE = 4


def render(prompt: str, *, width: int, height: int, image_id: str, watermark: bool) -> bytes:
    """An image as JPEG bytes; the same arguments make the same image.

    Args:
        prompt: its hash gives the pattern; its first characters are written on the image.
        width: in pixels.
        height: in pixels.
        image_id: part of the EXIF label, as the platform's own id is.
        watermark: whether the platform's visible "AI生成" is at the bottom right.
    """
    seed = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    # Soft shapes lose nothing by being drawn small, and half the time is saved.
    small = _pattern(seed, math.ceil(width / _SCALE), math.ceil(height / _SCALE))
    image = small.resize((width, height), Image.Resampling.BILINEAR)
    _write(image, prompt, watermark=watermark)
    exif = Image.Exif()
    # The platform's implicit mark, by the rules on labelling generated content of 2025.
    label = {"AIGC": {"Label": "1", "ContentProducer": "sandbox", "ProduceID": image_id}}
    exif[_IMAGE_DESCRIPTION] = json.dumps(label)
    content = BytesIO()
    image.save(content, "JPEG", quality=85, exif=exif)
    return content.getvalue()


def _pattern(seed: bytes, width: int, height: int) -> Image.Image:
    near, far = tuple(seed[0:3]), tuple(seed[3:6])
    slope = Image.linear_gradient("L").resize((width, height)).rotate(seed[6] % 2 * 180)
    image = Image.composite(Image.new("RGB", slope.size, near), Image.new("RGB", slope.size, far), slope)
    draw = ImageDraw.Draw(image, "RGBA")
    for disc in range(9):
        across, down, size, red, green, blue = (seed[(7 + disc * 5 + part) % len(seed)] for part in range(6))
        x, y, radius = across / 255 * width, down / 255 * height, (40 + size) / 700 * min(width, height)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(red, green, blue, 110))
    return image


def _write(image: Image.Image, prompt: str, *, watermark: bool) -> None:
    draw = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    unit = min(width, height) / 20
    words = " ".join(prompt.split())
    shown = words if len(words) <= _PROMPT_SHOWN else words[:_PROMPT_SHOWN] + "…"
    lines = [("SANDBOX · 沙盒图片", "SANDBOX IMAGE", 1.4), (shown, "", 1.0), (f"{width} x {height}", "", 0.8)]
    draw.rectangle((0, height / 2 - 2.6 * unit, width, height / 2 + 2.6 * unit), fill=(0, 0, 0, 150))
    for place, (text, plain, scale) in zip((-1.4, 0.4, 1.8), lines, strict=True):
        font = _font(math.ceil(unit * scale))
        line = _drawable(text, plain)
        draw.text((width / 2, height / 2 + place * unit), line, font=font, fill="white", anchor="mm")
    if watermark:
        font = _font(math.ceil(unit * 0.6))
        label = _drawable("AI生成", "AI")
        draw.text((width - unit / 2, height - unit / 2), label, font=font, fill=(255, 255, 255, 200), anchor="rs")


@cache
def _chinese_font() -> str | None:
    """The file of a font of this system that has Chinese characters."""
    for name in _CHINESE_FONTS:
        try:
            return str(ImageFont.truetype(name, 10).path)
        except OSError:
            continue
    return None


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    found = _chinese_font()
    return ImageFont.truetype(found, size) if found else ImageFont.load_default(size)


def _drawable(text: str, otherwise: str) -> str:
    """The text, or a replacement that Pillow's own font can draw where there is no other."""
    return text if text.isascii() or _chinese_font() else otherwise
