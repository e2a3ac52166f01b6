"""The card with the form behind the button "edit prompt"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, Element
from bot.chat.cards.sanitize import clipped, safe
from bot.chat.messages import LOCALES, Bilingual, Messages, alike
from bot.chat.styles import Style, Styles
from bot.options import Options

NO_STYLE = "none"
"""The value of the choice "no style"; ``/style`` takes it as well."""

LONGEST_INPUT = 1000
"""Characters that Feishu's input takes.

https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/input
"""

_MOST_STYLES = 60
_LONGEST_NAME = 40
_ROOM = 24_000


class FormCard:
    """The form: the prompt, its size and style, and one button to submit.

    The form sends ``prompt``, ``size`` (a ratio, or the present size in pixels) and ``style`` (a style's English name,
    or :data:`NO_STYLE`) with the button's ``{"a": "submit", "r": request_id}``, which may be missing: the button's name
    is ``submit_`` and the request's id as well.

    Args:
        words: the catalogue.
        styles: the styles to choose from.
    """

    def __init__(self, *, words: Messages, styles: Styles) -> None:
        self._say = words.both
        self._styles = styles

    def card(
        self, *, request_id: str, prompt: str, options: Options, typed: Mapping[str, str] | None = None, again: str = ""
    ) -> Card:
        """The form, filled in with what a request was made with.

        Args:
            request_id: the request.
            prompt: its prompt.
            options: its options.
            typed: what was typed and chosen before, for a form that is shown again after it was rejected.
            again: a few letters and digits that make the button's name another one then: a client may keep a button
                disabled that was pressed before.
        """
        typed = typed or {}
        prompt = typed.get("prompt", prompt)
        length = len(safe(prompt))
        fields = [
            self._heading("form.prompt"),
            el.text_field("prompt", text=filled_in(prompt), hint=self._say("form.prompt_hint"), longest=LONGEST_INPUT),
            *self._cut(length),
            self._heading("form.size"),
            self._sizes(options.size, chosen=typed.get("size")),
            self._heading("form.style"),
        ]
        name = "_".join(filter(None, ("submit", request_id, again)))
        submit = el.submit(self._say("form.submit"), name=name, value={"a": "submit", "r": request_id})
        present = self._styles.find(options.style) if options.style else None
        offered = [style for style in self._styles.all if style is not present][:_MOST_STYLES]
        while True:
            choices = self._choices([present, *offered] if present else offered, present, chosen=typed.get("style"))
            form = el.form([*fields, choices, submit])
            if not offered or len(el.content(form).encode()) < _ROOM:
                return el.card(self._say("form.title"), colour="blue", elements=[form])
            offered.pop()

    def _heading(self, key: str) -> Element:
        return el.line(el.label(self._say(key)))

    def _cut(self, length: int) -> list[Element]:
        if length <= LONGEST_INPUT:
            return []
        return [el.line(el.label(self._say("form.cut", length=length, shown=LONGEST_INPUT)), small=True)]

    def _sizes(self, present: str, *, chosen: str | None) -> Element:
        now = self._say("form.size_now", size=present, ratio=sizes.ratio_name(present))
        ratios = {ratio: alike(ratio) for ratio in sizes.RATIOS}
        return el.choice("size", choices={present: now, **ratios}, chosen=chosen if chosen in ratios else present)

    def _choices(self, offered: Sequence[Style], present: Style | None, *, chosen: str | None) -> Element:
        styles = {style.name["en"]: _names(style) for style in offered}
        if chosen not in styles and chosen != NO_STYLE:
            chosen = present.name["en"] if present else NO_STYLE
        return el.choice("style", choices={NO_STYLE: self._say("form.no_style"), **styles}, chosen=chosen)


def filled_in(prompt: str) -> str:
    """What of a prompt stands in the form's field before anybody changes it."""
    return safe(prompt)[:LONGEST_INPUT]


def _names(style: Style) -> Bilingual:
    return {locale: clipped(style.name[language], _LONGEST_NAME) for language, locale in LOCALES.items()}
