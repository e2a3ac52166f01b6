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

from bot.chat.messages import LOCALES, Bilingual, Messages, same_text
from bot.chat.styles import Styles
from bot.models import Language
from bot.options import OPTIONS, Options
from bot.text import escape_tags, truncate

Element = dict[str, Any]
Card = dict[str, Any]

_CHINA = ("Asia/Shanghai", "Asia/Chongqing", "Asia/Harbin", "PRC")
_ROOM = 24_000  # bytes of what may be long in a card, which leaves room for the rest within 30 KB
_MAX_CONTROLS = 3


def _notices(names: str) -> Iterable[str]:
    return (f"notice.{name}.title" for name in names.split())


COLORS: Mapping[str, str] = {
    **dict.fromkeys(("state.generating", "state.progress"), "wathet"),
    **dict.fromkeys(("state.ready", "state.ready_all", "state.ready_some"), "green"),
    **dict.fromkeys(_notices("set set_chat language resumed redownload"), "green"),
    **dict.fromkeys(("card.misread", "card.prompt_missing"), "yellow"),
    **dict.fromkeys(("state.warned", "card.limit"), "orange"),
    **dict.fromkeys(_notices("paused admin_images admin_yuan admin_calls admin_disk"), "orange"),
    "state.failed": "red",
    **dict.fromkeys(_notices("stalled admin_balance admin_key admin_blocked admin_refused"), "red"),
    **dict.fromkeys(_notices("admin_silent admin_base admin_feishu"), "red"),
    **dict.fromkeys(("state.cancelled", "card.command", "card.moved_title", "id.not_allowed_title"), "grey"),
    **dict.fromkeys(("card.nothing_to_cancel", "card.nothing_to_repeat", "duplicate.title"), "grey"),
    **dict.fromkeys(_notices("cancelled already_paused already_running recalled unshown unreadable"), "grey"),
    **dict.fromkeys(_notices("original_gone original_refused export_refused"), "grey"),
}
"""The color of a card by the key of its title; the others are blue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContext:
    """What cards are rendered with. Each card is in both languages and under 30 KB.

    Controls carry an action and an id, never a prompt or an option: ``a`` is the action, ``r`` a request, ``g`` a
    generation. In a menu the choice is the action. The others: an example of the welcome or a style is ``e``, a
    command ``c``, the month of an export ``m``; the ratio is the choice of its select, and a form sends its fields.
    """

    messages: Messages
    styles: Styles
    zone: tzinfo  # the team's time zone
    buttons: bool = True  # whether the app receives card actions; links work without
    prices: Mapping[str, float] = field(default_factory=dict)  # yuan per image, by model
    defaults: Options = field(default_factory=Options)
    alerts_admins: bool = False  # whether admins are told of what only they can fix

    def say(self, key: str, **values: object) -> Bilingual:
        return self.messages.bilingual(key, **values)

    def paragraph(self, key: str, **values: object) -> Element:
        return paragraph(self.say(key, **values))

    def small(self, key: str, **values: object) -> Element:
        return small(self.say(key, **values))

    def button(self, words: Bilingual | str, *, kind: str = "default", **value: str) -> Element | None:
        """A button with these words or the sentence of this key; ``None`` if the app receives no card actions."""
        return (
            button(self.say(words) if isinstance(words, str) else words, kind=kind, **value) if self.buttons else None
        )

    def card(
        self,
        title: str,
        elements: Iterable[Element | None],
        *,
        color: str | None = None,
        subtitle: Bilingual | None = None,
        tags: Iterable[Bilingual] = (),
        **values: object,
    ) -> Card:
        """A card of the elements that there are, under a title of the catalogues, by default in its color."""
        words = self.say(title, **values)
        header: Element = {"template": color or COLORS.get(title, "blue"), "title": label(words)}
        if subtitle:
            header["subtitle"] = label(subtitle)
        if shown := [{"tag": "text_tag", "text": label(one), "color": "neutral"} for one in tags]:
            header["text_tag_list"] = shown
        return {
            "schema": "2.0",
            "config": {"update_multi": True, "summary": {"content": words["zh_cn"], "i18n_content": words}},
            "header": header,
            "body": {"elements": [one for one in elements if one]},
        }

    def option(self, name: str, value: Any, *, prefix: str = "label") -> Bilingual:
        """An option with its value in words; with the prefix ``tag`` the value alone."""
        option = OPTIONS[name]
        if value in (None, "") or value is False:
            return self.say(f"label.no_{name}" if value is False else f"settings.no_{name}")
        shown = self.style_name(value) if option.is_style else value
        return self.say(f"{prefix}.{name}", **{name: shown, **option.display(value)})

    def style_name(self, name: str) -> Bilingual:
        """The name of a style in both languages; one that no longer exists stays as it was typed."""
        style = self.styles.find(name)
        names = by_locale(style.name) if style else same_text(name)
        return {locale: truncate(text, 40) for locale, text in names.items()}

    def alt(self, prompt: str) -> Bilingual:
        """The alternative text of an image: its prompt, already cut, if that says anything."""
        return same_text(prompt) if prompt.strip() else self.say("label.alt")

    @property
    def zone_name(self) -> Bilingual:
        return self.say("zone.china") if str(self.zone) in _CHINA else same_text(str(self.zone))

    def price(self, yuan: float) -> Bilingual:
        return same_text(f"¥{yuan:.2f}") if yuan else self.say("cost.free")

    def time(self, at: float) -> str:
        """A time in seconds since 1970, to the minute."""
        return f"{datetime.fromtimestamp(at, self.zone):%m-%d %H:%M}"

    def toast(
        self, key: str, kind: Literal["info", "success", "error", "warning"] = "info", **values: object
    ) -> dict[str, Any]:
        """The answer to a press; where the values do not suffice for a sentence, a general one.

        https://open.feishu.cn/document/feishu-cards/card-callback-communication
        """
        known = {name: value if isinstance(value, dict) else truncate(str(value), 40) for name, value in values.items()}
        words = self.say(self.messages.best_key(key, known) or "toast.refused", **known)
        return {"toast": {"type": kind, "content": words["zh_cn"], "i18n": words}}


def by_locale(texts: Mapping[Language, str]) -> Bilingual:
    return {locale: texts[language] for language, locale in LOCALES.items()}


def label(words: Bilingual | str) -> Element:
    """A ``plain_text``: in both languages, or where they are the same, for every reader."""
    words = same_text(words) if isinstance(words, str) else words
    zh, en = words["zh_cn"], words["en_us"]
    plain = {"tag": "plain_text", "content": zh}
    return plain if zh == en else {**plain, "i18n_content": dict(words)}


def paragraph(text: Bilingual | str) -> Element:
    return {"tag": "div", "text": label(text)}


def small(text: Bilingual | str) -> Element:
    return {"tag": "div", "text": {**label(text), "text_size": "notation", "text_color": "grey"}}


def markdown(words: Bilingual) -> Element:
    return {"tag": "markdown", "content": words["zh_cn"], "i18n_content": dict(words)}


def image(key: str, *, alt: Bilingual, **more: str) -> Element:
    return {"tag": "img", "img_key": key, "alt": label(alt), "scale_type": "fit_horizontal", **more, "preview": True}


def button(words: Bilingual, *, kind: str = "default", **value: str) -> Element:
    return {"tag": "button", "text": label(words), "type": kind, "behaviors": [_callback(value)]}


def link(words: Bilingual, *, url: str) -> Element:
    return {"tag": "button", "text": label(words), "behaviors": [{"type": "open_url", "default_url": url}]}


def select(words: Bilingual, *, choices: Iterable[str], **value: str) -> Element:
    options = [{"text": label(choice), "value": choice} for choice in choices]
    behaviors = [_callback(value)]
    return {"tag": "select_static", "placeholder": label(words), "options": options, "behaviors": behaviors}


def row(*elements: Element | None, small: bool = False) -> list[Element]:
    """The elements that there are side by side, wrapped on a narrow screen; nothing if there are none."""
    shown = [{**one, "size": "small"} if small and one["tag"] == "button" else one for one in elements if one]
    columns = [_column([element], align="center", width="auto") for element in shown]
    line = {"tag": "column_set", "flex_mode": "flow", "horizontal_spacing": "small", "columns": columns}
    return [line] if columns else []


def beside(narrow: Element, wide: Sequence[Element], *, narrow_first: bool) -> Element:
    columns = [_column([narrow], align="top", width="auto"), _column(wide, align="top", width="weighted", weight=1)]
    columns = columns if narrow_first else columns[::-1]
    return {"tag": "column_set", "flex_mode": "none", "horizontal_spacing": "medium", "columns": columns}


def _column(elements: Sequence[Element], *, align: str, **width: str | int) -> Element:
    return {"tag": "column", **width, "vertical_align": align, "elements": list(elements)}


def controls(elements: Iterable[Element | None]) -> list[Element]:
    """Controls side by side: three at most, and a menu for the rest, which must be buttons that call back.

    A choice in a menu calls back with the ids of its buttons, and the action as the choice.
    https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/overflow
    """
    every = [one for one in elements if one]
    shown, rest = every[:_MAX_CONTROLS], every[_MAX_CONTROLS:]
    if rest:
        values = [one["behaviors"][0]["value"] for one in rest]
        options = [{"text": one["text"], "value": value["a"]} for one, value in zip(rest, values, strict=True)]
        ids = {name: text for value in values for name, text in value.items() if name != "a"}
        shown.append({"tag": "overflow", "options": options, "behaviors": [_callback(ids)]})
    return row(*shown)


def content(card: Card) -> str:
    """A card as compact JSON without ASCII escapes, which would triple the bytes of Chinese."""
    return json.dumps(card, ensure_ascii=False, separators=(",", ":"))


def fits(elements: Any) -> bool:
    return len(content(elements).encode()) < _ROOM


def text_of(card: Mapping[str, Any], language: Language) -> str:
    """The words and links of a card as plain text, for a chat that refused the card; no part of it is a tag."""
    header = card["header"]
    about = " · ".join(_texts([header.get("text_tag_list", []), header.get("subtitle")], language))
    lines = [*_texts(header["title"], language), about, *_texts(card["body"], language)]
    return escape_tags("\n".join(filter(None, lines)))


def _texts(element: Any, language: Language) -> Iterator[str]:
    if isinstance(element, list):
        for part in element:
            yield from _texts(part, language)
    elif isinstance(element, Mapping):
        if element.get("tag") in ("plain_text", "markdown"):
            yield element.get("i18n_content", {}).get(LOCALES[language], element["content"])
        elif "behaviors" in element:
            # Text cannot be pressed.
            yield from (one["default_url"] for one in element["behaviors"] if "default_url" in one)
        else:
            for name, part in element.items():
                if name not in ("alt", "chart_spec"):
                    yield from _texts(part, language)


def _callback(value: Mapping[str, str]) -> Element:
    return {"type": "callback", "value": dict(value)}
