"""The cards that answer commands and explain the bot, the notices, and the answer to what was not carried out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import chain, groupby, islice
from typing import Any

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, Element
from bot.chat.cards.request_card import describe_cost, describe_wait, excerpt, typical_seconds
from bot.chat.messages import Bilingual, join
from bot.chat.parsing.tokenizer import COMMAND_NAMES
from bot.errors import UserError
from bot.models import (
    HistoryEntry,
    HistoryView,
    Language,
    ModelStats,
    QueueEntry,
    QueueView,
    QuotaView,
    StatsView,
    Usage,
)
from bot.options import OPTIONS, Options
from bot.text import truncate

EXAMPLES: tuple[str, ...] = ("cat", "poster", "science")
"""The examples of the welcome; the prompt of each is the sentence ``welcome.example.NAME.prompt``."""
_TIPS = ("details", "style", "light", "composition", "text", "avoid")
_MAX_LISTED = 8


def render_notice(ctx: CardContext, name: str, *, key: str = "text", **values: str | Bilingual) -> Card:
    """A card of one line, with the placeholders of its sentence; a ``prompt`` is shown below, as it was typed."""
    known = {one: truncate(value, 400) if isinstance(value, str) else value for one, value in values.items()}
    prompt = excerpt(str(values.get("prompt", "")))
    text = ctx.paragraph(f"notice.{name}.{key}", **known)
    return ctx.card(f"notice.{name}.title", [text, el.small(prompt) if prompt.strip() else None])


def render_cancelled(ctx: CardContext, *, count: int, in_call: int, price: float, prompt: str) -> Card:
    """How many images were cancelled: ``in_call`` of them had been given to the platform, ``price`` yuan in all."""
    values = {"count": str(count), "in_call": str(in_call), "price": f"{price:.2f}", "prompt": prompt}
    return render_notice(ctx, "cancelled", key="in_call" if in_call else "text", **values)


def render_moved(ctx: CardContext) -> Card:
    """What an old card becomes when the result went out as a new reply."""
    return ctx.card("card.moved_title", [ctx.paragraph("card.moved")])


def render_error(
    ctx: CardContext, error: UserError, *, request_id: str = "", price: float = 0.0, drawn: bool = False
) -> Card:
    """The answer to a message that was not carried out: what was wrong, or which limit it met.

    What the error offers is a button with its ``price`` in yuan, until it was ``drawn``.
    """
    kind, _, name = error.sentence.partition(".")
    title = next((one for one in (f"card.{name}", f"card.{kind}") if one in ctx.messages.keys), "card.misread")
    # "again" makes an image, too; nobody expects one of the other commands.
    asked_for_image = kind != "command" and name != "nothing_to_repeat" and error.command in (None, "again")
    more = [ctx.small("cost.none")] if asked_for_image and not drawn else []
    offer = error.offer if ctx.buttons else None
    if offer and drawn:
        more.append(ctx.small("question.drawn"))
    elif offer:
        value = truncate(str(offer["value"]), 40)
        words = join([ctx.say("button.use" if value else "button.as_is", value=value), ctx.price(price)], separator=" ")
        more += el.row(ctx.button(words, kind="primary", a="confirm", r=request_id))
    # The parser knows every alias; a person reads one name per style, in their language.
    names = join((el.by_locale(style.name) for style in ctx.styles.all), separator=ctx.say("label.separator"))
    styles = {locale: truncate(text, 400) for locale, text in names.items()}
    # Whatever another version stored: the parser gives none that is nearly as long.
    typed = {name: truncate(value, 800) for name, value in error.values.items()}
    values: dict[str, object] = {"styles": styles, "zone": ctx.zone_name, **typed}
    near = ctx.messages.best_key(f"{error.sentence}_near", values) if offer else None
    key = near or ctx.messages.best_key(error.sentence, values) or "card.misread_unknown"
    return ctx.card(title, [ctx.paragraph(key, **values), *more])


def render_question(
    ctx: CardContext,
    *,
    request_id: str,
    prompt: str,
    price: float,
    count: int = 1,
    result: str | None = None,
    style: str | None = None,
) -> Card:
    """The card that asks, free of charge, whether words are to be drawn, or that they were ``drawn`` or ``declined``.

    The ``price`` is that of all ``count`` images, and the prompt is empty where it may not be shown.
    """
    shown, amount = truncate(prompt, 400), ctx.price(price)
    draw = ctx.button(ctx.say("button.draw", price=amount), kind="primary", a="confirm", r=request_id)
    if draw and count > 1:
        text = ctx.say("confirm.text", count=count, price=amount)
        draw["confirm"] = {"title": el.label(ctx.say("confirm.title")), "text": el.label(text)}
    state = result or ("free" if draw else "type")
    elements = [
        ctx.paragraph("question.text" if shown.strip() else "question.text_plain", prompt=shown),
        el.small(ctx.option("style", style)) if style else None,
        ctx.small(f"question.{state}"),
        *([] if result else el.row(draw, ctx.button("button.decline", a="decline", r=request_id))),
    ]
    return ctx.card("question.title", elements, color="grey" if result else None)


def render_duplicate(ctx: CardContext, *, request_id: str, price: float, result: str | None = None) -> Card:
    """That the same words came twice at once and are drawn once, with a button that draws another, until ``result``."""
    another = ctx.button(ctx.say("button.another", price=ctx.price(price)), a="confirm", r=request_id)
    below = el.row(another) if result is None else [ctx.small("question.drawn")]
    return ctx.card("duplicate.title", [ctx.paragraph("duplicate.text"), ctx.small("cost.none"), *below])


def render_queue(ctx: CardContext, view: QueueView) -> Card:
    """What runs and waits in a chat: a line and the start of the prompt for each request, own ones with their number.

    Nobody's name is shown. A prompt from another chat is shown only if nobody else reads the card.
    """
    own_first = sorted(range(len(view.entries)), key=lambda place: not view.entries[place].mine)
    listed = [view.entries[place] for place in sorted(own_first[:12])]
    every, shown = (sum(one.running + one.waiting for one in entries) for entries in (view.entries, listed))
    number = next((entry.number for entry in listed if entry.mine), None)
    elements = [
        ctx.paragraph("queue.paused") if view.paused else None,
        None if view.entries else ctx.paragraph("queue.empty"),
        *chain.from_iterable(_queue_entry(ctx, entry, private=view.private) for entry in listed),
        ctx.small("queue.more", count=every - shown) if every > shown else None,
        ctx.small("queue.elsewhere", count=view.elsewhere) if view.elsewhere else None,
        ctx.small("queue.cancel", number=number) if number else None,
    ]
    return ctx.card("queue.title", elements, color="orange" if view.paused else None)


def _queue_entry(ctx: CardContext, entry: QueueEntry, *, private: bool) -> list[Element]:
    count = entry.running + entry.waiting
    parts: list[Bilingual | None] = [ctx.say("queue.mine" if entry.mine else "queue.someone", number=entry.number)]
    if count > 1:
        parts.append(ctx.say("queue.count", count=count))
    if entry.running:
        parts.append(ctx.say("queue.some_running" if entry.waiting else "queue.running", count=entry.running))
    if entry.ahead is not None:
        parts.append(ctx.say("queue.ahead" if entry.ahead else "queue.next", ahead=entry.ahead))
    elif entry.waiting and not entry.running:
        parts.append(ctx.say("queue.waiting"))
    parts.append(describe_wait(ctx, entry.wait_seconds))
    if entry.mine:
        parts.append(ctx.say("cost.planned" if entry.price else "cost.free", price=f"{entry.price * count:.2f}"))
    if not entry.here:
        parts.append(ctx.say("queue.away"))
    lines = [el.paragraph(join(parts))]
    prompt = truncate(entry.prompt, 100 if entry.mine else 40)
    if prompt.strip() and (entry.here or private):
        lines.append(el.small(prompt))
    cancel = ctx.button("button.cancel", a="cancel", r=entry.request_id) if entry.mine and entry.here else None
    return [el.beside({**cancel, "size": "small"}, lines, narrow_first=False)] if cancel else lines


def render_settings(
    ctx: CardContext,
    *,
    options: Options,
    language: Language | None,
    own: Collection[str],
    chat: Collection[str],
    of_chat: bool = False,
) -> Card:
    """The defaults that apply, to the chat alone if ``of_chat``; ``own`` and ``chat`` name what was set there."""
    lines = []
    for name in OPTIONS:
        setter = "own" if name in own else "chat" if name in chat else "team"
        lines.append(join([ctx.option(name, getattr(options, name)), ctx.say(f"settings.{setter}")]))
    if not of_chat:
        shown = ctx.say(f"settings.language_{language or 'auto'}")
        lines.append(join([shown, ctx.say("settings.own") if language else None]))
    suffix = "_chat" if of_chat else ""
    text = el.paragraph(join(lines, separator="\n"))
    return ctx.card(f"settings.title{suffix}", [text, ctx.small(f"settings.use{suffix}")])


def render_changed(ctx: CardContext, changes: Mapping[str, Any], *, for_chat: bool) -> Card:
    words = join(ctx.option(name, changes[name]) for name in OPTIONS if name in changes)
    return render_notice(ctx, "set_chat" if for_chat else "set", changes=words)


def render_history(ctx: CardContext, view: HistoryView, *, request_id: str) -> Card:
    """A page of somebody's images: thumbnail, prompt, date and cost, the original, and a button to draw it again."""
    searched = truncate(view.filter, 40)
    elements = [_history_entry(ctx, entry) for entry in view.entries[:_MAX_LISTED]]
    if not elements:
        elements = [ctx.paragraph("history.none" if view.filter else "history.empty", filter=searched)]
    if view.more:
        elements += el.row(ctx.button("button.older", a="older", r=request_id))
    where = ctx.say("history.everywhere" if view.everywhere else "history.here")
    subtitle = join([where, f"“{searched}”" if view.filter else None])
    return ctx.card("history.title", elements, subtitle=subtitle if view.entries else None)


def _history_entry(ctx: CardContext, entry: HistoryEntry) -> Element:
    prompt = truncate(entry.prompt, 100)
    thumbnail = el.image(entry.image_key, alt=ctx.alt(prompt), scale_type="crop_center", size="medium")
    price = ctx.prices.get(entry.options.model)
    time = None if entry.accepted_at is None else ctx.time(entry.accepted_at)
    cost = None if price is None else describe_cost(ctx, price=price, billed=entry.calls_billed)
    words = [el.paragraph(prompt)] if prompt.strip() else []
    original = ctx.button("button.original_short", a="original", g=entry.generation_id) if entry.generation_id else None
    row = el.row(original, ctx.button("button.again_short", a="again", r=entry.request_id), small=True)
    return el.beside(thumbnail, [*words, el.small(join([time, cost])), *row], narrow_first=True)


def render_ids(ctx: CardContext, *, person: str, chat: str | None) -> Card:
    return ctx.card("id.title", [*_ids(ctx, person, chat), ctx.small("id.use")])


def render_not_allowed(ctx: CardContext, *, person: str, chat: str | None) -> Card:
    """That the bot is not open to somebody yet, with the ids that an admin needs to open it."""
    elements = [ctx.paragraph("id.not_allowed"), *_ids(ctx, person, chat), ctx.small("cost.none")]
    return ctx.card("id.not_allowed_title", elements)


def _ids(ctx: CardContext, person: str, chat: str | None) -> Iterator[Element]:
    for key, value in {"id.person": person, "id.chat": chat}.items():
        if value is not None:
            yield ctx.paragraph(key)
            yield el.paragraph(truncate(value, 100))


def render_quota(ctx: CardContext, view: QuotaView) -> Card:
    paragraphs = []
    for group in filter(None, (view.own, view.budgets, view.team)):
        lines = []
        for quota in group:
            is_money = quota.name in ("yuan", "budget_person", "budget_chat")
            used, most = (f"{amount:.2f}" if is_money else str(amount) for amount in (quota.used, quota.most))
            values = {"used": used, "most": most, "left": max(0, quota.most - quota.used)}
            lines.append(ctx.say(f"quota.{quota.name}" if quota.most else f"quota.{quota.name}_free", **values))
        paragraphs.append(el.paragraph(join(lines, separator="\n")))
    return ctx.card("quota.title", [*paragraphs, ctx.small("quota.resets", time=ctx.time(view.resets_at))])


def render_stats(ctx: CardContext, view: StatsView) -> Card:
    images, yuan = sum(model.images for model in view.models), sum(model.yuan for model in view.models)
    total = ctx.paragraph("stats.total", images=f"{images:,}", yuan=f"{yuan:.2f}")
    outcomes = [join([_outcome(ctx, name), f"{count:,}"]) for name, count in islice(view.outcomes.items(), _MAX_LISTED)]
    elements = [
        ctx.paragraph("stats.paused") if view.paused else None,
        total if view.models else ctx.paragraph("stats.none"),
        *(el.paragraph(_model_stats(ctx, model)) for model in view.models),
        *_chart(ctx, view),
        *_usage(ctx, "stats.people", view.people),
        *_usage(ctx, "stats.chats", view.chats),
        el.paragraph(join([ctx.say("stats.outcomes"), *outcomes], separator="\n")) if outcomes else None,
        ctx.small("stats.calls", count=f"{view.feishu_calls:,}"),
        *(el.row(ctx.button("button.export", a="export", m=view.month)) if view.models else []),
    ]
    return ctx.card("stats.title", elements, color="orange" if view.paused else None, month=view.month)


def _outcome(ctx: CardContext, name: str) -> Bilingual | str:
    key = ctx.messages.best_key(name if name.startswith("failure.") else f"stats.{name}", ("level",))
    if key is None:
        return truncate(name, 64)
    return {locale: text.rstrip("。.") for locale, text in ctx.say(key, level="").items()}


def _model_stats(ctx: CardContext, model: ModelStats) -> Bilingual:
    times = {"stats.generation": model.generation_seconds, "stats.waiting": model.waiting_seconds}
    images = ctx.say("stats.images", count=f"{model.images:,}")
    took = [ctx.say(key, seconds=round(seconds)) for key, seconds in times.items() if seconds is not None]
    return join([truncate(model.model, 64), images, f"¥{model.yuan:.2f}", *took])


def _chart(ctx: CardContext, view: StatsView) -> Iterator[Element]:
    """A bar for each day of the month from the first to the last with an image.

    https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/chart
    """
    _, _, month = view.month.partition("-")
    counts = {int(day.partition("-")[2]): count for day, count in view.days if day.partition("-")[0] == month}
    if counts:
        days = range(min(counts), max(counts) + 1)
        values = [{"day": f"{month}-{day:02}", "images": counts.get(day, 0)} for day in days]
        yield ctx.paragraph("stats.days")
        spec = {"type": "bar", "data": {"values": values}, "xField": "day", "yField": "images"}
        yield {"tag": "chart", "aspect_ratio": "2:1", "chart_spec": spec}


def _usage(ctx: CardContext, key: str, usage: Iterable[Usage]) -> Iterator[Element]:
    """Each person or chat with what it has used; people by the client's own element, which notifies nobody."""
    for number, one in enumerate(islice(usage, _MAX_LISTED)):
        if not number:
            yield ctx.paragraph(key)
        used = ctx.paragraph("stats.used", images=f"{one.images:,}", yuan=f"{one.yuan:.2f}")
        who: Element = {"tag": "person", "user_id": one.open_id[:64], "size": "small", "show_name": True}
        yield from el.row(who if one.open_id else ctx.paragraph("stats.group", id=one.chat_id[-6:]), used)


# What explains the bot


def render_help(ctx: CardContext) -> Card:
    defaults = asdict(ctx.defaults)
    options = (ctx.say(key, **defaults) for key in ctx.messages.keys if key.startswith("help.option."))
    paragraphs = [
        [ctx.say("help.intro")],
        [ctx.say("help.options"), *options],
        [ctx.say("help.quotes")],
        [ctx.say("help.commands"), *(ctx.say(f"help.command.{name}") for name in COMMAND_NAMES)],
        [ctx.say("help.words")],
    ]
    return ctx.card("help.title", (el.markdown(join(lines, separator="\n")) for lines in paragraphs))


def render_short_help(ctx: CardContext) -> Card:
    """How to ask for an image in plain words; without card actions everything that can be typed."""
    if not ctx.buttons:
        return render_help(ctx)
    texts = [el.markdown(ctx.say(key)) for key in ("help.intro", "help.short", "help.quotes")]
    return ctx.card("help.title", [*texts, *el.row(ctx.button("button.commands", a="command", c="commands"))])


def render_sizes(ctx: CardContext) -> Card:
    paragraphs = []
    for rule, models in groupby(sizes.MODELS, key=sizes.rule):
        names = list(models)
        default = sizes.resolve_default(names[0], ctx.defaults.size)
        lines: list[Bilingual | str] = [
            " / ".join(names),
            ctx.say("sizes.default", size=default, ratio=sizes.ratio_name(default)),
            *(
                ctx.say("sizes.size", size=one, ratio=sizes.ratio_name(one))
                for one in rule.recommended
                if one != default
            ),
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
        ctx.paragraph("styles.style", name=el.by_locale(style.name), words=el.by_locale(style.words))
        for style in ctx.styles.all
    ]
    buttons = [ctx.button(el.by_locale(style.name), a="style", s=style.name["en"]) for style in ctx.styles.all[:30]]
    while not el.fits([shown, buttons]):
        (shown if len(shown) > len(buttons) else buttons).pop()
    names = " · ".join(f"{style.name['zh']} {style.name['en']}" for style in ctx.styles.all[len(shown) :])
    more = el.paragraph(names[:800]) if names else None
    return ctx.card("styles.title", [*shown, more, ctx.small("styles.choose"), *el.row(*buttons, small=True)])


def render_tips(ctx: CardContext) -> Card:
    return ctx.card("tips.title", [el.markdown(join((ctx.say(f"tips.{name}") for name in _TIPS), separator="\n"))])


def render_welcome(ctx: CardContext) -> Card:
    """Who the bot is, and examples to press; without card actions they can be copied."""
    price = ctx.price(ctx.prices.get(ctx.defaults.model, 0.0))
    examples = ctx.small("welcome.examples" if ctx.buttons else "welcome.examples_plain", price=price)
    elements = [ctx.paragraph("welcome.intro"), examples]
    for name in EXAMPLES:
        elements.append(ctx.paragraph(f"welcome.example.{name}.prompt"))
        elements += el.row(ctx.button(f"welcome.example.{name}.title", a="example", e=name))
    return ctx.card("welcome.title", [*elements, ctx.small("welcome.help")])
