"""What messages and options mean: the table, every word of the registry, and how options are resolved."""

from __future__ import annotations

from itertools import product

from bot import sizes
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import BARE, COMMANDS
from bot.errors import UserError
from bot.models import Command, ImagePrompt, Language
from bot.options import OPTIONS, Options, PartialOptions, resolve_options
from tests.unit.card_samples import catalogue
from tests.unit.messages_table import EVERY


def test_messages_mean_what_the_table_says() -> None:
    assert len(dict(EVERY)) == len(EVERY) >= 120
    assert {text: parse(text) for text, _ in EVERY} == dict(EVERY)
    errors = {meaning.sentence: set(meaning.values) for _, meaning in EVERY if isinstance(meaning, UserError)}
    assert errors == {sentence: set(catalogue().placeholders(sentence)) for sentence in errors}


VALUES = {"model": "cogview-4", "size": "16:9", "quality": "hd", "style": "ink", "count": 2}


def test_every_name_of_an_option_works_with_every_sign() -> None:
    for sign, (name, option) in product(("/", "--", "／", "—", "——"), OPTIONS.items()):
        for word in option.words:
            expected = ImagePrompt(prompt="猫", options=PartialOptions(**{name: VALUES[name]}))
            for typed in (f"{word} {VALUES[name]}", f"{word.upper()}：{VALUES[name]}"):
                assert parse(f"猫 {sign}{typed}") == expected
        for word, value in option.flags.items():
            assert parse(f"猫 {sign}{word}") == ImagePrompt(prompt="猫", options=PartialOptions(**{name: value}))


def test_every_command_word_works_with_a_slash() -> None:
    for word, name in COMMANDS.items():
        if name == "lang":
            assert parse(f"/{word} zh") == parse(f"／{word}　ＺＨ") == Command(name="lang", argument="zh")
        else:
            assert parse(f"/{word}") == parse(f"／{word}") == Command(name="settings" if name == "set" else name)


def test_command_word_without_a_slash_counts_only_alone() -> None:
    for word in BARE:
        assert not isinstance(parse(word), ImagePrompt)
        assert parse(f"{word} 的图标") == ImagePrompt(prompt=f"{word} 的图标")
        assert parse(f"画 {word}") == ImagePrompt(prompt=word)
    for word in COMMANDS.keys() - BARE.keys():
        assert parse(word) == ImagePrompt(prompt=word)


HOSTILE = [
    *("“" * 40_000, '"「' * 20_000, "a" * 80_000, "/a" * 40_000, " /a" * 30_000, "—" * 80_000, "-" * 80_000),
    *("http://" * 12_000, "猫/size 1:1 " * 8_000, "/尺寸" * 30_000, "help" + " ." * 40_000 + "x", "，" * 80_000),
    *("取消" + " " * 80_000 + "x", "/cancel" + "2 " * 40_000 + "x", "取消" + "0" * 80_000, "再来" + "图" * 80_000),
    *("，/9" * 10_000, "a--ar 3:2" * 8_000, "（/n 2）" * 10_000, "(" * 40_000 + "/n 2" + ")" * 40_000, '9"' * 40_000),
]


def test_long_hostile_message_has_an_answer() -> None:
    """A message as long as the platform lets through is answered in time linear in its length."""
    for text in HOSTILE:
        assert isinstance(parse(text), ImagePrompt | Command | UserError)


SIGNS = {chr(code): chr(plain).lower() for code, plain in sizes.PLAIN.items() if chr(plain) in "xX:"}


def test_message_reads_the_signs_of_sizes() -> None:
    for sign, plain in SIGNS.items():
        assert parse(f"猫 /size 16{sign}9") == ImagePrompt(prompt="猫", options=PartialOptions(size=f"16{plain}9"))


STYLES = ("水墨", "ink", "3D渲染")


def resolved(
    typed: PartialOptions, *, defaults: Options | None = None, may_drop_watermark: bool = False
) -> Options | UserError:
    defaults = defaults or Options()
    return resolve_options(typed, defaults=defaults, may_drop_watermark=may_drop_watermark, styles=STYLES)


def test_defaults_apply_where_nothing_is_typed() -> None:
    defaults = Options(model="cogview-4", size="1344x768", quality="standard", style="ink", count=2)
    assert resolved(PartialOptions(), defaults=defaults) == defaults


MADE = "glm-image 16:9 1728x960, cogview-4 16:9 1344x768, glm-image 横版 1568x1056, cogview-4 512x512 512x512"
ADAPTED = "768x1344 glm-image 960x1728, 1440x720 glm-image 1280x1280, 2048x2048 cogview-4 1024x1024"


def test_size_follows_the_model() -> None:
    for model, typed, size in map(str.split, MADE.split(", ")):
        assert resolved(PartialOptions(model=model, size=typed)) == Options(model=model, size=size)


def test_default_size_follows_a_typed_model() -> None:
    for default, model, size in map(str.split, ADAPTED.split(", ")):
        found = resolved(PartialOptions(model=model), defaults=Options(model="cogview-4", size=default))
        assert found == Options(model=model, size=size)


def test_wrong_size_lists_what_the_model_makes() -> None:
    for size in ("512x512", "很大", "16:10", "1568x1057", "1024", "99999x99999"):
        error = resolved(PartialOptions(size=size))
        assert isinstance(error, UserError)
        values = dict(error.values)
        assert values.pop("allowed").startswith("1280x1280, 1568x1056, ")
        assert "16:9" in values.pop("ratios")
        numbers = {"minimum": "1024", "maximum": "2048", "multiple": "32", "pixels": "4,194,304"}
        assert (error.sentence, values) == ("misread.size", {"value": size, "model": "glm-image", **numbers})
        assert all(value in catalogue().text("misread.size", "en", **error.values) for value in error.values.values())


WORDS: dict[Language, tuple[str, ...]] = {
    "zh": ("横版", "竖版", "方形", "宽屏", "手机"),
    "en": ("landscape", "portrait", "square", "wide", "phone"),
}


def test_errors_about_sizes_name_the_words() -> None:
    for key in ("misread.size", "misread.size_missing"):
        values = dict.fromkeys(catalogue().placeholders(key), "x")
        for language, words in WORDS.items():
            assert all(word in sizes.WORDS and word in catalogue().text(key, language, **values) for word in words)


MODELS = "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"
WRONG: list[tuple[dict[str, object], str, dict[str, str]]] = [
    ({"quality": "4k"}, "quality", {"value": "4k", "allowed": "hd, standard"}),
    ({"style": "浮世绘"}, "style", {"value": "浮世绘", "allowed": "水墨, ink, 3D渲染"}),
    ({"count": 0}, "count", {"value": "0", "most": "4"}),
    ({"count": 5}, "count", {"value": "5", "most": "4"}),
    ({"watermark": False}, "no_watermark", {}),
    ({"model": "dall-e", "size": "16:9"}, "model", {"value": "dall-e", "allowed": MODELS}),
]


def test_wrong_value_names_the_allowed_ones() -> None:
    for typed, sentence, values in WRONG:
        assert resolved(PartialOptions(**typed)) == UserError(sentence=f"misread.{sentence}", values=values)
        # The card names the styles itself, in the reader's language.
        said = catalogue().text(f"misread.{sentence}", "en", **{"styles": ", ".join(STYLES), **values})
        assert all(value in said for value in values.values())


def test_style_is_found_in_any_case() -> None:
    for typed, name in {"水墨": "水墨", "INK": "ink", "3d渲染": "3D渲染", "": None}.items():
        assert resolved(PartialOptions(style=typed), defaults=Options(style="ink")) == Options(style=name)


def test_watermark_goes_only_if_it_may() -> None:
    without, typed = Options(watermark=False), PartialOptions(watermark=False)
    assert resolved(PartialOptions(), may_drop_watermark=True) == Options()
    assert resolved(typed, may_drop_watermark=True) == without
    assert resolved(PartialOptions(), defaults=without, may_drop_watermark=True) == without
    assert resolved(PartialOptions(), defaults=without) == Options()


def test_wrong_value_offers_what_was_probably_meant() -> None:
    offers = {
        ("size", "1000x1000"): "1024x1024",
        ("size", "16:10"): "3:2",
        ("size", "很大"): "",
        ("count", 9): "4",
        ("style", "水墨画"): "水墨",
        ("quality", "4k"): "",
        ("model", "cogview4"): "cogview-4",
        ("watermark", False): "",
    }
    for (name, wrong), value in offers.items():
        error = resolved(PartialOptions(**{name: wrong}))
        assert isinstance(error, UserError)
        assert error.offer is not None
        assert error.offer["value"] == value
        assert str(error.offer["options"].get(name, "")) == value
