"""Image sizes: what each model can make, and which size a typed text means.

The rules: https://docs.bigmodel.cn/cn/guide/models/image-generation/glm-image and its neighbour ``cogview-4``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.errors import ErrorKind, GlmError
from bot.text import fold

DEFAULT_MODEL = "glm-image"
DEFAULT_SIZE = "1280x1280"  # every model can make it
RATIOS: tuple[str, ...] = ("16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16")
"""The ratios that can be typed, from wide to tall."""

WORDS: Mapping[str, str] = {
    **dict.fromkeys(("方形", "正方形", "方图", "square"), "1:1"),
    **dict.fromkeys(("横版", "横向", "横图", "横屏", "landscape"), "3:2"),
    **dict.fromkeys(("竖版", "纵向", "竖图", "竖屏", "portrait"), "2:3"),
    **dict.fromkeys(("宽屏", "wide"), "16:9"),
    **dict.fromkeys(("手机", "phone"), "9:16"),
}
"""The words that can be typed for a size, in lower case, with their ratios."""

_PIXELS = re.compile(r"0*([0-9]{1,5})\s*[x*]\s*0*([0-9]{1,5})")
_RATIO = re.compile(r"0*([0-9]{1,3})\s*:\s*0*([0-9]{1,3})")
_SHOWN_LENGTH = 40
# More than the seven, so that a 2:1 image is not called 16:9.
_NAMED_RATIOS = (*RATIOS, "2:1", "1:2", "3:1", "1:3", "4:1", "1:4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The sizes that a model makes; lengths in pixels."""

    minimum: int
    maximum: int
    multiple: int
    max_pixels: int
    by_ratio: tuple[str, ...]  # the size for each of RATIOS
    recommended: tuple[str, ...]  # by the platform; valid even where the rest of the rule excludes them

    def allows(self, width: int, height: int) -> bool:
        return f"{width}x{height}" in self.recommended or (
            self.minimum <= min(width, height)
            and max(width, height) <= self.maximum
            and width % self.multiple == height % self.multiple == 0
            and width * height <= self.max_pixels
        )


# The platform's guide lets glm-image go down to 512, its reference and the skill do not: the stricter rule is kept.
_GLM = Rule(
    minimum=1024,
    maximum=2048,
    multiple=32,
    max_pixels=2**22,
    by_ratio=("1728x960", "1568x1056", "1472x1088", "1280x1280", "1088x1472", "1056x1568", "960x1728"),
    recommended=("1280x1280", "1568x1056", "1056x1568", "1472x1088", "1088x1472", "1728x960", "960x1728"),
)
_COGVIEW = Rule(
    minimum=512,
    maximum=2048,
    multiple=16,
    max_pixels=2**21,
    # The platform's list has no 3:2 and no 2:3; these two are exact and pass its rule.
    by_ratio=("1344x768", "1248x832", "1152x864", "1024x1024", "864x1152", "832x1248", "768x1344"),
    recommended=("1024x1024", "768x1344", "864x1152", "1344x768", "1152x864", "1440x720", "720x1440"),
)
_RULES = {DEFAULT_MODEL: _GLM, **dict.fromkeys(("cogview-4", "cogview-4-250304", "cogview-3-flash"), _COGVIEW)}
MODELS: tuple[str, ...] = tuple(_RULES)


def check_model(model: str) -> str:
    """The model; raises ``GlmError`` if the platform has none of this name."""
    if model in MODELS:
        return model
    allowed = ", ".join(MODELS)
    message = f"Unknown model: {model[:_SHOWN_LENGTH]}. Must be one of {allowed}"
    values = {"model": model, "allowed": allowed}
    raise GlmError(message, ErrorKind.REQUEST_REJECTED, sentence="failure.model", values=values)


def rule(model: str) -> Rule:
    """The rule of a model; raises ``GlmError`` if there is no such model."""
    return _RULES[check_model(model)]


def resolve(model: str, text: str) -> str:
    """The size in pixels, ``WIDTHxHEIGHT`` with an ASCII ``x``, for a size, a ratio or a word such as ``横版``.

    Raises ``GlmError`` if the model cannot make it or it is none of the three.
    """
    limits = rule(model)
    plain = fold(text.strip())
    match, pixels = _RATIO.fullmatch(plain), _PIXELS.fullmatch(plain)
    ratio = WORDS.get(plain) or (f"{int(match[1])}:{int(match[2])}" if match else None)
    if ratio in RATIOS:
        return limits.by_ratio[RATIOS.index(ratio)]
    size = f"{int(pixels[1])}x{int(pixels[2])}" if pixels else text.strip()[:_SHOWN_LENGTH]
    if pixels and limits.allows(int(pixels[1]), int(pixels[2])):
        return size
    # The wording is the skill's, which callers of the command line match on.
    message = (
        f"Invalid size: {size} for model {model}. Must be multiple of {limits.multiple}, "
        f"{limits.minimum}-{limits.maximum}px, max 2^{limits.max_pixels.bit_length() - 1} pixels"
    )
    values = {"size": size, "model": model, "allowed": ", ".join(limits.recommended)}
    raise GlmError(message, ErrorKind.INVALID_SIZE, values=values)


def nearest(model: str, width: int, height: int) -> str:
    """The size that ``model`` makes whose ratio and then whose area are nearest to ``width`` by ``height`` pixels.

    A side is rounded and clamped to what the model allows; too many pixels are scaled down. A size that is valid stays.
    """
    limits = rule(model)
    if limits.allows(width, height):
        return f"{width}x{height}"
    width, height = max(width, 1), max(height, 1)
    # One factor for both sides keeps the ratio, as far as the limits leave room for it.
    scale = max(1.0, limits.minimum / min(width, height))
    scale = min(scale, limits.maximum / max(width, height), (limits.max_pixels / (width * height)) ** 0.5)

    def side(length: int, rounding: float) -> int:
        multiple = int(length * scale / limits.multiple + rounding) * limits.multiple
        return min(max(multiple, limits.minimum), limits.maximum)

    wide, high = side(width, 0.5), side(height, 0.5)
    if wide * high > limits.max_pixels:
        wide, high = side(width, 0), side(height, 0)
    return f"{wide}x{high}"


def suggest(model: str, text: str) -> str | None:
    """The size or the ratio that ``model`` makes which is nearest to a typed one that it does not make."""
    plain = fold(text.strip())
    if pixels := _PIXELS.fullmatch(plain):
        return nearest(model, int(pixels[1]), int(pixels[2]))
    ratio = _RATIO.fullmatch(plain)
    if ratio is None or not int(ratio[1]) or not int(ratio[2]):
        return None
    return _nearest_ratio(int(ratio[1]) / int(ratio[2]), RATIOS)


def resolve_default(model: str, size: str) -> str:
    """A default size as the model can make it: itself, or the model's size of the nearest ratio."""
    width, height = map(int, size.split("x"))
    if rule(model).allows(width, height):
        return size
    ratio = ratio_name(size).removeprefix("≈")
    return resolve(model, ratio if ratio in RATIOS else DEFAULT_SIZE)


def ratio_name(size: str) -> str:
    """The named ratio nearest to ``WIDTHxHEIGHT``, with ``≈`` before it if it is not exact."""
    ratio = _quotient(size)
    name = _nearest_ratio(ratio, _NAMED_RATIOS)
    return name if ratio == _quotient(name) else f"≈{name}"


def _nearest_ratio(ratio: float, names: Sequence[str]) -> str:
    return min(names, key=lambda one: max(ratio / _quotient(one), _quotient(one) / ratio))


def _quotient(text: str) -> float:
    left, right = re.split("[x:]", text)
    return int(left) / int(right)
