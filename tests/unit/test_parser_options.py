"""How typed options are settled: sizes follow the model, and a wrong value lists the allowed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.chat.catalogue import Catalogue
from bot.chat.reading.options import settle
from bot.chat.reading.parser import parse
from bot.glm import sizes
from bot.models import Ask, Language, Misread, Options, TypedOptions

SIZE_WORDS: dict[Language, tuple[str, ...]] = {
    "zh": ("横版", "竖版", "方形", "宽屏", "手机"),
    "en": ("landscape", "portrait", "square", "wide", "phone"),
}
STYLES = ("水墨", "ink", "3D渲染")


def settled(
    typed: TypedOptions, *, defaults: Options | None = None, may_drop_watermark: bool = False
) -> Options | Misread:
    """The options settled with the styles of this module."""
    return settle(typed, defaults=defaults or Options(), may_drop_watermark=may_drop_watermark, styles=STYLES)


def words_of(misread: object) -> str:
    """The sentence that a person reads about a fault, which fails where a value is missing."""
    assert isinstance(misread, Misread)
    words = Catalogue.load(Path(__file__).parents[2] / "config")
    # The card names the styles itself, in the reader's language.
    return words.text(misread.sentence, "en", **{"styles": ", ".join(STYLES), **misread.values})


def test_nothing_typed_gives_the_defaults() -> None:
    """A message without options is made with the defaults as they are."""
    defaults = Options(model="cogview-4", size="1344x768", quality="standard", style="ink", count=2)
    assert settled(TypedOptions(), defaults=defaults) == defaults


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
    options = settled(TypedOptions(model=model, size=typed))
    assert isinstance(options, Options)
    assert (options.model, options.size) == (model, size)


SIGNS = {chr(code): chr(plain).lower() for code, plain in sizes.PLAIN.items() if chr(plain) in "xX:"}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_message_reads_the_signs_that_a_size_does(sign: str) -> None:
    """Whatever counts as ``x`` or ``:`` in a size counts so in a message."""
    assert parse(f"猫 /size 16{sign}9") == Ask(prompt="猫", options=TypedOptions(size=f"16{SIGNS[sign]}9"))


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
    options = settled(TypedOptions(model=model), defaults=Options(model="cogview-4", size=default))
    assert isinstance(options, Options)
    assert options.size == size


@pytest.mark.parametrize("size", ["512x512", "很大", "16:10", "1568x1057", "1024", "99999x99999"])
def test_wrong_size_lists_what_the_model_makes(size: str) -> None:
    """A size that the model does not make is answered with its ratios, its sizes and its rule."""
    misread = settled(TypedOptions(size=size))
    assert isinstance(misread, Misread)
    assert misread.sentence == "misread.size"
    assert misread.values["value"] == size
    assert misread.values["model"] == "glm-image"
    assert "16:9" in misread.values["ratios"]
    assert misread.values["allowed"].startswith("1280x1280, 1568x1056, ")
    assert [misread.values[name] for name in ("minimum", "maximum", "multiple")] == ["1024", "2048", "32"]
    assert misread.values["pixels"] == "4,194,304"
    assert all(value in words_of(misread) for value in misread.values.values())


@pytest.mark.parametrize(
    ("typed", "sentence", "values"),
    [
        (TypedOptions(quality="4k"), "misread.quality", {"value": "4k", "allowed": "hd, standard"}),
        (TypedOptions(style="浮世绘"), "misread.style", {"value": "浮世绘", "allowed": "水墨, ink, 3D渲染"}),
        (TypedOptions(count=0), "misread.count", {"value": "0", "most": "4"}),
        (TypedOptions(count=5), "misread.count", {"value": "5", "most": "4"}),
        (TypedOptions(watermark=False), "misread.no_watermark", {}),
    ],
)
def test_wrong_value_names_the_allowed_ones(typed: TypedOptions, sentence: str, values: dict[str, str]) -> None:
    """Each option's fault has its own sentence, with the value and what is allowed instead."""
    misread = settled(typed)
    assert misread == Misread(sentence=sentence, values=values)
    assert all(value in words_of(misread) for value in values.values())


def test_a_wrong_size_is_told_the_words_too() -> None:
    """What is said of a missing or wrong size names the words that can be typed for one, in either language."""
    words = Catalogue.load(Path(__file__).parents[2] / "config")
    for key in ("misread.size", "misread.size_missing"):
        values = dict.fromkeys(words.placeholders(key), "x")
        for language, named in SIZE_WORDS.items():
            assert all(word in sizes.WORDS and word in words.text(key, language, **values) for word in named)


def test_unknown_model_lists_the_models() -> None:
    """A model that the platform does not have is answered with the four that it has."""
    misread = settled(TypedOptions(model="dall-e", size="16:9"))
    assert isinstance(misread, Misread)
    assert misread.sentence == "misread.model"
    assert misread.values["allowed"] == "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"


@pytest.mark.parametrize(("typed", "name"), [("水墨", "水墨"), ("INK", "ink"), ("3d渲染", "3D渲染"), ("", None)])
def test_style_is_found_in_any_case(typed: str, name: str | None) -> None:
    """A style goes by its own spelling however it was typed; an empty one takes the default off."""
    options = settled(TypedOptions(style=typed), defaults=Options(style="ink"))
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
    options = settled(TypedOptions(watermark=typed), defaults=Options(watermark=default), may_drop_watermark=allowed)
    assert isinstance(options, Options)
    assert options.watermark is watermark
