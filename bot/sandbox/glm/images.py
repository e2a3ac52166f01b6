"""The images that the stand-in makes: another one for each call, marked as a sample of the sandbox."""

from __future__ import annotations

import json
import math
import random
from contextlib import suppress
from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

# Pillow looks for these names in the system's font folders; Linux, macOS and Windows each bring some.
# fmt: off
_CHINESE_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf", "NotoSerifCJK-Regular.ttc",
    "NotoSerifCJK-Bold.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "PingFang.ttc",
    "Hiragino Sans GB.ttc", "STHeiti Medium.ttc", "msyh.ttc", "simhei.ttf", "simsun.ttc",
)
# fmt: on
_IMAGE_DESCRIPTION = 0x010E


def render(prompt: str, *, width: int, height: int, image_id: str, watermark: bool) -> bytes:
    """A landscape as JPEG bytes, sides in pixels; the same arguments make the same image.

    ``image_id`` is part of the EXIF label; the ``watermark`` is the platform's visible "AI生成".
    """
    # Drawn small and enlarged, which takes a quarter of the time and softens the edges.
    image = Image.new("RGB", (math.ceil(width / 2), math.ceil(height / 2)))
    _draw_landscape(image, random.Random(f"{prompt}/{image_id}"))  # noqa: S311 - no secret
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    _mark(image, prompt, watermark=watermark)
    exif = Image.Exif()
    # The platform's implicit mark, by the rules on labelling generated content of 2025.
    exif[_IMAGE_DESCRIPTION] = json.dumps({"AIGC": {"Label": "1", "ContentProducer": "sandbox", "ProduceID": image_id}})
    content = BytesIO()
    image.save(content, "JPEG", quality=85, exif=exif)
    return content.getvalue()


def _draw_landscape(image: Image.Image, rng: random.Random) -> None:
    """Mountains and the sun over a lake."""
    (width, height), side, draw = image.size, min(image.size), ImageDraw.Draw(image)
    hue, shore = rng.choice((15, 30, 335, 350)), round(height * 0.72)
    sky = Image.linear_gradient("L").resize((width, shore))
    image.paste(ImageOps.colorize(sky, _hsl(hue + 190, 50, 42), _hsl(hue, 85, 80)))
    sun = round(width * rng.uniform(0.25, 0.75)), round(height * 0.4)
    # Pillow's gradient is 181 at the middle of its sides, where the light has to end.
    glow = Image.radial_gradient("L").resize((side, side)).point(lambda far: max(0, 255 - far * 255 / 181) * 0.9)
    image.paste(_hsl(hue + 20, 100, 90), (sun[0] - side // 2, sun[1] - side // 2), glow)
    draw.circle(sun, side * 0.06, _hsl(hue + 30, 100, 96))
    for layer in range(4):
        waves = [(rng.uniform(0.6, 1.4) * 2**octave, rng.uniform(0, 6), 0.55**octave) for octave in range(6)]
        base, rise = height * (0.46 + 0.075 * layer), height * (0.13 - 0.02 * layer)
        ridge = [
            (x, base - rise * sum(math.sin(6 * x / width * speed + shift) * part for speed, shift, part in waves))
            for x in range(0, width + 4, 4)
        ]
        draw.polygon([(0, shore), *ridge, (width, shore)], _hsl(hue + 190 + 8 * layer, 32 + 6 * layer, 62 - 14 * layer))
    above = ImageOps.flip(image.crop((0, 2 * shore - height, width, shore)))
    tint = Image.new("RGB", above.size, _hsl(hue + 195, 40, 25))
    image.paste(Image.blend(above.filter(ImageFilter.BoxBlur(side / 160)), tint, 0.35), (0, shore))


def _mark(image: Image.Image, prompt: str, *, watermark: bool) -> None:
    """Writes on the image that it is a sample, of which prompt, and how large."""
    (width, height), unit = image.size, min(image.size) / 36
    words = " ".join(prompt.split())
    shown = words if len(words) <= 30 else words[:30] + "…"  # noqa: PLR2004 - what fits
    ImageDraw.Draw(image, "RGBA").rectangle((0, height - 2.6 * unit, width, height), (0, 0, 0, 120))
    label, in_english = f"沙盒示例图 SANDBOX  {width}x{height}  {shown}", f"SANDBOX SAMPLE  {width}x{height}"
    _write(image, (unit, height - 1.3 * unit), label, in_english, size=unit, fill="#e6e6e6", anchor="lm")
    if watermark:
        _write(image, (width - unit, height - 3.4 * unit), "AI生成", "AI", size=unit, fill="white", anchor="rm")


def _write(
    image: Image.Image, place: tuple[float, float], text: str, instead: str, *, size: float, anchor: str, fill: str
) -> None:
    """Writes a text, or what Pillow's own font can draw ``instead`` where there is no Chinese one."""
    path, pixels = _font_path(), math.ceil(size)
    font = ImageFont.truetype(path, pixels) if path else ImageFont.load_default(pixels)
    ImageDraw.Draw(image).text(place, text if path else instead, font=font, anchor=anchor, fill=fill)


@cache
def _font_path() -> str | None:
    for name in _CHINESE_FONTS:
        with suppress(OSError):
            return str(ImageFont.truetype(name, 10).path)
    return None


def _hsl(hue: int, saturation: int, lightness: int) -> str:
    """Hue in degrees, the others in per cent."""
    return f"hsl({hue % 360}, {saturation}%, {lightness}%)"
