"""Words without a sign: the lists of ``intents.toml``, and what they find in a message.

A message is taken apart into what asks for an image, the options in words, and the prompt that is left. An option is a
clause of its own ("…，竖版"), or follows the words that ask for an image ("来两张竖版的…"). Inside a description, in a
score or in a time the same characters mean something else and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from bot import sizes
from bot.chat.parsing.tokenizer import QUOTED, Span, remove_spans
from bot.dotenv import SHIPPED, read_config, read_toml
from bot.errors import SettingsError
from bot.options import HAN, NUMERALS, OPTIONS, TypedOptions
from bot.text import EMOJI, fold

SEPARATORS = " \t\n\u3000,，。.;；:：!！?？、~～…"
STICKER = re.compile(r"\[[^\[\]\s]{1,8}\]")  # as Feishu writes one: [赞]
EMOJIS = re.compile(f"[{EMOJI}\ufe0e\ufe0f\u200d\u20e3]+")

_ENGLISH_NUMERALS = {"one": 1, "two": 2, "three": 3, "four": 4}
# A counter of images after the words that ask for them; without a number it is one.
_COUNTER = re.compile(r"(?P<n>[一二两三四五六七八九十]|[1-9]\d?|几)?\s?[张幅](?![椅桌床嘴脸弓网])")
_VAGUE_COUNTER = re.compile(r"[一1]?[点些](?=\w)")
_THING_COUNTER = re.compile(r"[一1]?[个款副套份]")
_DECORATION = re.compile(rf"(?:{EMOJIS.pattern}|{STICKER.pattern}|\s)+$")
_COMMA = re.compile(r"[,，。.!！\n]")
_NOT_WORDS = re.compile(r"[^\w']+|_+|(?<!\w)'|'(?!\w)")
_BETWEEN_HAN = re.compile(rf"(?<={HAN}) (?={HAN})")
_IMAGES = r"(?:images?|pictures?|pics?|photos?|versions?|variations?)"
_ENGLISH_COUNT = re.compile(rf"(?P<n>[1-9]|one|two|three|four) (?:different )?{_IMAGES}(?: (?:of|with)|:)? +(?=\w)")
_TIMES = re.compile(r"\s?[x*]\s?(?P<n>[1-9])\s*$")
_CLAUSE_COUNT = re.compile(
    r"(?:来|要|画|生成|出|共|一共)?(?P<zh>[一二两三四五六七八九十]|[1-9]\d?)\s?[张幅](?:图片?)?"
    rf"|(?P<en>[1-9]|one|two|three|four) {_IMAGES}"
)
_COUNT_AT_END = re.compile(r"(?:[一二两三四五六七八九十]|[1-9]\d?)\s?[张幅]$")
_RATIO = r"(?<![\d:.])(?P<w>\d{1,2}) ?[:比] ?(?P<h>\d{1,2})(?![\d:]|\.\d)"
_ANY_RATIO = re.compile(_RATIO)
_NEXT_RATIO = re.compile(rf"{_RATIO}(?:\s?的|\s|(?={HAN}|$))")
_IN_RATIO = re.compile(rf"(?<!\s)(?:\s{{1,3}}|^)in {_RATIO}(?=\s*$)")
_PIXELS = re.compile(r"(?P<w>\d{3,4}) ?[x*] ?(?P<h>\d{3,4})(?: ?(?:px|像素))?(?![\dx*:])的?")
_FREE_PIXELS = re.compile(rf"(?<![\dx*.:/]){_PIXELS.pattern}")
_SENTENCE_MARKS = re.compile(r"[,，。;；!！、\n()（）【】\[\]]")
_MARKS_AND_SPACES = re.compile(r"[,，。;；!！、\s()（）【】\[\]]")
_NEXT_WORD = re.compile(r" {0,2}(?P<word>\w[^\s,，。;；!！、]{0,30})")
_PROSE_WORD = re.compile(r"[a-z]{3,}")
_BEFORE_CLAUSE = re.compile(r"^(?:请|要|用|我要|做成|画成|弄成|比例|版式)")
_LONGEST_CLAUSE = 30
_LONGEST_TAIL = 16


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled word lists by their keys, such as ``rules["lead_in.strong"]``; each matches any entry of its list."""

    patterns: Mapping[str, re.Pattern[str]]
    entries: Mapping[str, tuple[re.Pattern[str], ...]]  # the entries of the lists of thanks and commands, one by one
    sizes: Mapping[str, re.Pattern[str]]  # the words for sizes, by their ratio

    def __getitem__(self, key: str) -> re.Pattern[str]:
        return self.patterns[key]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The rules of ``intents.toml`` in a folder; ``SettingsError`` lists everything that is wrong with it."""
        shipped = dict(_flat(read_toml(SHIPPED / "intents.toml")))
        # A list that a copy of an older version does not have yet is the shipped one.
        lists = shipped | dict(_flat(read_config(folder, "intents.toml")))
        ratios = {f"options.sizes.{ratio}": ratio for ratio in sizes.RATIOS}
        known = shipped.keys() | ratios.keys()
        errors = [f"{key}: is not known" for key in sorted(lists.keys() - known)]
        words = {key: _joined(key, lists[key], errors) for key in lists if key in known}
        if errors:
            raise SettingsError([f"intents.toml: {error}" for error in errors])
        single = [key for key in words if key.startswith(("thanks.phrases", "commands."))]
        entries = {key: tuple(map(_compiled, lists[key])) for key in single}
        words["thanks.polite"] = rf"(?:{words['thanks.polite']})(?![a-z0-9'])"
        words["options.size_names"] = rf"(?:{words['options.size_names']})\s?(?:是|为|用|要)?\s?[:=]?\s?"
        # A clause names a thing if it ends with it, in English also before a preposition.
        endings, chinese = words["description.endings"], words["description.chinese"]
        english, joins = words["description.english"], words["description.joins"]
        ending = rf"(?:(?<={HAN})|^)(?:{endings})$"
        words["description.noun"] = rf"{ending}|(?:{chinese})$|\b(?:{english})(?:$| (?:{joins})\b)"
        patterns = {key: _compiled(pattern) for key, pattern in words.items()}
        return cls(patterns, entries, {ratio: patterns[key] for key, ratio in ratios.items() if key in patterns})


def _flat(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _joined(key: str, entries: Any, errors: list[str]) -> str:
    """A pattern that matches any entry of a list; what is wrong with them is added to ``errors``."""
    if not isinstance(entries, list) or not entries:
        errors.append(f'{key}: write a list of expressions, such as ["…", "…"]')
        return ""
    # Ignoring the case of every Chinese character, which has none, is slow.
    joined = "|".join(f"(?:{entry})" for entry in entries).replace(HAN, f"(?-i:{HAN})")
    # Compiling each of 2,000 entries takes longer than the rest of the start. The whole list fails if one entry does,
    # unless that is empty, or another entry closes its bracket.
    closed = (str(entry).count(a) == str(entry).count(b) for entry in entries for a, b in ("()", "[]"))
    if _fault(joined) or not all(closed) or not all(isinstance(entry, str) and entry.strip() for entry in entries):
        faults = enumerate(map(_fault, entries), 1)
        errors += [f"{key}: entry {number} ({entries[number - 1]}): {fault}" for number, fault in faults if fault]
    return joined


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern that is compiled once in the process: the cache of ``re`` is too small for all of them."""
    return re.compile(f"(?:{pattern})", re.IGNORECASE)


def _fault(pattern: Any) -> str:
    """What is wrong with a pattern; nothing where it can be used."""
    if not isinstance(pattern, str) or not pattern.strip():
        return "must be a text that is not empty"
    try:
        compiled = _compiled(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    if compiled.groupindex:
        return "has a named group; write (?:…)"
    return "matches the empty text; make a part required" if compiled.fullmatch("") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text taken apart; the prompt and the spans are the whole text, apart from separators."""

    prompt: str
    options: TypedOptions
    spans: tuple[Span, ...]
    request: Literal["strong", "weak"] | None  # how clearly the words at the beginning ask for an image
    key: str  # the prompt as it is compared


def normalize(text: str) -> str:
    """A message as it is compared: lower case, no emoji, stickers or punctuation, single spaces."""
    plain = EMOJIS.sub(" ", STICKER.sub(" ", fold(text).replace("’", "'")))
    return _BETWEEN_HAN.sub("", _NOT_WORDS.sub(" ", plain)).strip()


def number(numeral: str) -> int:
    return NUMERALS.get(numeral) or _ENGLISH_NUMERALS.get(numeral) or int(numeral)


def mask(text: str, spans: Iterable[Span] = ()) -> str:
    """The folded text, of the same length, in which quoted text and some spans cannot be matched."""
    characters = list(re.sub(QUOTED, lambda quoted: "\0" * len(quoted[0]), fold(text)))
    for span in spans:
        characters[span.start : span.end] = ";" * (span.end - span.start)
    return "".join(characters)


def skip(plain: str, at: int, characters: str = SEPARATORS) -> int:
    """The first place from ``at`` on that has none of these characters."""
    while at < len(plain) and plain[at] in characters:
        at += 1
    return at


def splits_word(plain: str, at: int) -> bool:
    return at > 0 and len(pair := plain[at - 1 : at + 1]) == 2 and pair.isascii() and pair.isalpha()  # noqa: PLR2004


def take_apart(text: str, *, rules: Rules, model: str, signed: Sequence[Span] = ()) -> Wording:
    """Takes the words that ask for an image and the options out of a text, but for quoted text.

    ``signed`` is what was found by its sign. A size in pixels becomes the nearest one that ``model`` makes.
    """
    taken = list(signed)
    values: dict[str, Any] = {span.name: span.value for span in reversed(signed) if span.name in OPTIONS}
    model = values["model"] if values.get("model") in sizes.MODELS else model
    plain = mask(text, taken)
    start, request = _take_request(plain, rules, taken, values)
    end = take_tail(plain, start, rules, taken, requested=request is not None)
    for span in find_options(plain[:end], rules, start, requested=request is not None, model=model):
        if span.name not in values and all(span.end <= other.start or other.end <= span.start for other in taken):
            taken.append(span)
            if (span.name, span.value) != ("count", 1):
                values[span.name] = span.value
    taken.sort()
    # What stood between the lead-in and the prompt goes; an exclamation mark may begin markup that is to be drawn.
    prompt = remove_spans(text, taken).lstrip(SEPARATORS.replace("!", ""))
    return Wording(prompt=prompt, options=values, spans=tuple(taken), request=request, key=normalize(prompt))


def _take_request(
    plain: str, rules: Rules, spans: list[Span], values: dict[str, Any]
) -> tuple[int, Literal["strong", "weak"] | None]:
    """Takes the words at the beginning that ask for an image; returns where they end, and how clearly they ask."""
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
        # Small words may end a request: "一下", "me".
        end = skip(plain, match.end(), " ")
        joint = rules["lead_in.joint"].match(plain, end)
        if joint and not splits_word(plain, joint.end()):
            end = joint.end()
        end = skip(plain, end, " :,，")
        if counter := _COUNTER.match(plain, end):
            end = counter.end()
            if counter["n"] not in (None, "几", "一", "1"):
                values.setdefault("count", number(counter["n"]))
        elif strength == "weak" and (vague := _VAGUE_COUNTER.match(plain, end)):
            end = vague.end()
        spans.append(Span(at, end, "lead_in"))
        return skip(plain, end), strength
    return at, "strong" if _ENGLISH_COUNT.match(plain, at) else None


def take_tail(plain: str, start: int, rules: Rules, spans: list[Span], *, requested: bool) -> int:
    """Takes the words that end a request, such as "吧" and "谢谢", and emoji after them; returns where they begin."""
    # "画 谢谢" asks for these words, "画图，谢谢" does not.
    first = start if _COMMA.search(plain, max(0, start - 2), start) else start + 1
    decoration = _DECORATION.search(plain, max(first, len(plain) - _LONGEST_TAIL))
    tail: list[Span] = []
    end = decoration.start() if decoration else len(plain)
    while True:
        end = start + len(plain[start:end].rstrip(SEPARATORS))
        for at in range(max(first, end - _LONGEST_TAIL), end):
            is_apart = plain[at - 1] in SEPARATORS or EMOJIS.match(plain, at - 1)
            polite = is_apart and rules["thanks.polite"].fullmatch(plain, at, end)
            particle = requested and not splits_word(plain, at) and rules["lead_in.tail"].fullmatch(plain, at, end)
            if polite or particle:
                tail.append(Span(at, end, "polite"))
                end = at
                break
        else:
            break
    if decoration and not tail:
        return start + len(plain[start:].rstrip(SEPARATORS))
    spans += [*tail, Span(decoration.start(), len(plain), "polite")] if decoration else tail
    return end


def find_options(
    plain: str, rules: Rules, start: int, *, requested: bool = False, model: str = sizes.DEFAULT_MODEL
) -> Iterator[Span]:
    """The options in words of a :func:`mask`; of several with the same name the first one counts.

    ``start`` is where the words end that ask for an image, and ``requested`` whether there are any.
    """
    if times := _TIMES.search(plain, max(start, len(plain) - 8)):
        yield Span(times.start(), times.end(), "count", int(times["n"]))
    if english := _ENGLISH_COUNT.match(plain, start):
        yield Span(start, english.end(), "count", number(english["n"]))
    if size := _next_size(plain, rules, start, requested=requested):
        yield size
    yield from _named_sizes(plain, rules, model)
    for pixels in _FREE_PIXELS.finditer(plain):
        yield Span(pixels.start(), pixels.end(), "size", sizes.nearest(model, *map(int, pixels.groups())))
    for begin, end in _clauses(plain, rules, start):
        # "两张竖版" and "竖版两张" are two options in one clause.
        first = _CLAUSE_COUNT.match(plain, begin, end)
        last = _COUNT_AT_END.search(plain[begin:end])
        splits = [end, *([first.end()] if first else []), *([begin + last.start()] if last else [])]
        for middle in splits:
            one, other = _clause(plain, rules, begin, middle), _clause(plain, rules, middle, end)
            if one and (other or middle == end):
                yield Span(begin, middle, *one)
                if other:
                    yield Span(middle, end, *other)
                break


def _named_sizes(plain: str, rules: Rules, model: str) -> Iterator[Span]:
    """Sizes after their name ("尺寸9:16"), and ratios after "in" at the end."""
    for name in rules["options.size_names"].finditer(plain):
        ratio = _ANY_RATIO.match(plain, name.end())
        if ratio and (value := _ratio(plain, rules, ratio, named=True)):
            yield Span(name.start(), ratio.end() + plain.startswith("的", ratio.end()), "size", value)
        elif pixels := _PIXELS.match(plain, name.end()):
            yield Span(name.start(), pixels.end(), "size", sizes.nearest(model, *map(int, pixels.groups())))
    tail = _IN_RATIO.search(plain, max(0, len(plain) - 24))
    if tail and (value := _ratio(plain, rules, tail, named=True)):
        yield Span(tail.start(), tail.end(), "size", value)


def _next_size(plain: str, rules: Rules, start: int, *, requested: bool) -> Span | None:
    """A size at the beginning, or right after the words that ask for an image: 来张16:9的…, 竖版海报."""
    counter = _THING_COUNTER.match(plain, start) if requested else None
    at = counter.end() if counter else start
    ratio = _NEXT_RATIO.match(plain, at)
    if ratio and (value := _ratio(plain, rules, ratio)):
        return Span(start, ratio.end(), "size", value)
    for value, words in rules.sizes.items():
        match = words.match(plain, at)
        if match and not match[0].isascii() and (requested or not match[0].endswith("壁纸")):
            particle = plain.startswith("的", match.end())
            noun = rules["options.image_nouns"].match(plain, match.end() + particle)
            is_size = noun or requested or particle or match[0][-1] in "版图屏幅的"
            return Span(start, match.end() + particle, "size", value) if is_size else None
    return None


def _ratio(plain: str, rules: Rules, match: re.Match[str], *, named: bool = False) -> str | None:
    """The ratio that two numbers are, unless they are a score or a time."""
    value = f"{int(match['w'])}:{int(match['h'])}"
    if value not in sizes.RATIOS or named:
        return value if value in sizes.RATIOS else None
    before = plain[max(0, match.start("w") - 12) : match.start("w")].rstrip(" :,，")
    words = rules["options.not_after"].finditer(before)
    is_score = any(word.end() == len(before) and not splits_word(before, word.start()) for word in words)
    after = plain[match.end("h") : match.end("h") + 9].lstrip()
    return None if is_score or rules["options.not_before"].match(after) else value


def _clauses(plain: str, rules: Rules, start: int) -> Iterator[tuple[int, int]]:
    """The parts of a text between commas and stops, then those between spaces too."""
    for marks in (_SENTENCE_MARKS, _MARKS_AND_SPACES):
        at = start
        for match in marks.finditer(f"{plain}，", start):
            part = plain[at : match.start()].lstrip(" \t\n\u3000")
            begin = match.start() - len(part)
            end = begin + len(part.rstrip(". ~?？"))
            at = match.end()
            # An English word between spaces is part of a phrase: "a mountain landscape".
            is_phrase = marks is _MARKS_AND_SPACES and (
                _PROSE_WORD.fullmatch(plain, begin, end) or _is_between_words(plain, rules, begin, end)
            )
            if begin < end <= begin + _LONGEST_CLAUSE and not is_phrase:
                yield begin, end


def _is_between_words(plain: str, rules: Rules, begin: int, end: int) -> bool:
    """Whether a ratio is between two words, as a score is: 湖人 3:2 勇士; another option is no such word."""
    after = _NEXT_WORD.match(plain, end)
    if after is None or _ANY_RATIO.match(plain, begin) is None:
        return False
    before = plain[max(0, begin - 3) : begin].rstrip(" ")
    return before[-1:].isalnum() and _clause(plain, rules, after.start("word"), after.end()) is None


def _clause(plain: str, rules: Rules, begin: int, end: int) -> tuple[str, str | int | bool] | None:
    """What a clause says that is nothing but an option."""
    clause = plain[begin:end]
    body = _BEFORE_CLAUSE.sub("", clause).strip()
    if name := rules["options.size_names"].match(body):
        body = body[name.end() :]
    trimmed = body.removesuffix("的")
    ratio = _ANY_RATIO.match(trimmed)
    if ratio and trimmed[ratio.end() :] in ("", "版", "画幅", "比例", "尺寸"):
        placed = _ANY_RATIO.match(plain, plain.index(ratio[0], begin))
        value = _ratio(plain, rules, placed) if placed else None
        return ("size", value) if value else None
    for size, words in rules.sizes.items():
        if words.fullmatch(trimmed) or words.fullmatch(body):
            return "size", size
    if rules["options.watermark"].fullmatch(clause):
        return "watermark", False
    for quality in ("hd", "standard"):
        if rules[f"options.{quality}"].fullmatch(clause):
            return "quality", quality
    count = _CLAUSE_COUNT.fullmatch(clause)
    return ("count", number(count["zh"] or count["en"])) if count else None
