"""The cards that explain the bot: help, sizes, models, styles, tips, and the welcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, Element, by_locale
from bot.chat.cards.request_card import typical_seconds
from bot.chat.messages import Bilingual, join, same_text

EXAMPLES: tuple[str, ...] = ("cat", "poster", "science")
"""The examples of the welcome; the prompt of each is the sentence ``welcome.example.NAME.prompt``."""
TIPS = ("details", "style", "light", "composition", "text", "avoid")

_NAMES_LENGTH = 800
_MAX_STYLE_BUTTONS = 30


def render_help(ctx: CardContext) -> Card:
    defaults = asdict(ctx.defaults)
    options = (ctx.say(key, **defaults) for key in ctx.messages.keys if key.startswith("help.option."))
    paragraphs = [
        [ctx.say("help.intro")],
        [ctx.say("help.options"), *options],
        [ctx.say("help.quotes")],
        [ctx.say("help.commands"), *(ctx.say(f"help.command.{name}") for name in ctx.commands)],
        [ctx.say("help.words")],
    ]
    return ctx.card("help.title", (el.markdown(join(lines, separator="\n")) for lines in paragraphs))


def render_short_help(ctx: CardContext) -> Card:
    """How to ask for an image in plain words; without card actions everything that can be typed."""
    if not ctx.buttons:
        return render_help(ctx)
    texts = [ctx.say("help.intro"), ctx.say("help.short"), ctx.say("help.quotes")]
    button = el.row([ctx.button("button.commands", a="command", c="commands")])
    return ctx.card("help.title", [*map(el.markdown, texts), *button])


def render_sizes(ctx: CardContext) -> Card:
    models: dict[Sequence[str], list[str]] = {}
    for model, recommended in sizes.RECOMMENDED.items():
        models.setdefault(recommended, []).append(model)
    paragraphs = [_sizes(ctx, names, recommended) for recommended, names in models.items()]
    return ctx.card("sizes.title", [*paragraphs, ctx.small("sizes.use")])


def _sizes(ctx: CardContext, models: list[str], recommended: Iterable[str]) -> Element:
    rule = sizes.rule(models[0])
    default = sizes.resolve_default(models[0], ctx.defaults.size)
    listed = {default: "sizes.default"} | dict.fromkeys((size for size in recommended if size != default), "sizes.size")
    numbers = {"minimum": rule.minimum, "maximum": rule.maximum, "multiple": rule.multiple}
    lines = [
        same_text(" / ".join(models)),
        *(ctx.say(key, size=size, ratio=sizes.ratio_name(size)) for size, key in listed.items()),
        ctx.say("sizes.rule", **numbers, pixels=f"{rule.max_pixels:,}"),
    ]
    return el.paragraph(join(lines, separator="\n"))


def render_models(ctx: CardContext) -> Card:
    models = [el.paragraph(_model(ctx, model)) for model in sizes.MODELS]
    return ctx.card("models.title", [*models, ctx.small("models.use")])


def _model(ctx: CardContext, model: str) -> Bilingual:
    parts = [ctx.say("models.default", model=model) if model == ctx.defaults.model else same_text(model)]
    if (price := ctx.prices.get(model)) is not None:
        parts.append(ctx.say("models.price", price=f"{price:.2f}") if price else ctx.say("cost.free"))
    return join([*parts, ctx.say("models.seconds", seconds=typical_seconds(model))])


def render_styles(ctx: CardContext) -> Card:
    """The styles, each with its words; those for which the card has no room, by name alone.

    A button asks whether the last prompt, or the style's example, is to be drawn in that style.
    """
    shown = [
        el.paragraph(ctx.say("styles.style", name=by_locale(style.name), words=by_locale(style.words)))
        for style in ctx.styles.all
    ]
    buttons = [
        el.button(by_locale(style.name), value={"a": "style", "s": style.name["en"]}, size="small")
        for style in ctx.styles.all[:_MAX_STYLE_BUTTONS]
        if ctx.buttons
    ]
    while not el.fits([shown, buttons]):
        (shown if len(shown) > len(buttons) else buttons).pop()
    names = " · ".join(f"{style.name['zh']} {style.name['en']}" for style in ctx.styles.all[len(shown) :])
    more = [el.paragraph(names[:_NAMES_LENGTH])] if names else []
    return ctx.card("styles.title", [*shown, *more, ctx.small("styles.choose"), *el.row(buttons)])


def render_tips(ctx: CardContext) -> Card:
    return ctx.card("tips.title", [el.markdown(join((ctx.say(f"tips.{name}") for name in TIPS), separator="\n"))])


def render_welcome(ctx: CardContext) -> Card:
    """Who the bot is, and examples to press; without card actions they can be copied."""
    elements = [ctx.paragraph("welcome.intro")]
    price = ctx.price(ctx.prices.get(ctx.defaults.model, 0.0))
    elements.append(ctx.small("welcome.examples", price=price) if ctx.buttons else ctx.small("welcome.examples_plain"))
    for name in EXAMPLES:
        elements.append(ctx.paragraph(f"welcome.example.{name}.prompt"))
        if ctx.buttons:
            elements += el.row([ctx.button(f"welcome.example.{name}.title", a="example", e=name)])
    return ctx.card("welcome.title", [*elements, ctx.small("welcome.help")])
