"""The form in which a prompt and its options are edited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, Element
from bot.chat.messages import Bilingual
from bot.options import DEFAULTS, NONE, OPTIONS, Options
from bot.text import sanitize

_MAX_INPUT = 1000
"""Characters that Feishu's input takes.

https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/input
"""
_MIN_CHOICES = 10


def prefill(prompt: str) -> str:
    return sanitize(prompt)[:_MAX_INPUT]


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
    missing: the button's name is ``submit_`` and the request's id as well. ``typed`` is what was entered before, for a
    form that is shown again after it was rejected; ``again`` are a few letters and digits that make the button's name
    another one then: a client may keep a button disabled that was pressed before.
    """
    typed = typed or {}
    prompt = typed.get("prompt", prompt)
    length = len(sanitize(prompt))
    field: Element = {
        "tag": "input",
        "name": "prompt",
        "input_type": "multiline_text",
        "rows": 4,
        "auto_resize": True,
        "width": "fill",
        "required": True,
        "max_length": _MAX_INPUT,
        "placeholder": el.label(ctx.say("form.prompt_hint")),
        "default_value": prefill(prompt),
    }
    cut = [ctx.small("form.cut", length=length, shown=_MAX_INPUT)] if length > _MAX_INPUT else []
    elements = [ctx.paragraph("form.prompt"), field, *cut, ctx.small("form.new_image")]
    selects = {name: _select(ctx, name, getattr(options, name), typed) for name, one in OPTIONS.items() if one.form}
    for name, select in selects.items():
        elements += [ctx.paragraph(f"form.{name}"), select]
    price = ctx.prices.get(options.model, 0.0)
    submit = ctx.say("form.submit", price=f"{price:.2f}") if price else ctx.say("form.submit_free")
    button = el.button(submit, kind="primary", a="submit", r=request_id)
    button |= {"name": "_".join(filter(None, ("submit", request_id, again))), "form_action_type": "submit"}
    form = {"tag": "form", "name": "form", "elements": [*elements, button]}
    while not el.fits(form):
        longest = max((select["options"] for select in selects.values()), key=len)
        if len(longest) < _MIN_CHOICES:
            break
        longest.pop()
    return ctx.card("form.title", [form])


def _select(ctx: CardContext, name: str, value: Any, typed: Mapping[str, str]) -> Element:
    """The choices of an option, what is set now first, or what was chosen before."""
    option, present, words = OPTIONS[name], value, dict[str, Bilingual | str]()
    if option.is_style:
        style = ctx.styles.find(value) if value else None
        present = style.name["en"] if style else None
    if DEFAULTS[name] is None:
        words[NONE] = ctx.say(f"form.no_{name}")
    offered = option.form([style.name["en"] for style in ctx.styles.all]) if option.form else ()
    others = [one for one in offered if one != present][:60]
    for one in others if present is None else [str(present), *others]:
        words[one] = ctx.style_name(one) if option.is_style else one
        if not option.is_style and one == str(present) and f"form.{name}_now" in ctx.messages.keys:
            words[one] = ctx.say(f"form.{name}_now", **{name: one, **option.display(value)})
    chosen = typed.get(name)
    return {
        "tag": "select_static",
        "name": name,
        "options": [{"text": el.label(text), "value": value} for value, text in words.items()],
        "initial_option": chosen if chosen in words else NONE if present is None else str(present),
    }
