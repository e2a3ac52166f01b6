"""What people write without a slash is understood, and nothing is paid for that was not wanted."""

from __future__ import annotations

import re
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import sizes
from bot.chat.parsing.intents import Intent, Situation, recognize
from bot.chat.parsing.wording import Rules
from bot.errors import SettingsError
from bot.text import visible
from tests.unit.card_samples import CONFIG, styles

FOLDER = Path(__file__).parent
RULES = Rules.load(CONFIG)
PRICES = {"models": "prices"}


def read(text: str, situation: Situation | None = None) -> Intent:
    return recognize(text, rules=RULES, situation=situation, styles=styles())


def understood(situation: str, text: str) -> Intent:
    refers = Situation(result=situation in ("after", "reply"), waiting=situation == "waiting")
    return read(visible(text), refers)


def rows(name: str) -> list[tuple[str, str, str]]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return [(*line.split("\t"),) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def options_of(intent: Intent) -> Counter[str]:
    """The options as a row writes them."""
    given = {name: sizes.WORDS.get(value, value) for name, value in intent.options.items()}
    if "watermark" in given:
        given["watermark"] = "yes" if given["watermark"] else "no"
    return Counter(f"{'n' if name == 'count' else name}={value}" for name, value in given.items())


def bare(prompt: str) -> str:
    """A prompt without the punctuation at its end, which is the rules' choice."""
    return prompt.rstrip(" 。.!！?？")


def image_of(rest: str) -> tuple[list[str], list[str]]:
    """The prompts of an expected image, of which one is right, and its options."""
    found = re.fullmatch(r"(.*?)((?:(?:^| )(?:size|n|watermark|quality|model|style)=\S+)*)", rest)
    assert found is not None
    return [bare(prompt) for prompt in found[1].split("|")], found[2].split()


def holds(intent: Intent, text: str, expectation: str) -> bool:
    """Whether an intent is what one expectation says."""
    kind, _, rest = expectation.partition(" ")
    if kind in ("image", "again"):
        prompts, options = image_of(rest)
        right = (
            intent.kind == "again" if kind == "again" else intent.kind == "prompt" and bare(intent.prompt) in prompts
        )
        return right and Counter(options) == options_of(intent)
    if kind == "edit":
        joint = ", " if text.isascii() else "，"
        wanted = [bare(prompt) for prompt in rest.split("|")]
        return intent.kind == "edit" and bare(f"一座红色的塔{joint}{intent.prompt}") in wanted
    if kind in ("card", "cancel"):
        name = getattr(intent.outcome, "name", "")
        return intent.kind == "command" and (rest or kind) in (name, PRICES.get(name))
    if kind == "free":
        return intent.kind not in ("prompt", "again")
    return intent.kind == {"ask": "ambiguous"}.get(kind, kind)


def test_what_people_type_is_understood_and_nothing_else_is_paid() -> None:
    for table, share in (("utterances.tsv", 1.0), ("utterances_more.tsv", 0.99)):
        intents = {row: understood(*row[:2]) for row in rows(table)}
        wrong = [
            row
            for row, intent in intents.items()
            if not any(holds(intent, row[1], one) for one in (row[2], *row[2].split("|")))
        ]
        assert len(wrong) <= len(intents) * (1 - share), wrong
        unpaid = (row for row in intents if not re.search(r"(?:^|\|)(?:image|again|card again)(?: |\||$)", row[2]))
        assert [row for row in unpaid if intents[row].kind in ("prompt", "again")] == []


FORMS = ["好的，{}", "{}，谢谢", "{} 👍", "{}！", "嗨，{}", "{}哈", "哈哈，{}", "{} 😀", "嗯嗯 {}", "请问{}", "{}～"]


def test_thanks_and_greetings_make_nothing_a_prompt() -> None:
    free = [
        row for row in rows("utterances_more.tsv") if not re.search(r"image|again", row[2]) and row[1][0] not in "/@"
    ]
    said = [(situation, form.format(text)) for (situation, text, _), form in zip(free, cycle(FORMS), strict=False)]
    paid = [row for row in said if understood(*row).kind in ("prompt", "again")]
    assert [text for _, text in paid if "一只猫 /" not in text] == []


SITUATIONS = st.builds(Situation, result=st.booleans(), waiting=st.booleans())
THANKS = [
    *("谢谢", "好的", "收到", "哈哈", "不错", "太棒了", "辛苦了", "ok", "thanks", "thank you", "nice", "lol", "[赞]"),
    *("👍", "🙏", "😀"),
]
MARKS = [*"，。！？~…,.!? ", "", "\n", "！！"]
OPTIONS = ["竖版", "16:9", "横图", "两张", "无水印", "高清", "1920x1080", "/size 16:9", "--n 2", "square", "不要水印"]
WORDS = [
    *("画", "帮我画一张", "一只猫", "谢谢", "再来一张", "改成", "请", "a cat", "draw ", "in ", "的", "吗", "吧", "@"),
    *("/", "-ar 16:9", "“", "”", '"'),
]
texts = st.text() | st.lists(st.sampled_from([*THANKS, *MARKS, *OPTIONS, *WORDS])).map("".join)


@given(texts, SITUATIONS)
def test_prompt_and_spans_make_up_the_whole_text(text: str, situation: Situation) -> None:
    intent = read(text, situation)
    ends = [0, *(place for span in intent.spans for place in (span.start, span.end)), len(text)]
    assert ends == sorted(ends)
    if intent.kind in ("prompt", "edit", "ambiguous"):
        left = "".join(text[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True))
        assert re.sub(r"[\W_]", "", left) == re.sub(r"[\W_]", "", intent.prompt)


@given(
    st.sampled_from([*OPTIONS, *THANKS, "再来一张", "改成蓝色", "取消", "/help"]),
    st.sampled_from(["“”", "「」", "『』", '""']),
    st.sampled_from(["写着{}的海报", "一只猫，{}", "画{}", "请帮我画一张海报，上面写{}，谢谢"]),
    SITUATIONS,
)
def test_quoted_text_is_no_option(quoted: str, marks: str, form: str, situation: Situation) -> None:
    text = f"{marks[0]}{quoted}{marks[1]}"
    intent = read(form.format(text), situation)
    assert (intent.kind, intent.options) == ("prompt", {})
    assert text in intent.prompt


@given(
    st.lists(st.tuples(st.sampled_from(THANKS), st.sampled_from(MARKS)), min_size=1, max_size=30),
    st.sampled_from(OPTIONS),
    SITUATIONS,
)
def test_thanks_are_never_paid(parts: list[tuple[str, str]], option: str, situation: Situation) -> None:
    """Beside options they repeat a result at the most."""
    assert read("".join(word + mark for word, mark in parts), situation).kind not in ("prompt", "again")
    intent = read("，".join([*(word for word, _ in parts[:4]), option]), situation)
    assert intent.kind not in ("prompt", "edit")
    assert situation.result or intent.kind != "again"


CLOCKS = ("下午{}的车站", "比分{}的记分牌", "湖人 {} 勇士，海报", "湖人{}勇士的海报", "画一个指向{}的钟")


@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(CLOCKS))
def test_a_time_or_a_score_is_no_size(first: int, second: int, form: str) -> None:
    for pair in (f"{first}:{second:02}", f"{first}:{second}", f"{first}：{second}"):
        assert read(form.format(pair)).options.get("size") is None


REPEATED = [
    *("ok", "[赞]", "👍", "竖版", "16:9", "/size 16:9", "--n 2", "square", *WORDS),
    *("3:2 ", "/竖版 ", "在", "哈", "是", "[a", "a ", "不", "@a.", "---"),
]


def test_long_messages_take_linear_time() -> None:
    for part in REPEATED:
        assert read(part * (10_000 // len(part))).kind != "edit"
    assert read(f"远{' ' * 100_000}山").kind == "ambiguous"


FAULTS = [
    ("[thanks]", "[thank]", "thank.phrases: is not known"),
    ("phrases = [", "phrases = [1, ", "thanks.phrases: entry 1 (1): must be a text"),
    ("phrases = [", 'phrases = ["(", ', "thanks.phrases: entry 1 ((): is not a regular expression"),
    ("phrases = [", 'phrases = ["a*", ', "thanks.phrases: entry 1 (a*): matches the empty text"),
    ("phrases = [", 'phrases = ["(?P<n>a)", ', "thanks.phrases: entry 1 ((?P<n>a)): has a named group"),
    ('joint = ["', 'joint = "x"\n_ = ["', "lead_in.joint: write a list of expressions"),
]


def test_a_teams_own_words_count_and_a_faulty_list_is_reported(tmp_path: Path) -> None:
    content = (CONFIG / "intents.toml").read_text("utf-8")
    for old, new, fault in FAULTS:
        (tmp_path / "intents.toml").write_text(content.replace(old, new, 1), "utf-8")
        with pytest.raises(SettingsError) as raised:
            Rules.load(tmp_path)
        assert any(error.startswith(f"intents.toml: {fault}") for error in raised.value.faults), fault
    (tmp_path / "intents.toml").write_text(content.replace("phrases = [", 'phrases = ["拍谢",', 1), "utf-8")
    assert recognize("拍谢", rules=Rules.load(tmp_path)).kind == "thanks"
    assert read("拍谢").kind == "ambiguous"
