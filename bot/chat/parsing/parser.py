"""The text of a message: whether it asks for an image or is a command, and what is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from bot.chat.parsing.tokenizer import (
    ADMINS_ONLY,
    BARE,
    COMMANDS,
    LEADING,
    SIGN,
    WORD,
    Token,
    name_in,
    remove_spans,
    scan,
)
from bot.errors import UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.options import NAMES, NUMERALS, OPTIONS, Context, TypedOptions, infer_option, quote, wrong_value
from bot.text import bare, fold, says_something

# What separates a mention from the text; a face such as ":)" is part of it.
_OPENING = re.compile(r"^(?:[\s,，：]|:(?![-()]))+")
_LEADING = re.compile(rf"{LEADING}(?:\s*:\s*|\s+|[.!?~。！？～…\s]*$)")
_HEAD = re.compile(rf"{SIGN}?{WORD}")
_AFTER_ALL = ".!?:~,。！？：～…， \t\n\u3000"

_NUMBER = re.compile(r"(?:([第#＃])? *0*([1-9][0-9]{0,3})|第 *([一二三四五六七八九十])) *([个张号])?")
_COUNTING = re.compile(r"[0-9一二三四五六七八九十两几第个张号#＃,，、和到至~～ —–-]+")
_ALL = frozenset(("", "all", "全部", "所有", "图片", "全部图片", "所有图片", "排队", "生成"))
_LAST = frozenset(
    ("last", *(which + one for which in ("上一", "最后一", "刚才那", "刚刚那", "这", "那") for one in "个张"))
)
_TIMES = re.compile(r"([0-9]{1,4}|[一两二三四]) *[个次遍张幅] *(?:图片?)?|图片?")
_LANGUAGES = {
    **dict.fromkeys(("zh", "cn", "zh-cn", "chinese", "中文", "汉语"), "zh"),
    **dict.fromkeys(("en", "en-us", "english", "英文", "英语"), "en"),
}
_MEANT = {
    **dict.fromkeys(("start", "about", "info"), "help"),
    **dict.fromkeys(("paint", "create", "make"), "draw"),
    **dict.fromkeys(("retry", "redo", "repeat"), "again"),
    **dict.fromkeys(("delete", "clear", "abort"), "cancel"),
    **dict.fromkeys(("count", "num", "number"), "n"),
    **dict.fromkeys(("resolution", "aspect", "aspect-ratio"), "size"),
    "no": "no-watermark",
    "作画": "画",
    **dict.fromkeys(("重来", "重试", "再画"), "再来"),
    **dict.fromkeys(("撤销", "撤回", "删除"), "取消"),
    **dict.fromkeys(("数量", "个数", "几张"), "张数"),
    **dict.fromkeys(("大小", "分辨率"), "尺寸"),
    "清晰度": "质量",
    "型号": "模型",
    "水印": "无水印",
    "余额": "额度",
}
"""Words that look like another option or command than the one that they mean."""
# Admins' commands are not suggested.
_SUGGESTED = sorted(
    {*NAMES, *(word for word, name in COMMANDS.items() if name not in ADMINS_ONLY), "draw", "imagine", "画", "生图"}
)


def parse(text: str, *, styles: Collection[str] = ()) -> ParsedMessage:
    """What the text of a message means, without the bot's own mention; any text has an answer, in linear time.

    Values are checked against the model, the styles and the permissions later, by
    :func:`bot.options.resolve_options`; ``styles`` are names to suggest.
    """
    text = _OPENING.sub("", text).rstrip()
    if not text:
        return Command(name="help")
    if parsed := _bare_command(text) or _bare_command(bare(text)):
        return parsed
    first = _first_word(text, list(scan(fold(text))))
    if first and first.role == "command":
        rest = f"{text[: first.start]} {text[first.end :]}"
        if command := _command(COMMANDS[first.name], rest, strict=False):
            return command
    return parse_prompt(text, styles=styles)


def parse_prompt(text: str, *, styles: Collection[str] = ()) -> ImagePrompt | UserError:
    """The same for a text that is known to be a prompt: no part of it is a command."""
    text = _OPENING.sub("", text).rstrip()
    tokens = list(scan(fold(text)))
    parsed, wrong = _prompt(text, tokens, styles)
    if not isinstance(parsed, UserError) or parsed.sentence in ("misread.prompt_missing", "misread.only_options"):
        return parsed
    return replace(parsed, offer=_offer(text, tokens, wrong, parsed, styles))


def _first_word(text: str, tokens: Sequence[Token]) -> Token | None:
    """The word with a sign that begins the message; options may stand before it."""
    for number, token in enumerate(tokens):
        if token.role != "option":
            return None if remove_spans(text[: token.start], tokens[:number]) else token
    return None


def _prompt(
    text: str, tokens: Sequence[Token], styles: Collection[str]
) -> tuple[ImagePrompt | UserError, Token | None]:
    """The prompt, or an error with the word with a sign that is wrong, if it is one."""
    first = _first_word(text, tokens)
    leading = first if first and first.role == "leading" else None
    for token in tokens:
        if token.role != "option" and token is not leading and (error := _misplaced(text, token, styles)):
            return error, token
    options = [token for token in tokens if token.role == "option"]
    typed = _collect_options(text, options)
    if isinstance(typed, UserError):
        return typed, None
    prompt = remove_spans(text, [token for token in tokens if token is leading or token.role == "option"])
    if leading is None and (word := _LEADING.match(fold(prompt))):
        prompt = prompt[word.end() :].strip()
    if says_something(prompt):
        return ImagePrompt(prompt=prompt, options=typed), None
    if not options:
        return UserError(sentence="misread.prompt_missing"), None
    written = " ".join(text[option.start : option.end] for option in options)
    return UserError(sentence="misread.only_options", values={"options": quote(written)}), None


def _offer(
    text: str, tokens: Sequence[Token], wrong: Token | None, error: UserError, styles: Collection[str]
) -> dict[str, Any] | None:
    """What a text with an error was probably meant to be: with its suggestion, or without the options at fault."""
    if not says_something(remove_spans(text, tokens)):
        return None
    if wrong and (suggestion := error.values.get("suggestion")):
        put_right = f"{text[: wrong.start]}{suggestion} {text[wrong.end :].lstrip()}"
        parsed, _ = _prompt(put_right, list(scan(fold(put_right))), styles)
        if isinstance(parsed, ImagePrompt):
            return {"prompt": parsed.prompt, "options": parsed.options, "value": suggestion}
    valid = {token.name: token.value for token in tokens if token.value is not None and not _is_no_number(token)}
    gone = [token for token in tokens if token.role in ("option", "command", "leading")]
    return {"prompt": remove_spans(text, gone), "options": valid, "value": ""}


def _is_no_number(option: Token) -> bool:
    return OPTIONS[option.name].kind is int and not isinstance(option.value, int) and option.value != ""


def _misplaced(text: str, token: Token, styles: Collection[str]) -> UserError | None:
    """What is wrong with a word with a sign that is no option and does not begin the message."""
    typed = quote(text[token.start : token.end])
    if token.role in ("command", "leading"):
        return UserError(sentence="misread.not_first", values={"word": typed})
    if token.role != "chat" and (meant := _suggest(token.name, styles)):
        return UserError(sentence="misread.unknown_word", values={"word": typed, "suggestion": meant})
    # A number after a sign may be anything: "/12/25".
    return None if token.role == "value" else UserError(sentence="misread.unknown_word_plain", values={"word": typed})


def _suggest(word: str, styles: Collection[str]) -> str | None:
    """What an unknown word was probably meant to be, as it is typed, such as ``/size 16:9``."""
    found = infer_option(word, 0)
    if found and found[1].end == len(word):
        return f"/{OPTIONS[found[0]].words[0]} {found[1].value}"
    if word in styles:
        return f"/style {word}"
    if meant := _MEANT.get(word):
        return f"/{meant}"
    if word[:1].isdigit():
        return None
    word = word[:24]
    # Chinese is written without spaces, so that an unknown word may be a known one and what follows it.
    if begun := [known for known in _SUGGESTED if not known.isascii() and word.startswith(known)]:
        return f"/{max(begun, key=len)}"
    # Most Chinese names have two characters, so that one wrong character leaves a likeness of a half.
    near = difflib.get_close_matches(word, _SUGGESTED, n=1, cutoff=0.6 if word.isascii() else 0.5)
    return f"/{near[0]}" if near else None


def _collect_options(text: str, tokens: Iterable[Token]) -> TypedOptions | UserError:
    """What the options of a text say together, or what is wrong; one may be repeated with the same value."""
    found: dict[str, Token] = {}
    for token in tokens:
        option = OPTIONS[token.name]
        if token.value is None:
            allowed = {"allowed": ", ".join(option.choices)} if option.choices else {}
            values = {"option": quote(text[token.start : token.name_end]), **allowed}
            return UserError(sentence=f"misread.{token.name}_missing", values=values)
        if _is_no_number(token):
            return wrong_value(token.name, token.value, Context(resolved={}))
        earlier = found.setdefault(token.name, token)
        if earlier.value != token.value:
            first, second = (quote(text[one.start : one.end]) for one in (earlier, token))
            return UserError(sentence="misread.twice", values={"first": first, "second": second})
    return {name: one.value for name, one in found.items()}


def _bare_command(text: str) -> Command | UserError | None:
    """The command of a message that is nothing but its word, with or without a sign, and its argument, if any.

    One that is recognized but cannot be carried out, such as ``取消两个``, is an error.
    """
    head = _HEAD.match(fold(text))
    word = name_in(head["word"], COMMANDS if head["sign"] else BARE) if head else None
    return _command(COMMANDS[word], text[head.start("word") + len(word) :], strict=True) if head and word else None


def _command(name: str, rest: str, *, strict: bool) -> Command | UserError | None:
    """The command of a word and what the message says besides it.

    The argument of ``settings`` and ``set`` is ``"chat"`` for the chat's defaults, of ``cancel`` a number from 1,
    ``"last"`` or empty, of ``lang`` ``"zh"`` or ``"en"``, of ``history`` and ``stats`` what was typed. If ``strict``,
    only what is unmistakably an option counts, and what is not recognized gives ``None`` instead of an error.
    """
    rest = rest.lstrip(" \t\n\u3000:：=＝,，").rstrip(_AFTER_ALL)
    if rest.endswith(tuple("吧啦了啊呀")):
        rest = rest[:-1].rstrip(_AFTER_ALL)
    match name:
        case "again" | "settings" | "set":
            parsed = _with_options(name, rest, strict=strict)
        case "cancel":
            parsed = _cancel(rest)
        case "lang":
            language = _LANGUAGES.get(fold(rest).replace("_", "-"))
            missing = UserError(sentence="misread.lang_missing")
            parsed = Command(name="lang", argument=language) if language else rest or missing
        case _ if strict and rest:
            return None
        case _:
            parsed = Command(name=name, argument=rest if name in ("history", "stats") else "")
    if isinstance(parsed, str):
        if strict:
            return None
        parsed = _wrong("set" if name == "settings" else name, parsed)
    return replace(parsed, command=name) if isinstance(parsed, UserError) else parsed


def _wrong(name: str, value: str) -> UserError:
    return UserError(sentence=f"misread.{name}", values={"value": quote(value)})


def _cancel(rest: str) -> Command | UserError | str:
    plain = fold(rest)
    if plain in _ALL:
        return Command(name="cancel")
    if plain in _LAST:
        return Command(name="cancel", argument="last")
    number = _NUMBER.fullmatch(plain)
    # "2个" may be two of them or the second.
    if number and (number[1] or number[3] or number[4] in (None, "号")):
        return Command(name="cancel", argument=number[2] or str(NUMERALS[number[3]]))
    return _wrong("cancel", rest) if _COUNTING.fullmatch(plain) else rest


def _with_options(name: str, rest: str, *, strict: bool) -> Command | UserError | str:
    """A command that takes options, or what of the text is no part of it."""
    times = _TIMES.match(fold(rest)) if name == "again" else None
    said = rest[times.end() :] if times else rest
    tokens = [
        token
        for token in scan(fold(said), unsigned=True)
        if (token.role == "option" and (token.certain or not strict)) or token.role == "chat"
    ]
    if left := remove_spans(said, tokens):
        return left
    options = [token for token in tokens if token.role == "option"]
    for_chat = len(tokens) > len(options)
    typed = _collect_options(said, options)
    if isinstance(typed, UserError):
        return typed
    if name != "again":
        return Command(name="set" if typed else "settings", argument="chat" * for_chat, options=typed)
    if for_chat:
        return rest
    # Again is a single image, whatever the first message asked for.
    count = (NUMERALS.get(times[1]) or int(times[1])) if times and times[1] else 1
    return Command(name="again", options=typed if count == 1 else {**typed, "count": count})
