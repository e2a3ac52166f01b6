"""The elements of a Feishu card, JSON 2.0, and what cards are rendered with.

Markdown holds only sentences of the catalogues: text from outside is ``plain_text``, in which nothing is markup and
nobody is mentioned. The properties: https://open.feishu.cn/document/feishu-cards/card-json-v2-structure
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal
from urllib.parse import urlsplit

from bot.chat.messages import LOCALES, Bilingual, Messages, same_text
from bot.chat.parsing.tokenizer import COMMAND_NAMES
from bot.chat.styles import Styles
from bot.models import Language
from bot.options import OPTIONS, Options
from bot.text import escape_tags, truncate

Element = dict[str, Any]
Card = dict[str, Any]

MAX_LINK_LENGTH = 800
"""The platform's links are under 400 characters, and four of them share a card of 30 KB."""
CARD_ROOM = 24_000
"""Bytes of what may be long in a card, which leaves room for the rest within 30 KB."""

COLORS: Mapping[str, str] = {
    **dict.fromkeys(("state.generating", "state.progress"), "wathet"),
    **dict.fromkeys(("state.ready", "state.ready_all", "state.ready_some"), "green"),
    **dict.fromkeys(("state.warned", "card.limit", "notice.paused.title"), "orange"),
    **dict.fromkeys(("state.cancelled", "card.command", "card.moved_title", "id.not_allowed_title"), "grey"),
    "state.failed": "red",
    "card.misread": "yellow",
    **{f"notice.{name}.title": "grey" for name in ("cancelled", "already_paused", "already_running", "recalled")},
    **{f"notice.{name}.title": "grey" for name in ("original_gone", "original_refused", "unshown", "unreadable")},
    **{f"notice.{name}.title": "green" for name in ("set", "set_chat", "language", "resumed", "redownload")},
    **{f"notice.{name}.title": "red" for name in ("stalled", "admin_balance", "admin_key", "admin_blocked")},
    **{f"notice.{name}.title": "red" for name in ("admin_silent", "admin_base", "admin_feishu")},
}
"""The colour of a card by the key of its title; the others are blue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContext:
    """What cards are rendered with. Each card is in both languages and under 30 KB.

    A prompt is in its card once, as plain text. Buttons carry an action and an id, never a prompt or an option:
    ``{"a": "again" | "resume" | "ratio" | "edit" | "cancel", "r": request_id}`` or
    ``{"a": "original", "g": generation_id}``; the ratio is the select's choice. The form sends
    ``{"a": "submit", "r": request_id}`` with its fields, an example of the welcome ``{"a": "example", "e": name}``.
    """

    messages: Messages
    styles: Styles
    zone: tzinfo
    """The team's time zone."""
    buttons: bool = True
    """Whether the app receives card actions; links work without."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """Yuan per image, by model."""
    defaults: Options = field(default_factory=Options)
    commands: Sequence[str] = COMMAND_NAMES
    """The commands that ``/help`` lists."""

    def say(self, key: str, **values: object) -> Bilingual:
        """A sentence of the catalogues in both languages."""
        return self.messages.bilingual(key, **values)

    def paragraph(self, key: str, **values: object) -> Element:
        """A sentence as a paragraph."""
        return paragraph(self.say(key, **values))

    def small(self, key: str, **values: object) -> Element:
        """A sentence as a small grey paragraph."""
        return small(self.say(key, **values))

    def button(self, key: str, *, kind: str = "default", **value: str) -> Element:
        """A button that calls back with ``value``."""
        return button(self.say(key), value=value, kind=kind)

    def card(self, title: str, elements: Iterable[Element], *, color: str | None = None, **values: object) -> Card:
        """A card under a title of the catalogues, by default in the colour of its title."""
        return card(self.say(title, **values), elements, color=color or COLORS.get(title, "blue"))

    def option(self, name: str, value: Any) -> Bilingual:
        """An option with its value, in words."""
        option = OPTIONS[name]
        if value in (None, "") or value is False:
            return self.say(f"label.no_{name}" if value is False else f"settings.no_{name}")
        shown = self.style_name(value) if option.is_style else value
        return self.say(f"label.{name}", **{name: shown, **option.display(value)})

    def style_name(self, name: str) -> Bilingual:
        """The name of a style in both languages; one that no longer exists stays as it was typed."""
        style = self.styles.find(name)
        return same_text(truncate(name, 40)) if style is None else by_locale(style.name)

    def time(self, at: float) -> str:
        """A time in seconds since 1970, to the minute; raises ``ValueError`` outside the years 1 to 9999."""
        try:
            return f"{datetime.fromtimestamp(at, self.zone):%Y-%m-%d %H:%M}"
        except (OverflowError, OSError) as error:
            raise ValueError(f"{at} is no time of our calendar") from error


def by_locale(texts: Mapping[Language, str]) -> Bilingual:
    """A text in both languages, by locale."""
    return {locale: texts[language] for language, locale in LOCALES.items()}


def label(words: Bilingual) -> Element:
    """A ``plain_text`` in both languages."""
    return {"tag": "plain_text", "content": words["zh_cn"], "i18n_content": dict(words)}


def verbatim(text: str) -> Element:
    """A ``plain_text`` that is the same for every reader."""
    return {"tag": "plain_text", "content": text}


def paragraph(text: Bilingual | str) -> Element:
    """A paragraph of plain text."""
    return {"tag": "div", "text": verbatim(text) if isinstance(text, str) else label(text)}


def small(text: Bilingual | str) -> Element:
    """A small grey paragraph of plain text."""
    plain = paragraph(text)["text"]
    return {"tag": "div", "text": {**plain, "text_size": "notation", "text_color": "grey"}}


def markdown(words: Bilingual) -> Element:
    """A paragraph of the catalogues' own markdown."""
    return {"tag": "markdown", "content": words["zh_cn"], "i18n_content": dict(words)}


def image(key: str, *, alt: Bilingual, **more: str) -> Element:
    """An image that a press enlarges, by default in full."""
    return {"tag": "img", "img_key": key, "alt": label(alt), "scale_type": "fit_horizontal", **more, "preview": True}


def button(words: Bilingual, *, value: Mapping[str, str], kind: str = "default") -> Element:
    """A button that calls back with ``value``; ``kind`` is its type, such as ``primary``."""
    return {"tag": "button", "text": label(words), "type": kind, "behaviors": [_callback(value)]}


def link(words: Bilingual, *, url: str) -> Element:
    """A button that opens a url, which must be :func:`linkable`."""
    return {"tag": "button", "text": label(words), "behaviors": [{"type": "open_url", "default_url": url}]}


def linkable(url: str | None) -> bool:
    """Whether a card may link to a url: https, a host, no spaces or control characters, not too long."""
    if url is None or len(url) > MAX_LINK_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
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


def row(elements: Sequence[Element]) -> list[Element]:
    """The elements side by side, wrapped on a narrow screen; nothing if there are none."""
    columns = [{"tag": "column", "width": "auto", "elements": [element]} for element in elements]
    line = {"tag": "column_set", "flex_mode": "flow", "horizontal_spacing": "small", "columns": columns}
    return [line] if columns else []


def card(title: Bilingual, elements: Iterable[Element], *, color: str = "blue") -> Card:
    """A whole card; the list of chats shows its title, too."""
    return {
        "schema": "2.0",
        "config": {"update_multi": True, "summary": {"content": title["zh_cn"], "i18n_content": dict(title)}},
        "header": {"template": color, "title": label(title)},
        "body": {"elements": list(elements)},
    }


def content(card: Card) -> str:
    """A card as compact JSON without ASCII escapes, which would triple the bytes of Chinese."""
    return json.dumps(card, ensure_ascii=False, separators=(",", ":"))


def fits(elements: Any) -> bool:
    """Whether elements leave room for the rest of a card."""
    return len(content(elements).encode()) < CARD_ROOM


def text_of(card: Mapping[str, Any], language: Language) -> str:
    """The words of a card as plain text, for a chat that refused the card; no part of it is a tag."""
    return escape_tags("\n".join(_texts([card.get("header", {}), card.get("body", {})], language)))


def _texts(element: Any, language: Language) -> Iterator[str]:
    if isinstance(element, list):
        for part in element:
            yield from _texts(part, language)
    elif isinstance(element, Mapping):
        if element.get("tag") in ("plain_text", "markdown") and element.get("content"):
            yield element.get("i18n_content", {}).get(LOCALES[language], element["content"])
            return
        for name, part in element.items():
            if name != "alt":
                yield from _texts(part, language)


def render_toast(
    messages: Messages, key: str, *, kind: Literal["info", "success", "error", "warning"] = "info", **values: object
) -> dict[str, Any]:
    """The answer to a press, in both languages.

    https://open.feishu.cn/document/feishu-cards/card-callback-communication

    Args:
        messages: the catalogues.
        key: any sentence of them. One for which the values do not suffice is replaced by a general one, because a
            press must be answered.
        kind: the icon before the words.
        values: the placeholders of the sentence; others are ignored.
    """
    known = {name: truncate(str(value), 40) for name, value in values.items()}
    words = messages.bilingual(messages.best_key(key, known) or "toast.refused", **known)
    return {"toast": {"type": kind, "content": words["zh_cn"], "i18n": words}}


def _callback(value: Mapping[str, str]) -> Element:
    return {"type": "callback", "value": dict(value)}
