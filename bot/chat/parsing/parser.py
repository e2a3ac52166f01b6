"""The text of a message: whether it asks for an image or is a command, and what is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from bot.chat.parsing.commands import collect_options, parse_bare_command, parse_command
from bot.chat.parsing.tokenizer import ADMINS_ONLY, COMMANDS, LEADING, Token, fold, remove_spans, scan
from bot.errors import UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.options import NAMES, OPTIONS, infer_option, quote
from bot.text import bare, says_something

# What separates a mention from the text; a face such as ":)" is part of it.
_OPENING = re.compile(r"(?:[\s,，：]|:(?![-()]))+")
_LEADING = re.compile(rf"{LEADING}(?:\s*:\s*|\s+|[.!?~。！？～…\s]*$)")

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
    """What the text of a message means.

    It is pure and total: any string has an answer, in time linear in its length. Values are read here, and checked
    against the model, the styles and the permissions by :func:`bot.options.resolve_options`.

    Args:
        text: what was typed, without the bot's own mention.
        styles: the names of styles, for suggestions.

    Returns:
        A ``Command``; an ``ImagePrompt``, its prompt being the text as it was typed without the options, a leading
        word, and the commas and spaces that were there only for them; or a ``UserError``, for which nothing is paid.
    """
    text = _without_opening(text)
    if not text:
        return Command(name="help")
    if parsed := parse_bare_command(text) or parse_bare_command(bare(text)):
        return parsed
    tokens = tuple(scan(fold(text)))
    first = _first_word(text, tokens)
    if first is not None and first.role == "command":
        return parse_command(COMMANDS[first.word], f"{text[: first.start]} {text[first.end :]}")
    return _prompt(text, tokens, first, styles)


def parse_prompt(text: str, *, styles: Collection[str] = ()) -> ImagePrompt | UserError:
    """The same for a text that is known to be a prompt: no part of it is a command."""
    text = _without_opening(text)
    tokens = tuple(scan(fold(text)))
    return _prompt(text, tokens, _first_word(text, tokens), styles)


def suggest(word: str, *, styles: Collection[str]) -> str | None:
    """What an unknown word was probably meant to be, as it is typed, such as ``/size 16:9``.

    Args:
        word: a folded word, without its sign.
        styles: the names of styles.
    """
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


def _without_opening(text: str) -> str:
    opening = _OPENING.match(text)
    return text[opening.end() :].rstrip() if opening else text.rstrip()


def _first_word(text: str, tokens: Sequence[Token]) -> Token | None:
    """The word with a sign that begins the message; options may stand before it."""
    for number, token in enumerate(tokens):
        if token.role != "option":
            return None if remove_spans(text[: token.start], _spans(tokens[:number])) else token
    return None


def _prompt(
    text: str, tokens: Sequence[Token], first: Token | None, styles: Collection[str]
) -> ImagePrompt | UserError:
    leading = first if first is not None and first.role == "leading" else None
    words = [token for token in tokens if token.role != "option" and token is not leading]
    if error := next(filter(None, (_misplaced(text, token, styles) for token in words)), None):
        return error
    options = [token for token in tokens if token.role == "option"]
    typed = collect_options(text, options)
    if isinstance(typed, UserError):
        return typed
    prompt = remove_spans(text, _spans([token for token in tokens if token is leading or token.role == "option"]))
    if leading is None and (word := _LEADING.match(fold(prompt))):
        prompt = prompt[word.end() :].strip()
    if says_something(prompt):
        return ImagePrompt(prompt=prompt, options=typed)
    if not options:
        return UserError(sentence="misread.prompt_missing")
    written = " ".join(text[option.start : option.end] for option in options)
    return UserError(sentence="misread.only_options", values={"options": quote(written)})


def _misplaced(text: str, token: Token, styles: Collection[str]) -> UserError | None:
    """What is wrong with a word with a sign that is no option and does not begin the message."""
    typed = quote(text[token.start : token.end])
    if token.role in ("command", "leading"):
        return UserError(sentence="misread.not_first", values={"word": typed})
    meant = suggest(token.word, styles=styles) if token.role != "chat" else None
    if meant is not None:
        return UserError(sentence="misread.unknown_word", values={"word": typed, "suggestion": meant})
    # A number after a sign may be anything: "/12/25".
    return None if token.role == "value" else UserError(sentence="misread.unknown_word_plain", values={"word": typed})


def _spans(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    return [(token.start, token.end) for token in tokens]
