"""Commands: their words, and the argument or options after them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from bot.chat.parsing.tokenizer import BARE, COMMANDS, SIGN, WORD, Token, fold, name_in, remove_spans, scan
from bot.errors import UserError
from bot.models import Command
from bot.options import OPTIONS, Context, PartialOptions, quote, wrong_value

WITH_ARGUMENT = frozenset({"again", "cancel", "lang", "settings", "set"})

_HEAD = re.compile(rf"{SIGN}?{WORD}")
_AFTER_ALL = ".!?:~,。！？：～…， \t\n\u3000"

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


def parse_command(name: str, rest: str) -> Command | UserError:
    """The command of a message that begins with its word.

    Args:
        name: its English word.
        rest: what the message says besides it.

    Returns:
        For ``settings`` with something to change, a ``set`` with the options to change; the argument of ``settings``
        and ``set`` is ``"chat"`` for the chat's defaults. For ``cancel`` the argument is a number from 1,
        ``"last"``, or empty; for ``lang`` it is ``"zh"`` or ``"en"``.
    """
    parsed = _parse(name, _trim(rest), strict=False)
    if isinstance(parsed, str):
        parsed = _wrong("set" if name == "settings" else name, parsed)
    return replace(parsed, command=name) if isinstance(parsed, UserError) else parsed


def parse_bare_command(text: str) -> Command | UserError | None:
    """The command of a message that is only its word, with or without a sign, and at most its argument.

    A message that says anything else may be a prompt, for which this gives ``None``. A command that is recognised
    but cannot be carried out, such as ``取消两个``, is an error.
    """
    head = _HEAD.match(fold(text))
    word = name_in(head["word"], COMMANDS if head["sign"] else BARE) if head else None
    if head is None or word is None:
        return None
    name, rest = COMMANDS[word], _trim(text[head.start("word") + len(word) :])
    if rest and name not in WITH_ARGUMENT:
        return None
    parsed = _parse(name, rest, strict=True)
    if isinstance(parsed, str):
        return None
    return replace(parsed, command=name) if isinstance(parsed, UserError) else parsed


def collect_options(text: str, tokens: Iterable[Token]) -> PartialOptions | UserError:
    """What the options of a text say together, or what is wrong with one of them.

    An option may be repeated with the same value. Values are not yet checked against a model.
    """
    found: dict[str, Token] = {}
    for token in tokens:
        name, option = token.word, OPTIONS[token.word]
        if token.value is None:
            values = {"option": quote(text[token.start : token.name_end])}
            allowed = {"allowed": ", ".join(option.choices)} if option.choices else {}
            return UserError(sentence=f"misread.{name}_missing", values=values | allowed)
        if option.kind is int and not isinstance(token.value, int) and token.value not in option.off_words:
            return wrong_value(name, token.value, Context(resolved={}))
        earlier = found.setdefault(name, token)
        if earlier.value != token.value:
            first, second = (quote(text[one.start : one.end]) for one in (earlier, token))
            return UserError(sentence="misread.twice", values={"first": first, "second": second})
    return PartialOptions(
        **{name: "" if one.value in OPTIONS[name].off_words else one.value for name, one in found.items()}
    )


def _trim(rest: str) -> str:
    """The argument without the marks before it, and without those and the particle that end a sentence."""
    argument = rest.lstrip(" \t\n\u3000:：=＝,，").rstrip(_AFTER_ALL)
    return argument[:-1].rstrip(_AFTER_ALL) if argument.endswith(tuple("吧啦了啊呀")) else argument


def _wrong(name: str, value: str) -> UserError:
    return UserError(sentence=f"misread.{name}", values={"value": quote(value)})


def _parse(name: str, rest: str, *, strict: bool) -> Command | UserError | str:
    """A command, or what of the rest was not recognised; ``strict`` counts only what is unmistakably an option."""
    match name:
        case "again":
            return _again(rest, strict=strict)
        case "cancel":
            return _cancel(rest)
        case "lang":
            return _lang(rest)
        case "settings" | "set":
            parsed = _options(rest, strict=strict)
            if not isinstance(parsed, tuple):
                return parsed
            typed, for_chat = parsed
            return Command(name="set" if typed.given else "settings", argument="chat" * for_chat, options=typed)
        case _:
            return Command(name=name)


def _again(rest: str, *, strict: bool) -> Command | UserError | str:
    times = _TIMES.match(fold(rest))
    parsed = _options(rest[times.end() :] if times else rest, strict=strict)
    if not isinstance(parsed, tuple):
        return parsed
    typed, for_chat = parsed
    if for_chat:
        return rest
    # Again is a single image, whatever the first message asked for.
    count = (_COUNTS.get(times[1]) or int(times[1])) if times and times[1] else 1
    return Command(name="again", options=typed if count == 1 else typed | PartialOptions(count=count))


def _cancel(rest: str) -> Command | UserError | str:
    plain = fold(rest)
    if plain in _ALL:
        return Command(name="cancel")
    if plain in _LAST:
        return Command(name="cancel", argument="last")
    number = _NUMBER.fullmatch(plain)
    # "2个" may be two of them or the second.
    if number and (number[1] or number[3] or number[4] in (None, "号")):
        return Command(name="cancel", argument=number[2] or str(_NUMERALS.index(number[3]) + 1))
    return _wrong("cancel", rest) if _COUNTING.fullmatch(plain) else rest


def _lang(rest: str) -> Command | UserError | str:
    if not rest:
        return UserError(sentence="misread.lang_missing")
    language = _LANGUAGES.get(fold(rest).replace("_", "-"))
    return Command(name="lang", argument=language) if language else rest


def _options(rest: str, *, strict: bool) -> tuple[PartialOptions, bool] | UserError | str:
    """The options in a text and whether they are the chat's, or what of the text is neither."""
    tokens = [
        token
        for token in scan(fold(rest), unsigned=True)
        if (token.role == "option" and (token.certain or not strict)) or token.role == "chat"
    ]
    if left := remove_spans(rest, ((token.start, token.end) for token in tokens)):
        return left
    options = [token for token in tokens if token.role == "option"]
    typed = collect_options(rest, options)
    return typed if isinstance(typed, UserError) else (typed, len(tokens) > len(options))
