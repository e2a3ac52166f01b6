"""What a command says: its name, and the argument or options after it."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.chat.parsing.options import gather, shown
from bot.chat.parsing.span_removal import without
from bot.chat.parsing.tokenizer import SIGN, WORD, Option, name_in, scan
from bot.chat.parsing.vocabulary import BARE, COMMANDS, fold
from bot.models import Command, PartialOptions, UserError

WITH_ARGUMENT = frozenset({"again", "cancel", "lang", "settings", "set"})
"""The commands that read what stands after them; for the others it means nothing."""

Reading = Command | UserError | str
"""What a command and the rest of its message say together; text is what of the rest was not understood."""

_HEAD = re.compile(rf"{SIGN}?{WORD}")
_BEFORE_ARGUMENT = " \t\n\u3000:：=＝,，"
_AFTER_ALL = ".!?:~,。！？：～…， \t\n\u3000"
_PARTICLES = tuple("吧啦了啊呀")

_NUMERALS = "一二三四五六七八九十"
_NUMBER = re.compile(rf"(?:([第#＃])? *0*([1-9][0-9]{{0,3}})|第 *([{_NUMERALS}])) *([个张号])?")
_COUNTING = re.compile(rf"[0-9{_NUMERALS}两几第个张号#＃,，、和到至~～ —–-]+")
_ALL = frozenset(("", "all", "全部", "所有", "图片", "全部图片", "所有图片", "排队", "生成"))
_LAST = frozenset(
    ("last", *(which + one for which in ("上一", "最后一", "刚才那", "刚刚那", "这", "那") for one in "个张"))
)
_TIMES = re.compile(r"([0-9]{1,4}|[一两二三四]) *[个次遍张幅] *(?:图片?)?|图片?")
_COUNTS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4}
_LANGUAGES = {
    **dict.fromkeys(("zh", "cn", "zh-cn", "chinese", "中文", "汉语"), "zh"),
    **dict.fromkeys(("en", "en-us", "english", "英文", "英语"), "en"),
}


def command(name: str, rest: str) -> Command | UserError:
    """The command that a message gives.

    Args:
        name: its English word.
        rest: what the message says besides it.

    Returns:
        For ``settings`` with something to change, a ``set`` with the options to change; the argument of ``settings``
        and ``set`` is ``"chat"`` where the chat's defaults are meant. For ``cancel`` the argument is a number from 1,
        ``"last"``, or empty; for ``lang`` it is ``"zh"`` or ``"en"``.
    """
    read = _read(name, _trimmed(rest), sure=False)
    if isinstance(read, str):
        sentence = f"misread.{'set' if name == 'settings' else name}"
        read = UserError(sentence=sentence, values={"value": shown(read)})
    return _of(name, read)


def alone(text: str) -> Command | UserError | None:
    """The command of a message that is nothing but its word, with a sign or without, and at most its argument.

    A message that says anything else may be a prompt. One that is understood and cannot be carried out, such as
    ``取消两个``, is a fault.
    """
    head = _HEAD.match(fold(text))
    word = name_in(head["word"], COMMANDS if head["sign"] else BARE) if head else None
    if head is None or word is None:
        return None
    name, rest = COMMANDS[word], _trimmed(text[head.start("word") + len(word) :])
    if rest and name not in WITH_ARGUMENT:
        return None
    read = _read(name, rest, sure=True)
    return None if isinstance(read, str) else _of(name, read)


def _of(name: str, read: Command | UserError) -> Command | UserError:
    return replace(read, command=name) if isinstance(read, UserError) else read


def _trimmed(rest: str) -> str:
    """The argument without the marks before it, and without those and the particle that end a sentence."""
    argument = rest.lstrip(_BEFORE_ARGUMENT).rstrip(_AFTER_ALL)
    return argument[:-1].rstrip(_AFTER_ALL) if argument.endswith(_PARTICLES) else argument


def _read(name: str, rest: str, *, sure: bool) -> Reading:
    match name:
        case "again":
            return _again(rest, sure=sure)
        case "cancel":
            return _cancel(rest)
        case "lang":
            return _lang(rest)
        case "settings" | "set":
            return _settings(rest, sure=sure)
        case _:
            return Command(name=name)


def _again(rest: str, *, sure: bool) -> Reading:
    times = _TIMES.match(fold(rest))
    read = _options(rest[times.end() :] if times else rest, sure=sure)
    if not isinstance(read, tuple):
        return read
    typed, for_chat = read
    if for_chat:
        return rest
    # Again is a single image, whatever the first message asked for.
    count = (_COUNTS.get(times[1]) or int(times[1])) if times and times[1] else 1
    return Command(name="again", options=typed if count == 1 else replace(typed, count=count))


def _cancel(rest: str) -> Reading:
    plain = fold(rest)
    if plain in _ALL:
        return Command(name="cancel")
    if plain in _LAST:
        return Command(name="cancel", argument="last")
    number = _NUMBER.fullmatch(plain)
    # "2个" may be two of them or the second.
    if number and (number[1] or number[3] or number[4] in (None, "号")):
        return Command(name="cancel", argument=number[2] or str(_NUMERALS.index(number[3]) + 1))
    return UserError(sentence="misread.cancel", values={"value": shown(rest)}) if _COUNTING.fullmatch(plain) else rest


def _lang(rest: str) -> Reading:
    if not rest:
        return UserError(sentence="misread.lang_missing")
    language = _LANGUAGES.get(fold(rest).replace("_", "-"))
    return Command(name="lang", argument=language) if language else rest


def _settings(rest: str, *, sure: bool) -> Reading:
    read = _options(rest, sure=sure)
    if not isinstance(read, tuple):
        return read
    typed, for_chat = read
    name = "settings" if typed == PartialOptions() else "set"
    return Command(name=name, argument="chat" if for_chat else "", options=typed)


def _options(rest: str, *, sure: bool) -> tuple[PartialOptions, bool] | UserError | str:
    """The options that a text holds and whether they are the chat's, or what of the text is neither.

    Args:
        rest: the text, in which no option needs a sign.
        sure: whether only what is unmistakably an option counts.
    """
    tokens = [
        token
        for token in scan(fold(rest), unsigned=True)
        if (token.sure or not sure if isinstance(token, Option) else token.role == "chat")
    ]
    if left := without(rest, ((token.start, token.end) for token in tokens)):
        return left
    options = [token for token in tokens if isinstance(token, Option)]
    typed = gather(rest, options)
    return typed if isinstance(typed, UserError) else (typed, len(tokens) > len(options))
