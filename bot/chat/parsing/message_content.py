"""The words in the content of a message, its mentions resolved.

The forms of content: https://open.feishu.cn/document/server-docs/im-v1/message-content-description/message_content
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.chat.parsing.mention_masking import MentionMask, put_in, typed
from bot.text import says_something

_EVERYBODY = "@_all"
_LINK = re.compile(r"\[([^\[\]\n]+)\]\((?:https?://|mailto:)[^()\s]*\)")
_PICTURES = ("img", "media")
_PICTURE_IN_MARKDOWN = re.compile(r"!\[[^\[\]\n]*\]\([^()\s]*\)")
_MENTION_IN_MARKDOWN = re.compile(r"<at\s+\w*id\s*=\s*[\"']?([^\"'\s<>/]+)[^<>]*>(?:([^<>]*)</at>)?")
_TAG = re.compile(r"</?[a-z][^<>]*>")
_FORWARDED = "Merged and Forwarded Message"
"""What the platform gives as the words of a merged forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A mention: its placeholder in the content, such as ``@_user_1``, and who is meant."""

    key: str
    open_id: str | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a message says, with the names of people held back: see :mod:`bot.chat.parsing.mention_masking`."""

    text: str
    names: tuple[str, ...] = ()
    mentioned: frozenset[str] = frozenset()
    """Whom a rich text mentions, as it names them: by placeholder or by ``open_id``."""
    picture: bool = False
    """Whether there is a picture or a video in it."""


def words_of(
    message_type: str, content: str, *, second: str = "", mentions: Iterable[Mention], own_id: str | None
) -> Words | None:
    """The words of a text or a rich text, or ``None`` where the content has not its type's form.

    The mentions of the bot and of everybody are taken out, other people's stand for their names, and a link becomes its
    words. What only looks like a mention, such as an e-mail address, stays as it is. A message without content, a
    merged forward and a mere mention of somebody else have no words.

    Args:
        message_type: ``text`` or ``post``.
        content: the message's content, JSON as text; a mention without words may come with an empty one.
        second: its ``content_v2``, where the message has one beside its content.
        mentions: whom the placeholders stand for.
        own_id: the bot's ``open_id``.
    """
    if not content and (message_type == "text" or not second):
        return Words(text="")
    found, more = _object(content), _object(second)
    people = {mention.key: "" if own_id and mention.open_id == own_id else mention.name for mention in mentions}
    people[_EVERYBODY] = ""
    if message_type == "text":
        words = _text(found, people) if found is not None else None
    else:
        # A rich text may name somebody without a placeholder.
        by_id = {mention.open_id: mention.name for mention in mentions if mention.open_id}
        words = _post(found, more, {**by_id, **people, "all": "", own_id or _EVERYBODY: ""})
    if words is not None and (words.text.casefold() == _FORWARDED.casefold() or _is_only_names(words)):
        return replace(words, text="", names=())
    return words


def _object(content: str) -> dict[str, Any] | None:
    try:
        found = json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):  # the paragraphs alone
        return {"content_v2": found}
    return found if isinstance(found, dict) else None


def _is_only_names(words: Words) -> bool:
    """Whether somebody is mentioned and nothing is said."""
    return bool(words.names) and not says_something(put_in(words.text, ()))


def _text(found: Mapping[str, Any], people: Mapping[str, str]) -> Words | None:
    text = found.get("text")
    if not isinstance(text, str):
        return None
    names = MentionMask()
    return Words(text=_resolved(_LINK.sub(r"\1", typed(text)), people, names).strip(), names=names.held)


def _resolved(text: str, people: Mapping[str, str], names: MentionMask) -> str:
    """The text with its mentions held back; one that leaves nothing takes a space beside it along."""
    keys = "|".join(re.escape(key) for key in sorted(people, key=len, reverse=True) if key.startswith("@"))
    # "@_user_1" is not the beginning of "@_user_10".
    placeholder = re.compile(rf"({keys})(?![0-9])( ?)")

    def name(match: re.Match[str]) -> str:
        alone = match.start() == 0 or text[match.start() - 1].isspace()
        held = names.hold(people[match[1]])
        return held + ("" if alone and not held else match[2])

    return placeholder.sub(name, text)


def _post(found: Mapping[str, Any] | None, more: Mapping[str, Any] | None, people: Mapping[str, str]) -> Words | None:
    """The words of a rich text: those of ``content``, or of ``content_v2`` where these say more."""
    post, other = _unwrapped(found or {}), _unwrapped(more or {})
    title = _string(post, "title") or _string(other, "title")
    bodies = [one.get(key) for one in (post, other) for key in ("content", "content_v2")]
    read = [_paragraphs(title, body, people) for body in bodies if isinstance(body, list)]
    if not read and title.strip():
        read = [_paragraphs(title, [], people)]
    if not read:
        return None
    # The first of those that say the same: markdown has signs of its own.
    return replace(
        max(read, key=_amount),
        mentioned=frozenset().union(*(one.mentioned for one in read)),
        picture=any(one.picture for one in read),
    )


def _unwrapped(found: Mapping[str, Any], *, depth: int = 2) -> Mapping[str, Any]:
    """A rich text without ``post`` and a locale round it, as sending one requires and some clients leave on."""
    if "content" in found or "content_v2" in found or not depth:
        return found
    inner = [_unwrapped(one, depth=depth - 1) for one in found.values() if isinstance(one, dict)]
    return next((one for one in inner if "content" in one or "content_v2" in one), found)


def _amount(words: Words) -> int:
    """How much a text says: its letters and digits, without markup."""
    return sum(map(str.isalnum, _TAG.sub("", words.text)))


def _paragraphs(title: str, paragraphs: Iterable[Any], people: Mapping[str, str]) -> Words:
    elements = [[part for part in line if isinstance(part, dict)] for line in paragraphs if isinstance(line, list)]
    names = MentionMask()
    lines = [typed(title), *("".join(_spoken(line, people, names)) for line in elements)]
    parts = [part for line in elements for part in line]
    markdown = "\n".join(_string(part, "text") for part in parts if part.get("tag") == "md")
    at = [_string(part, "user_id") for part in parts if part.get("tag") == "at"]
    return Words(
        text="\n".join(line for line in lines if line.strip()).strip(),
        names=names.held,
        mentioned=frozenset([*at, *(who for who, _ in _MENTION_IN_MARKDOWN.findall(markdown))]),
        picture=any(part.get("tag") in _PICTURES for part in parts) or bool(_PICTURE_IN_MARKDOWN.search(markdown)),
    )


def _spoken(line: Iterable[Mapping[str, Any]], people: Mapping[str, str], names: MentionMask) -> Iterator[str]:
    for part in line:
        if part.get("tag") == "at":
            yield names.hold(people.get(_string(part, "user_id"), _string(part, "user_name")))
        elif part.get("tag") == "md":
            yield from _markdown(_string(part, "text"), people, names)
        else:
            yield typed(_string(part, "text") or _string(part, "href"))


def _markdown(text: str, people: Mapping[str, str], names: MentionMask) -> Iterator[str]:
    # The pattern has two groups, so every third piece is text and the two after it are somebody's id and name.
    pieces = _MENTION_IN_MARKDOWN.split(_PICTURE_IN_MARKDOWN.sub("", text))
    for place in range(0, len(pieces), 3):
        yield _resolved(_LINK.sub(r"\1", typed(pieces[place])), people, names)
        if place + 1 < len(pieces):
            yield names.hold(people.get(pieces[place + 1], pieces[place + 2] or ""))


def _string(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value if isinstance(value, str) else ""
