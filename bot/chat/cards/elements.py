"""The elements of a Feishu card, JSON 2.0, that the bot's cards are made of.

Markdown holds only sentences of the catalogue: whatever comes from outside stands in ``plain_text``, where it is no
markup and pings nobody. The properties: https://open.feishu.cn/document/feishu-cards/card-json-v2-structure
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.chat.messages import Bilingual

Element = dict[str, Any]
Card = dict[str, Any]

LONGEST_LINK = 800
"""Characters of a link; the platform's are under 400, and four of them share a card of 30 KB."""


def label(words: Bilingual) -> Element:
    """A ``plain_text`` in both languages."""
    return {"tag": "plain_text", "content": words["zh_cn"], "i18n_content": dict(words)}


def verbatim(text: str) -> Element:
    """A ``plain_text`` that is the same for every reader."""
    return {"tag": "plain_text", "content": text}


def line(text: Element, *, small: bool = False) -> Element:
    """A paragraph of plain text; a small one is grey."""
    return {"tag": "div", "text": {**text, "text_size": "notation", "text_color": "grey"} if small else text}


def markdown(words: Bilingual) -> Element:
    """A paragraph of the catalogue's own markdown."""
    return {"tag": "markdown", "content": words["zh_cn"], "i18n_content": dict(words)}


def image(key: str, *, alt: Bilingual) -> Element:
    """A picture in full, which a press enlarges."""
    return {"tag": "img", "img_key": key, "alt": label(alt), "scale_type": "fit_horizontal", "preview": True}


def thumbnail(key: str, *, alt: Bilingual) -> Element:
    """A small square of a picture, which a press enlarges."""
    return {
        "tag": "img",
        "img_key": key,
        "alt": label(alt),
        "scale_type": "crop_center",
        "size": "medium",
        "preview": True,
    }


def button(words: Bilingual, *, value: Mapping[str, str], kind: str = "default") -> Element:
    """A button that calls back with ``value``; ``kind`` is its type, such as ``primary``."""
    return {"tag": "button", "text": label(words), "type": kind, "behaviors": [_callback(value)]}


def link(words: Bilingual, *, url: str) -> Element:
    """A button that opens ``url``, which must be one that :func:`linkable` accepts."""
    return {"tag": "button", "text": label(words), "behaviors": [{"type": "open_url", "default_url": url}]}


def linkable(url: str | None) -> bool:
    """Whether a card may lead to ``url``: https, a host, no spaces or control characters, not over-long."""
    if url is None or len(url) > LONGEST_LINK or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def select(words: Bilingual, *, choices: Iterable[str], value: Mapping[str, str]) -> Element:
    """A drop-down list that calls back with ``value`` and the choice."""
    return {
        "tag": "select_static",
        "placeholder": label(words),
        "options": [{"text": verbatim(choice), "value": choice} for choice in choices],
        "behaviors": [_callback(value)],
    }


def form(elements: Iterable[Element]) -> Element:
    """The card's one form, which may stand only at the body's root and needs a button of :func:`submit`."""
    return {"tag": "form", "name": "form", "elements": list(elements)}


def text_field(name: str, *, text: str, hint: Bilingual, longest: int) -> Element:
    """A form's field of several lines with ``text`` in it, which may not be left empty.

    ``longest`` is in characters, from 1 to 1,000.
    """
    return {
        "tag": "input",
        "name": name,
        "input_type": "multiline_text",
        "rows": 4,
        "auto_resize": True,
        "width": "fill",
        "required": True,
        "max_length": longest,
        "placeholder": label(hint),
        "default_value": text,
    }


def choice(name: str, *, choices: Mapping[str, Bilingual], chosen: str) -> Element:
    """A form's drop-down list: the words of each value, one of them chosen beforehand."""
    return {
        "tag": "select_static",
        "name": name,
        "options": [{"text": label(words), "value": value} for value, words in choices.items()],
        "initial_option": chosen,
    }


def submit(words: Bilingual, *, name: str, value: Mapping[str, str]) -> Element:
    """The button that sends a form and calls back with ``name``, and in most cases with ``value``."""
    return {**button(words, value=value, kind="primary"), "name": name, "form_action_type": "submit"}


def row(elements: Iterable[Element]) -> Element:
    """The elements side by side, wrapped on a narrow screen."""
    columns = [{"tag": "column", "width": "auto", "elements": [element]} for element in elements]
    return {"tag": "column_set", "flex_mode": "flow", "horizontal_spacing": "small", "columns": columns}


def card(title: Bilingual, *, colour: str, elements: Iterable[Element]) -> Card:
    """A whole card: the title is also what the list of chats shows of it."""
    return {
        "schema": "2.0",
        "config": {"update_multi": True, "summary": {"content": title["zh_cn"], "i18n_content": dict(title)}},
        "header": {"template": colour, "title": label(title)},
        "body": {"elements": list(elements)},
    }


def content(card: Card) -> str:
    """The card as compact JSON without ASCII escapes, which would triple the bytes of Chinese."""
    return json.dumps(card, ensure_ascii=False, separators=(",", ":"))


def _callback(value: Mapping[str, str]) -> Element:
    return {"type": "callback", "value": dict(value)}
