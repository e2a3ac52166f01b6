"""What the words of a message ask for: an image, something else, or an explanation of what is wrong with them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bot.chat.reading.commands import bare, command
from bot.chat.reading.options import gather, shown
from bot.chat.reading.removal import without
from bot.chat.reading.tokens import Option, Word, scan
from bot.chat.reading.words import COMMANDS, LEADING, closest, fold
from bot.models import Ask, Command, Misread, Understood

_LEADING = re.compile(rf"{LEADING}(?:\s*:\s*|\s+|$)")
_SIGNS = "/-—、"
_NOTHING_TO_DRAW = ("P", "Z", "C")
"""The Unicode categories of punctuation, spaces and control characters."""

Tokens = Sequence[Option | Word]


def parse(text: str) -> Understood:
    """What the words of a message ask for.

    It is pure and total: any string has an answer, in time linear in its length. Values are read here, and checked
    against the model, the styles and the permissions by :func:`bot.chat.reading.options.settle`.

    Args:
        text: what was typed, the bot's own mention taken out.

    Returns:
        A ``Command``; an ``Ask``, its prompt being the text as it was typed, without the options, a leading word, and
        the commas and spaces that were there only for them; or a ``Misread``, upon which nothing may be paid.
    """
    text = text.strip()
    if not text:
        return Command(name="help")
    if understood := bare(text):
        return understood
    folded = fold(text)
    tokens = tuple(scan(folded))
    first = _first_word(text, tokens)
    if first is not None and first.role == "command":
        rest = f"{text[: first.start]} {text[first.end :]}".strip()
        return command(COMMANDS[first.word], rest)
    if listing := _listing(text, folded, tokens):
        return listing
    leading = first if first is not None and first.role == "leading" else None
    return _stray_word(text, [token for token in tokens if token is not leading]) or _ask(text, tokens, leading)


def _first_word(text: str, tokens: Tokens) -> Word | None:
    """The signed word with which the message begins, options before it left aside."""
    for number, token in enumerate(tokens):
        if isinstance(token, Word):
            return None if without(text[: token.start], _places(tokens[:number])) else token
    return None


def _listing(text: str, folded: str, tokens: Tokens) -> Command | None:
    """The command of a lone ``/尺寸``, ``/模型`` or ``/风格``, which are names of options as well."""
    if len(tokens) != 1 or not isinstance(tokens[0], Option) or without(text, _places(tokens)):
        return None
    name = COMMANDS.get(folded[: tokens[0].name_end].lstrip(_SIGNS))
    return Command(name=name) if name and tokens[0].value is None else None


def _stray_word(text: str, tokens: Tokens) -> Misread | None:
    """What is wrong with the first signed word that has no meaning where it stands."""
    for token in tokens:
        if isinstance(token, Option):
            continue
        typed = shown(text[token.start : token.end])
        if token.role in ("command", "leading"):
            return Misread(sentence="misread.not_first", values={"word": typed})
        suggestion = closest(token.word) if token.role == "unknown" else None
        if suggestion is None:
            return Misread(sentence="misread.unknown_word_plain", values={"word": typed})
        return Misread(sentence="misread.unknown_word", values={"word": typed, "suggestion": f"/{suggestion}"})
    return None


def _ask(text: str, tokens: Tokens, leading: Word | None) -> Ask | Misread:
    options = [token for token in tokens if isinstance(token, Option)]
    typed = gather(text, options)
    if isinstance(typed, Misread):
        return typed
    prompt = without(text, _places(tokens))
    if leading is None and (word := _LEADING.match(fold(prompt))):
        prompt = prompt[word.end() :].strip()
    if any(not unicodedata.category(character).startswith(_NOTHING_TO_DRAW) for character in prompt):
        return Ask(prompt=prompt, options=typed)
    if not options:
        return Misread(sentence="misread.prompt_missing")
    written = " ".join(text[option.start : option.end] for option in options)
    return Misread(sentence="misread.only_options", values={"options": shown(written)})


def _places(tokens: Tokens) -> list[tuple[int, int]]:
    return [(token.start, token.end) for token in tokens]
