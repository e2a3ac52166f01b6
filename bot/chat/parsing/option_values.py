"""How the value of an option is read from the plain text after its name."""

from __future__ import annotations

import re
from typing import NamedTuple

from bot import sizes

HAN = "[\u3400-\u9fff]"
"""A pattern of one Chinese character."""

_SEPARATOR = re.compile(r"[ \t]*[:=]?[ \t]*")
_REST = re.compile(r"(?:(?!--)[^\s,;，；。、！？“”「」『』\"/—()（）\[\]［］{}｛｝【】])+")
_SENTENCE_END = ".!?:~"
_WHOLE = r"(?![a-z0-9_]|[.:x*/][0-9])"
_PAIR = re.compile(rf"([0-9]{{1,5}}) *([x*:/比]) *([0-9]{{1,5}})(?: *(?:px|像素))?{_WHOLE}")
_SIZE = re.compile(r"[0-9]{3,}x[0-9]{3,}|(?:[1-9]|1[0-9]|2[01]):(?:[1-9]|1[0-9]|2[01])")
# "/n 4 张三的头像" asks for four pictures of somebody called 张三.
_COUNT = re.compile(rf"([0-9]{{1,4}}){_WHOLE}(?:[张幅]| +[张幅](?!{HAN}))?|([一二两三四])(?:[张幅]|(?!{HAN}))")
_QUALITY = re.compile(r"(?:hd|standard)(?![a-z0-9_-])")
_MODEL = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_SWITCH = re.compile(
    rf"[ \t]*(?P<sign>[:=])?[ \t]*"
    rf"(?P<value>(?:on|off|true|false|yes|no)(?![a-z0-9_]|-[a-z0-9])|(?:开启|关闭|[是否开关])(?!{HAN}))"
)
_LATIN_WORD = re.compile(r"[ \t]+[a-z0-9]")
_ON = frozenset({"on", "true", "yes", "是", "开", "开启"})
_ENGLISH_PROSE = frozenset({"on", "no"})
_QUALITY_WORDS = {"高清": "hd", "标准": "standard"}
_NUMERALS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4}


class Reading(NamedTuple):
    """A value, where it ends in the text, and whether it is unmistakably one of this option's."""

    value: str | int | None
    """``None`` where there is nothing; a count that is no number is the text that stood there."""
    end: int
    certain: bool = False


def read(option: str, plain: str, at: int) -> Reading:
    """The value of an option that takes one.

    Args:
        option: ``size``, ``quality``, ``model``, ``style`` or ``count``.
        plain: the text in its plain form.
        at: where the option's name ends.
    """
    gap = _SEPARATOR.match(plain, at)
    start = gap.end() if gap else at
    match option:
        case "size":
            return _size(plain, start)
        case "count":
            return _count(plain, start)
        case "quality":
            return _quality(plain, start)
        case "model":
            return _model(plain, start)
        case _:
            return _rest(plain, start)


def nameless(plain: str, at: int) -> tuple[str, Reading] | None:
    """A value that tells its option without the option's name, such as ``16:9``, ``3张`` or ``hd``, and that option."""
    for option in ("size", "count") if plain[at].isdigit() else ("size", "count", "quality", "model"):
        reading = read(option, plain, at)
        typed = plain[at : reading.end]
        if reading.certain and _tells(option, typed, str(reading.value)):
            return option, reading
    return None


def _tells(option: str, typed: str, value: str) -> bool:
    """Whether a value can be no other thing: a number alone may be anything, 12/25 is a date and 16:30 a time."""
    match option:
        case "count":
            return typed.endswith(("张", "幅"))
        case "size":
            return "/" not in typed and (not value[0].isdigit() or _SIZE.fullmatch(value) is not None)
        case _:
            return True


def switch(plain: str, at: int) -> tuple[bool, int] | None:
    """What is said after the name of an option that takes no value, on or off, and where that ends.

    ``on`` and ``no`` before another English word belong to the description: "no-watermark on a mat".
    """
    match = _SWITCH.match(plain, at)
    if match is None:
        return None
    if match["value"] in _ENGLISH_PROSE and not match["sign"] and _LATIN_WORD.match(plain, match.end()):
        return None
    return match["value"] in _ON, match.end()


def _rest(plain: str, at: int) -> Reading:
    match = _REST.match(plain, at)
    value = match[0].rstrip(_SENTENCE_END) if match else ""
    return Reading(value, at + len(value)) if value else Reading(None, at)


def _size(plain: str, at: int) -> Reading:
    if pair := _PAIR.match(plain, at):
        return Reading(f"{pair[1]}{'x' if pair[2] in 'x*' else ':'}{pair[3]}", pair.end(), certain=True)
    word = _rest(plain, at)
    return word._replace(certain=word.value in sizes.WORDS)


def _count(plain: str, at: int) -> Reading:
    if count := _COUNT.match(plain, at):
        return Reading(int(count[1]) if count[1] else _NUMERALS[count[2]], count.end(), certain=True)
    return _rest(plain, at)


def _quality(plain: str, at: int) -> Reading:
    if quality := _QUALITY.match(plain, at):
        return Reading(quality[0], quality.end(), certain=True)
    word = _rest(plain, at)
    known = _QUALITY_WORDS.get(str(word.value))
    return Reading(known, word.end, certain=True) if known else word


def _model(plain: str, at: int) -> Reading:
    match = _MODEL.match(plain, at)
    if match is None:
        return _rest(plain, at)
    value = match[0].replace("_", "-")
    return Reading(value, match.end(), certain=value in sizes.MODELS)
