"""How typed options are settled: sizes follow the model, and a wrong value lists the allowed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import sizes
from bot.chat.messages import Messages
from bot.chat.parsing.parser import parse
from bot.errors import UserError
from bot.models import ImagePrompt, Language
from bot.options import Options, PartialOptions, resolve_options

SIZE_WORDS: dict[Language, tuple[str, ...]] = {
    "zh": ("横版", "竖版", "方形", "宽屏", "手机"),
    "en": ("landscape", "portrait", "square", "wide", "phone"),
}
STYLES = ("水墨", "ink", "3D渲染")


def settled(
    typed: PartialOptions, *, defaults: Options | None = None, may_drop_watermark: bool = False
) -> Options | UserError:
    """The options settled with the styles of this module."""
    return resolve_options(typed, defaults=defaults or Options(), may_drop_watermark=may_drop_watermark, styles=STYLES)


def words_of(rejection: object) -> str:
    """The sentence that a person reads about a fault, which fails where a value is missing."""
    assert isinstance(rejection, UserError)
    words = Messages.load(Path(__file__).parents[2] / "config")
    # The card names the styles itself, in the reader's language.
    return words.text(rejection.sentence, "en", **{"styles": ", ".join(STYLES), **rejection.values})


def test_nothing_typed_gives_the_defaults() -> None:
    """A message without options is made with the defaults as they are."""
    defaults = Options(model="cogview-4", size="1344x768", quality="standard", style="ink", count=2)
    assert settled(PartialOptions(), defaults=defaults) == defaults


@pytest.mark.parametrize(
    ("model", "typed", "size"),
    [
        ("glm-image", "16:9", "1728x960"),
        ("cogview-4", "16:9", "1344x768"),
        ("glm-image", "横版", "1568x1056"),
        ("cogview-3-flash", "landscape", "1248x832"),
        ("glm-image", "2048x2048", "2048x2048"),
        ("cogview-4", "512x512", "512x512"),
    ],
)
def test_size_follows_the_model(model: str, typed: str, size: str) -> None:
    """A ratio or a word becomes the size that the chosen model makes for it."""
    options = settled(PartialOptions(model=model, size=typed))
    assert isinstance(options, Options)
    assert (options.model, options.size) == (model, size)


SIGNS = {chr(code): chr(plain).lower() for code, plain in sizes.PLAIN.items() if chr(plain) in "xX:"}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_message_reads_the_signs_that_a_size_does(sign: str) -> None:
    """Whatever counts as ``x`` or ``:`` in a size counts so in a message."""
    assert parse(f"猫 /size 16{sign}9") == ImagePrompt(prompt="猫", options=PartialOptions(size=f"16{SIGNS[sign]}9"))


@pytest.mark.parametrize(
    ("default", "model", "size"),
    [
        ("768x1344", "glm-image", "960x1728"),
        ("1440x720", "glm-image", "1280x1280"),
        ("2048x2048", "cogview-4", "1024x1024"),
        ("1728x960", "cogview-4", "1728x960"),
    ],
)
def test_default_size_follows_a_typed_model(default: str, model: str, size: str) -> None:
    """A default size that the typed model does not make gives way to its size of the nearest ratio."""
    options = settled(PartialOptions(model=model), defaults=Options(model="cogview-4", size=default))
    assert isinstance(options, Options)
    assert options.size == size


@pytest.mark.parametrize("size", ["512x512", "很大", "16:10", "1568x1057", "1024", "99999x99999"])
def test_wrong_size_lists_what_the_model_makes(size: str) -> None:
    """A size that the model does not make is answered with its ratios, its sizes and its rule."""
    rejection = settled(PartialOptions(size=size))
    assert isinstance(rejection, UserError)
    assert rejection.sentence == "misread.size"
    assert rejection.values["value"] == size
    assert rejection.values["model"] == "glm-image"
    assert "16:9" in rejection.values["ratios"]
    assert rejection.values["allowed"].startswith("1280x1280, 1568x1056, ")
    assert [rejection.values[name] for name in ("minimum", "maximum", "multiple")] == ["1024", "2048", "32"]
    assert rejection.values["pixels"] == "4,194,304"
    assert all(value in words_of(rejection) for value in rejection.values.values())


@pytest.mark.parametrize(
    ("typed", "sentence", "values"),
    [
        (PartialOptions(quality="4k"), "misread.quality", {"value": "4k", "allowed": "hd, standard"}),
        (PartialOptions(style="浮世绘"), "misread.style", {"value": "浮世绘", "allowed": "水墨, ink, 3D渲染"}),
        (PartialOptions(count=0), "misread.count", {"value": "0", "most": "4"}),
        (PartialOptions(count=5), "misread.count", {"value": "5", "most": "4"}),
        (PartialOptions(watermark=False), "misread.no_watermark", {}),
    ],
)
def test_wrong_value_names_the_allowed_ones(typed: PartialOptions, sentence: str, values: dict[str, str]) -> None:
    """Each option's fault has its own sentence, with the value and what is allowed instead."""
    rejection = settled(typed)
    assert rejection == UserError(sentence=sentence, values=values)
    assert all(value in words_of(rejection) for value in values.values())


def test_a_wrong_size_is_told_the_words_too() -> None:
    """What is said of a missing or wrong size names the words that can be typed for one, in either language."""
    words = Messages.load(Path(__file__).parents[2] / "config")
    for key in ("misread.size", "misread.size_missing"):
        values = dict.fromkeys(words.placeholders(key), "x")
        for language, named in SIZE_WORDS.items():
            assert all(word in sizes.WORDS and word in words.text(key, language, **values) for word in named)


def test_unknown_model_lists_the_models() -> None:
    """A model that the platform does not have is answered with the four that it has."""
    rejection = settled(PartialOptions(model="dall-e", size="16:9"))
    assert isinstance(rejection, UserError)
    assert rejection.sentence == "misread.model"
    assert rejection.values["allowed"] == "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"


@pytest.mark.parametrize(("typed", "name"), [("水墨", "水墨"), ("INK", "ink"), ("3d渲染", "3D渲染"), ("", None)])
def test_style_is_found_in_any_case(typed: str, name: str | None) -> None:
    """A style goes by its own spelling however it was typed; an empty one takes the default off."""
    options = settled(PartialOptions(style=typed), defaults=Options(style="ink"))
    assert isinstance(options, Options)
    assert options.style == name


@pytest.mark.parametrize(
    ("typed", "default", "allowed", "watermark"),
    [
        (None, True, True, True),
        (False, True, True, False),
        (None, False, True, False),
        (None, False, False, True),
        (True, False, True, True),
    ],
)
def test_watermark_goes_only_where_it_may(*, typed: bool | None, default: bool, allowed: bool, watermark: bool) -> None:
    """The watermark is dropped where that was asked for and the account has signed for it."""
    options = settled(PartialOptions(watermark=typed), defaults=Options(watermark=default), may_drop_watermark=allowed)
    assert isinstance(options, Options)
    assert options.watermark is watermark
