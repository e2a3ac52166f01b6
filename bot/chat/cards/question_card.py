"""The card that asks, free of charge, whether words are to be drawn, or whether the same is to be drawn once more."""

from __future__ import annotations

from typing import Literal

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext
from bot.text import truncate

_PROMPT_LENGTH = 400


def render_question(
    ctx: CardContext,
    *,
    request_id: str,
    prompt: str,
    price: float,
    result: str | None = None,
    style: str | None = None,
    about: Literal["question", "double"] = "question",
) -> Card:
    """The question, or what became of it.

    Args:
        ctx: what cards are rendered with.
        request_id: the request.
        prompt: the words; empty where they may not be shown.
        price: yuan for the images that would be made.
        result: ``drawn`` or ``declined`` once it is answered.
        style: the style that would be added to the words.
        about: what is asked about: words that may not be a prompt, or a second image of what is being drawn.
    """
    shown = truncate(prompt, _PROMPT_LENGTH)
    elements = [ctx.paragraph(f"{about}.text", prompt=shown) if shown.strip() else ctx.paragraph(f"{about}.text_plain")]
    elements += [el.small(ctx.option("style", style))] if style else []
    if result is not None:
        elements.append(ctx.small("question.drawn" if result == "drawn" else f"{about}.declined"))
    elif ctx.buttons:
        elements.append(ctx.small("question.free"))
        key = "button.draw" if about == "question" else "button.draw_more"
        draw = ctx.say(key, price=f"{price:.2f}") if price else ctx.say(f"{key}_free")
        decline = ctx.button("button.decline", a="decline", r=request_id)
        elements += el.row([el.button(draw, value={"a": "confirm", "r": request_id}, kind="primary"), decline])
    else:
        elements.append(ctx.small(f"{about}.type"))
    return ctx.card(f"{about}.title", elements, color="grey" if result else None)
