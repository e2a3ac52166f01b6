"""The tokens of a message: one pass finds options and words with a sign, and leaves quotations and links alone.

A sign is ``/``, ``--``, or what input methods make of them: ``—``, ``——`` and ``、``. What precedes it tells an option
from prose:

========================================  ================================================================
before the sign                           what counts
========================================  ================================================================
a digit, ``_ / ~ <`` …                    nothing: ``24/7``, ``~/size``
an ASCII letter                           known options with a value of their own, after ``/`` only a size:
                                          ``a cat--ar 16:9``, but ``and/or``, ``src/size``, ``well--known``
another letter                            known options, Chinese names only with a value: ``颜色/风格统一``
a bracket, a quotation mark, an emoji     known options
the start, a space, a comma, a stop       known options and words; after ``/`` and ``--`` unknown words too
========================================  ================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import Literal

from bot.options import HAN, NAMES, OPTIONS, infer_option, read_value, read_word

_COMMAND_WORDS: Mapping[str, tuple[str, ...]] = {
    "help": ("help", "帮助", "菜单", "怎么用", "你好", "您好", "hi", "hello"),
    "sizes": ("sizes", "尺寸"),
    "models": ("models", "模型"),
    "styles": ("styles", "风格"),
    "tips": ("tips", "技巧"),
    "queue": ("queue", "队列"),
    "cancel": ("cancel", "取消", "全部取消", "停止", "stop"),
    "again": ("again", "再来", "再来一次", "再来一张", "重画"),
    "history": ("history", "历史"),
    "settings": ("settings", "设置"),
    "set": ("set",),
    "quota": ("quota", "额度", "balance"),
    "lang": ("lang", "语言"),
    "id": ("id", "编号"),
    "stats": ("stats", "统计"),
    "pause": ("pause", "暂停"),
    "resume": ("resume", "恢复", "continue", "继续"),
}
COMMAND_NAMES = tuple(_COMMAND_WORDS)  # the commands by their English names, in the order of ``/help``
COMMANDS: Mapping[str, str] = {word: name for name, words in _COMMAND_WORDS.items() for word in words}
"""Every word for a command, with the command; a ``set`` with nothing to change is ``settings``, and the reverse."""
ADMINS_ONLY = frozenset({"stats", "pause", "resume"})
_BARE_ENGLISH = frozenset({"help", "hi", "hello", "cancel", "stop", "again"})
BARE: Mapping[str, str] = {word: name for word, name in COMMANDS.items() if not word.isascii() or word in _BARE_ENGLISH}
"""The command words that count without a slash when the message says nothing else.

Each could also be a prompt of one word, but a prompt taken for a command costs nothing, and is drawn after ``画 历史``.
The other English words are names of things to draw more often than commands.
"""
_CHAT_WORDS = frozenset({"chat", "本群"})  # they make /set change the defaults of the chat

LEADING = r"(?:画|文?生图|ai ?绘画|(?:generate|create) image(?: of)?|text[- ]to[- ]image)"
"""The words that may stand before a prompt and are no part of it, in folded text."""
_LEADING_AFTER_SIGN = re.compile(
    rf"(?:draw|imagine|画图|生成|{LEADING}|generate|image|img)"
    rf"(?:(?<={HAN})(?!{HAN})|(?<=[a-z])(?![a-z0-9_-])) *:?"
)
QUOTED = r"“[^“”]*”|「[^「」]*」|『[^『』]*』|(?<![0-9])\"[^\"]*\""
"""Text in quotation marks: a second opening mark ends the search, to keep it linear, and ``7"`` means inches."""
WORD = rf"(?P<word>[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*|{HAN}+)"
SIGN = r"(?P<sign>/|(?<![-—])(?:-[-—]{1,2}|—[-—]{0,2})|、)"
_SKIPPED = rf"(?P<skipped>{QUOTED}|(?:https?|ftp)://[!#-;=?-~]*)"
_WORD_OR_VALUE = rf"(?:{WORD}|(?P<value>[0-9]))"
_SIGNED = re.compile(rf"{_SKIPPED}|{SIGN}{_WORD_OR_VALUE}")
_UNSIGNED = re.compile(rf"{_SKIPPED}|(?:{SIGN}|(?<![^\s,;，；。、])){_WORD_OR_VALUE}")
_LETTERS = re.compile(r"[a-z]+(?=[0-9])")
_SWITCH = re.compile(
    r"[ \t]*(?P<sign>[:=])?[ \t]*"
    rf"(?P<value>(?:on|off|true|false|yes|no)(?![a-z0-9_]|-[a-z0-9])|(?:开启|关闭|[是否开关])(?!{HAN}))"
)
_LATIN_WORD = re.compile(r"[ \t]+[a-z0-9]")


def unquoted(prompt: str) -> str:
    """The prompt without its quotations, which are text to be drawn and no description."""
    return re.sub(QUOTED, " ", prompt)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A part of a text that is no part of the prompt: an option with its value, or a word of speech."""

    start: int
    end: int
    name: str  # of an option, or `lead_in`, `polite` or `follow_up`
    value: str | int | bool | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Token(Span):
    """An option, or another word with a sign; ``name`` is the option's, or the folded word without its sign.

    The value of an option is as typed options hold it, ``None`` if it is missing, and the text in its place if it
    should be a number and is none. ``leading`` precedes a prompt, ``chat`` belongs to ``/set``, and ``value`` begins
    with a digit.
    """

    role: Literal["option", "command", "leading", "chat", "unknown", "value"] = field(kw_only=True)
    name_end: int = 0  # where the typed name of the option ends
    certain: bool = True  # whether it is unmistakably an option without a sign


def scan(plain: str, *, unsigned: bool = False) -> Iterator[Token]:
    """The options and words with a sign; if ``unsigned``, options without one and values without a name, too."""
    pattern = _UNSIGNED if unsigned else _SIGNED
    at, after_option = 0, -1
    while match := pattern.search(plain, at):
        at = match.end()
        if match["skipped"] is not None:
            continue
        before = "free" if match.start() == after_option else _before(plain, match.start())
        if before == "nothing" or (match["sign"] == "、" and before != "free"):
            continue
        token = _option(plain, match, before)
        if token is None and before == "free":
            token = _other_word(plain, match, unsigned=unsigned)
        if token:
            yield token
            at = after_option = token.end


def _before(plain: str, start: int) -> Literal["nothing", "latin", "letter", "mark", "free"]:
    """What precedes a sign, from what excludes an option to what admits any word."""
    last = plain[start - 1] if start else " "
    if last == ".":  # "a mat./size 16:9" ends a sentence, "./size" begins a path
        return "free" if start > 1 and plain[start - 2].isalnum() else "nothing"
    if last in "_/\\~<@#&=%+-0123456789":
        return "nothing"
    if last.isspace() or last in ",;:!?，；。！？、":
        return "free"
    if not last.isalnum():
        return "mark"
    return "latin" if last.isascii() else "letter"


def _option(plain: str, match: re.Match[str], before: str) -> Token | None:
    sign, start = match["sign"] or "", match.start()
    found = name_in(match["word"], NAMES) if match["word"] else None
    if found is None:
        return None
    name, name_end = NAMES[found], match.start("word") + len(found)
    whole, chinese = match.end() == name_end, not found.isascii()
    weak = sign[:1] in ("—", "、")
    if (flag := OPTIONS[name].flags.get(found)) is not None:
        said, end = _switch(plain, name_end)
        if before == "latin" or (end < match.end() and (not chinese or weak or before == "letter")):
            return None
        return Token(start, end, name, flag is said, role="option", name_end=name_end)
    value, end, certain = read_value(name, plain, name_end)
    apart = whole and value is not None and plain[name_end] in " \t:="
    if before == "latin" and not (certain and (OPTIONS[name].after_letter or sign.startswith("--"))):
        return None
    if chinese and not certain and ((before == "letter" and not apart) or (weak and not whole)):
        return None
    certain = certain or apart or (whole and value is None)
    value = "" if value in OPTIONS[name].off_words else value
    return Token(start, end, name, value, role="option", name_end=name_end, certain=certain)


def _switch(plain: str, at: int) -> tuple[bool, int]:
    """On or off after the name of a flag, and where that ends; a flag alone is on."""
    match = _SWITCH.match(plain, at)
    # "on" and "no" before another English word belong to the description: "no-watermark on a mat".
    if not match or (match["value"] in ("on", "no") and not match["sign"] and _LATIN_WORD.match(plain, match.end())):
        return True, at
    return match["value"] in ("on", "true", "yes", "是", "开", "开启"), match.end()


def _other_word(plain: str, match: re.Match[str], *, unsigned: bool) -> Token | None:
    """A word with a sign that names no option, or a value without a name where ``unsigned`` ones count."""
    sign, start, at = match["sign"], match.start(), match.start("word" if match["word"] else "value")
    found = infer_option(plain, at)
    word = match["word"] or plain[at : (found[1] if found else read_word(plain, at)).end]
    end = at + len(word)
    is_path = word.isascii() and plain.startswith("/", end)  # "/usr/local"
    if word in _CHAT_WORDS and not is_path:
        return Token(start, end, word, role="chat")
    if sign and not is_path:
        if leading := _LEADING_AFTER_SIGN.match(plain, at):
            return Token(start, leading.end(), leading[0].rstrip(" :"), role="leading")
        if (command := name_in(word, COMMANDS)) and (command == word or command.isascii()):
            return Token(start, at + len(command), command, role="command")
        # Prose has dashes too, so that an unknown word counts after a slash alone, or else if it looks like an option.
        dashes = sign.startswith("--")
        if sign == "/" or (dashes and word.isascii()) or ((dashes or word[0].isdigit()) and infer_option(word, 0)):
            return Token(start, end, word, role="unknown" if match["word"] else "value")
    if unsigned and found:
        return Token(start, found[1].end, found[0], found[1].value, role="option", name_end=start)
    return None


def name_in(word: str, names: Mapping[str, str]) -> str | None:
    """The name that ``word`` is, or begins with: Chinese is written without spaces, numbers often too (``/n4``)."""
    if (hyphened := word.replace("_", "-")) in names:
        return hyphened
    if word.isascii():
        letters = _LETTERS.match(word)
        return letters[0] if letters and letters[0] in names else None
    return max((name for name in names if not name.isascii() and word.startswith(name)), key=len, default=None)


# A full stop with something behind it is the beginning of a name: "./file", ".5".
_STOP = re.compile(r"[,，、;；。!！?？]|\.(?!\S)")
_OPENERS = re.compile(r"^(?:[,，、;；。:：\s]|\.(?!\S))+")
# An input method may write the two brackets of a pair in different widths.
_BRACKETS = {"(": ")）", "（": ")）", "[": "]］", "［": "]］", "{": "}｝", "｛": "}｝", "【": "】"}
_CLOSING = frozenset("".join(_BRACKETS.values()))


def remove_spans(text: str, spans: Iterable[Span]) -> str:
    """The text without some parts, in their order, and the commas, brackets and spaces that were there for them."""
    ends = [0, *(place for span in spans for place in (span.start, span.end)), len(text)]
    first, *others = [text[start:end] for start, end in list(pairwise(ends))[::2]]
    # White space between two parts belongs to neither side: it must not cost the comma before the first.
    between = [piece for piece in others[:-1] if piece.strip()]
    return reduce(_join, [*between, *others[-1:]], first).strip()


def _join(left: str, right: str) -> str:
    before, after = left.rstrip(), right.lstrip()
    if after and after[0] in _BRACKETS.get(before[-1:], ""):
        # A pair of brackets that held nothing else.
        left, right = before[:-1], after[1:]
        before, after = left.rstrip(), right.lstrip()
    stop = _STOP.match(after)
    closes = not after or after[0] in _CLOSING
    if stop or closes:
        before = before.rstrip(",，、;； ")
    if not before or before[-1] in _BRACKETS:
        return before + _OPENERS.sub("", after)
    if stop and before[-1] in ".。!！?？":
        return before + after[1:]
    if stop or closes:
        return before + after
    gap = left[len(left.rstrip()) :] + right[: len(right) - len(after)]
    return before + ("\n" if "\n" in gap else " ") + after
