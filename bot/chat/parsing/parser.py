"""What the words of a message ask for: an image, something else, or an explanation of what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from bot.chat.parsing.commands import alone, command
from bot.chat.parsing.options import gather, shown
from bot.chat.parsing.span_removal import without
from bot.chat.parsing.suggestions import suggestion
from bot.chat.parsing.tokenizer import Option, Word, scan
from bot.chat.parsing.vocabulary import COMMANDS, LEADING, fold
from bot.models import Command, ImagePrompt, ParsedMessage, UserError
from bot.text import bare, says_something

# What stands between a mention and what is said; a face such as ":)" is part of it.
_OPENING = re.compile(r"(?:[\s,，：]|:(?![-()]))+")
_LEADING = re.compile(rf"{LEADING}(?:\s*:\s*|\s+|[.!?~。！？～…\s]*$)")
Tokens = Sequence[Option | Word]


def parse(text: str, *, styles: Collection[str] = ()) -> ParsedMessage:
    """What the words of a message ask for.

    It is pure and total: any string has an answer, in time linear in its length. Values are read here, and checked
    against the model, the styles and the permissions by :func:`bot.chat.parsing.options.settle`.

    Args:
        text: what was typed, the bot's own mention taken out.
        styles: the names of styles, for what a person may have meant.

    Returns:
        A ``Command``; an ``Ask``, its prompt being the text as it was typed, without the options, a leading word, and
        the commas and spaces that were there only for them; or a ``Misread``, upon which nothing may be paid.
    """
    text = _begun(text)
    if not text:
        return Command(name="help")
    if understood := alone(text) or alone(bare(text)):
        return understood
    tokens = tuple(scan(fold(text)))
    first = _first_word(text, tokens)
    if first is not None and first.role == "command":
        return command(COMMANDS[first.word], f"{text[: first.start]} {text[first.end :]}")
    return _prompt(text, tokens, first, styles)


def read_prompt(text: str, *, styles: Collection[str] = ()) -> ImagePrompt | UserError:
    """What a text asks for that is known to be a prompt, whatever its words: no part of it is a command.

    Args:
        text: what was typed.
        styles: the names of styles, for what a person may have meant.
    """
    text = _begun(text)
    tokens = tuple(scan(fold(text)))
    return _prompt(text, tokens, _first_word(text, tokens), styles)


def _begun(text: str) -> str:
    opening = _OPENING.match(text)
    return text[opening.end() :].rstrip() if opening else text.rstrip()


def _first_word(text: str, tokens: Tokens) -> Word | None:
    """The signed word with which the message begins, options before it left aside."""
    for number, token in enumerate(tokens):
        if isinstance(token, Word):
            return None if without(text[: token.start], _places(tokens[:number])) else token
    return None


def _prompt(text: str, tokens: Tokens, first: Word | None, styles: Collection[str]) -> ImagePrompt | UserError:
    leading = first if first is not None and first.role == "leading" else None
    stray = _stray_word(text, [token for token in tokens if token is not leading], styles)
    return stray or _ask(text, [token for token in tokens if token is leading or isinstance(token, Option)], leading)


def _stray_word(text: str, tokens: Tokens, styles: Collection[str]) -> UserError | None:
    """What is wrong with the first signed word that has no meaning where it stands."""
    for token in tokens:
        if isinstance(token, Option):
            continue
        typed = shown(text[token.start : token.end])
        if token.role in ("command", "leading"):
            return UserError(sentence="misread.not_first", values={"word": typed})
        meant = suggestion(token.word, styles=styles) if token.role != "chat" else None
        if meant is not None:
            return UserError(sentence="misread.unknown_word", values={"word": typed, "suggestion": meant})
        if token.role != "value":
            return UserError(sentence="misread.unknown_word_plain", values={"word": typed})
    return None


def _ask(text: str, tokens: Tokens, leading: Word | None) -> ImagePrompt | UserError:
    options = [token for token in tokens if isinstance(token, Option)]
    typed = gather(text, options)
    if isinstance(typed, UserError):
        return typed
    prompt = without(text, _places(tokens))
    if leading is None and (word := _LEADING.match(fold(prompt))):
        prompt = prompt[word.end() :].strip()
    if says_something(prompt):
        return ImagePrompt(prompt=prompt, options=typed)
    if not options:
        return UserError(sentence="misread.prompt_missing")
    written = " ".join(text[option.start : option.end] for option in options)
    return UserError(sentence="misread.only_options", values={"options": shown(written)})


def _places(tokens: Tokens) -> list[tuple[int, int]]:
    return [(token.start, token.end) for token in tokens]
