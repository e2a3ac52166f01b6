"""The card that asks, free of charge, whether words are to be drawn."""

from __future__ import annotations

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
) -> Card:
    """The question, or what became of it.

    Args:
        ctx: what cards are rendered with.
        request_id: the request.
        prompt: the words; empty where they may not be shown.
        price: yuan for the images that would be made.
        result: ``drawn`` or ``declined`` once it is answered.
        style: the style that would be added to the words.
    """
    shown = truncate(prompt, _PROMPT_LENGTH)
    elements = [ctx.paragraph("question.text", prompt=shown) if shown.strip() else ctx.paragraph("question.text_plain")]
    elements += [el.small(ctx.option("style", style))] if style else []
    if result is not None:
        elements.append(ctx.small("question.drawn" if result == "drawn" else "question.declined"))
    elif ctx.buttons:
        elements.append(ctx.small("question.free"))
        draw = ctx.say("button.draw", price=f"{price:.2f}") if price else ctx.say("button.draw_free")
        decline = ctx.button("button.decline", a="decline", r=request_id)
        elements += el.row([el.button(draw, value={"a": "confirm", "r": request_id}, kind="primary"), decline])
    else:
        elements.append(ctx.small("question.type"))
    return ctx.card("question.title", elements, color="grey" if result else None)
