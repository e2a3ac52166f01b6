"""A message without signs, taken apart: what asks for an image, the options in words, and the prompt that is left.

An option is a clause of its own ("…，竖版"), or stands next to the words that ask for an image ("来两张竖版的…").
Inside a description, in a score or in a time the same characters mean something else and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bot import sizes
from bot.chat.parsing.intent_rules import Rules
from bot.chat.parsing.tokenizer import QUOTED, fold, remove_spans
from bot.options import HAN, PartialOptions
from bot.text import EMOJI

SEPARATORS = " \t\n\u3000,，。.;；:：!！?？、~～…"
"""What may stand between a prompt and what was recognized beside it."""
STICKER = re.compile(r"\[[^\[\]\s]{1,8}\]")
"""A sticker of Feishu as text: [赞]."""
EMOJIS = re.compile(f"[{EMOJI}\ufe0e\ufe0f\u200d\u20e3]+")

_NUMERALS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_ENGLISH_NUMERALS = {"one": 1, "two": 2, "three": 3, "four": 4}
# A counter of images after the words that ask for them; without a number it is one.
_COUNTER = re.compile(r"(?P<n>[一二两三四五六七八九十]|[1-9]\d?|几)?\s?[张幅](?![椅桌床嘴脸弓网])")
_VAGUE_COUNTER = re.compile(r"[一1]?[点些](?=\w)")
_THING_COUNTER = re.compile(r"[一1]?[个款副套份]")
_COMMA = re.compile(r"[,，。.!！\n]")
_NOT_WORDS = re.compile(r"[^\w']+|_+|(?<!\w)'|'(?!\w)")
_BETWEENHAN = re.compile(rf"(?<={HAN}) (?={HAN})")
_IMAGES = r"(?:images?|pictures?|pics?|photos?|versions?|variations?)"
_ENGLISH_COUNT = re.compile(rf"(?P<n>[1-9]|one|two|three|four) (?:different )?{_IMAGES}(?: (?:of|with)|:)? +(?=\w)")
_TIMES = re.compile(r"\s?[x*]\s?(?P<n>[1-9])\s*$")
_CLAUSE_COUNT = re.compile(
    r"(?:来|要|画|生成|出|共|一共)?(?P<zh>[一二两三四五六七八九十]|[1-9]\d?)\s?[张幅](?:图片?)?"
    rf"|(?P<en>[1-9]|one|two|three|four) {_IMAGES}"
)
_RATIO = r"(?<![\d:.])(?P<w>\d{1,2}) ?[:比] ?(?P<h>\d{1,2})(?![\d:]|\.\d)"
_NEXT_RATIO = re.compile(rf"{_RATIO}(?:\s?的|\s|(?={HAN}|$))")
_IN_RATIO = re.compile(rf"(?<!\s)(?:\s{{1,3}}|^)in {_RATIO}(?=\s*$)")
_ANY_RATIO = re.compile(_RATIO)
_PIXELS = re.compile(r"(?<![\dx*.:/])(?P<w>\d{3,4}) ?[x*] ?(?P<h>\d{3,4})(?: ?(?:px|像素))?(?![\dx*:])的?")
_SENTENCE_MARKS = re.compile(r"[,，。;；!！、\n()（）【】\[\]]")
_MARKS_AND_SPACES = re.compile(r"[,，。;；!！、\s()（）【】\[\]]")
_PROSE_WORD = re.compile(r"[a-z]{3,}")
_BEFORE_CLAUSE = re.compile(r"(?:请|要|用|我要|做成|画成|弄成|比例|版式)?")
_LONGEST_CLAUSE = 30
_LONGEST_TAIL = 16
_SKIPPED = re.compile(r"(?:是|为|用|要)?\s?[:=]?\s?")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A part of a text that is no part of the prompt; ``name`` is what it was recognized as.

    Names are those of options (``size``, ``count``, ``quality``, ``watermark``, ``style``, ``model``), ``lead_in``,
    ``polite`` and ``follow_up``.
    """

    start: int
    end: int
    name: str


Found = tuple[Span, str | int | bool]
"""An option: where it stands, and its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text taken apart; the prompt and the spans are the whole text, apart from separators."""

    prompt: str
    options: PartialOptions
    spans: tuple[Span, ...]
    request: Literal["strong", "weak"] | None = None
    """How surely the words at the beginning ask for an image."""

    @property
    def key(self) -> str:
        """The prompt as it is compared."""
        return normalize(self.prompt)


def normalize(text: str) -> str:
    """A message as it is compared: small letters, no emoji, stickers or punctuation, single spaces."""
    plain = EMOJIS.sub(" ", STICKER.sub(" ", fold(text).replace("’", "'")))
    return _BETWEENHAN.sub("", _NOT_WORDS.sub(" ", plain)).strip()


def number(numeral: str) -> int:
    """The number that a numeral means, Chinese, English or in digits."""
    return _NUMERALS.get(numeral) or _ENGLISH_NUMERALS.get(numeral) or int(numeral)


def mask(text: str, spans: Iterable[Span] = ()) -> str:
    """The plain form of a text in which quoted text and some spans cannot be matched; places stay the same."""
    characters = list(re.sub(QUOTED, lambda quoted: "\0" * len(quoted[0]), fold(text)))
    for span in spans:
        characters[span.start : span.end] = ";" * (span.end - span.start)
    return "".join(characters)


def take_apart(
    text: str, *, rules: Rules, model: str, spans: Iterable[Span] = (), options: Mapping[str, Any] | None = None
) -> Wording:
    """Takes the words that ask for an image and the options out of a text. Quoted text is never touched.

    Args:
        text: what was typed.
        rules: the word lists.
        model: the model whose nearest size replaces a size in pixels.
        spans: what is already understood.
        options: the options that these spans say; words do not change them.
    """
    plain, taken, values = mask(text, spans), list(spans), dict(options or {})
    start, request = _take_request(plain, rules, taken, values)
    end = take_tail(plain, start, rules, taken, requested=request is not None)
    found = find_options(plain[:end], start=start, requested=request is not None, rules=rules, model=model)
    for span, value in found:
        if span.name not in values and all(span.end <= other.start or other.end <= span.start for other in taken):
            taken.append(span)
            if (span.name, value) != ("count", 1):
                values[span.name] = value
    taken.sort()
    prompt = remove_spans(text, [(span.start, span.end) for span in taken])
    # What stood between the lead-in and the prompt; an exclamation mark may begin markup that is to be drawn.
    prompt = prompt.lstrip(SEPARATORS.replace("!", ""))
    return Wording(prompt=prompt, options=PartialOptions(**values), spans=tuple(taken), request=request)


def _take_request(
    plain: str, rules: Rules, spans: list[Span], values: dict[str, Any]
) -> tuple[int, Literal["strong", "weak"] | None]:
    """Takes the words at the beginning that ask for an image; gives where they end, and how surely they do."""
    at = skip(plain, 0)
    while (polite := rules["thanks.polite"].match(plain, at)) and polite.end() < len(plain):
        if plain[polite.end()] not in SEPARATORS and not rules["lead_in.strong"].match(plain, polite.end()):
            break
        spans.append(Span(at, polite.end(), "polite"))
        at = skip(plain, polite.end())
    strengths: tuple[Literal["strong", "weak"], ...] = ("strong", "weak")
    for strength in strengths:
        match = rules[f"lead_in.{strength}"].match(plain, at)
        if match is None or splits_word(plain, match.end()):
            continue
        end = _skip_joint(plain, match.end(), rules)
        if counter := _COUNTER.match(plain, end):
            end = counter.end()
            if counter["n"] not in (None, "几", "一", "1"):
                values.setdefault("count", number(counter["n"]))
        elif strength == "weak" and (vague := _VAGUE_COUNTER.match(plain, end)):
            end = vague.end()
        spans.append(Span(at, end, "lead_in"))
        return skip(plain, end), strength
    return at, "strong" if _ENGLISH_COUNT.match(plain, at) else None


def _skip_joint(plain: str, at: int, rules: Rules) -> int:
    """Where the small words after a request end: "一下", "me"."""
    at = skip(plain, at, " ")
    joint = rules["lead_in.joint"].match(plain, at)
    if joint and not splits_word(plain, joint.end()):
        at = joint.end()
    return skip(plain, at, " :,，")


def take_tail(plain: str, start: int, rules: Rules, spans: list[Span], *, requested: bool) -> int:
    """Takes the words that end a request, such as "吧" and "谢谢"; gives where they begin."""
    end = len(plain)
    # "画 谢谢" asks for these words, "画图，谢谢" does not.
    first = start if _COMMA.search(plain, max(0, start - 2), start) else start + 1
    while True:
        end = start + len(plain[start:end].rstrip(SEPARATORS))
        for at in range(max(first, end - _LONGEST_TAIL), end):
            polite = plain[at - 1] in SEPARATORS and rules["thanks.polite"].fullmatch(plain, at, end)
            particle = requested and not splits_word(plain, at) and rules["lead_in.tail"].fullmatch(plain, at, end)
            if polite or particle:
                spans.append(Span(at, end, "polite"))
                end = at
                break
        else:
            return end


def skip(plain: str, at: int, characters: str = SEPARATORS) -> int:
    """The first place from ``at`` on that has none of these characters."""
    while at < len(plain) and plain[at] in characters:
        at += 1
    return at


def splits_word(plain: str, at: int) -> bool:
    """Whether a place is within a Latin word."""
    return at > 0 and len(pair := plain[at - 1 : at + 1]) == 2 and pair.isascii() and pair.isalpha()  # noqa: PLR2004


def find_options(plain: str, *, start: int, requested: bool, rules: Rules, model: str) -> Iterator[Found]:
    """The options in words of a text; of several with the same name the first one counts.

    Args:
        plain: the text in its plain form, what is quoted or already understood masked.
        start: where the words end that ask for an image.
        requested: whether there are such words.
        rules: the word lists.
        model: the model whose nearest size replaces a size in pixels.
    """
    if times := _TIMES.search(plain, max(start, len(plain) - 8)):
        yield Span(times.start(), times.end(), "count"), int(times["n"])
    if english := _ENGLISH_COUNT.match(plain, start):
        yield Span(start, english.end(), "count"), number(english["n"])
    counter = _THING_COUNTER.match(plain, start) if requested else None
    for span, size in _next_size(plain, counter.end() if counter else start, rules, requested=requested):
        yield replace(span, start=start), size
    yield from _named_sizes(plain, rules, model)
    for pixels in _PIXELS.finditer(plain):
        yield Span(pixels.start(), pixels.end(), "size"), _nearest(pixels, model)
    for begin, end in _clauses(plain, start):
        if option := _clause(plain, begin, end, rules):
            yield Span(begin, end, option[0]), option[1]


def _next_size(plain: str, start: int, rules: Rules, *, requested: bool) -> Iterator[Found]:
    """A size at the beginning, or right after the words that ask for an image: 来张16:9的…, 竖版海报."""
    ratio = _NEXT_RATIO.match(plain, start)
    if ratio and (value := _ratio(plain, ratio, rules)):
        yield Span(start, ratio.end(), "size"), value
        return
    for value, words in rules.sizes.items():
        match = words.match(plain, start)
        if match is None or match[0].isascii() or (match[0].endswith("壁纸") and not requested):
            continue
        particle = plain.startswith("的", match.end())
        noun = rules["options.image_nouns"].match(plain, match.end() + particle)
        if noun or requested or particle or match[0][-1] in "版图屏幅的":
            yield Span(start, match.end() + particle, "size"), value
        return


def _nearest(pixels: re.Match[str], model: str) -> str:
    return sizes.nearest(model, int(pixels["w"]), int(pixels["h"]))


def _named_sizes(plain: str, rules: Rules, model: str) -> Iterator[Found]:
    """Sizes after their name ("尺寸9:16"), and ratios after "in" at the end."""
    for name in rules["options.size_names"].finditer(plain):
        gap = _SKIPPED.match(plain, name.end())
        ratio = _ANY_RATIO.match(plain, gap.end()) if gap else None
        if ratio and (value := _ratio(plain, ratio, rules, named=True)):
            yield Span(name.start(), ratio.end() + plain.startswith("的", ratio.end()), "size"), value
        elif gap and (pixels := _PIXELS.match(plain, gap.end())):
            yield Span(name.start(), pixels.end(), "size"), _nearest(pixels, model)
    tail = _IN_RATIO.search(plain, max(0, len(plain) - 24))
    if tail and (value := _ratio(plain, tail, rules, named=True)):
        yield Span(tail.start(), tail.end(), "size"), value


def _ratio(plain: str, match: re.Match[str], rules: Rules, *, named: bool = False) -> str | None:
    """The ratio that two numbers are, unless they are a score or a time."""
    value = f"{int(match['w'])}:{int(match['h'])}"
    if value not in sizes.RATIOS:
        return None
    if named:
        return value
    before = plain[max(0, match.start("w") - 12) : match.start("w")].rstrip(" :,，")
    words_before = rules["options.not_after"].finditer(before)
    is_score = any(word.end() == len(before) and not splits_word(before, word.start()) for word in words_before)
    return (
        None
        if is_score or rules["options.not_before"].match(plain[match.end("h") : match.end("h") + 9].lstrip())
        else value
    )


def _clauses(plain: str, start: int) -> Iterator[tuple[int, int]]:
    """The parts of a text between commas and stops, then those between spaces too."""
    for marks in (_SENTENCE_MARKS, _MARKS_AND_SPACES):
        at = start
        for match in marks.finditer(f"{plain}，", start):
            begin = at + len(plain[at : match.start()]) - len(plain[at : match.start()].lstrip())
            end = begin + len(plain[begin : match.start()].rstrip(". ~?？"))
            at = match.end()
            # An English word between spaces is part of a phrase: "a mountain landscape".
            if marks is _MARKS_AND_SPACES and (
                _PROSE_WORD.fullmatch(plain[begin:end]) or _in_sentence(plain, begin, end)
            ):
                continue
            if begin < end <= begin + _LONGEST_CLAUSE:
                yield begin, end


def _in_sentence(plain: str, begin: int, end: int) -> bool:
    """Whether a ratio stands between two words, as a score does: 湖人 3:2 勇士."""
    ratio = _ANY_RATIO.match(plain, begin)
    if ratio is None or "16" in (ratio["w"], ratio["h"]):
        return False
    return (
        plain[max(0, begin - 3) : begin].rstrip(" ")[-1:].isalnum() and plain[end : end + 3].lstrip(" ")[:1].isalnum()
    )


def _clause(plain: str, begin: int, end: int, rules: Rules) -> tuple[str, str | int | bool] | None:
    """What a clause says that is nothing but an option."""
    clause = plain[begin:end]
    lead = _BEFORE_CLAUSE.match(clause)
    body = clause[lead.end() if lead else 0 :].strip()
    if name := rules["options.size_names"].match(body):
        body = _SKIPPED.sub("", body[name.end() :], count=1)
    trimmed = body.removesuffix("的")
    ratio = _ANY_RATIO.match(trimmed)
    if ratio and trimmed[ratio.end() :] in ("", "版", "画幅", "比例", "尺寸"):
        at = plain.index(ratio[0], begin)
        placed = _ANY_RATIO.match(plain, at)
        value = _ratio(plain, placed, rules) if placed else None
        return ("size", value) if value else None
    for size, words in rules.sizes.items():
        if words.fullmatch(trimmed) or words.fullmatch(body):
            return "size", size
    for name_, value_, key in (
        ("watermark", False, "watermark"),
        ("quality", "hd", "hd"),
        ("quality", "standard", "standard"),
    ):
        if rules[f"options.{key}"].fullmatch(clause):
            return name_, value_
    if count := _CLAUSE_COUNT.fullmatch(clause):
        return "count", number(count["zh"] or count["en"])
    return None
