"""The cards that explain the bot: help, sizes, models, styles, tips, and the welcome."""

from __future__ import annotations

from dataclasses import asdict

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, by_locale
from bot.chat.cards.request_card import typical_seconds
from bot.chat.messages import Bilingual, join

EXAMPLES: tuple[str, ...] = ("cat", "poster", "science")
"""The examples of the welcome; the prompt of each is the sentence ``welcome.example.NAME.prompt``."""
_TIPS = ("details", "style", "light", "composition", "text", "avoid")


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
    texts = [el.markdown(ctx.say(key)) for key in ("help.intro", "help.short", "help.quotes")]
    return ctx.card("help.title", [*texts, *el.row([ctx.button("button.commands", a="command", c="commands")])])


def render_sizes(ctx: CardContext) -> Card:
    models: dict[tuple[str, ...], list[str]] = {}
    for model, recommended in sizes.RECOMMENDED.items():
        models.setdefault(recommended, []).append(model)
    paragraphs = []
    for recommended, names in models.items():
        rule = sizes.rule(names[0])
        default = sizes.resolve_default(names[0], ctx.defaults.size)
        lines: list[Bilingual | str] = [
            " / ".join(names),
            ctx.say("sizes.default", size=default, ratio=sizes.ratio_name(default)),
            *(ctx.say("sizes.size", size=one, ratio=sizes.ratio_name(one)) for one in recommended if one != default),
            ctx.say("sizes.rule", **{**asdict(rule), "pixels": f"{rule.max_pixels:,}"}),
        ]
        paragraphs.append(el.paragraph(join(lines, separator="\n")))
    return ctx.card("sizes.title", [*paragraphs, ctx.small("sizes.use")])


def render_models(ctx: CardContext) -> Card:
    lines = []
    for model in sizes.MODELS:
        name = ctx.say("models.default", model=model) if model == ctx.defaults.model else model
        price = ctx.prices.get(model)
        cost = ctx.say("models.price", price=f"{price:.2f}") if price else ctx.say("cost.free")
        seconds = ctx.say("models.seconds", seconds=typical_seconds(model))
        lines.append(el.paragraph(join([name, None if price is None else cost, seconds])))
    return ctx.card("models.title", [*lines, ctx.small("models.use")])


def render_styles(ctx: CardContext) -> Card:
    """The styles, each with its words; those for which the card has no room, by name alone.

    A button asks whether the last prompt, or the style's example, is to be drawn in that style.
    """
    shown = [
        ctx.paragraph("styles.style", name=by_locale(style.name), words=by_locale(style.words))
        for style in ctx.styles.all
    ]
    buttons = [
        el.button(by_locale(style.name), a="style", s=style.name["en"]) | {"size": "small"}
        for style in ctx.styles.all[:30]
        if ctx.buttons
    ]
    while not el.fits([shown, buttons]):
        (shown if len(shown) > len(buttons) else buttons).pop()
    names = " · ".join(f"{style.name['zh']} {style.name['en']}" for style in ctx.styles.all[len(shown) :])
    more = el.paragraph(names[:800]) if names else None
    return ctx.card("styles.title", [*shown, more, ctx.small("styles.choose"), *el.row(buttons)])


def render_tips(ctx: CardContext) -> Card:
    return ctx.card("tips.title", [el.markdown(join((ctx.say(f"tips.{name}") for name in _TIPS), separator="\n"))])


def render_welcome(ctx: CardContext) -> Card:
    """Who the bot is, and examples to press; without card actions they can be copied."""
    price = ctx.price(ctx.prices.get(ctx.defaults.model, 0.0))
    examples = ctx.small("welcome.examples", price=price) if ctx.buttons else ctx.small("welcome.examples_plain")
    elements = [ctx.paragraph("welcome.intro"), examples]
    for name in EXAMPLES:
        elements.append(ctx.paragraph(f"welcome.example.{name}.prompt"))
        if ctx.buttons:
            elements += el.row([ctx.button(f"welcome.example.{name}.title", a="example", e=name)])
    return ctx.card("welcome.title", [*elements, ctx.small("welcome.help")])
