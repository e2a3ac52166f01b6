"""Events: a message for the bot, a recall, an occasion to introduce itself, an action on a card, or nothing.

The events: https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and its neighbours. The forms of
content: https://open.feishu.cn/document/server-docs/im-v1/message-content-description/message_content

Names of mentioned people are masked while a message is parsed: people choose their names themselves, and one may be
called ``张三 /n 4``. A name is text, never an option or a command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from bot.models import (
    CardAction,
    ChatType,
    Event,
    Ignored,
    Message,
    MessageRecall,
    Onboarding,
    ParsedMessage,
    value_at,
)
from bot.text import says_something, storable, visible

IncomingEvent = Message | MessageRecall | Onboarding | CardAction | Ignored

NOT_MENTIONED = "the bot is not mentioned"
MAX_NAMES = 1000  # different names in a message; further ones are left out

_CHAT_TYPES: Mapping[str, ChatType] = {"p2p": "p2p", "group": "group", "topic_group": "group"}
_MAX_ID_LENGTH = 256  # the platform's have under 50 characters, and an index takes no more than a few thousand
_SUBMIT = re.compile(r"submit_(\w{1,64}?)(?:_[0-9a-f]{8})?")

# Unicode reserves this character for a program's own use. The one after it is the number of the name, written as a
# letter of no word that the parser knows.
_MARK = "\ufdd0"
_FIRST = "\N{HANGUL SYLLABLE GA}"
_MASKED = re.compile(f"{_MARK}(.?)", re.DOTALL)

_EVERYBODY = "@_all"
_LINK = re.compile(r"\[([^\[\]\n]+)\]\((?:https?://|mailto:)[^()\s]*\)")
_MARKDOWN_IMAGE = re.compile(r"!\[[^\[\]\n]*\]\([^()\s]*\)")
_MARKDOWN_MENTION = re.compile(r"<at\s+\w*id\s*=\s*[\"']?([^\"'\s<>/]+)[^<>]*>(?:([^<>]*)</at>)?")
_TAG = re.compile(r"</?[a-z][^<>]*>")
_FORWARDED = "merged and forwarded message"  # the platform's text of a merged forward


def parse_event(event: Event, *, bot_open_id: str | None) -> IncomingEvent:
    """What an authentic event with a body of any shape means to the bot.

    It is a ``Message`` only if a person says it to the bot: in a direct chat anything, in a group what mentions the bot
    itself, for which its ``open_id`` has to be known.
    """
    parser = _PARSERS.get(event.event_type)
    if parser is None:
        return Ignored("no use is made of this type of event")
    try:
        return parser(event, bot_open_id)
    except _MissingError as missing:
        return Ignored(f"no usable {missing}")


def mentioned_namesake(event: Event, name: str) -> str | None:
    return next((one["open_id"] for one in _mentions(event.body) if one["name"] == name and one["open_id"]), None)


def mask(name: str, numbers: dict[str, int]) -> str:
    """The two characters that replace a name in a text; ``numbers`` are the names of the message in their order."""
    known = visible(storable(name))
    if not known or (known not in numbers and len(numbers) == MAX_NAMES):
        return ""
    return _MARK + chr(ord(_FIRST) + numbers.setdefault(known, len(numbers)))


def unmask(text: str, names: Sequence[str]) -> str:
    by_number = {chr(ord(_FIRST) + number): name for number, name in enumerate(names)}
    return _MASKED.sub(lambda found: by_number.get(found[1], ""), text)


def unmask_parsed(parsed: ParsedMessage, names: Sequence[str]) -> ParsedMessage:
    def each(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: each(one) for name, one in value.items()}
        return unmask(value, names) if isinstance(value, str) else value

    return replace(parsed, **{name: each(value) for name, value in vars(parsed).items()})


class _MissingError(LookupError):
    """The body has no usable text at this path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """The text of a message with masked names, and whom a rich text mentions, by placeholder or ``open_id``."""

    text: str = ""
    names: tuple[str, ...] = ()
    mentioned: frozenset[str] = frozenset()
    has_image: bool = False


def _message(event: Event, bot_open_id: str | None) -> IncomingEvent:
    body = event.body
    if value_at(body, "sender", "sender_type") != "user":
        return Ignored("not sent by a person")
    sender = _id(body, "sender", "sender_id", "open_id")
    chat_type = _CHAT_TYPES.get(_id(body, "message", "chat_type"))
    message_type = _id(body, "message", "message_type")
    if chat_type is None or message_type == "system" or sender == bot_open_id:
        return Ignored("not something that a person says in a chat")
    mentions = _mentions(body)
    content = _Content(has_image=True)
    if message_type in ("text", "post"):
        content = _parse_content(body, is_rich=message_type == "post", mentions=mentions, own=bot_open_id)
    if chat_type == "group" and bot_open_id not in {mention["open_id"] for mention in mentions} | content.mentioned:
        return Ignored(NOT_MENTIONED)
    references = [_text(body, "message", name) for name in ("parent_id", "root_id")]
    return Message(
        message_id=_id(body, "message", "message_id"),
        event_id=event.event_id,
        chat_id=_id(body, "message", "chat_id"),
        chat_type=chat_type,
        thread_id=_text(body, "message", "thread_id") or None,
        sender=sender,
        text=content.text,
        names=content.names,
        attachment=content.has_image,
        references=tuple(dict.fromkeys(one for one in references if 0 < len(one) <= _MAX_ID_LENGTH)),
    )


def _onboarding(event: Event, _: str | None, *, kind: Literal["entered", "added", "menu"]) -> IncomingEvent:
    person = ("operator", "operator_id") if kind == "menu" else ("operator_id",)
    return Onboarding(
        kind=kind,
        event_id=event.event_id,
        chat_id=_id(event.body, "chat_id") if kind != "menu" else None,
        person=_id(event.body, *person, "open_id"),
        first=kind != "entered" or not _text(event.body, "last_message_id"),
    )


def _card_action(event: Event, _: str | None) -> IncomingEvent:
    form = value_at(event.body, "action", "form_value")
    texts = _object(form) if isinstance(form, Mapping | str) else {}
    # The value of a form's button may be missing or cut to a string; its name says the same.
    # https://github.com/QwenLM/qwen-code/issues/8578
    named = _SUBMIT.fullmatch(_text(event.body, "action", "name"))
    value = {"a": "submit", "r": named[1]} if named else _object(value_at(event.body, "action", "value"))
    choice = _text(event.body, "action", "option") or None
    if _text(event.body, "action", "tag") == "overflow":
        # In a menu the choice is the action.
        value, choice = {**value, "a": choice}, None
    return CardAction(
        event_id=event.event_id,
        presser=_id(event.body, "operator", "open_id"),
        message_id=_id(event.body, "context", "open_message_id"),
        chat_id=_id(event.body, "context", "open_chat_id"),
        value=value,
        choice=choice,
        form={name: visible(storable(text)) for name, text in texts.items() if isinstance(text, str)},
    )


_PARSERS: Mapping[str, Callable[[Event, str | None], IncomingEvent]] = {
    "im.message.receive_v1": _message,
    "im.message.recalled_v1": lambda event, _: MessageRecall(message_id=_id(event.body, "message_id")),
    "im.chat.access_event.bot_p2p_chat_entered_v1": partial(_onboarding, kind="entered"),
    "im.chat.member.bot.added_v1": partial(_onboarding, kind="added"),
    "application.bot.menu_v6": partial(_onboarding, kind="menu"),
    "card.action.trigger": _card_action,
}
EVENT_TYPES = frozenset(_PARSERS)


def _parse_content(body: Any, *, is_rich: bool, mentions: Sequence[Mapping[str, str]], own: str | None) -> _Content:
    """The text of a message: mentions of the bot and of everybody removed, other people's masked, links as words.

    A message without content, a merged forward and a mere mention of somebody else have no text.
    """
    contents = [value_at(body, "message", name) for name in ("content", "content_v2")]
    if contents[0] is not None and not str(contents[0]).strip() and not (is_rich and contents[1]):
        return _Content()
    people = {one["key"]: "" if own and one["open_id"] == own else one["name"] for one in mentions} | {_EVERYBODY: ""}
    if is_rich:
        # A rich text may name somebody without a placeholder.
        by_id = {one["open_id"]: one["name"] for one in mentions if one["open_id"]}
        parsed = _post(contents, {**by_id, **people, "all": "", own or _EVERYBODY: ""})
    else:
        text = value_at(_decode(contents[0]), "text")
        if not isinstance(text, str):
            raise _MissingError("message.content")
        names: dict[str, int] = {}
        parsed = _Content(text=_mask_mentions(text, people, names).strip(), names=tuple(names))
    if parsed.text.casefold() == _FORWARDED:
        return _Content(has_image=True)
    only_names = parsed.names and not says_something(unmask(parsed.text, ()))
    return replace(parsed, text="", names=()) if only_names else parsed


def _decode(value: Any) -> Any:
    """What the platform may send as JSON text; any other value as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _clean(text: str) -> str:
    """What somebody wrote, without invisible characters, in which nothing can pass for a masked name."""
    return visible(storable(text).replace(_MARK, ""))


def _mask_mentions(text: str, people: Mapping[str, str], names: dict[str, int]) -> str:
    """What somebody wrote, mentions masked and links as words; a mention that leaves nothing takes a space along."""
    text = _LINK.sub(r"\1", _clean(text))
    keys = "|".join(re.escape(key) for key in sorted(people, key=len, reverse=True) if key.startswith("@"))

    def name(match: re.Match[str]) -> str:
        alone = match.start() == 0 or text[match.start() - 1].isspace()
        masked = mask(people[match[1]], names)
        return masked + ("" if alone and not masked else match[2])

    # "@_user_1" is not the beginning of "@_user_10".
    return re.sub(rf"({keys})(?![0-9])( ?)", name, text)


def _post(contents: Iterable[Any], people: Mapping[str, str]) -> _Content:
    """A rich text: what ``content`` says, or ``content_v2`` if it says more."""
    # A list is the paragraphs alone.
    posts = [_unwrap(one) if isinstance(one, dict) else {"content_v2": one} for one in map(_decode, contents)]
    title = next(filter(None, (_text(post, "title") for post in posts)), "")
    bodies = [body for post in posts for key in ("content", "content_v2") if isinstance(body := post.get(key), list)]
    if not bodies and not title.strip():
        raise _MissingError("message.content")
    parsed = [_paragraphs(title, body, people) for body in bodies or [[]]]
    # The first of those with as many letters and digits: markdown has signs of its own.
    longest = max(parsed, key=lambda one: sum(map(str.isalnum, _TAG.sub("", one.text))))
    mentioned = frozenset().union(*(one.mentioned for one in parsed))
    return replace(longest, mentioned=mentioned, has_image=any(one.has_image for one in parsed))


def _unwrap(found: Mapping[str, Any], *, depth: int = 2) -> Mapping[str, Any]:
    """A rich text without ``post`` and a locale around it, which sending one requires and some clients leave on."""
    if "content" in found or "content_v2" in found or not depth:
        return found
    inner = [_unwrap(one, depth=depth - 1) for one in found.values() if isinstance(one, dict)]
    return next((one for one in inner if "content" in one or "content_v2" in one), found)


def _paragraphs(title: str, paragraphs: Iterable[Any], people: Mapping[str, str]) -> _Content:
    names, mentioned, images = dict[str, int](), set[str](), 0
    lines = [_clean(title)]
    for line in paragraphs:
        texts = []
        for part in line if isinstance(line, list) else ():
            written = _text(part, "text")
            match value_at(part, "tag"):
                case "at":
                    mentioned.add(_text(part, "user_id"))
                    texts.append(mask(people.get(_text(part, "user_id"), _text(part, "user_name")), names))
                case "md":
                    written, count = _MARKDOWN_IMAGE.subn("", written)
                    images += count
                    # Every third piece is text, and the two after it are an id and a name.
                    pieces = [*_MARKDOWN_MENTION.split(written), "", ""]
                    mentioned.update(pieces[1::3])
                    for text, who, name in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
                        texts += [_mask_mentions(text, people, names), mask(people.get(who, name or ""), names)]
                case tag:
                    images += tag in ("img", "media")
                    texts.append(_clean(written or _text(part, "href")))
        lines.append("".join(texts))
    text = "\n".join(line for line in lines if line.strip()).strip()
    return _Content(text=text, names=tuple(names), mentioned=frozenset(mentioned), has_image=images > 0)


def _mentions(body: Any) -> list[Mapping[str, str]]:
    """The mentions of a message that have a ``key``, their placeholder in the content, such as "@_user_1"."""
    found = value_at(body, "message", "mentions")
    mentions = [
        {"key": _text(one, "key"), "open_id": _text(one, "id", "open_id"), "name": _text(one, "name")}
        for one in (found if isinstance(found, list) else [])
    ]
    return [one for one in mentions if one["key"]]


def _object(value: Any) -> Mapping[str, Any]:
    found = _decode(value)
    if found is not None and not isinstance(found, Mapping):
        raise _MissingError("action.value")
    return {name: storable(one) if isinstance(one, str) else one for name, one in (found or {}).items()}


def _text(body: Any, *path: str) -> str:
    """A text that a database takes, empty where there is none."""
    value = value_at(body, *path)
    return storable(value) if isinstance(value, str) else ""


def _id(body: Any, *path: str) -> str:
    value = _text(body, *path)
    if not 0 < len(value) <= _MAX_ID_LENGTH:
        raise _MissingError(".".join(path))
    return value
