"""The options of a message taken together: gathered from what was typed, and settled for the model.

A fault is a ``Misread`` whose sentence says what is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bot import sizes
from bot.chat.parsing.tokenizer import Option
from bot.chat.parsing.vocabulary import STYLE_OFF_WORDS
from bot.errors import InvalidSize
from bot.models import Options, PartialOptions, UserError

LARGEST_COUNT = 4
"""The most images that one message can ask for."""

_RATIOS = ", ".join(sizes.RATIOS)
_ALLOWED = {"size": _RATIOS, "quality": ", ".join(sizes.QUALITIES), "model": ", ".join(sizes.MODELS)}
_LONGEST_SHOWN = 40


def shown(text: str) -> str:
    """A few typed words as a sentence quotes them: on one line, cut at 40 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def gather(text: str, options: Iterable[Option]) -> PartialOptions | UserError:
    """What the options of a text say together, or what is wrong with one of them.

    An option may be repeated with the same value. Values are not yet checked against a model.

    Args:
        text: the text as it was typed.
        options: the options that were found in it.
    """
    found: dict[str, Option] = {}
    for option in options:
        if option.value is None:
            values = {"option": shown(text[option.start : option.name_end])}
            if option.name in _ALLOWED:
                values["allowed"] = _ALLOWED[option.name]
            return UserError(sentence=f"misread.{option.name}_missing", values=values)
        if option.name == "count" and not isinstance(option.value, int):
            return _bad_count(option.value)
        earlier = found.setdefault(option.name, option)
        if earlier.value != option.value:
            values = {"first": _typed(text, earlier), "second": _typed(text, option)}
            return UserError(sentence="misread.twice", values=values)
    typed = {name: option.value for name, option in found.items()}
    if typed.get("style") in STYLE_OFF_WORDS:
        typed["style"] = ""
    return PartialOptions(**typed)  # type: ignore[arg-type]  # an option's reader gives values of its own type


def settle(
    typed: PartialOptions, *, defaults: Options, may_drop_watermark: bool, styles: Collection[str]
) -> Options | UserError:
    """The options that a generation is made with, or what is wrong with one that was typed.

    A size follows the model: a ratio or a word becomes the size that this model recommends for it, and a default size
    that the model does not make becomes its size of the nearest ratio.

    Args:
        typed: what the message says; an empty style takes a default style off.
        defaults: what holds where it says nothing.
        may_drop_watermark: whether the account has signed the platform's disclaimer, as the admin has said.
        styles: every name that a style goes by, compared without regard to upper and lower case.
    """
    model = typed.model or defaults.model
    quality = typed.quality or defaults.quality
    count = defaults.count if typed.count is None else typed.count
    watermark = defaults.watermark if typed.watermark is None else typed.watermark
    fault = _not_among("model", model, sizes.MODELS) or _not_among("quality", quality, sizes.QUALITIES)
    if fault:
        return fault
    if not 1 <= count <= LARGEST_COUNT:
        return _bad_count(count)
    if typed.watermark is False and not may_drop_watermark:
        return UserError(sentence="misread.no_watermark")
    size = _size(typed.size, model=model, default=defaults.size)
    style = _style(typed.style, default=defaults.style, styles=styles)
    if isinstance(size, UserError):
        return size
    if isinstance(style, UserError):
        return style
    return Options(
        model=model,
        size=size,
        quality=quality,
        # A default that was set while it was allowed does not outlive the permission.
        watermark=watermark or not may_drop_watermark,
        style=style,
        count=count,
    )


def default_size(model: str, default: str) -> str:
    """The size that a model makes where no size is typed: the default, or the model's size of the nearest ratio."""
    try:
        return sizes.resolve(model, default)
    except InvalidSize:
        ratio = sizes.ratio_name(default).removeprefix("≈")
        return sizes.resolve(model, ratio if ratio in sizes.RATIOS else sizes.DEFAULT_SIZE)


def _not_among(name: str, value: str, allowed: Collection[str]) -> UserError | None:
    if value in allowed:
        return None
    return UserError(sentence=f"misread.{name}", values={"value": shown(value), "allowed": ", ".join(allowed)})


def _size(typed: str | None, *, model: str, default: str) -> str | UserError:
    if not typed:
        return default_size(model, default)
    try:
        return sizes.resolve(model, typed)
    except InvalidSize:
        return _bad_size(typed, model)


def _bad_size(typed: str, model: str) -> UserError:
    rule = sizes.rule(model)
    values = {
        "value": shown(typed),
        "model": model,
        "ratios": _RATIOS,
        "allowed": ", ".join(sizes.RECOMMENDED[model]),
        "minimum": str(rule.minimum),
        "maximum": str(rule.maximum),
        "multiple": str(rule.multiple),
        "pixels": f"{rule.max_pixels:,}",
    }
    return UserError(sentence="misread.size", values=values)


def _style(typed: str | None, *, default: str | None, styles: Collection[str]) -> str | UserError | None:
    if typed is None:
        return default
    if not typed:
        return None
    wanted = typed.casefold()
    known = next((name for name in styles if name.casefold() == wanted), None)
    return known or UserError(sentence="misread.style", values={"value": shown(typed), "allowed": ", ".join(styles)})


def _bad_count(value: object) -> UserError:
    return UserError(sentence="misread.count", values={"value": shown(str(value)), "most": str(LARGEST_COUNT)})


def _typed(text: str, option: Option) -> str:
    return shown(text[option.start : option.end])
