"""The images that the stand-in makes: a scene for each call of a prompt, marked as a sample of the sandbox."""

from __future__ import annotations

import json
import math
import random
import re
from functools import cache, lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from bot.sandbox.glm.scenes import SCENES, Painter

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
_POSTER, _POSTER_LETTERS, _POSTER_SIGNS = 1, 14, 4
# Words for which each kind of scene is the first one, in the order of the scenes.
_SUITABLE = (
    r"风景|山|大海|海边|海浪|湖|森林|灯塔|日出|日落|\b(landscape|mountains?|sea|lake|forest|lighthouse|sunset)\b",
    r"海报|写着|标题|\b(poster|says|title)\b",
    r"人像|女孩|男孩|女人|男人|肖像|\b(portrait|girl|boy|woman|man)\b",
    r"静物|花|水果|桌|窗台|咖啡|\b(flowers?|fruit|table|windowsill|coffee|still life)\b",
    r"城市|街|夜|雨|霓虹|\b(city|street|night|rainy?|neon)\b",
    r"图案|花纹|纹样|壁纸|\b(pattern|wallpaper|icon)\b",
)
_QUOTED = re.compile(r"[“\"「『](.+?)[”\"」』]")
# Scenes are drawn small and enlarged, which takes a quarter of the time and softens their edges.
_SCALE = 2


def render(prompt: str, *, width: int, height: int, image_id: str, watermark: bool, number: int = 0) -> bytes:
    """An image as JPEG bytes; the same arguments make the same image, each further ``number`` another scene.

    Args:
        prompt: chooses the first scene, if it can by its words; its first characters are written on the image.
        width: in pixels.
        height: in pixels.
        image_id: part of the EXIF label, as the platform's own id is.
        watermark: whether the platform's visible "AI生成" is at the bottom right.
        number: how many images of this prompt were made before.
    """
    suitable = [kind for kind, words in enumerate(_SUITABLE) if re.search(words, prompt, re.IGNORECASE)]
    first = suitable[0] if suitable else random.Random(prompt).randrange(len(SCENES))  # noqa: S311 - no secret
    kind = (first + number) % len(SCENES)
    small = Image.new("RGB", (math.ceil(width / _SCALE), math.ceil(height / _SCALE)))
    SCENES[kind](Painter(small, random.Random(f"{prompt}/{number}")))  # noqa: S311 - no secret
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    if kind == _POSTER:
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
