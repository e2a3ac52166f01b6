"""The card of one request for images, at any stage, and the same as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, Element
from bot.chat.cards.failures import describe_failure, describe_roles, group_failures, is_repeatable, is_resumable
from bot.chat.cards.prompt_tips import tip_for
from bot.chat.messages import LOCALES, Bilingual, join, same_text
from bot.models import ContentFinding, GenerationView, Language, RequestView, State
from bot.options import OPTIONS
from bot.text import escape_tags, sanitize, truncate

PROMPT_LENGTH = 800
"""How many characters of a prompt a card shows."""
RECOGNIZED_LENGTH = 60
"""How many characters it shows of the words that were recognized."""
_WAIT_MINUTES = (1, 3, 10)
_SECONDS_PER_MINUTE = 60


class Stage(StrEnum):
    """The stage of a whole request, which the title of its card says."""

    QUEUED = "queued"
    GENERATING = "generating"
    READY = "ready"
    WARNED = "warned"
    """Ready, and the content filter found something."""
    FAILED = "failed"
    CANCELLED = "cancelled"


_WITH_RESULT = (Stage.READY, Stage.WARNED)


def stage_of(view: RequestView) -> Stage:
    """The stage of a request, from the states of its images."""
    states = {image.state for image in view.images}
    if not all(state.ended for state in states):
        return Stage.GENERATING if states & {State.GENERATING, State.MADE, State.DONE} else Stage.QUEUED
    if State.DONE not in states:
        return Stage.FAILED if State.FAILED in states else Stage.CANCELLED
    return Stage.WARNED if any(image.findings for image in _done(view)) else Stage.READY


def typical_seconds(model: str) -> str:
    """How long a model usually takes, as a range, from its guide and from published measurements."""
    return "20–50" if model == sizes.DEFAULT_MODEL else "5–20"


def minutes_under(seconds: float) -> int | None:
    """The bucket of an estimated wait: the least of 1, 3 and 10 minutes that it is under; ``None`` if it is more.

    A card is patched when the bucket changes and not before, so it says no more than the bucket.
    """
    return next((bound for bound in _WAIT_MINUTES if seconds < bound * _SECONDS_PER_MINUTE), None)


def describe_wait(ctx: CardContext, seconds: float) -> Bilingual:
    """An estimated wait, as exact as its bucket."""
    bound = minutes_under(seconds)
    return ctx.say("wait.under", minutes=bound) if bound else ctx.say("wait.over", minutes=_WAIT_MINUTES[-1])


def excerpt(prompt: str) -> tuple[str, bool]:
    """What a card shows of a prompt, and whether that is less than the whole."""
    whole = sanitize(prompt)
    return whole[:PROMPT_LENGTH], len(whole) > PROMPT_LENGTH


def render_request(ctx: CardContext, view: RequestView) -> Card:
    """The one card of a request: images as they come, failures, the prompt, the options, small print, buttons."""
    title, values = _title(view)
    shown, cut = excerpt(view.prompt)
    elements = [
        *_images(ctx, view),
        *_failures(ctx, view),
        *([el.paragraph(shown)] if shown.strip() else []),
        *([el.small(_prompt_length(ctx, view))] if cut else []),
        el.paragraph(_parameters(ctx, view)),
        *map(el.small, _small_print(ctx, view)),
        *el.row([*_request_buttons(ctx, view), *(_image_buttons(ctx, view.images[0]) if _is_single(view) else [])]),
    ]
    return ctx.card(title, elements, **values)


def render_request_text(ctx: CardContext, view: RequestView, language: Language) -> str:
    """The same as text, to go with a plain image when Feishu refuses the card; no part of it is a tag."""
    title, values = _title(view)
    lines = [ctx.say(title, **values)]
    for number, image in enumerate(view.images, 1):
        status = _status(ctx, view, image)
        lines += [_about(ctx, view, [number], one) for one in (status, *_warnings(ctx, image)) if one is not None]
    for group in group_failures(view):
        text = describe_failure(ctx, group)
        lines.append(_about(ctx, view, group.numbers, text.sentence))
        lines += [same_text(text.platform)] if text.platform else []
        lines.append(text.advice)
    shown, cut = excerpt(view.prompt)
    lines += [same_text(shown)] if shown.strip() else []
    lines += [_prompt_length(ctx, view)] if cut else []
    lines += [_parameters(ctx, view), *_small_print(ctx, view)]
    lines += [same_text(url) for image in view.images if (url := _link(image))]
    return escape_tags("\n".join(line[LOCALES[language]] for line in lines))


def _title(view: RequestView) -> tuple[str, dict[str, Any]]:
    stage, count, done = stage_of(view), len(view.images), len(_done(view))
    if stage is Stage.GENERATING and done:
        return "state.progress", {"done": done, "count": count}
    if stage is Stage.READY and done < count:
        return "state.ready_some", {"done": done, "count": count}
    if stage is Stage.READY and count > 1:
        return "state.ready_all", {"count": count}
    return f"state.{stage}", {}


def _images(ctx: CardContext, view: RequestView) -> Iterator[Element]:
    for number, image in enumerate(view.images, 1):
        if (status := _status(ctx, view, image)) is not None:
            yield el.paragraph(_about(ctx, view, [number], status))
        if image.state is not State.DONE:
            continue
        if image.image_key:
            yield el.image(image.image_key, alt=ctx.say("label.alt"))
        yield from map(el.paragraph, _warnings(ctx, image))
        if not _is_single(view):
            yield el.small(join([_numbered(ctx, [number]), *_seconds(ctx, image)]))
            yield from el.row(_image_buttons(ctx, image))


def _failures(ctx: CardContext, view: RequestView) -> Iterator[Element]:
    for group in group_failures(view):
        text = describe_failure(ctx, group)
        yield el.paragraph(_about(ctx, view, group.numbers, text.sentence))
        if text.platform:
            yield el.small(text.platform)
        if group.request_ids:
            yield ctx.small("label.platform_request_id", ids=", ".join(group.request_ids))
        yield el.paragraph(text.advice)
        if not _is_single(view):
            links = {number: _link(view.images[number - 1]) for number in group.numbers}
            say = ctx.say
            yield from el.row(
                [el.link(say("button.link_number", number=number), url=url) for number, url in links.items() if url]
            )


def _quoted(words: Sequence[str]) -> str:
    return truncate(" ".join(words), RECOGNIZED_LENGTH)


def _request_buttons(ctx: CardContext, view: RequestView) -> list[Element]:
    if not ctx.buttons or view.recalled:
        return []
    stage, request_id = stage_of(view), view.request_id
    retype = [ctx.button("button.retype", a="retype", r=request_id)] if view.recognized_words else []
    if stage in (Stage.QUEUED, Stage.GENERATING):
        return [ctx.button("button.cancel", a="cancel", r=request_id), *retype]
    edit = ctx.button("button.edit", a="edit", r=request_id)
    resume = []
    if any(is_resumable(image) for image in view.images):
        # What was paid for is downloaded again, and never paid for again.
        resume = [ctx.button("button.resume", kind="primary", a="resume", r=request_id)]
    if stage is Stage.FAILED and resume:
        return [*resume, edit]
    if stage is Stage.FAILED:
        retry = ctx.button("button.retry", kind="primary", a="again", r=request_id)
        return [retry, edit] if all(is_repeatable(group.failure) for group in group_failures(view)) else [edit]
    again = ctx.button("button.again", kind="primary", a="again", r=request_id)
    ratio = el.select(ctx.say("button.ratio"), choices=sizes.RATIOS, value={"a": "ratio", "r": request_id})
    return [*resume, again, ratio, edit, *retype]


def _image_buttons(ctx: CardContext, image: GenerationView) -> list[Element]:
    buttons = []
    if ctx.buttons and image.state is State.DONE:
        buttons.append(ctx.button("button.original", a="original", g=image.generation_id))
    if url := _link(image):
        buttons.append(el.link(ctx.say("button.link"), url=url))
    return buttons


def _link(image: GenerationView) -> str | None:
    return image.url if image.state.ended and el.linkable(image.url) else None


def _done(view: RequestView) -> list[GenerationView]:
    return [image for image in view.images if image.state is State.DONE]


def _is_single(view: RequestView) -> bool:
    return len(view.images) == 1


def _status(ctx: CardContext, view: RequestView, image: GenerationView) -> Bilingual | None:
    """What is said of an image that is still to come, or was cancelled beside others."""
    match image.state:
        case State.WAITING:
            first = next(one for one in view.images if one.state is State.WAITING)
            return _position(ctx, view) if image is first else ctx.say("wait.line")
        case State.GENERATING:
            return ctx.say("wait.generating", seconds=typical_seconds(view.options.model))
        case State.MADE:
            return ctx.say("wait.fetching")
        case State.CANCELLED if stage_of(view) is not Stage.CANCELLED:
            return ctx.say("wait.cancelled")
        case _:
            return None


def _position(ctx: CardContext, view: RequestView) -> Bilingual:
    if view.backing_off:
        return ctx.say("wait.backing_off")
    if view.ahead is None:
        position = ctx.say("wait.line")
    else:
        position = ctx.say("wait.ahead", ahead=view.ahead) if view.ahead else ctx.say("wait.next")
    return position if view.wait_seconds is None else join([position, describe_wait(ctx, view.wait_seconds)])


def _about(ctx: CardContext, view: RequestView, numbers: Sequence[int], text: Bilingual) -> Bilingual:
    """A sentence about some images, counted from 1, with their numbers before it if there are several."""
    return text if _is_single(view) else join([_numbered(ctx, numbers), text], separator=ctx.say("label.colon"))


def _numbered(ctx: CardContext, numbers: Sequence[int]) -> Bilingual:
    if len(numbers) == 1:
        return ctx.say("label.number", number=numbers[0])
    every = join((same_text(str(number)) for number in numbers), separator=ctx.say("label.numbers_separator"))
    return ctx.say("label.numbers", numbers=every)


def _parameters(ctx: CardContext, view: RequestView) -> Bilingual:
    """The options of an image; of a result also seconds and price."""
    values = {name: getattr(view.options, name) for name, option in OPTIONS.items() if option.of_image}
    parts = [ctx.option(name, value) for name, value in values.items() if value is not None]
    if _is_single(view):
        parts += _seconds(ctx, view.images[0])
    if stage_of(view) in _WITH_RESULT and view.price is not None:
        price = view.price * len(_done(view))
        parts.append(ctx.say("label.price", price=f"{price:.2f}") if price else ctx.say("label.free"))
    return join(parts)


def _seconds(ctx: CardContext, image: GenerationView) -> list[Bilingual]:
    if image.state is not State.DONE or image.seconds is None:
        return []
    return [ctx.say("label.seconds", seconds=max(1, round(image.seconds)))]


def _warnings(ctx: CardContext, image: GenerationView) -> Iterable[Bilingual]:
    """What the content filter found in an image that is shown all the same."""
    return [_warning(ctx, finding) for finding in image.findings] if image.state is State.DONE else []


def _warning(ctx: CardContext, finding: ContentFinding) -> Bilingual:
    where = describe_roles(ctx, [finding.role])
    if where is None:
        return ctx.say("warning.content_plain", level=finding.level)
    return ctx.say("warning.content", where=where, level=finding.level)


def _prompt_length(ctx: CardContext, view: RequestView) -> Bilingual:
    return ctx.say("label.prompt_excerpt", length=len(sanitize(view.prompt)), shown=PROMPT_LENGTH)


def _small_print(ctx: CardContext, view: RequestView) -> Iterator[Bilingual]:
    """What was recognized, notes, until when the links work, a tip for the prompt."""
    if view.recognized_words and view.recognized_options:
        options = join(ctx.option(name, getattr(view.options, name)) for name in view.recognized_options)
        yield ctx.say("note.recognized", words=_quoted(view.recognized_words), options=options)
    elif view.recognized_words:
        yield ctx.say("note.recognized_again", words=_quoted(view.recognized_words))
    images = view.images
    if not _is_single(view):
        yield ctx.say("note.count", count=len(images))
    if view.options.model == sizes.DEFAULT_MODEL and view.options.quality == "standard":
        yield ctx.say("note.standard")
    if any(image.repeated for image in images):
        yield ctx.say("note.repeated")
    if any(image.reencoded for image in _done(view)):
        yield ctx.say("note.shrunk")
    if linked := [image for image in images if _link(image)]:
        ends = [image.link_expires_at for image in linked if image.link_expires_at is not None]
        # Several links share one sentence, so the first end counts.
        yield ctx.say("reminder.until", time=ctx.time(min(ends))) if ends else ctx.say("reminder.days")
    if stage_of(view) in _WITH_RESULT and (tip := tip_for(view.prompt, raw_prompt=view.raw_prompt)):
        yield ctx.say(tip)
