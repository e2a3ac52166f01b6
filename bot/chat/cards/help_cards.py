"""The cards that explain the bot: help, sizes, models, styles, tips, and the welcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, Element, by_locale
from bot.chat.cards.request_card import typical_seconds
from bot.chat.messages import Bilingual, join, same_text

EXAMPLES: tuple[str, ...] = ("cat", "poster", "science")
"""The examples of the welcome; the prompt of each is the sentence ``welcome.example.NAME.prompt``."""
TIPS = ("details", "style", "light", "composition", "text", "avoid")

_HELP_OPTION = "help.option."
_NAMES_LENGTH = 800
_MOST_BUTTONS = 24


def render_help(ctx: CardContext) -> Card:
    """What can be typed: a prompt, its options, and the commands."""
    defaults = asdict(ctx.defaults)
    options = (ctx.say(key, **defaults) for key in ctx.messages.keys if key.startswith(_HELP_OPTION))
    paragraphs = [
        [ctx.say("help.intro")],
        [ctx.say("help.options"), *options],
        [ctx.say("help.quotes")],
        [ctx.say("help.commands"), *(ctx.say(f"help.command.{name}") for name in ctx.commands)],
        [ctx.say("help.words")],
    ]
    return ctx.card("help.title", (el.markdown(_lines(lines)) for lines in paragraphs))


def render_short_help(ctx: CardContext) -> Card:
    """How to ask for an image in plain words; without card actions everything that can be typed."""
    if not ctx.buttons:
        return render_help(ctx)
    texts = [ctx.say("help.intro"), ctx.say("help.short"), ctx.say("help.quotes")]
    button = el.row([ctx.button("button.commands", a="command", c="commands")])
    return ctx.card("help.title", [*map(el.markdown, texts), *button])


def render_sizes(ctx: CardContext) -> Card:
    """The sizes of each model, and the rule for others."""
    models: dict[tuple[str, ...], list[str]] = {}
    for model, recommended in sizes.RECOMMENDED.items():
        models.setdefault(recommended, []).append(model)
    paragraphs = [el.paragraph(_sizes(ctx, names, recommended)) for recommended, names in models.items()]
    return ctx.card("sizes.title", [*paragraphs, ctx.small("sizes.use")])


def _sizes(ctx: CardContext, models: list[str], recommended: Iterable[str]) -> Bilingual:
    rule = sizes.rule(models[0])
    default = sizes.resolve_default(models[0], ctx.defaults.size)
    numbers = {"minimum": rule.minimum, "maximum": rule.maximum, "multiple": rule.multiple}
    return _lines(
        [
            join(map(same_text, models), separator=" / "),
            ctx.say("sizes.default", size=default, ratio=sizes.ratio_name(default)),
            *(
                ctx.say("sizes.size", size=size, ratio=sizes.ratio_name(size))
                for size in recommended
                if size != default
            ),
            ctx.say("sizes.rule", **numbers, pixels=f"{rule.max_pixels:,}"),
        ]
    )


def render_models(ctx: CardContext) -> Card:
    """The models, with their prices and usual times."""
    return ctx.card(
        "models.title", [*(el.paragraph(_model(ctx, one)) for one in sizes.MODELS), ctx.small("models.use")]
    )


def _model(ctx: CardContext, model: str) -> Bilingual:
    parts = [ctx.say("models.default", model=model) if model == ctx.defaults.model else same_text(model)]
    price = ctx.prices.get(model)
    if price is not None:
        parts.append(ctx.say("models.price", price=f"{price:.2f}") if price else ctx.say("models.free"))
    return join([*parts, ctx.say("models.seconds", seconds=typical_seconds(model))])


def render_styles(ctx: CardContext) -> Card:
    """The styles, each with its words and an example; those for which the card has no room, by name alone.

    A button asks whether the last prompt, or the example, is to be drawn in that style.
    """
    shown = []
    for style in ctx.styles.all:
        lines = [
            same_text(f"{style.name['zh']} · {style.name['en']}"),
            ctx.say("styles.words", words=by_locale(style.words)),
            ctx.say("styles.example", example=by_locale(style.example), name=by_locale(style.name)),
        ]
        shown.append(el.paragraph(_lines(lines)))
    buttons = [el.button(by_locale(one.name), value={"a": "style", "s": one.name["en"]}) for one in ctx.styles.all]
    choices = [ctx.paragraph("styles.choose"), *el.row(buttons[:_MOST_BUTTONS])] if ctx.buttons else []
    while not el.fits({"elements": [*choices, *shown]}):
        shown.pop()
    names = " · ".join(f"{style.name['zh']} {style.name['en']}" for style in ctx.styles.all[len(shown) :])
    more = [el.paragraph(names[:_NAMES_LENGTH])] if names else []
    return ctx.card("styles.title", [*choices, *shown, *more])


def render_tips(ctx: CardContext) -> Card:
    """How to write a prompt."""
    return ctx.card("tips.title", [el.markdown(_lines(ctx.say(f"tips.{name}") for name in TIPS))])


def render_welcome(ctx: CardContext) -> Card:
    """Who the bot is, and examples to press; without card actions they can be copied."""

    def example(name: str) -> Iterator[Element]:
        yield ctx.paragraph(f"welcome.example.{name}.prompt")
        if ctx.buttons:
            words = ctx.say(f"welcome.example.{name}.title")
            yield from el.row([el.button(words, value={"a": "example", "e": name})])

    elements = [
        ctx.paragraph("welcome.intro"),
        ctx.small("welcome.examples" if ctx.buttons else "welcome.examples_plain"),
        *(element for name in EXAMPLES for element in example(name)),
        ctx.small("welcome.help"),
    ]
    return ctx.card("welcome.title", elements)


def _lines(lines: Iterable[Bilingual]) -> Bilingual:
    return join(lines, separator="\n")
