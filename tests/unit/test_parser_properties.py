"""What holds for the parser whatever is typed."""

from __future__ import annotations

from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import fold, scan
from bot.errors import UserError
from bot.models import Command, ImagePrompt
from bot.options import OPTIONS, PartialOptions

# One spelling for each option, in the plain form, and what it says.
SPELLINGS: dict[str, dict[str, object]] = {
    "/size 16:9": {"size": "16:9"},
    "--size 1568x1056": {"size": "1568x1056"},
    "/尺寸 3:2": {"size": "3:2"},
    "/比例 横版": {"size": "横版"},
    "--ar=1:1": {"size": "1:1"},
    "/quality standard": {"quality": "standard"},
    "/质量: hd": {"quality": "hd"},
    "--model cogview-4": {"model": "cogview-4"},
    "/模型 glm-image": {"model": "glm-image"},
    "/no-watermark": {"watermark": False},
    "/无水印": {"watermark": False},
    "/style ink": {"style": "ink"},
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
quoted = st.text(st.characters(exclude_characters='“”「」『』"＂', codec="utf-8")) | st.sampled_from(
    ["/n 2", "/help", "--x"]
)
pairs = st.sampled_from(["“”", "「」", "『』", '""', "＂＂"])
brackets = st.sampled_from(["()", "（）", "[]", "［］", "【】", "{}", "(）"])


def said_by(spellings: list[str]) -> PartialOptions:
    """What several options say together."""
    said: dict[str, object] = {}
    for spelling in spellings:
        said |= SPELLINGS[spelling]
    return PartialOptions(**said)


def full_width(text: str) -> str:
    """The text as a Chinese input method writes it, but for dashes, which it turns into others."""
    wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F) if chr(code) not in "-!,;?()"}
    return text.translate(wide | {ord(" "): "\u3000", ord("x"): "×"}).replace("--", "——")


@given(anything)
def test_any_text_has_one_answer(text: str) -> None:
    understood = parse(text)
    assert isinstance(understood, ImagePrompt | Command | UserError)
    if isinstance(understood, ImagePrompt):
        assert understood.prompt == understood.prompt.strip() != ""
    if isinstance(understood, UserError):
        assert understood.sentence.startswith("misread.")
        assert all(0 < len(value) <= 80 for value in understood.values.values())


@given(anything)
def test_no_option_is_left_in_a_prompt(text: str) -> None:
    understood = parse(text)
    assume(isinstance(understood, ImagePrompt))
    assert isinstance(understood, ImagePrompt)
    assert not [token for token in scan(fold(understood.prompt)) if token.role == "option"]


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


@given(words, options)
def test_plain_and_full_width_forms_mean_the_same(word: str, typed: list[str]) -> None:
    plain = " ".join([word, *typed])
    wide = f"{word}　{full_width(' '.join(typed))}"
    assert parse(wide) == parse(plain)


@given(words, st.sampled_from(sorted(SPELLINGS)), st.sampled_from(["，", "、", ",", "。", "；"]))
def test_no_comma_is_left_dangling(word: str, spelling: str, mark: str) -> None:
    for text in (f"{word}{mark}{spelling}{mark}{word}", f"{word}{mark}{spelling}", f"{spelling}{mark}{word}"):
        understood = parse(text)
        assert isinstance(understood, ImagePrompt)
        assert understood.prompt.rstrip("。") in (f"{word}{mark}{word}", word)


def test_spellings_cover_every_option() -> None:
    covered = {name for said in SPELLINGS.values() for name in said}
    assert covered == OPTIONS.keys()
