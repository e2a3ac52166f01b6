"""What a command says: its name, and the argument or options after it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.chat.reading.options import gather, shown
from bot.chat.reading.removal import without
from bot.chat.reading.tokens import Option, Word, scan
from bot.chat.reading.values import HAN
from bot.chat.reading.words import BARE, fold
from bot.models import Command, Misread

WITH_ARGUMENT = frozenset({"again", "cancel", "lang", "settings", "set"})
"""The commands that read what stands after them; for the others it is kept and means nothing."""

_WORD = re.compile(rf"[a-z]+|{HAN}+")
_CLOSING = ".!?:~。！？～… "
_NUMERALS = "一二三四五六七八九十"
_NUMBER = re.compile(rf"(?:[第#＃]? *0*([1-9][0-9]{{0,3}})|第 *([{_NUMERALS}])) *[个张号]?")
_ALL = frozenset({"", "all", "全部", "所有"})
# "取消第2个", in one word, which "取消第2个按钮的海报" is not; and "取消2和3", for which nothing may be paid.
_CANCEL = re.compile(
    rf"(?:/|-[-—]{{1,2}}|—[-—]{{0,2}}|、)?(?:取消|cancel)([0-9{_NUMERALS}第个张号#＃,，、和 ]+| *(?:all|全部|所有))"
)
_LANGUAGES = {
    **dict.fromkeys(("zh", "cn", "zh-cn", "chinese", "中文", "汉语"), "zh"),
    **dict.fromkeys(("en", "en-us", "english", "英文", "英语"), "en"),
}


def command(name: str, rest: str) -> Command | Misread:
    """The command that a message gives.

    Args:
        name: its English word.
        rest: what the message says besides it.

    Returns:
        For ``settings`` with something to change, a ``set`` with the options to change; the argument of ``settings``
        and ``set`` is ``"chat"`` where the chat's defaults are meant. For ``cancel`` the argument is a number from 1,
        or empty; for ``lang`` it is ``"zh"`` or ``"en"``.
    """
    match name:
        case "again":
            return _again(rest)
        case "cancel":
            return _cancel(rest)
        case "lang":
            return _lang(rest)
        case "settings" | "set":
            return _settings(rest)
        case _:
            return Command(name=name, argument=rest)


def bare(text: str) -> Command | Misread | None:
    """The command of a message that is nothing but its word, without a sign, and at most its argument.

    What cancels by a number may be written together with it, with a sign or without, in English too.
    """
    folded = fold(text).rstrip(_CLOSING)
    if cancels := _CANCEL.fullmatch(folded):
        return _cancel(text[cancels.start(1) : len(folded)].strip())
    word = _WORD.match(folded)
    if word is None or word[0] not in BARE:
        return None
    rest = text[word.end() : len(folded)].strip()
    understood = command(BARE[word[0]], rest)
    says_more = rest and (BARE[word[0]] not in WITH_ARGUMENT or isinstance(understood, Misread))
    return None if says_more else understood


def _again(rest: str) -> Command | Misread:
    options = [token for token in scan(fold(rest)) if isinstance(token, Option)]
    if left := _left(rest, options):
        return Misread(sentence="misread.again", values={"value": shown(left)})
    typed = gather(rest, options)
    return typed if isinstance(typed, Misread) else Command(name="again", options=typed)


def _cancel(rest: str) -> Command | Misread:
    plain = fold(rest)
    if plain in _ALL:
        return Command(name="cancel")
    number = _NUMBER.fullmatch(plain)
    if number is None:
        return Misread(sentence="misread.cancel", values={"value": shown(rest)})
    return Command(name="cancel", argument=number[1] or str(_NUMERALS.index(number[2]) + 1))


def _lang(rest: str) -> Command | Misread:
    language = _LANGUAGES.get(fold(rest).replace("_", "-"))
    return Command(name="lang", argument=language) if language else Misread(sentence="misread.lang")


def _settings(rest: str) -> Command | Misread:
    tokens = [token for token in scan(fold(rest), unsigned=True) if isinstance(token, Option) or token.role == "chat"]
    options = [token for token in tokens if isinstance(token, Option)]
    typed = gather(rest, options)
    if isinstance(typed, Misread):
        return typed
    if left := _left(rest, tokens):
        return Misread(sentence="misread.set", values={"value": shown(left)})
    argument = "chat" if len(tokens) > len(options) else ""
    return Command(name="set" if options else "settings", argument=argument, options=typed)


def _left(rest: str, tokens: Sequence[Option | Word]) -> str:
    return without(rest, ((token.start, token.end) for token in tokens))
