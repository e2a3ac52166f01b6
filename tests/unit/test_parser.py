"""What messages and options mean: the table, every word of the registry, and what holds whatever is typed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import product
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parsing.history_filter import HistoryFilter, parse_history_filter
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import BARE, COMMANDS, scan
from bot.errors import UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.options import OPTIONS, Options, TypedOptions, resolve_options
from bot.text import fold
from tests.unit.card_samples import catalogue
from tests.unit.test_intents import rows


def meaning(text: str, kind: str, what: str = "", values: str = "") -> ParsedMessage:
    """What a row of the table says."""
    said = dict(pair.split("=", 1) for pair in values.split("; ") if pair)
    if kind.startswith("error"):
        return UserError(sentence=f"misread.{what}", values=said, command=kind.partition(" ")[2] or None)
    typed: dict[str, Callable[[str], Any]] = {"count": int, "watermark": "yes".__eq__}
    options = {name: typed.get(name, str)(value) for name, value in said.items()}
    if kind == "image":
        return ImagePrompt(prompt=text if what == "=" else what, options=options)
    return Command(name=kind, argument=what, options=options)


def test_messages_mean_what_the_table_says() -> None:
    """The catalogues hold each error of the table with just the values that the parser gives."""
    table = [[cell.replace("⏎", "\n") for cell in row] for row in rows("messages.tsv")]
    every = {row[0]: meaning(*row) for row in table}
    assert len(every) == len(table) >= 120
    assert {text: parse(text) for text in every} == every
    errors = {meant.sentence: set(meant.values) for meant in every.values() if isinstance(meant, UserError)}
    assert errors == {sentence: set(catalogue().placeholders(sentence)) for sentence in errors}


VALUES = {"model": "cogview-4", "size": "16:9", "quality": "hd", "style": "ink", "count": 2}


def test_every_name_of_an_option_works_with_every_sign() -> None:
    """In full width and capitals too; whatever counts as ``x`` or ``:`` in a size counts so in a message."""
    for sign, (name, option) in product(("/", "--", "／", "—", "——"), OPTIONS.items()):
        for word in option.words:
            expected = ImagePrompt(prompt="猫", options={name: VALUES[name]})
            for typed in (f"{word} {VALUES[name]}", f"{word.upper()}：{VALUES[name]}"):
                assert parse(f"猫 {sign}{typed}") == expected
        for word, value in option.flags.items():
            assert parse(f"猫 {sign}{word}") == ImagePrompt(prompt="猫", options={name: value})
    for sign in "×✕✖╳ｘ∶︰﹕：":
        plain = "x" if sign in "×✕✖╳ｘ" else ":"
        assert parse(f"猫 /size 16{sign}9") == ImagePrompt(prompt="猫", options={"size": f"16{plain}9"})
    # The properties below are tried with every option that there is.
    assert {name for said in SPELLINGS.values() for name in said} == OPTIONS.keys()


def test_every_command_word_works_with_a_slash_and_some_without_one_if_alone() -> None:
    for word, name in COMMANDS.items():
        if name == "lang":
            assert parse(f"/{word} zh") == parse(f"／{word}　ＺＨ") == Command(name="lang", argument="zh")
        else:
            assert parse(f"/{word}") == parse(f"／{word}") == Command(name="settings" if name == "set" else name)
        assert isinstance(parse(word), ImagePrompt) == (word not in BARE)
        assert parse(f"{word} 的图标") == ImagePrompt(prompt=f"{word} 的图标")


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


STYLES = ("水墨", "ink", "3D渲染")


def resolved(
    typed: TypedOptions, *, defaults: Options | None = None, may_drop_watermark: bool = False
) -> Options | UserError:
    defaults = defaults or Options()
    return resolve_options(typed, defaults=defaults, may_drop_watermark=may_drop_watermark, styles=STYLES)


MADE = "glm-image 16:9 1728x960, cogview-4 16:9 1344x768, glm-image 横版 1568x1056, cogview-4 512x512 512x512"
ADAPTED = "768x1344 glm-image 960x1728, 1440x720 glm-image 1280x1280, 2048x2048 cogview-4 1024x1024"


def test_defaults_apply_where_nothing_is_typed_and_sizes_follow_the_model() -> None:
    """A default size that the typed model does not make becomes its size of the nearest ratio."""
    defaults = Options(model="cogview-4", size="1344x768", quality="standard", style="ink", count=2)
    assert resolved({}, defaults=defaults) == defaults
    for model, typed, size in map(str.split, MADE.split(", ")):
        assert resolved({"model": model, "size": typed}) == Options(model=model, size=size)
    for default, model, size in map(str.split, ADAPTED.split(", ")):
        found = resolved({"model": model}, defaults=Options(model="cogview-4", size=default))
        assert found == Options(model=model, size=size)


def test_watermark_goes_only_if_it_may_and_style_has_its_own_spelling() -> None:
    """The watermark is dropped if that was typed or is the default and the account has signed for it."""
    without, typed = Options(watermark=False), {"watermark": False}
    assert resolved({}, may_drop_watermark=True) == Options()
    assert resolved(typed, may_drop_watermark=True) == without
    assert resolved({}, defaults=without, may_drop_watermark=True) == without
    assert resolved({}, defaults=without) == Options()
    for style, name in {"水墨": "水墨", "INK": "ink", "3d渲染": "3D渲染", "": None}.items():
        assert resolved({"style": style}, defaults=Options(style="ink")) == Options(style=name)


def test_wrong_size_lists_what_the_model_makes() -> None:
    numbers = {"minimum": "1024", "maximum": "2048", "multiple": "32", "pixels": "4,194,304"}
    for size in ("512x512", "很大", "16:10", "1568x1057", "1024", "99999x99999"):
        error = resolved({"size": size})
        assert isinstance(error, UserError)
        assert numbers.items() | {("value", size), ("model", "glm-image")} <= error.values.items()
        assert error.values["allowed"].startswith("1280x1280, 1568x1056, ")
        assert "16:9" in error.values["ratios"]
        assert all(value in catalogue().text("misread.size", "en", **error.values) for value in error.values.values())


MODELS = "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"
WRONG: list[tuple[dict[str, object], str, dict[str, str]]] = [
    ({"quality": "4k"}, "quality", {"value": "4k", "allowed": "hd, standard"}),
    ({"style": "水墨画"}, "style", {"value": "水墨画", "allowed": "水墨, ink, 3D渲染"}),
    ({"count": 0}, "count", {"value": "0", "most": "4"}),
    ({"count": 9}, "count", {"value": "9", "most": "4"}),
    ({"watermark": False}, "no_watermark", {}),
    ({"model": "dall-e", "size": "16:9"}, "model", {"value": "dall-e", "allowed": MODELS}),
]
OFFERED = {"size 很大": "", "style 水墨画": "水墨", "model cogview4": "cogview-4"}


def test_wrong_value_names_the_allowed_ones_and_offers_what_was_probably_meant() -> None:
    for typed, sentence, values in WRONG:
        assert resolved(typed) == UserError(sentence=f"misread.{sentence}", values=values)
        # The card names the styles itself, in the reader's language.
        said = catalogue().text(f"misread.{sentence}", "en", **{"styles": ", ".join(STYLES), **values})
        assert all(value in said for value in values.values())
    for text, offered in OFFERED.items():
        name, _, wrong = text.partition(" ")
        error = resolved({name: wrong})
        assert isinstance(error, UserError)
        assert error.offer == {"value": offered, "options": {name: offered} if offered else {}}


# One spelling for each option, in the plain form, and what it says.
SPELLINGS: dict[str, dict[str, object]] = {
    "/size 16:9": {"size": "16:9"},
    "--size 1568x1056": {"size": "1568x1056"},
    "/比例 横版": {"size": "横版"},
    "--ar=1:1": {"size": "1:1"},
    "/quality standard": {"quality": "standard"},
    "/质量: hd": {"quality": "hd"},
    "--model cogview-4": {"model": "cogview-4"},
    "/no-watermark": {"watermark": False},
    "/无水印": {"watermark": False},
    "/风格 水墨": {"style": "水墨"},
    "/n 3": {"count": 3},
    "/张数 2": {"count": 2},
}
# No bare "尺寸": in prose ("颜色/尺寸") it is one until what follows reads like a value.
FRAGMENTS = [
    *SPELLINGS,
    *("--", "——", "画 ", "16:9", "/help", "取消", "size", "/set ", "--chat", "http://", "n4", "/foo", "./"),
    *("/watermark off", "/水彩", "/3张", "a--ar 3:2", "（", "）", "再来", "两张"),
    *'/—、，.,"“”「」画猫a：４ \n',
]

anything = st.text(st.characters()) | st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3)).map("".join)
words = st.text("猫狗山水远近abcXYZ019", min_size=2, max_size=6).map(lambda word: "远" + word)
options = st.lists(st.sampled_from(sorted(SPELLINGS)), max_size=6, unique_by=lambda one: tuple(SPELLINGS[one]))
unquoted = st.characters(exclude_characters='“”「」『』"＂', codec="utf-8")
quoted = st.text(unquoted) | st.sampled_from(["/n 2", "/help", "--x"])
pairs = st.sampled_from(["“”", "「」", "『』", '""', "＂＂"])
brackets = st.sampled_from(["()", "（）", "[]", "［］", "【】", "{}", "(）"])


def said_by(spellings: list[str]) -> TypedOptions:
    """What several options say together."""
    said: dict[str, object] = {}
    for spelling in spellings:
        said |= SPELLINGS[spelling]
    return said


@given(anything)
def test_any_text_has_one_answer(text: str) -> None:
    """No option is left in a prompt, and an error quotes little."""
    understood = parse(text)
    assert isinstance(understood, ImagePrompt | Command | UserError)
    if isinstance(understood, ImagePrompt):
        assert understood.prompt == understood.prompt.strip() != ""
        assert not [token for token in scan(fold(understood.prompt)) if token.role == "option"]
    if isinstance(understood, UserError):
        assert understood.sentence.startswith("misread.")
        assert all(0 < len(value) <= 80 for value in understood.values.values())


@given(st.lists(words, min_size=1, max_size=5), options, st.randoms(use_true_random=False))
def test_options_leave_the_prompt_wherever_they_stand(said: list[str], typed: list[str], random: Random) -> None:
    parts = [*said]
    for spelling in typed:
        parts.insert(random.randint(0, len(parts)), spelling)
    assert parse(" ".join(parts)) == ImagePrompt(prompt=" ".join(said), options=said_by(typed))


@given(words, pairs, st.sampled_from(["", " ", "，"]), st.lists(quoted, min_size=1, max_size=3), options)
def test_quoted_text_never_changes(word: str, pair: str, joiner: str, texts: list[str], typed: list[str]) -> None:
    said = joiner.join([f"{word}里", *(f"{pair[0]}{text}{pair[1]}" for text in texts)])
    understood = parse(" ".join([said, *typed, word]))
    assert understood == ImagePrompt(prompt=f"{said} {word}", options=said_by(typed))


@given(words, brackets, options, words)
def test_brackets_that_held_options_alone_go_with_them(before: str, pair: str, typed: list[str], after: str) -> None:
    said = [before, *([f"{pair[0]}{'，'.join(typed)}{pair[1]}"] if typed else []), after]
    assert parse(" ".join(said)) == ImagePrompt(prompt=f"{before} {after}", options=said_by(typed))


@given(st.text(",，:： \n　", max_size=5), words, options)
def test_what_parts_a_mention_from_the_message_means_nothing(opening: str, word: str, typed: list[str]) -> None:
    said = " ".join([word, *typed])
    assert parse(opening + said) == parse(said)
    assert parse(f"{opening}/help") == Command(name="help")


@given(st.text(st.characters(exclude_characters="/／-－—–―、", codec="utf-8")))
def test_prompt_without_options_comes_back_as_it_was(text: str) -> None:
    prompt = "远山" + text
    assert parse(prompt) == ImagePrompt(prompt=prompt.strip())


SUNDAY = date(2026, 11, 29)


def days(first: str, last: str = "", words: str = "") -> HistoryFilter:
    """A filter, its days as months and days of 2026 unless a year is given."""
    begin, end = (date.fromisoformat(day if len(day) > 5 else f"2026-{day}") for day in (first, last or first))
    return HistoryFilter(first=begin, last=end, words=words)


MEANINGS = {
    **dict.fromkeys(("今天", "today", "周日", "星期天的图", "sunday", "29号"), days("11-29")),
    **dict.fromkeys(("昨天", "我昨天画的图", "yesterday", "yesterday's images", "周六"), days("11-28")),
    **dict.fromkeys(("周二", "星期二", "礼拜二的图", "Tuesday", "last tuesday", "11-24"), days("11-24")),
    **dict.fromkeys(("11-20", "11/20", "11月20日", "１１－２０", "2026-11-20", "20号的图"), days("11-20")),
    "上周二": days("11-17"),
    "12-25": days("2025-12-25"),
    "2-29": days("2024-02-29"),
    "30号": days("10-30"),
    "这周的图": days("11-23", "11-29"),
    "last month": days("10-01", "10-31"),
    "12月": days("2025-12-01", "2025-12-31"),
    "昨天 灯塔": days("11-28", words="灯塔"),
    "上周的猫": days("11-16", "11-22", "猫"),
    "cat yesterday": days("11-28", words="cat"),
    **dict.fromkeys(("", "我画过的图", "历史记录", "show me my history"), HistoryFilter()),
    **{words: HistoryFilter(words=words) for words in ("橘猫", "2-30", "13月", "a red tower", "16:9")},
}


def test_filter_means_days_and_words() -> None:
    assert {typed: parse_history_filter(typed, today=SUNDAY) for typed in MEANINGS} == MEANINGS


@given(st.text() | st.from_regex(r"\d{1,4}[-/.年]\d{1,3}[-/月]?\d{0,3}[日号]?", fullmatch=True), st.dates())
def test_any_text_is_a_filter(text: str, today: date) -> None:
    found = parse_history_filter(text, today=max(today, date(1001, 1, 1)))
    assert (found.first is None) == (found.last is None)
    assert found.first is None or found.last is None or found.first <= found.last
