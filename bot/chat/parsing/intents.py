"""Intent recognition: what a message wants, by the parser and the rules of ``intents.toml``.

Only a message that clearly asks for an image, or describes one, is a prompt; everything else is answered for free.
Neither permissions are checked, nor whether the options are valid together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bot import sizes
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import COMMANDS, QUOTED, Span, scan, unquoted
from bot.chat.parsing.wording import (
    EMOJIS,
    SEPARATORS,
    STICKER,
    Rules,
    Wording,
    find_options,
    mask,
    normalize,
    number,
    skip,
    splits_word,
    take_apart,
    take_tail,
)
from bot.errors import UserError
from bot.models import Command
from bot.options import HAN, TypedOptions, infer_option
from bot.text import fold, says_something

Kind = Literal["prompt", "again", "edit", "command", "thanks", "ambiguous", "rejected"]

_LONGEST_PHRASE = 100  # characters up to which a message may be a command, a thank-you or a question
_LONGEST_CHECKED = 300  # characters that are searched for signs of speech and of description
_SPOKEN = (
    *("welcome", "help", "models", "sizes", "styles", "tips"),
    *("quota", "history", "settings", "original", "queue", "cancel"),
)
"""The commands that have words of their own in the rules, in the order of comparison."""
_TOPICS = ("models", "quota", "sizes", "styles", "history", "queue", "help")
"""The commands that answer a question about them, likewise."""
_SHOW_ONLY = frozenset(_SPOKEN) - {"welcome", "original", "cancel"}
"""The commands that change nothing: a misspelled one is carried out."""
_ONLY_OPTIONS = UserError(sentence="misread.only_options")
_NEAR_SIGN = re.compile(
    rf"(?P<kept>{QUOTED})|(?<!\S)(?:- ?-|—{{1,2}}|–|-) ?(?=(?:ar|size|ratio|n|style|quality|model)\b)", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"[,，。.;；!！?？、~～…\s]+")
_DESCRIPTION_END = re.compile(rf"[,，。;；、\n]|(?<={HAN}) |[ ](?={HAN})")
_AGAIN_COUNTER = re.compile(r"[一两二三四1-9]?[次下遍张个幅版组波]")
_AGAIN_NUMBER = re.compile(r"[两二三四2-9]|\b(?:two|three|four)\b")
_POSSESSIVE = re.compile(r"\b(?:my|our|your)\b")
_ONLY_NAMES = re.compile(r"(?:\ufdd0.|@\S+|[\s,，、])*")
_LINK = re.compile(r"(?:https?|ftp)://\S+|www\.\S+|[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    result: bool = False  # one that it replies to, or the sender's recent one in this chat
    waiting: bool = False  # an image of the sender that is queued or being generated


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a message wants.

    ``prompt`` is what is to be drawn, or the change in words for ``edit``; with the ``spans``, which are what was
    recognized, it is the whole text but for punctuation. ``outcome`` is a command, or the error of ``rejected``.
    """

    kind: Kind
    prompt: str = ""
    options: TypedOptions = field(default_factory=dict)
    outcome: Command | UserError | None = None
    spans: tuple[Span, ...] = ()


def recognize(
    text: str,
    *,
    rules: Rules,
    situation: Situation | None = None,
    styles: Collection[str] = (),
    model: str = sizes.DEFAULT_MODEL,
) -> Intent:
    """What a message wants, without invisible characters and the mention of the bot; any text has an answer.

    ``model`` is the one whose nearest size replaces a size in pixels that it does not make.
    """
    situation = situation or Situation()
    # A mistyped sign is replaced by one of the same length, so that all offsets stay valid.
    text = _NEAR_SIGN.sub(lambda match: match["kept"] or f"{' ' * (len(match[0]) - 1)}/", text)
    key = normalize(text)
    if not key:
        return Intent(kind="thanks") if EMOJIS.search(text) or STICKER.search(text) else _command("welcome")
    near = tuple(_near_misses(text, styles, rules))
    characters = list(text)
    for span in near:
        characters[span.start : span.end] = " " * (span.end - span.start)
    rest = "".join(characters)
    parsed = parse(rest, styles=styles) if says_something(rest) or not near else _ONLY_OPTIONS
    if isinstance(parsed, Command):
        return _explicit_command(text, key, parsed, rules, situation)
    if isinstance(parsed, UserError) and not (situation.result and parsed.sentence == _ONLY_OPTIONS.sentence):
        meant = COMMANDS.get(parsed.values.get("suggestion", "")[1:])
        if meant in _SHOW_ONLY and parsed.values["word"] == text.strip():
            return _command(meant)
        is_missing = parsed.sentence == "misread.prompt_missing"
        return _command("help") if is_missing else Intent(kind="rejected", outcome=parsed)
    if signed := (*_explicit(rest), *near):
        return _signed(rules, situation, take_apart(text, rules=rules, model=model, signed=signed))
    return _unsigned(text, rules, situation, model)


def _command(name: str, argument: str = "") -> Intent:
    return Intent(kind="command", outcome=Command(name=name, argument=argument))


def _ask(text: str) -> Intent:
    return Intent(kind="ambiguous", prompt=text.strip())


def _intent(kind: Kind, wording: Wording) -> Intent:
    return Intent(kind=kind, prompt=wording.prompt, options=wording.options, spans=wording.spans)


def _explicit_command(text: str, key: str, command: Command, rules: Rules, situation: Situation) -> Intent:
    signed = text.lstrip().startswith(("/", "／"))
    if command.name in ("pause", "resume") and not signed:
        return _ask(text)
    if command.name == "help" and rules["commands.welcome"].fullmatch(key[:_LONGEST_PHRASE]):
        return _command("welcome")
    is_again = command.name == "again" and (situation.result or signed)
    return Intent(kind="again" if is_again else "command", options=command.options, outcome=command)


def _near_misses(text: str, styles: Collection[str], rules: Rules) -> Iterator[Span]:
    """Words with a sign that are no name but can only mean one thing: "/竖版", "/水墨", "/画一只猫"."""
    for token in scan(fold(text)):
        if token.role in ("unknown", "value"):
            found = infer_option(token.name, 0)
            if found and found[1].end == len(token.name):
                yield Span(token.start, token.end, found[0], found[1].value)
            elif token.name in styles:
                yield Span(token.start, token.end, "style", token.name)
            elif not text[: token.start].strip() and (leading := rules["lead_in.strong"].match(token.name)):
                yield Span(token.start, token.end - len(token.name) + leading.end(), "lead_in")


def _explicit(text: str) -> Iterator[Span]:
    """The options and leading words with a sign of a text that the parser accepts."""
    for token in scan(fold(text)):
        if token.role == "option":
            has_particle = token.name in ("size", "count") and text.startswith("的", token.end)
            yield Span(token.start, token.end + has_particle, token.name, token.value)
        elif token.role == "leading":
            yield Span(token.start, token.end, "lead_in")


def _signed(rules: Rules, situation: Situation, wording: Wording) -> Intent:
    """What a message with options or a leading word wants; options and thanks alone are no prompt."""
    is_request = any(span.name == "lead_in" for span in wording.spans)
    is_empty = _ONLY_NAMES.fullmatch(wording.prompt) or not wording.key
    is_thanks = is_empty or _consists_of(wording.key, rules.entries["thanks.phrases"])
    if wording.prompt and (is_request or not is_thanks):
        return _intent("prompt", wording)
    if not wording.options:
        return _command("help")
    if situation.result:
        return Intent(kind="again", options=wording.options, spans=wording.spans)
    return Intent(kind="rejected", outcome=_ONLY_OPTIONS)


def _unsigned(text: str, rules: Rules, situation: Situation, model: str) -> Intent:
    key = normalize(text)
    short = len(key) <= _LONGEST_PHRASE
    if short and (intent := _conversation(text, key, rules, situation) or _after_thanks(text, rules, situation, model)):
        return intent
    wording = take_apart(text, rules=rules, model=model)
    if not _LINK.sub("", text).strip(SEPARATORS):
        return _ask(text)
    # What is quoted is drawn, and says nothing itself.
    spoken, prompt = unquoted(fold(text)), fold(wording.prompt)
    said, asked = normalize(spoken), unquoted(prompt)
    asks = short and any(rules["questions.asks"].search(words) for words in (said, normalize(asked)))
    topic = next((name for name in _TOPICS if rules[f"questions.{name}"].search(said)), None) if asks else None
    says_nothing = not _without(wording.key, rules["lead_in.nothing"]) and asked == prompt
    if topic or (wording.request and says_nothing and not wording.options):
        return _command(topic or "help")
    unsure = asks or re.search("[?？]", _LINK.sub("", spoken)) is not None
    request = next((text[span.start :] for span in wording.spans if span.name == "lead_in"), "")
    is_open = bool(
        rules["questions.ability"].match(normalize(request[:_LONGEST_CHECKED]))
        or rules["questions.open"].search(normalize(asked))
    )
    is_clear = wording.request == "strong" and not says_nothing and not is_open
    if situation.result and short and not is_clear and rules["follow_up.edit"].match(said):
        return Intent(kind="edit", prompt=text.strip())
    may_describe = not says_nothing and not (is_open if wording.request else unsure)
    is_prompt = is_clear or (may_describe and _is_description(text, wording, rules))
    return _intent("prompt" if is_prompt else "ambiguous", wording)


def _conversation(text: str, key: str, rules: Rules, situation: Situation) -> Intent | None:
    """A message that describes nothing: a follow-up, a command in words, thanks and small talk."""
    thanks = rules.entries["thanks.phrases"]
    if situation.waiting:
        # Also beside thanks: "算了，不要了，谢谢".
        for name in ("cancel", "queue"):
            words, phrases = rules[f"commands.{name}"], (*rules.entries[f"commands.{name}"], *thanks)
            if words.fullmatch(key) or (words.search(key) and _consists_of(key, phrases)):
                return _command(name)
    command = next((name for name in _SPOKEN if rules[f"commands.{name}"].fullmatch(key)), None)
    if command != "welcome" and _consists_of(key, thanks):
        return Intent(kind="thanks")
    if follow_up := _follow_up(text, rules):
        if situation.result:
            return follow_up
        return _ask(text) if follow_up.options else _command("again")
    return _command(command, text.strip() if command == "history" else "") if command else None


def _after_thanks(text: str, rules: Rules, situation: Situation, model: str) -> Intent | None:
    """What follows upon a thank-you: "不错，再来一张"; a mere description may begin with words of thanks."""
    head = _CLAUSE_END.search(text, len(text) - len(text.lstrip()))
    if head is None or not _consists_of(normalize(text[: head.start()]), rules.entries["thanks.phrases"]):
        return None
    intent = _unsigned(text[head.end() :], rules, situation, model)
    if intent.kind == "ambiguous":
        # "great wall" begins with no thanks.
        return None if head[0] == " " and text[: head.start()].isascii() else _ask(text)
    if intent.kind == "prompt" and not any(span.name == "lead_in" for span in intent.spans):
        return None
    moved = [replace(span, start=span.start + head.end(), end=span.end + head.end()) for span in intent.spans]
    return replace(intent, spans=(Span(0, head.end(), "polite"), *moved))


def _consists_of(key: str, phrases: Collection[re.Pattern[str]]) -> bool:
    """Whether a text is nothing but phrases, one after the other."""
    ends = {0}
    for at in range(len(key)):
        if at in ends:
            matches = (phrase.match(key, at) for phrase in phrases)
            ends.update(match.end() for match in matches if match and not splits_word(key, match.end()))
            ends.update({at + 1} if key[at] == " " else ())
    return bool(key) and len(key) in ends


def _follow_up(text: str, rules: Rules) -> Intent | None:
    plain = mask(text)
    spans: list[Span] = []
    options: dict[str, Any] = {}
    start = skip(plain, 0)
    end = take_tail(plain, start, rules, spans, requested=True)
    again = rules["follow_up.again"].search(plain, start, end)
    if again and not splits_word(plain, again.start()):
        counter = _AGAIN_COUNTER.match(plain, again.end())
        spans.append(Span(again.start(), counter.end() if counter else again.end(), "follow_up"))
        if count := _AGAIN_NUMBER.search(plain, again.start(), spans[-1].end):
            options["count"] = number(count[0])
    plain = mask(text, spans)
    changes = re.compile(rf"(?<![^\s,，。!！;])(?:{rules['follow_up.change'].pattern})").finditer(plain, start)
    spans += [Span(change.start(), change.end(), "follow_up") for change in changes]
    asks = text[end:].strip(" 。.!！~")[:1] in tuple("?？吗么嘛呢")
    if asks and not any(span.name == "follow_up" for span in spans):
        return None
    plain = mask(text, spans)
    for span in find_options(plain, rules, start):
        if span.name not in options:
            spans.append(span)
            options[span.name] = span.value
    if _without(normalize(mask(text, spans)), rules["follow_up.filler"]) or not (again or options):
        return None
    return Intent(kind="again", options=options, spans=tuple(sorted(spans)))


def _without(key: str, words: re.Pattern[str]) -> str:
    """A text in its compared form without some words; parts of Latin words stay."""
    return re.sub(rf"(?<![a-z])(?:{words.pattern})(?![a-z])", "", key).strip()


def _is_description(text: str, wording: Wording, rules: Rules) -> bool:
    """Whether words describe something to draw, rather than say something to people."""
    body, prompt = wording.key[:_LONGEST_CHECKED], wording.prompt[:_LONGEST_CHECKED].lower()
    said = unquoted(_POSSESSIVE.sub("", prompt) if wording.request else prompt)
    if text.lstrip().startswith("@") or rules["speech.personal"].search(said) or rules["speech.requests"].match(body):
        return False
    if rules["description.counted"].search(body):
        return True
    quoted = re.search(QUOTED, text) is not None
    if not quoted and any(rules[f"speech.{name}"].search(body) for name in ("time", "work", "action", "opinion")):
        return False
    if rules["description.scene"].search(body) or (not wording.request and rules["description.article"].match(body)):
        return True
    clauses = [clause for part in _DESCRIPTION_END.split(prompt) if (clause := normalize(part))]
    nouns = [rules["description.noun"].search(clause) is not None for clause in clauses]
    return sum(nouns) * 2 >= len(nouns) > 0 or (len(nouns) > 2 and nouns[0])  # noqa: PLR2004
