"""The images that the stand-in makes: a scene for each call of a prompt, marked as a sample of the sandbox."""

from __future__ import annotations

import colorsys
import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
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
_PROMPT_SHOWN = 30
_POSTER_LETTERS, _POSTER_SIGNS = 14, 4
_QUOTED = re.compile(r"[“\"「『](.+?)[”\"」』]")
# Scenes are drawn small and enlarged, which takes a quarter of the time and softens their edges.
_SCALE = 2

Color = tuple[int, int, int]


def render(prompt: str, *, width: int, height: int, image_id: str, watermark: bool, number: int = 0) -> bytes:
    """An image as JPEG bytes, sides in pixels; the same arguments make the same image.

    The prompt's words choose the first scene, ``number``, how many images were made of it before, those after it.
    ``image_id`` is part of the EXIF label; the ``watermark`` is the platform's visible "AI生成".
    """
    suitable = [place for place, (words, _) in enumerate(_SCENES) if re.search(words, prompt, re.IGNORECASE)]
    first = suitable[0] if suitable else random.Random(prompt).randrange(len(_SCENES))  # noqa: S311 - no secret
    _, draw = _SCENES[(first + number) % len(_SCENES)]
    small = Image.new("RGB", (math.ceil(width / _SCALE), math.ceil(height / _SCALE)))
    draw(_Painter(small, random.Random(f"{prompt}/{number}")))  # noqa: S311 - no secret
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    if draw is _poster:
        _write_title(image, prompt)
    _mark(image, prompt, watermark=watermark)
    exif = Image.Exif()
    # The platform's implicit mark, by the rules on labelling generated content of 2025.
    label = {"AIGC": {"Label": "1", "ContentProducer": "sandbox", "ProduceID": image_id}}
    exif[_IMAGE_DESCRIPTION] = json.dumps(label)
    content = BytesIO()
    image.save(content, "JPEG", quality=85, exif=exif)
    return content.getvalue()


def _write_title(image: Image.Image, prompt: str) -> None:
    """Writes the quoted text or the longest of the first words large, in the color of the poster's corner."""
    width, height = image.size
    words = [
        word for word in _QUOTED.findall(prompt)[:1] or re.findall(r"\w+", prompt)[:4] if _drawable(word, "") == word
    ]
    title = max(words, key=len, default="SANDBOX")
    shown, size = (title[:_POSTER_LETTERS], 0.6) if title.isascii() else (title[:_POSTER_SIGNS], 0.46)
    font, color = _font(round(min(image.size) * size / max(2, len(shown)))), image.getpixel((0, 0))
    ImageDraw.Draw(image).text((width / 2, height * 0.42), shown.upper(), font=font, fill=color, anchor="mm")


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


def _color(hue: float, saturation: float, lightness: float) -> Color:
    """Hue in degrees, the others from 0 to 1."""
    red, green, blue = colorsys.hls_to_rgb(hue % 360 / 360, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass
class _Painter:
    """Draws on an image; places and sizes are in units of its shorter side, relative to an origin in its width."""

    image: Image.Image
    rng: random.Random

    def __post_init__(self) -> None:
        self.width, self.height = self.image.size
        self.side = min(self.image.size)
        self.draw = ImageDraw.Draw(self.image)
        self.move(0.5, 0.5)

    def move(self, x: float, y: float) -> None:
        """Moves the origin to these shares of width and height."""
        self.x, self.y = self.width * x, self.height * y

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place in pixels."""
        return self.x + x * self.side, self.y + y * self.side

    def gradient(self, top: Color, bottom: Color, *, end: float) -> None:
        """Fills the image down to a share of its height."""
        size = self.width, round(self.height * end)
        slope = Image.linear_gradient("L").resize(size)
        self.image.paste(Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), slope))

    def light(self, radius: float, color: Color, *, strength: float) -> None:
        """A light at the origin that fades to its edge."""
        side = round(2 * radius * self.side)
        # Pillow's gradient is 181 at the middle of its sides, where the light has to end.
        mask = Image.radial_gradient("L").point(lambda far: max(0, 255 - far * 255 / 181) * strength)
        left, upper = self.at(-radius, -radius)
        self.image.paste(color, (round(left), round(upper)), mask.resize((side, side)))

    def circle(self, radius: float, color: Color) -> None:
        self.draw.ellipse((*self.at(-radius, -radius), *self.at(radius, radius)), fill=color)

    def box(self, left: float, upper: float, right: float, lower: float, color: Color) -> None:
        self.draw.rectangle((*self.at(left, upper), *self.at(right, lower)), fill=color)

    def reflect(self, horizon: float, tint: Color) -> None:
        """Fills what is below a share of the height with a soft reflection of what is above it."""
        line = round(self.height * horizon)
        above = ImageOps.flip(self.image.crop((0, max(0, 2 * line - self.height), self.width, line)))
        water = above.resize((self.width, self.height - line)).filter(ImageFilter.BoxBlur(self.side / 160))
        self.image.paste(Image.blend(water, Image.new("RGB", water.size, tint), 0.35), (0, line))


def _landscape(on: _Painter) -> None:
    rng, width, height = on.rng, on.width, on.height
    hue, horizon = rng.choice((15, 30, 195, 335)), 0.72
    on.gradient(_color(hue + 190, 0.5, 0.42), _color(hue, 0.85, 0.8), end=horizon)
    on.move(rng.uniform(0.25, 0.75), 0.4)
    on.light(0.5, _color(hue + 20, 1, 0.9), strength=0.9)
    on.circle(0.06, _color(hue + 30, 1, 0.96))
    for layer in range(4):
        waves = [(rng.uniform(0.6, 1.4) * 2**octave, rng.uniform(0, 6), 0.55**octave) for octave in range(6)]
        base, rise = height * (0.46 + 0.075 * layer), height * (0.13 - 0.02 * layer)
        ridge = [
            (x, base - rise * sum(math.sin(6 * x / width * speed + shift) * part for speed, shift, part in waves))
            for x in range(0, width + 4, 4)
        ]
        color = _color(hue + 190 + 8 * layer, 0.32 + 0.06 * layer, 0.62 - 0.14 * layer)
        on.draw.polygon([(0, height * horizon), *ridge, (width, height * horizon)], fill=color)
    on.reflect(horizon, _color(hue + 195, 0.4, 0.25))
    for _tree in range(26):
        on.move(rng.choice((rng.uniform(-0.05, 0.28), rng.uniform(0.75, 1.05))), rng.uniform(0.97, 1.05))
        tall = rng.uniform(0.1, 0.24)
        for part in range(4):
            top, half = tall * (part * 0.2 - 1), tall * (0.07 + part * 0.05)
            corners = [on.at(0, top), on.at(-half, top + tall * 0.34), on.at(half, top + tall * 0.34)]
            on.draw.polygon(corners, _color(hue + 200, 0.3, 0.1))


def _city(on: _Painter) -> None:
    rng, horizon = on.rng, 0.8
    hue = rng.choice((205, 250, 320, 20))
    on.gradient(_color(hue + 20, 0.6, 0.08), _color(hue, 0.65, 0.42), end=horizon)
    on.move(rng.uniform(0.15, 0.85), 0.2)
    on.light(0.25, _color(45, 0.8, 0.85), strength=0.5)
    on.circle(0.045, _color(48, 0.7, 0.9))
    on.move(0, horizon)
    for layer in range(3):
        x, unit = -0.05, 0.012
        while x < on.width / on.side:
            wide, roof = rng.uniform(0.05, 0.12), -rng.uniform(0.12, 0.5) * (1 - 0.18 * layer)
            on.box(x, roof, x + wide, 0, _color(hue + 10, 0.4, 0.26 - 0.09 * layer))
            for row in range(int(-roof / (2 * unit)) if layer else 0):
                for column in range(int(wide / (1.7 * unit))):
                    if rng.random() < 0.42:  # noqa: PLR2004 - the share of lit windows
                        left, upper = x + unit * (0.6 + 1.7 * column), roof + unit * (0.8 + 2 * row)
                        lit = _color(rng.choice((38, 45, 50, 200)), 0.9, rng.uniform(0.55, 0.85))
                        on.box(left, upper, left + unit * 0.8, upper + unit, lit)
            x += wide * rng.uniform(0.85, 1.1)
    on.reflect(horizon, _color(hue, 0.5, 0.1))


def _poster(on: _Painter) -> None:
    hue = on.rng.choice((4, 18, 150, 210, 345))
    dark, light, paper = _color(hue, 0.75, 0.4), _color(hue, 0.8, 0.52), _color(45, 0.6, 0.93)
    on.box(-9, -9, 9, 9, dark)
    on.move(0.5, 0.42)
    for ray in range(0, 360, 15):
        ends = [on.at(9 * math.cos(angle), 9 * math.sin(angle)) for angle in map(math.radians, (ray, ray + 7.5))]
        on.draw.polygon([on.at(0, 0), *ends], fill=light)
    for radius, color in ((0.31, paper), (0.285, dark), (0.27, paper)):
        on.circle(radius, color)
    on.box(-9, 0.37, 9, 0.4, paper)
    inset = on.side * 0.035
    frame = (inset, inset, on.width - inset, on.height - inset)
    on.draw.rectangle(frame, outline=paper, width=max(2, on.side // 160))


_SCENES: tuple[tuple[str, Callable[[_Painter], None]], ...] = (
    (r"海报|写着|标题|图案|壁纸|\b(poster|says|title|pattern|wallpaper|icon)\b", _poster),
    (r"风景|山|大海|海边|海浪|湖|森林|灯塔|日出|日落|\b(landscape|mountains?|sea|lake|forest)\b", _landscape),
    (r"城市|街|夜|雨|霓虹|\b(city|street|night|rainy?|neon)\b", _city),
)
"""The words of a prompt for which each scene is the first one."""
