"""The images that the stand-in makes: six kinds of scenes, each marked as a sample of the sandbox."""

from __future__ import annotations

import colorsys
import json
import math
import random
import re
from collections.abc import Callable
from functools import cache, lru_cache
from io import BytesIO
from itertools import pairwise

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
_PROMPT_SHOWN, _TITLE_LETTERS, _TITLE_SIGNS = 30, 8, 4
# Scenes are drawn small and enlarged, which takes a quarter of the time and softens their edges.
_SCALE = 2

Color = tuple[int, int, int]


def render(prompt: str, *, width: int, height: int, image_id: str, watermark: bool, number: int = 0) -> bytes:
    """An image as JPEG bytes; the same arguments make the same image, each further ``number`` another scene.

    Args:
        prompt: chooses the first scene; its first characters are written on the image.
        width: in pixels.
        height: in pixels.
        image_id: part of the EXIF label, as the platform's own id is.
        watermark: whether the platform's visible "AI生成" is at the bottom right.
        number: how many images of this prompt were made before.
    """
    rng = random.Random(f"{prompt}/{number}")  # noqa: S311 - no secret
    scene = _SCENES[(random.Random(prompt).randrange(len(_SCENES)) + number) % len(_SCENES)]  # noqa: S311 - likewise
    small = Image.new("RGB", (math.ceil(width / _SCALE), math.ceil(height / _SCALE)))
    scene(small, rng, prompt)
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    _mark(image, prompt, watermark=watermark)
    exif = Image.Exif()
    # The platform's implicit mark, by the rules on labelling generated content of 2025.
    label = {"AIGC": {"Label": "1", "ContentProducer": "sandbox", "ProduceID": image_id}}
    exif[_IMAGE_DESCRIPTION] = json.dumps(label)
    content = BytesIO()
    image.save(content, "JPEG", quality=85, exif=exif)
    return content.getvalue()


def _color(hue: float, saturation: float, lightness: float) -> Color:
    """Hue in degrees, the others from 0 to 1."""
    red, green, blue = colorsys.hls_to_rgb(hue % 360 / 360, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _gradient(image: Image.Image, top: Color, bottom: Color, box: tuple[int, int, int, int] | None = None) -> None:
    left, upper, right, lower = box or (0, 0, *image.size)
    size = right - left, lower - upper
    slope = Image.linear_gradient("L").resize(size)
    image.paste(Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), slope), (left, upper))


def _glow(image: Image.Image, x: float, y: float, radius: float, color: Color, *, strength: float = 1.0) -> None:
    side = max(2, round(2 * radius))
    # Pillow's gradient is 181 at the middle of its sides, where the light has to end.
    light = Image.radial_gradient("L").point(lambda far: max(0, 255 - far * 255 / 181) * strength)
    image.paste(color, (round(x - radius), round(y - radius)), light.resize((side, side)))


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: Color, *, flat: float = 1.0) -> None:
    draw.ellipse((x - radius, y - radius * flat, x + radius, y + radius * flat), fill=fill)


def _reflect(image: Image.Image, horizon: int, tint: Color) -> None:
    """Fills what is below the horizon with a soft reflection of what is above it."""
    width, height = image.size
    above = ImageOps.flip(image.crop((0, max(0, 2 * horizon - height), width, horizon)))
    water = above.resize((width, height - horizon)).filter(ImageFilter.BoxBlur(width / 160))
    image.paste(Image.blend(water, Image.new("RGB", water.size, tint), 0.35), (0, horizon))


def _landscape(image: Image.Image, rng: random.Random, _: str) -> None:
    width, height = image.size
    hue, horizon = rng.choice((15, 30, 195, 265, 335)), round(height * 0.72)
    _gradient(image, _color(hue + 190, 0.5, 0.42), _color(hue, 0.85, 0.8), (0, 0, width, horizon))
    sun = width * rng.uniform(0.25, 0.75), height * 0.4
    _glow(image, *sun, width * 0.45, _color(hue + 20, 1, 0.9), strength=0.9)
    draw = ImageDraw.Draw(image)
    _disc(draw, *sun, min(image.size) * 0.06, _color(hue + 30, 1, 0.96))
    for layer in range(4):
        waves = [(rng.uniform(0.6, 1.4) * 2**octave, rng.uniform(0, 6), 0.55**octave) for octave in range(6)]
        base, rise = height * (0.46 + 0.075 * layer), height * (0.13 - 0.02 * layer)
        ridge = [
            (x, base - rise * sum(math.sin(6 * x / width * speed + shift) * part for speed, shift, part in waves))
            for x in range(0, width + 4, 4)
        ]
        fill = _color(hue + 190 + 8 * layer, 0.32 + 0.06 * layer, 0.62 - 0.14 * layer)
        draw.polygon([(0, horizon), *ridge, (width, horizon)], fill=fill)
    _reflect(image, horizon, _color(hue + 195, 0.4, 0.25))
    draw = ImageDraw.Draw(image)
    for _tree in range(26):
        x, tall = (
            rng.choice((rng.uniform(-0.05, 0.28), rng.uniform(0.75, 1.05))) * width,
            height * rng.uniform(0.1, 0.24),
        )
        foot = height * rng.uniform(0.97, 1.05)
        for part in range(4):
            top, half = foot - tall * (1 - part * 0.2), tall * (0.07 + part * 0.05)
            draw.polygon(
                [(x, top), (x - half, top + tall * 0.34), (x + half, top + tall * 0.34)], _color(hue + 200, 0.3, 0.1)
            )


def _city(image: Image.Image, rng: random.Random, _: str) -> None:
    width, height = image.size
    hue, horizon = rng.choice((205, 250, 320, 20)), round(height * 0.8)
    _gradient(image, _color(hue + 20, 0.6, 0.08), _color(hue, 0.65, 0.42), (0, 0, width, horizon))
    moon = width * rng.uniform(0.15, 0.85), height * 0.2
    _glow(image, *moon, width * 0.25, _color(45, 0.8, 0.85), strength=0.5)
    draw = ImageDraw.Draw(image)
    _disc(draw, *moon, min(image.size) * 0.045, _color(48, 0.7, 0.9))
    for layer in range(3):
        x, unit = -width * 0.05, width * 0.012
        while x < width:
            wide = width * rng.uniform(0.05, 0.12)
            roof = horizon - height * rng.uniform(0.12, 0.5) * (1 - 0.18 * layer)
            draw.rectangle((x, roof, x + wide, horizon), fill=_color(hue + 10, 0.4, 0.26 - 0.09 * layer))
            if rng.random() < 0.3:  # noqa: PLR2004 - some roofs have a mast
                draw.line((x + wide / 2, roof - height * 0.05, x + wide / 2, roof), fill=_color(hue, 0.3, 0.2), width=2)
            for row in range(int((horizon - roof) / (2 * unit)) if layer else 0):
                for column in range(int(wide / (1.7 * unit))):
                    if rng.random() < 0.42:  # noqa: PLR2004 - the share of lit windows
                        left, upper = x + unit * (0.6 + 1.7 * column), roof + unit * (0.8 + 2 * row)
                        lit = _color(rng.choice((38, 45, 50, 200)), 0.9, rng.uniform(0.55, 0.85))
                        draw.rectangle((left, upper, left + unit * 0.8, upper + unit), fill=lit)
            x += wide * rng.uniform(0.85, 1.1)
    _reflect(image, horizon, _color(hue, 0.5, 0.1))


def _portrait(image: Image.Image, rng: random.Random, _: str) -> None:
    width, height = image.size
    side, hue = min(image.size), rng.randrange(360)
    x, y = width / 2, height * 0.44
    _gradient(image, _color(hue, 0.35, 0.62), _color(hue + 40, 0.4, 0.28))
    for _light in range(14):
        at = rng.uniform(0, width), rng.uniform(0, height * 0.8)
        _glow(image, *at, side * rng.uniform(0.06, 0.2), _color(hue + rng.uniform(-40, 60), 0.7, 0.75), strength=0.5)
    skin, hair = (
        rng.choice(((26, 0.5, 0.78), (24, 0.42, 0.62), (22, 0.4, 0.42))),
        _color(rng.choice((20, 28, 0)), 0.35, 0.14),
    )
    shade = _color(skin[0] - 6, skin[1], skin[2] * 0.78)
    draw = ImageDraw.Draw(image)
    draw.ellipse((x - side * 0.23, y - side * 0.3, x + side * 0.23, y + side * 0.34), fill=hair)
    draw.ellipse((x - side * 0.42, y + side * 0.3, x + side * 0.42, y + side * 1.2), fill=_color(hue + 180, 0.45, 0.35))
    draw.rounded_rectangle(
        (x - side * 0.075, y + side * 0.1, x + side * 0.075, y + side * 0.38), side * 0.06, fill=shade
    )
    draw.ellipse((x - side * 0.17, y - side * 0.22, x + side * 0.17, y + side * 0.24), fill=_color(*skin))
    _glow(
        image,
        x - side * 0.06,
        y - side * 0.02,
        side * 0.17,
        _color(skin[0], skin[1], min(0.95, skin[2] + 0.1)),
        strength=0.8,
    )
    for cheek in (-0.09, 0.09):
        _glow(image, x + side * cheek, y + side * 0.08, side * 0.05, _color(8, 0.6, skin[2] * 0.9), strength=0.5)
    draw = ImageDraw.Draw(image)
    draw.chord((x - side * 0.2, y - side * 0.29, x + side * 0.2, y + side * 0.12), 178, 345, fill=hair)
    line = max(2, side // 150)
    for eye in (-0.075, 0.075):
        draw.arc(
            (x + side * (eye - 0.035), y - side * 0.03, x + side * (eye + 0.035), y + side * 0.02), 15, 165, hair, line
        )
        draw.arc(
            (x + side * (eye - 0.04), y - side * 0.075, x + side * (eye + 0.04), y - side * 0.03), 200, 340, hair, line
        )
    draw.arc((x - side * 0.025, y + side * 0.02, x + side * 0.02, y + side * 0.085), 30, 110, shade, line)
    draw.chord(
        (x - side * 0.05, y + side * 0.1, x + side * 0.05, y + side * 0.155), 10, 170, fill=_color(352, 0.5, 0.5)
    )
    image.paste(image.filter(ImageFilter.GaussianBlur(0.8)))


def _still_life(image: Image.Image, rng: random.Random, _: str) -> None:
    width, height = image.size
    side, hue, table = min(image.size), rng.randrange(360), round(height * 0.66)
    _gradient(image, _color(hue, 0.25, 0.2), _color(hue, 0.3, 0.5), (0, 0, width, table))
    _glow(image, width * 0.2, height * 0.2, side * 0.6, _color(45, 0.5, 0.85), strength=0.45)
    _gradient(image, _color(26, 0.45, 0.42), _color(22, 0.5, 0.18), (0, table, width, height))
    draw = ImageDraw.Draw(image)
    for _grain in range(40):
        y = rng.uniform(table, height)
        draw.line((0, y, width, y + rng.uniform(-4, 4)), fill=_color(24, 0.45, rng.uniform(0.2, 0.36)))
    x, foot, glaze = width * 0.42, table + side * 0.1, hue + 180
    for _stem in range(9):
        bend, tip = (
            x + side * rng.uniform(-0.12, 0.12),
            (x + side * rng.uniform(-0.28, 0.28), foot - side * rng.uniform(0.5, 0.74)),
        )
        draw.line([(x, foot - side * 0.3), (bend, foot - side * 0.45), tip], fill=_color(110, 0.35, 0.25), width=3)
        petals = _color(rng.choice((350, 15, 45, 300)), 0.7, rng.uniform(0.5, 0.72))
        for turn in range(7):
            angle = turn * math.tau / 7
            _disc(
                draw,
                tip[0] + math.cos(angle) * side * 0.022,
                tip[1] + math.sin(angle) * side * 0.022,
                side * 0.02,
                petals,
            )
        _disc(draw, *tip, side * 0.014, _color(46, 0.9, 0.55))
    _glow(image, x + side * 0.1, foot, side * 0.26, _color(20, 0.5, 0.08), strength=0.7)
    draw = ImageDraw.Draw(image)
    draw.rectangle(
        (x - side * 0.05, foot - side * 0.36, x + side * 0.05, foot - side * 0.2), fill=_color(glaze, 0.4, 0.38)
    )
    _disc(draw, x, foot - side * 0.13, side * 0.15, _color(glaze, 0.4, 0.38))
    _glow(image, x - side * 0.06, foot - side * 0.18, side * 0.12, _color(glaze, 0.5, 0.75), strength=0.9)
    for place in range(4):
        radius, at = (
            side * rng.uniform(0.06, 0.085),
            (x + side * (0.2 + place * 0.11), foot + side * rng.uniform(-0.01, 0.06)),
        )
        fruit = rng.choice((8, 28, 52, 95))
        _glow(image, at[0] + radius * 0.4, at[1] + radius * 0.8, radius * 1.3, _color(20, 0.5, 0.06), strength=0.8)
        _disc(ImageDraw.Draw(image), *at, radius, _color(fruit, 0.75, 0.36))
        _glow(image, at[0] - radius * 0.25, at[1] - radius * 0.25, radius * 0.9, _color(fruit, 0.85, 0.6))
        _glow(image, at[0] - radius * 0.35, at[1] - radius * 0.4, radius * 0.3, _color(fruit, 0.9, 0.92))


def _poster(image: Image.Image, rng: random.Random, prompt: str) -> None:
    width, height = image.size
    side, hue = min(image.size), rng.choice((4, 18, 150, 210, 345))
    dark, light, paper = _color(hue, 0.75, 0.4), _color(hue, 0.8, 0.52), _color(45, 0.6, 0.93)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, height), fill=dark)
    x, y, far = width / 2, height * 0.4, width + height
    rays = [(x + math.cos(turn * math.tau / 48) * far, y + math.sin(turn * math.tau / 48) * far) for turn in range(49)]
    for turn, (one, other) in enumerate(pairwise(rays)):
        if turn % 2:
            draw.polygon([(x, y), one, other], fill=light)
    _disc(draw, x, y, side * 0.3, paper)
    _disc(draw, x, y, side * 0.27, dark)
    _disc(draw, x, y, side * 0.255, paper)
    words = [word for word in re.findall(r"\w+", prompt)[:4] if _drawable(word, "") == word]
    title = max(words, key=len, default="SANDBOX")
    title = title[:_TITLE_LETTERS] if title.isascii() else title[:_TITLE_SIGNS]
    draw.text(
        (x, y),
        title.upper(),
        font=_font(round(side * (0.6 if title.isascii() else 0.44) / max(2, len(title)))),
        fill=dark,
        anchor="mm",
    )
    draw.rectangle((0, height * 0.76, width, height * 0.79), fill=paper)
    draw.text((x, height * 0.86), "2026 · EXHIBITION", font=_font(round(side * 0.05)), fill=paper, anchor="mm")
    inset, line = side * 0.035, max(2, side // 160)
    draw.rectangle((inset, inset, width - inset, height - inset), outline=paper, width=line)


def _pattern(image: Image.Image, rng: random.Random, _: str) -> None:
    width, height = image.size
    hue, radius = rng.randrange(360), min(image.size) / rng.choice((7, 9, 11))
    shades = [_color(hue + 150 * (ring % 2), 0.55, 0.24 + 0.13 * ring) for ring in range(5)]
    draw = ImageDraw.Draw(image)
    for row in range(-1, int(2 * height / radius) + 3):
        for column in range(-1, int(width / radius / 2) + 2):
            x, y = (2 * column + row % 2) * radius, row * radius / 2
            for ring, shade in enumerate(shades):
                _disc(draw, x, y + radius, radius * (1 - ring * 0.2), shade)
    _glow(image, width * 0.3, height * 0.25, min(image.size) * 0.9, _color(hue + 40, 0.6, 0.9), strength=0.25)


_SCENES: tuple[Callable[[Image.Image, random.Random, str], None], ...] = (
    _landscape, _poster, _portrait, _still_life, _city, _pattern,
)  # fmt: skip


def _mark(image: Image.Image, prompt: str, *, watermark: bool) -> None:
    """Writes on the image that it is a sample, of which prompt, and how large."""
    draw = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    unit = min(width, height) / 36
    words = " ".join(prompt.split())
    shown = words if len(words) <= _PROMPT_SHOWN else words[:_PROMPT_SHOWN] + "…"
    draw.rectangle((0, height - 2.6 * unit, width, height), fill=(0, 0, 0, 120))
    label = _drawable(f"沙盒示例图 SANDBOX  {width}x{height}  {shown}", f"SANDBOX SAMPLE  {width}x{height}")
    draw.text((unit, height - 1.3 * unit), label, font=_font(math.ceil(unit)), fill=(255, 255, 255, 230), anchor="lm")
    if watermark:
        text = _drawable("AI生成", "AI")
        draw.text((width - unit, height - 3.4 * unit), text, font=_font(math.ceil(unit)), fill="white", anchor="rm")


@cache
def _chinese_font() -> str | None:
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
