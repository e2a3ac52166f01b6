"""What sizes each model makes, and which of them a person means by what was typed.

The rules: https://docs.bigmodel.cn/cn/guide/models/image-generation/glm-image and its neighbour ``cogview-4``.
The command line starts with this module, so it imports nothing that takes time.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from bot.errors import InvalidSize, RequestRejected

TYPE_CHECKING = False  # the module typing alone would take a fifth of the command line's start
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MODEL = "glm-image"
DEFAULT_SIZE = "1280x1280"
"""In pixels; every model makes it."""
QUALITIES = ("hd", "standard")
RATIOS: tuple[str, ...] = ("16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16")
"""The ratios that can be asked for, width first, from wide to tall."""


class Rule:
    """A model's rule for sizes that are not on its list.

    Args:
        minimum: the shortest side in pixels.
        maximum: the longest side in pixels.
        multiple: what both sides are multiples of.
        max_pixels: the most pixels in all.
    """

    __slots__ = ("max_pixels", "maximum", "minimum", "multiple")

    def __init__(self, *, minimum: int, maximum: int, multiple: int, max_pixels: int) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.multiple = multiple
        self.max_pixels = max_pixels

    def allows(self, width: int, height: int) -> bool:
        """Whether the rule allows a picture of ``width`` by ``height`` pixels."""
        return (
            self.minimum <= min(width, height)
            and max(width, height) <= self.maximum
            and width % self.multiple == height % self.multiple == 0
            and width * height <= self.max_pixels
        )


_GLM_SIZES = ("1280x1280", "1568x1056", "1056x1568", "1472x1088", "1088x1472", "1728x960", "960x1728")
_COGVIEW_SIZES = ("1024x1024", "768x1344", "864x1152", "1344x768", "1152x864", "1440x720", "720x1440")
_COGVIEWS = ("cogview-4", "cogview-4-250304", "cogview-3-flash")

MODELS: tuple[str, ...] = (DEFAULT_MODEL, *_COGVIEWS)
RECOMMENDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {DEFAULT_MODEL: _GLM_SIZES, **dict.fromkeys(_COGVIEWS, _COGVIEW_SIZES)}
)
"""The sizes that the platform recommends a model; valid even where the model's rule says no."""

# The platform's guide lets glm-image go down to 512, its reference and the skill do not: the stricter rule is kept.
_GLM_RULE = Rule(minimum=1024, maximum=2048, multiple=32, max_pixels=2**22)
_COGVIEW_RULE = Rule(minimum=512, maximum=2048, multiple=16, max_pixels=2**21)

_GLM_RATIOS = ("1728x960", "1568x1056", "1472x1088", "1280x1280", "1088x1472", "1056x1568", "960x1728")
# CogView's list has no 3:2 and no 2:3; these two are exact and pass its rule.
_COGVIEW_RATIOS = ("1344x768", "1248x832", "1152x864", "1024x1024", "864x1152", "832x1248", "768x1344")

WORDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("方形", "正方形", "方图", "square"), "1:1"),
        **dict.fromkeys(("横版", "横向", "横图", "横屏", "landscape"), "3:2"),
        **dict.fromkeys(("竖版", "纵向", "竖图", "竖屏", "portrait"), "2:3"),
        **dict.fromkeys(("宽屏", "wide"), "16:9"),
        **dict.fromkeys(("手机", "phone"), "9:16"),
    }
)
"""The words that can be typed for a size, in small letters, with the ratio that each one means."""

PLAIN: Mapping[int, int] = MappingProxyType(
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys(map(ord, "×✕✖╳"), ord("x"))
    | dict.fromkeys(map(ord, "∶︰﹕"), ord(":"))
)
"""What input methods write in the place of ASCII: its full width (U+FF01 to U+FF5E), signs for ``x`` and for ``:``."""

_PIXELS = re.compile(r"0*([0-9]{1,5})\s*[x*]\s*0*([0-9]{1,5})")
_RATIO = re.compile(r"0*([0-9]{1,3})\s*:\s*0*([0-9]{1,3})")
_LONGEST_SHOWN = 40

# Beyond the seven, so that a 2:1 picture is not called 16:9.
_NAMED = (*RATIOS, "2:1", "1:2", "3:1", "1:3", "4:1", "1:4")


def rule(model: str) -> Rule:
    """The rule of ``model`` for sizes that are not on its list.

    Raises:
        RequestRejected: there is no such model.
    """
    _known(model)
    return _GLM_RULE if model == DEFAULT_MODEL else _COGVIEW_RULE


def resolve(model: str, wish: str) -> str:
    """The size that ``model`` makes for ``wish``, as ``WIDTHxHEIGHT`` in pixels with an ASCII ``x``.

    Args:
        model: one of ``MODELS``.
        wish: a size (``1568×1056``, ``1728 x 960``), one of ``RATIOS`` (``１６：９``), or a word such as ``横版``.

    Raises:
        InvalidSize: the model does not make it, or it is none of the three.
        RequestRejected: there is no such model.
    """
    limits = rule(model)
    plain = wish.strip().lower().translate(PLAIN)
    if ratio := WORDS.get(plain) or _ratio(plain):
        return dict(zip(RATIOS, _GLM_RATIOS if model == DEFAULT_MODEL else _COGVIEW_RATIOS, strict=True))[ratio]
    match = _PIXELS.fullmatch(plain)
    if match is None:
        raise _invalid(model, wish.strip()[:_LONGEST_SHOWN])
    width, height = int(match[1]), int(match[2])
    size = f"{width}x{height}"
    if size not in RECOMMENDED[model] and not limits.allows(width, height):
        raise _invalid(model, size)
    return size


def nearest(model: str, width: int, height: int) -> str:
    """The size that ``model`` makes whose ratio and then whose area are nearest to ``width`` by ``height`` pixels.

    A side is rounded and clamped to what the model allows; too many pixels are scaled down. A size that is valid stays.

    Raises:
        RequestRejected: there is no such model.
    """
    limits = rule(model)
    exact = f"{width}x{height}"
    if exact in RECOMMENDED[model] or limits.allows(width, height):
        return exact
    width, height = max(width, 1), max(height, 1)
    # One factor for both sides keeps the ratio, as far as the limits leave room for it.
    scale = max(1.0, limits.minimum / min(width, height))
    scale = min(scale, limits.maximum / max(width, height), (limits.max_pixels / (width * height)) ** 0.5)
    wide, high = (_multiple(side * scale, limits, 0.5) for side in (width, height))
    if wide * high > limits.max_pixels:
        wide, high = (_multiple(side * scale, limits, 0) for side in (width, height))
    return f"{wide}x{high}"


def _multiple(side: float, limits: Rule, rounding: float) -> int:
    return min(max(int(side / limits.multiple + rounding) * limits.multiple, limits.minimum), limits.maximum)


def ratio_name(size: str) -> str:
    """The named ratio nearest to ``size`` (``WIDTHxHEIGHT``), with ``≈`` before it where it is not exact."""
    width, _, height = size.partition("x")
    ratio = int(width) / int(height)
    name = min(_NAMED, key=lambda named: max(ratio / _value(named), _value(named) / ratio))
    return name if ratio == _value(name) else f"≈{name}"


def _known(model: str) -> None:
    if model not in MODELS:
        allowed = ", ".join(MODELS)
        message = f"Unknown model: {model[:_LONGEST_SHOWN]}. Must be one of {allowed}"
        raise RequestRejected(message, sentence="failure.model", values={"model": model, "allowed": allowed})


def _ratio(plain: str) -> str | None:
    match = _RATIO.fullmatch(plain)
    ratio = f"{int(match[1])}:{int(match[2])}" if match else None
    return ratio if ratio in RATIOS else None


def _value(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _invalid(model: str, size: str) -> InvalidSize:
    limits = rule(model)
    # The wording is the skill's, which callers of the command line match on.
    message = (
        f"Invalid size: {size} for model {model}. Must be multiple of {limits.multiple}, "
        f"{limits.minimum}-{limits.maximum}px, max 2^{limits.max_pixels.bit_length() - 1} pixels"
    )
    allowed = ", ".join(RECOMMENDED[model])
    return InvalidSize(message, values={"size": size, "model": model, "allowed": allowed})
