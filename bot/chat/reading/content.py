"""The words in the content of a message, its mentions resolved.

The forms of content: https://open.feishu.cn/document/server-docs/im-v1/message-content-description/message_content
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.chat.reading.names import Names, typed

_EVERYBODY = "@_all"
_LINK = re.compile(r"\[([^\[\]\n]+)\]\((?:https?://|mailto:)[^()\s]*\)")
_PICTURES = ("img", "media")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A mention: its placeholder in the content, such as ``@_user_1``, and who is meant."""

    key: str
    open_id: str | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a message says, with the names of people held back: see :mod:`bot.chat.reading.names`."""

    text: str
    names: tuple[str, ...] = ()
    mentioned: frozenset[str] = frozenset()
    """Whom a rich text mentions, as it names them: by placeholder or by ``open_id``."""
    picture: bool = False
    """Whether there is a picture or a video in it."""


def words_of(message_type: str, content: str, *, mentions: Iterable[Mention], own_id: str | None) -> Words | None:
    """The words of a text or a rich text, or ``None`` where the content has not its type's form.

    The mentions of the bot and of everybody are taken out, other people's stand for their names, and a link becomes its
    words. What only looks like a mention, such as an e-mail address, stays as it is.

    Args:
        message_type: ``text`` or ``post``.
        content: the message's content, JSON as text.
        mentions: whom the placeholders stand for.
        own_id: the bot's ``open_id``.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    people = {mention.key: "" if own_id and mention.open_id == own_id else mention.name for mention in mentions}
    people[_EVERYBODY] = ""
    if message_type == "text":
        return _text(found, people)
    # A rich text may name somebody without a placeholder.
    return _post(found, {**people, "all": "", own_id or _EVERYBODY: ""})


def _text(found: Mapping[str, Any], people: Mapping[str, str]) -> Words | None:
    text = found.get("text")
    if not isinstance(text, str):
        return None
    names = Names()
    return Words(text=_resolved(_LINK.sub(r"\1", typed(text)), people, names).strip(), names=names.held)


def _resolved(text: str, people: Mapping[str, str], names: Names) -> str:
    """The text with its mentions held back; one that leaves nothing takes a space beside it along."""
    keys = "|".join(re.escape(key) for key in sorted(people, key=len, reverse=True))
    # "@_user_1" is not the beginning of "@_user_10".
    placeholder = re.compile(rf"({keys})(?![0-9])( ?)")

    def name(match: re.Match[str]) -> str:
        alone = match.start() == 0 or text[match.start() - 1].isspace()
        held = names.hold(people[match[1]])
        return held + ("" if alone and not held else match[2])

    return placeholder.sub(name, text)


def _post(found: Mapping[str, Any], people: Mapping[str, str]) -> Words | None:
    # A post arrives without the wrapper of locales that sending one requires; some clients leave it on.
    wrapped = (post for post in found.values() if isinstance(post, dict) and "content" in post)
    post = found if "content" in found else next(wrapped, found)
    paragraphs = post.get("content")
    if not isinstance(paragraphs, list):
        return None
    elements = [[part for part in line if isinstance(part, dict)] for line in paragraphs if isinstance(line, list)]
    names = Names()
    lines = [typed(_string(post, "title")), *("".join(_spoken(line, people, names)) for line in elements)]
    parts = [part for line in elements for part in line]
    return Words(
        text="\n".join(line for line in lines if line.strip()).strip(),
        names=names.held,
        mentioned=frozenset(_string(part, "user_id") for part in parts if part.get("tag") == "at"),
        picture=any(part.get("tag") in _PICTURES for part in parts),
    )


def _spoken(line: Iterable[Mapping[str, Any]], people: Mapping[str, str], names: Names) -> Iterator[str]:
    for part in line:
        if part.get("tag") == "at":
            yield names.hold(people.get(_string(part, "user_id"), _string(part, "user_name")))
        else:
            yield typed(_string(part, "text") or _string(part, "href"))


def _string(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value if isinstance(value, str) else ""
