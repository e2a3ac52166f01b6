"""The cards that answer commands, the notices of one line, and the answer to what was not carried out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from bot.chat.cards import elements as el
from bot.chat.cards.elements import COLORS, Card, CardContext, Element
from bot.chat.cards.request_card import describe_wait, excerpt
from bot.chat.messages import Bilingual, join, same_text
from bot.errors import UserError
from bot.options import OPTIONS
from bot.text import truncate
from bot.view_models import (
    HistoryEntry,
    HistoryView,
    ModelStats,
    QueueEntry,
    QueueView,
    QuotaView,
    SettingsView,
    StatsView,
)

NOTICES = tuple(title.split(".")[1] for title in COLORS if title.startswith("notice."))
"""The names of the notices; the words of each are ``notice.NAME.title`` and ``notice.NAME.text``."""

_MAX_QUEUE_ROWS = 20
_MAX_HISTORY = 10
_MAX_LISTED = 12
_PROMPT_LENGTH = 100
_OTHER_PROMPT_LENGTH = 40
_NAME_LENGTH = 64
_ID_LENGTH = 100
_NOTICE_VALUE_LENGTH = 400
_ERROR_VALUE_LENGTHS = (800, 200, 40)
_STYLE_NAMES_LENGTH = 400
_BARS = "▁▂▃▄▅▆▇█"


def render_notice(ctx: CardContext, name: str, **values: str | Bilingual) -> Card:
    """A card of one line, with the placeholders of its sentence; a ``prompt`` is shown below, as it was typed."""
    known = {
        key: truncate(value, _NOTICE_VALUE_LENGTH) if isinstance(value, str) else value for key, value in values.items()
    }
    prompt, _ = excerpt(str(values.get("prompt", "")))
    text = ctx.paragraph(f"notice.{name}.text", **known)
    return ctx.card(f"notice.{name}.title", [text, *([el.small(prompt)] if prompt.strip() else [])])


def render_moved(ctx: CardContext) -> Card:
    """What an old card becomes when the result went out as a new reply."""
    return ctx.card("card.moved_title", [ctx.paragraph("card.moved")])


def render_error(
    ctx: CardContext, error: UserError, *, request_id: str = "", price: float = 0.0, drawn: bool = False
) -> Card:
    """The answer to a message that was not carried out: what was wrong, or which limit it met.

    What the error offers is a button with its ``price`` in yuan, until it was ``drawn``.
    """
    # The parser knows every alias; a person reads one name per style, in their language.
    styles = {
        "zh_cn": truncate("、".join(style.name["zh"] for style in ctx.styles.all), _STYLE_NAMES_LENGTH),
        "en_us": truncate(", ".join(style.name["en"] for style in ctx.styles.all), _STYLE_NAMES_LENGTH),
    }
    kind = error.sentence.partition(".")[0]
    title = f"card.{kind}" if kind in ("limit", "command") else "card.misread"
    if error.sentence == "misread.nothing_to_repeat":
        title = "card.command"
    # "again" makes an image, too; of other commands it goes without saying that none was made.
    asked_for_image = title != "card.command" and error.command in (None, "again")
    note = [ctx.small("card.misread_note")] if asked_for_image and not drawn else []
    offered = bool(error.offer and ctx.buttons)
    if error.offer and ctx.buttons:
        value = truncate(str(error.offer["value"]), _ERROR_VALUE_LENGTHS[-1])
        label = ctx.say("button.use", value=value) if value else ctx.say("button.as_is")
        cost = [same_text(f"¥{price:.2f}")] if price else []
        button = el.button(join([label, *cost], separator=" "), value={"a": "confirm", "r": request_id}, kind="primary")
        note += [ctx.small("question.drawn")] if drawn else el.row([button])
    for length in _ERROR_VALUE_LENGTHS:
        typed = {name: truncate(value, length) for name, value in error.values.items()}
        values: dict[str, object] = {"styles": styles, **typed}
        near = ctx.messages.best_key(f"{error.sentence}_near", values) if offered else None
        key = near or ctx.messages.best_key(error.sentence, values) or "card.misread_unknown"
        card = ctx.card(title, [ctx.paragraph(key, **values), *note])
        if el.fits(card):
            break
    return card


def render_queue(ctx: CardContext, view: QueueView) -> Card:
    """What runs and waits in a chat: a line and the start of the prompt for each request, own ones with their number.

    Nobody's name is shown. A prompt from another chat is shown only if nobody else reads the card.
    """
    rows = _queue_rows(view.entries)
    own = (place for place, row in enumerate(rows) if row[0].mine)
    others = (place for place, row in enumerate(rows) if not row[0].mine)
    listed = [rows[place] for place in sorted(islice(chain(own, others), _MAX_QUEUE_ROWS))]
    omitted = sum(map(len, rows)) - sum(map(len, listed))
    number = next((row[0].number for row in listed if row[0].mine), None)
    elements = [
        *([ctx.paragraph("queue.paused")] if view.paused else []),
        *([] if rows else [ctx.paragraph("queue.empty")]),
        *chain.from_iterable(_queue_row(ctx, row, private=view.private) for row in listed),
        *([ctx.small("queue.more", count=omitted)] if omitted else []),
        *([ctx.small("queue.elsewhere", count=view.elsewhere)] if view.elsewhere else []),
        *([ctx.small("queue.cancel", number=number)] if number else []),
    ]
    return ctx.card("queue.title", elements, color="orange" if view.paused else None)


def _queue_rows(entries: Sequence[QueueEntry]) -> list[list[QueueEntry]]:
    """The images of one request in the same state, together."""
    rows: dict[tuple[object, ...], list[QueueEntry]] = {}
    for place, entry in enumerate(entries):
        # Two people may ask for the same, so that only one's own images are known to belong together.
        key = (entry.number, entry.state, entry.model) if entry.mine else (None, place)
        rows.setdefault(key, []).append(entry)
    return list(rows.values())


def _queue_row(ctx: CardContext, row: Sequence[QueueEntry], *, private: bool) -> Iterator[Element]:
    entry, count = row[0], len(row)
    parts = [ctx.say("queue.mine", number=entry.number) if entry.mine else ctx.say("queue.someone")]
    if count > 1:
        parts.append(ctx.say("queue.count", count=count))
    parts.append(ctx.say(f"queue.{entry.state}"))
    if not entry.here:
        parts.append(ctx.say("queue.away"))
    if entry.ahead is not None:
        parts.append(ctx.say("queue.ahead", ahead=entry.ahead) if entry.ahead else ctx.say("queue.next"))
    if entry.wait_seconds is not None:
        parts.append(describe_wait(ctx, entry.wait_seconds))
    yield el.paragraph(join(parts))
    prompt = truncate(entry.prompt, _PROMPT_LENGTH if entry.mine else _OTHER_PROMPT_LENGTH)
    if prompt.strip() and (entry.here or private):
        yield el.small(prompt)


def render_settings(ctx: CardContext, view: SettingsView) -> Card:
    """The default options, and who has set them."""

    def setter(name: str) -> str:
        return "own" if name in view.own else "chat" if name in view.chat else "team"

    lines = [
        join([ctx.option(name, getattr(view.options, name)), ctx.say(f"settings.{setter(name)}")]) for name in OPTIONS
    ]
    if not view.of_chat:
        language = ctx.say(f"settings.language_{view.language or 'auto'}")
        lines.append(join([language, ctx.say("settings.own")]) if view.language else language)
    of_chat = "_chat" if view.of_chat else ""
    text = el.paragraph(join(lines, separator="\n"))
    return ctx.card(f"settings.title{of_chat}", [text, ctx.small(f"settings.use{of_chat}")])


def render_changed(ctx: CardContext, changes: Mapping[str, Any], *, for_chat: bool) -> Card:
    """The new values of default options, by name."""
    words = join(ctx.option(name, changes[name]) for name in OPTIONS if name in changes)
    return render_notice(ctx, "set_chat" if for_chat else "set", changes=words)


def render_duplicate(ctx: CardContext, *, request_id: str, price: float, result: str | None = None) -> Card:
    """That the same words came twice at once and are drawn once; ``result`` is ``drawn`` once the button was pressed.

    The button draws another one, once, no matter who presses it or how often.
    """
    elements = [ctx.paragraph("duplicate.text")]
    if result is not None:
        elements.append(ctx.small("question.drawn"))
    elif ctx.buttons:
        another = ctx.say("button.another", price=f"¥{price:.2f}")
        elements += el.row([el.button(another, value={"a": "confirm", "r": request_id})])
    return ctx.card("duplicate.title", elements, color="grey" if result else None)


def render_history(ctx: CardContext, view: HistoryView, *, request_id: str) -> Card:
    """The images as thumbnails with their prompts, each with buttons to run it again and to get its file."""
    rows = [element for entry in view.entries[:_MAX_HISTORY] for element in _history_entry(ctx, entry)]
    if view.more and ctx.buttons:
        rows += el.row([ctx.button("button.older", a="older", r=request_id)])
    empty = "history.none" if view.filter else "history.empty"
    return ctx.card("history.title", rows or [ctx.paragraph(empty)])


def _history_entry(ctx: CardContext, entry: HistoryEntry) -> Iterator[Element]:
    yield el.image(entry.image_key, alt=ctx.say("label.alt"), scale_type="crop_center", size="medium")
    prompt = truncate(entry.prompt, _PROMPT_LENGTH)
    if prompt.strip():
        yield el.paragraph(prompt)
    yield el.small(join([same_text(entry.options.model), ctx.option("size", entry.options.size)]))
    if ctx.buttons:
        again = ctx.button("button.again", a="again", r=entry.request_id)
        yield from el.row([again, ctx.button("button.original", a="original", g=entry.generation_id)])


def render_ids(ctx: CardContext, *, person: str, chat: str | None) -> Card:
    """The ``open_id`` of a person and the ``chat_id`` of a chat, to copy."""
    return ctx.card("id.title", [*_ids(ctx, person, chat), ctx.small("id.use")])


def render_not_allowed(ctx: CardContext, *, person: str, chat: str | None) -> Card:
    """That the bot is not open to somebody yet, with the ids that an admin needs to open it."""
    return ctx.card("id.not_allowed_title", [ctx.paragraph("id.not_allowed"), *_ids(ctx, person, chat)])


def _ids(ctx: CardContext, person: str, chat: str | None) -> Iterator[Element]:
    for key, value in {"id.person": person, "id.chat": chat}.items():
        if value is not None:
            yield ctx.paragraph(key)
            yield el.paragraph(truncate(value, _ID_LENGTH))


def render_quota(ctx: CardContext, view: QuotaView) -> Card:
    """What a person and the team have used, and what is left."""

    def used(key: str, used: object, most: object, **more: object) -> Bilingual:
        return ctx.say(key, used=used, most=most, **more) if most else ctx.say(f"{key}_free", used=used)

    most_yuan = f"{view.team_yuan_most:.2f}" if view.team_yuan_most else None
    own = [
        used("quota.today", view.today, view.per_day, left=max(0, view.per_day - view.today)),
        used("quota.pending", view.pending, view.pending_most),
    ]
    team = [
        used("quota.images", view.team_images, view.team_images_most),
        used("quota.yuan", f"{view.team_yuan:.2f}", most_yuan),
    ]
    paragraphs = [el.paragraph(join(lines, separator="\n")) for lines in (own, team)]
    return ctx.card("quota.title", [*paragraphs, ctx.small("quota.resets", time=ctx.time(view.resets_at))])


def render_stats(ctx: CardContext, view: StatsView) -> Card:
    """The team's month, for an admin: models, people, outcomes, images per day, calls to Feishu."""
    images, yuan = sum(model.images for model in view.models), sum(model.yuan for model in view.models)
    outcomes = (
        # Codes of failures stay as they are, as in the log and on the command line.
        (ctx.say(f"stats.{name}") if name in ("done", "cancelled") else _name(name), count)
        for name, count in view.outcomes.items()
    )
    elements = [
        *([ctx.paragraph("stats.paused")] if view.paused else []),
        ctx.paragraph("stats.total", images=f"{images:,}", yuan=f"{yuan:.2f}")
        if view.models
        else ctx.paragraph("stats.none"),
        *(el.paragraph(_model_stats(ctx, model)) for model in view.models),
        *_chart(ctx, view),
        *_counts(ctx, "stats.outcomes", outcomes),
        *_counts(ctx, "stats.people", ((_name(one.open_id), one.images) for one in view.people)),
        ctx.small("stats.calls", count=f"{view.feishu_calls:,}"),
    ]
    return ctx.card("stats.title", elements, color="orange" if view.paused else None, month=view.month)


def _name(name: str) -> Bilingual:
    return same_text(truncate(name, _NAME_LENGTH))


def _model_stats(ctx: CardContext, model: ModelStats) -> Bilingual:
    times = {"stats.generation": model.generation_seconds, "stats.waiting": model.waiting_seconds}
    return join(
        [
            _name(model.model),
            ctx.say("stats.images", count=f"{model.images:,}"),
            same_text(f"¥{model.yuan:.2f}"),
            *(ctx.say(key, seconds=round(seconds)) for key, seconds in times.items() if seconds is not None),
        ]
    )


def _chart(ctx: CardContext, view: StatsView) -> Iterator[Element]:
    """A block for each day of the month from the first to the last with an image."""
    _, _, month = view.month.partition("-")
    counts = {int(day.partition("-")[2]): count for day, count in view.days if day.partition("-")[0] == month}
    if counts:
        first, last = min(counts), max(counts)
        days = [counts.get(day, 0) for day in range(first, last + 1)]
        head = ctx.say("stats.days", first=f"{month}-{first:02}", last=f"{month}-{last:02}", most=max(days))
        yield el.paragraph(join([head, same_text(bars(days))], separator="\n"))


def _counts(ctx: CardContext, key: str, counts: Iterable[tuple[Bilingual, int]]) -> Iterator[Element]:
    lines = [join([name, same_text(f"{count:,}")]) for name, count in islice(counts, _MAX_LISTED)]
    if lines:
        yield el.paragraph(join([ctx.say(key), *lines], separator="\n"))


def bars(counts: Iterable[int]) -> str:
    """A chart on one line: a block for each count, the highest for the largest, the lowest only for none."""
    every = list(counts)
    most = max([1, *every])
    # Rounded up, so that a single image does not look like none.
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in every)
