"""The form in which a prompt and its options are edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, Element, by_locale
from bot.chat.messages import Bilingual, same_text
from bot.options import DEFAULTS, NONE, OPTIONS, Options
from bot.text import sanitize, truncate

MAX_INPUT = 1000
"""Characters that Feishu's input takes.

https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/input
"""
_MAX_CHOICES = 60
_MIN_CHOICES = 10
_NAME_LENGTH = 40


def prefill(prompt: str) -> str:
    """What of a prompt is in the form's field before anybody changes it."""
    return sanitize(prompt)[:MAX_INPUT]


def render_form(
    ctx: CardContext,
    *,
    request_id: str,
    prompt: str,
    options: Options,
    typed: Mapping[str, str] | None = None,
    again: str = "",
) -> Card:
    """The form, filled in with the prompt and the options of a request.

    It sends ``prompt`` and the options by name with the button's ``{"a": "submit", "r": request_id}``, which may be
    missing: the button's name is ``submit_`` and the request's id as well.

    Args:
        ctx: what cards are rendered with.
        request_id: the request.
        prompt: its prompt.
        options: its options.
        typed: what was typed and chosen before, for a form that is shown again after it was rejected.
        again: a few letters and digits that make the button's name another one then: a client may keep a button
            disabled that was pressed before.
    """
    typed = typed or {}
    prompt = typed.get("prompt", prompt)
    choices = {name: _choices(ctx, name, getattr(options, name)) for name, one in OPTIONS.items() if one.form}
    button = el.button(ctx.say("form.submit"), value={"a": "submit", "r": request_id}, kind="primary")
    button |= {"name": "_".join(filter(None, ("submit", request_id, again))), "form_action_type": "submit"}
    while True:
        selects = (_select(ctx, name, one, chosen=typed.get(name)) for name, one in choices.items())
        elements = [*_prompt(ctx, prompt), *chain.from_iterable(selects), button]
        form = {"tag": "form", "name": "form", "elements": elements}
        longest = max((one.words for one in choices.values()), key=len)
        if el.fits(form) or len(longest) < _MIN_CHOICES:
            return ctx.card("form.title", [form])
        longest.popitem()


@dataclass(frozen=True, slots=True)
class _Choices:
    """The words of each choice, and the value that is chosen beforehand."""

    words: dict[str, Bilingual]
    present: str


def _choices(ctx: CardContext, name: str, value: Any) -> _Choices:
    option, present, words = OPTIONS[name], value, {}
    if option.is_style:
        style = ctx.styles.find(value) if value else None
        present = style.name["en"] if style else None
    if DEFAULTS[name] is None:
        words[NONE] = ctx.say(f"form.no_{name}")
    offered = option.form([style.name["en"] for style in ctx.styles.all]) if option.form else ()
    others = [one for one in offered if one != present][:_MAX_CHOICES]
    for one in others if present is None else [str(present), *others]:
        words[one] = same_text(one)
        if option.is_style and (style := ctx.styles.find(one)):
            words[one] = {locale: truncate(text, _NAME_LENGTH) for locale, text in by_locale(style.name).items()}
        elif one == str(present) and f"form.{name}_now" in ctx.messages:
            words[one] = ctx.say(f"form.{name}_now", **{name: one, **option.display(value)})
    return _Choices(words, NONE if present is None else str(present))


def _select(ctx: CardContext, name: str, choices: _Choices, *, chosen: str | None) -> Iterator[Element]:
    yield ctx.paragraph(f"form.{name}")
    yield {
        "tag": "select_static",
        "name": name,
        "options": [{"text": el.label(words), "value": value} for value, words in choices.words.items()],
        "initial_option": chosen if chosen in choices.words else choices.present,
    }


def _prompt(ctx: CardContext, prompt: str) -> Iterator[Element]:
    yield ctx.paragraph("form.prompt")
    yield {
        "tag": "input",
        "name": "prompt",
        "input_type": "multiline_text",
        "rows": 4,
        "auto_resize": True,
        "width": "fill",
        "required": True,
        "max_length": MAX_INPUT,
        "placeholder": el.label(ctx.say("form.prompt_hint")),
        "default_value": prefill(prompt),
    }
    if (length := len(sanitize(prompt))) > MAX_INPUT:
        yield ctx.small("form.cut", length=length, shown=MAX_INPUT)
    yield ctx.small("form.new_image")
