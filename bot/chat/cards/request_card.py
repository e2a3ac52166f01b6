"""The card of one request for images, at any stage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, CardContext, Element
from bot.chat.messages import PLAIN, Bilingual, join
from bot.chat.parsing.tokenizer import unquoted
from bot.errors import FOR_ADMINS
from bot.models import PROMPT_HINT_LENGTH, ROLES, Failure, GenerationView, RequestView, State
from bot.options import OPTIONS
from bot.text import sanitize, truncate

_TAGGED = ("size", "style", "model")  # the options that are tags beside the title of the card; the others are under it
_BY_REQUEST = {
    f"failure.{name}"
    for name in ("content", "prompt_too_long", "request", "model", "size", "quality", "prompt", "image_too_large")
}
"""Failures that the same prompt with the same options meets again; sending it again is not offered."""
_UNTIL_FIXED = "failure.upload_barred"
"""A failure that every request meets until an admin acts, each of them paid; likewise."""
_UNKNOWN = Failure(code="", sentence="failure.internal")
_UNFINISHED = ("queued", "generating")
_WAIT_MINUTES = (1, 3, 10)

_PROMPT_LENGTH = 800
_LINK = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#][!-~]*)?")
_MAX_LINK_LENGTH = 800  # the platform's links are under 400 characters, and four of them share a card of 30 KB


def _stage_of(view: RequestView) -> str:
    """Queued, generating, ready, warned (ready, and the content filter found something), failed or cancelled."""
    states = {image.state for image in view.images}
    if not all(state.ended for state in states):
        return "generating" if states & {State.GENERATING, State.MADE, State.DONE} else "queued"
    if State.DONE not in states:
        return "failed" if State.FAILED in states else "cancelled"
    return "warned" if any(image.findings for image in view.done) else "ready"


def typical_seconds(model: str) -> str:
    """How long a model usually takes, as a range, from its guide and from published measurements."""
    return "20–50" if model == sizes.DEFAULT_MODEL else "5–20"


def describe_wait(ctx: CardContext, seconds: float | None) -> Bilingual | None:
    """An estimated wait: under 1, 3 or 10 minutes, or more; a card is patched when that changes and not before."""
    if seconds is None:
        return None
    bound = next((bound for bound in _WAIT_MINUTES if seconds < bound * 60), None)
    return ctx.say("wait.under", minutes=bound) if bound else ctx.say("wait.over", minutes=_WAIT_MINUTES[-1])


def describe_cost(ctx: CardContext, *, price: float, billed: int, doubtful: int = 0) -> Bilingual:
    """What calls have cost: so many that the platform bills, and so many that it may have billed."""
    sure, maybe = f"{price * billed:.2f}", f"{price * doubtful:.2f}"
    if not price or not (billed or doubtful):
        return ctx.say("cost.none")
    if not doubtful:
        return ctx.say("cost.sure", price=sure)
    return ctx.say("cost.both", price=sure, more=maybe) if billed else ctx.say("cost.maybe", price=maybe)


def excerpt(prompt: str) -> str:
    return sanitize(prompt)[:_PROMPT_LENGTH]


def render_request(ctx: CardContext, view: RequestView) -> Card:
    """The one card of a request: images as they come, failures, the prompt, small print, cost, buttons."""
    stage, count, done = _stage_of(view), len(view.images), len(view.done)
    if stage == "generating" and done:
        stage = "progress"
    elif stage == "ready" and count > 1:
        stage = "ready_all" if done == count else "ready_some"
    shown = excerpt(view.prompt)
    elements = [
        *_images(ctx, view),
        *map(el.paragraph, _statuses(ctx, view)),
        *_failures(ctx, view),
        el.paragraph(shown) if shown.strip() else None,
        *map(el.small, _notes(ctx, view)),
        el.small(_footer(ctx, view)),
        *el.controls(_controls(ctx, view)),
    ]
    values = {name: getattr(view.options, name) for name, option in OPTIONS.items() if option.of_image}
    tags = [ctx.option(name, values[name], prefix="tag") for name in _TAGGED if values[name] is not None]
    others = join(ctx.option(name, one) for name, one in values.items() if name not in _TAGGED and one is not None)
    return ctx.card(f"state.{stage}", elements, tags=tags, subtitle=others, done=done, count=count)


def _images(ctx: CardContext, view: RequestView) -> Iterator[Element]:
    keys = [image.image_key for image in view.done if image.image_key]
    if len(keys) > 1:
        mode = "trisect" if len(keys) == 3 else "bisect"  # noqa: PLR2004 - three fill one row of a grid of three
        yield {"tag": "img_combination", "combination_mode": mode, "img_list": [{"img_key": key} for key in keys]}
    elif keys:
        yield el.image(keys[0], alt=ctx.alt(truncate(view.prompt, 100)))
    yield from map(el.paragraph, _warnings(ctx, view))
    for number, image in enumerate(view.images if len(view.images) > 1 else (), 1):
        if image.state is State.DONE:
            about = el.small(join([_numbered(ctx, [number]), _seconds(ctx, image, "label.seconds_short")]))
            yield from el.row(about, *_image_buttons(ctx, image), small=True)


def _warnings(ctx: CardContext, view: RequestView) -> Iterator[Bilingual]:
    """What the content filter found in images that are shown all the same."""
    for number, image in enumerate(view.images, 1):
        for finding in image.findings if image.state is State.DONE else ():
            where = _describe_roles(ctx, [finding.role])
            key = "warning.content" if where else "warning.content_plain"
            yield _about(ctx, view, [number], ctx.say(key, where=where or "", level=_level(ctx, str(finding.level))))


def _statuses(ctx: CardContext, view: RequestView) -> Iterator[Bilingual]:
    """What is said of images that are still to come, or were cancelled."""
    alike: dict[str, tuple[Bilingual, list[int]]] = {}
    first = next((image for image in view.images if image.state is State.WAITING), None)
    for number, image in enumerate(view.images, 1):
        if status := _status(ctx, view, image, is_first=image is first):
            alike.setdefault(status["zh_cn"], (status, []))[1].append(number)
    for status, numbers in alike.values():
        yield _about(ctx, view, numbers, status)


def _status(ctx: CardContext, view: RequestView, image: GenerationView, *, is_first: bool) -> Bilingual | None:
    wait = None
    match image.state:
        case State.WAITING if is_first and view.backing_off:
            key = "wait.backing_off"
        case State.WAITING if is_first:
            key = "wait.line" if view.ahead is None else "wait.ahead" if view.ahead else "wait.next"
            wait = describe_wait(ctx, view.wait_seconds)
        case State.WAITING:
            key = "wait.line"
        case State.GENERATING:
            key = "wait.generating"
        case State.MADE:
            key = "wait.fetching"
        case State.CANCELLED if image.kept:
            key = "cancelled.kept"
        case State.CANCELLED:
            key = "cancelled.in_call" if image.calls_billed else "cancelled.waiting"
        case _:
            return None
    return join([ctx.say(key, ahead=view.ahead, seconds=typical_seconds(view.options.model)), wait])


def _notes(ctx: CardContext, view: RequestView) -> Iterator[Bilingual]:
    """How much of the prompt is shown, what was recognized, what is unusual, a tip for the prompt."""
    if (length := len(sanitize(view.prompt))) > _PROMPT_LENGTH:
        yield ctx.say("label.prompt_excerpt", length=length, shown=_PROMPT_LENGTH)
    if view.recognized_words:
        options = join(ctx.option(name, getattr(view.options, name)) for name in view.recognized_options)
        words = truncate(" ".join(view.recognized_words), 60)
        key = "note.recognized" if view.recognized_options else "note.recognized_again"
        yield ctx.say(key, words=words, options=options)
    if view.options.model == sizes.DEFAULT_MODEL and view.options.quality == "standard":
        yield ctx.say("note.standard")
    if any(image.repeated for image in view.images):
        yield ctx.say("note.repeated")
    if any(image.reencoded for image in view.done):
        yield ctx.say("note.shrunk")
    is_finished = view.done and _stage_of(view) not in _UNFINISHED
    if is_finished and (tip := tip_for(view.prompt, raw_prompt=view.raw_prompt)):
        yield ctx.say(tip)


def _footer(ctx: CardContext, view: RequestView) -> Bilingual:
    cost = None if view.price is None else _cost(ctx, view, view.price)
    seconds = _seconds(ctx, view.images[0], "label.seconds") if len(view.images) == 1 else None
    linked = [image for image in view.images if _link(image)]
    # Several links share one sentence, so the first end counts.
    ends = [image.link_expires_at for image in linked if image.link_expires_at is not None]
    reminder = ctx.say("reminder.until", time=ctx.time(min(ends))) if ends else ctx.say("reminder.days")
    return join([cost, seconds, reminder if linked else None])


def _cost(ctx: CardContext, view: RequestView, price: float) -> Bilingual:
    count = len(view.images)
    if _stage_of(view) not in _UNFINISHED:
        made = [image for image in view.images if image.state is State.DONE or image.url or image.kept]
        doubtful = max(0, sum(image.calls_billed for image in view.images) - len(made))
        return describe_cost(ctx, price=price, billed=len(made), doubtful=doubtful)
    if not price:
        return ctx.say("cost.free")
    key = "cost.planned_each" if count > 1 else "cost.planned"
    return ctx.say(key, price=f"{price * count:.2f}", count=count, each=f"{price:.2f}")


def _seconds(ctx: CardContext, image: GenerationView, key: str) -> Bilingual | None:
    is_known = image.state is State.DONE and image.seconds is not None
    return ctx.say(key, seconds=max(1, round(image.seconds or 0))) if is_known else None


def _controls(ctx: CardContext, view: RequestView) -> Sequence[Element | None]:
    single = _image_buttons(ctx, view.images[0]) if len(view.images) == 1 else []
    if not ctx.buttons or view.recalled:
        return single
    stage, request_id = _stage_of(view), view.request_id
    retype = [ctx.button("button.retype", a="retype", r=request_id)] if view.recognized_words else []
    if stage in _UNFINISHED:
        return [ctx.button("button.cancel", a="cancel", r=request_id), *retype]
    edit = ctx.button("button.edit", a="edit", r=request_id)
    first: list[Element | None] = []
    if any(image.kept for image in view.images):
        first.append(ctx.button("button.deliver", kind="primary", a="deliver", r=request_id))
    if any(image.resumable and _cause(image) not in _BY_REQUEST for image in view.images):
        # What was paid for is downloaded again, and never paid for again.
        first.append(ctx.button("button.resume", kind="primary", a="resume", r=request_id))
    if stage == "failed":
        if not first and not {_cause(image) for image in view.images} & {*_BY_REQUEST, _UNTIL_FIXED}:
            first.append(ctx.button("button.retry", kind="primary", a="again", r=request_id))
        return [*first, edit, *single, *retype]
    again = ctx.button("button.again", kind="default" if first else "primary", a="again", r=request_id)
    ratio = el.select(ctx.say("button.ratio"), choices=sizes.RATIOS, a="ratio", r=request_id)
    # The link is before what can be in a menu: there it would call back as well.
    links = [one for one in single if one["behaviors"][0]["type"] == "open_url"]
    others = [one for one in single if one not in links]
    return [*first, again, *([] if first else [ratio]), *links, edit, *others, *retype]


def _image_buttons(ctx: CardContext, image: GenerationView) -> list[Element]:
    original = ctx.button("button.original", a="original", g=image.generation_id) if image.state is State.DONE else None
    url = _link(image)
    return [one for one in (original, el.link(ctx.say("button.link"), url=url) if url else None) if one]


def _cause(image: GenerationView) -> str:
    return (image.failure or _UNKNOWN).sentence.removesuffix(PLAIN)


def _link(image: GenerationView) -> str | None:
    """The link to the original of an image that is done or failed, if it is one for a card: https, and not too long."""
    url = image.url if image.state in (State.DONE, State.FAILED) else None
    return url if url and len(url) <= _MAX_LINK_LENGTH and _LINK.fullmatch(url) else None


def _about(ctx: CardContext, view: RequestView, numbers: Sequence[int], text: Bilingual) -> Bilingual:
    """A sentence about some images, counted from 1, with their numbers before it if there are several."""
    return text if len(view.images) == 1 else join([_numbered(ctx, numbers), text], separator=ctx.say("label.colon"))


def _numbered(ctx: CardContext, numbers: Sequence[int]) -> Bilingual:
    every = join(map(str, numbers), separator=ctx.say("label.separator"))
    return ctx.say("label.number" if len(numbers) == 1 else "label.numbers", number=numbers[0], numbers=every)


# Failures


def _failures(ctx: CardContext, view: RequestView) -> Iterator[Element]:
    """What is said of images that failed; those that failed alike, and are all linked or not, share it."""
    groups: dict[tuple[bool, str], dict[int, GenerationView]] = {}
    for number, image in enumerate(view.images, 1):
        if image.state is State.FAILED:
            groups.setdefault((_link(image) is None, str(image.failure)), {})[number] = image
    for group in groups.values():
        yield from _describe_failure(ctx, view, group)
        if len(view.images) > 1:
            links = {number: _link(image) for number, image in group.items()}
            numbered = ((ctx.say("button.link_number", number=number), url) for number, url in links.items() if url)
            yield from el.row(*(el.link(words, url=url) for words, url in numbered))


def _describe_failure(ctx: CardContext, view: RequestView, group: Mapping[int, GenerationView]) -> Iterator[Element]:
    """Our sentence, the platform's own message and ids, and what to do about images that failed alike, by number.

    A failure that this version does not know is described as an internal one.
    """
    first = next(iter(group.values()))
    failure = first.failure or _UNKNOWN
    # Four failures share a card of 30 KB, and a value may be three times in a label of two languages.
    values: dict[str, object] = {name: truncate(value, 90) for name, value in failure.values.items()}
    with suppress(ValueError, OverflowError, OSError):  # without a time, there is a plain form of the sentence
        values["until"] = ctx.time(float(str(values.pop("until", None))))
    level = str(values.get("level"))
    values["level"] = ctx.say("level.note", level=_level(ctx, level)) if level.isdecimal() else ""
    if where := _describe_roles(ctx, failure.roles):
        values["where"] = where
    key = ctx.messages.best_key(failure.sentence, values) or _UNKNOWN.sentence
    yield el.paragraph(_about(ctx, view, list(group), ctx.say(key, **values)))
    ids = [truncate(one, 100) for image in group.values() if (one := image.platform_request_id)]
    message = truncate(failure.platform, 160) if failure.platform else None
    if ids or message:
        yield el.small(join([message, ctx.say("label.platform_request_id", ids=", ".join(ids)) if ids else None]))
    advice = _advice(ctx, key.removesuffix(PLAIN), failure, linked=_link(first) is not None)
    yield ctx.paragraph(advice, **values)


def _advice(ctx: CardContext, key: str, failure: Failure, *, linked: bool) -> str:
    if key in FOR_ADMINS:
        # Only an admin can fix it, and is told how.
        told = "advice.admins_told" if ctx.alerts_admins else "advice.ask_admin"
        return f"{told}_linked" if linked else told
    if key == "failure.content" and failure.roles == ("assistant",):
        return f"{key}.advice_image"
    plain = f"{key}.advice{PLAIN}"
    return plain if not linked and plain in ctx.messages.keys else f"{key}.advice"


def _level(ctx: CardContext, level: str) -> Bilingual | str:
    return ctx.say(f"level.{level}") if f"level.{level}" in ctx.messages.keys else level


def _describe_roles(ctx: CardContext, roles: Iterable[str]) -> Bilingual | None:
    """What the content filter objected to; ``None`` if it names nothing that is known."""
    known = [ctx.say(f"role.{role}") for role in dict.fromkeys(roles) if role in ROLES]
    if not known:
        return None
    *others, last = known
    listed = join(others, separator=ctx.say("label.separator"))
    return join([listed, last], separator=ctx.say("role.last_separator")) if others else last


# Tips: one for a prompt that is vague, contradictory, crowded or long, after the GLM-Image skill's advice. One that is
# wrong annoys more than a missing one, so each rule takes only what is plain.

# Words that say that a picture is wanted, or that it should please, but not what it shows.
_EMPTY_CHINESE = (
    "请|麻烦|帮|给|我|你|来|做|画|生成|制作|设计|随便|随机|任意|什么|一张|一幅|一个|张|幅|个|点|些|很|最|非常|特别|超级|"
    "好看|漂亮|美丽|美观|精美|唯美|优美|高级|高清|酷炫|酷|帅|好|不错|"
    "图片|图像|图画|图案|图|照片|壁纸|配图|头像|画面|东西|吧|呢|啊|呀|的"
)
_EMPTY_ENGLISH = (
    "please|draw|make|create|generate|show|give|me|us|i|want|need|a|an|the|of|some|something|anything|random|"
    "very|really|so|super|nice|beautiful|pretty|good|great|cool|awesome|amazing|lovely|hd|"
    "pictures?|images?|photos?|pic|wallpaper|art"
)
_EMPTY = re.compile(rf"{_EMPTY_CHINESE}|\b(?:{_EMPTY_ENGLISH})\b", re.IGNORECASE)
_LETTER = re.compile(r"[^\W_]")

# A swan (白天鹅), a tower (晴空塔), a rain charm (晴天娃娃) and a fried egg tell no time and no weather.
_OPPOSITES = (
    (
        r"白天(?!鹅)|正午|\bday ?time\b|\bby day\b|\bnoon\b",
        r"夜晚|黑夜|深夜|晚上|午夜|\bnight(?:time)?\b|\bmidnight\b",
    ),
    (r"夏天|夏季|盛夏|\bsummer\b", r"冬天|冬季|寒冬|\bwinter\b"),
    (r"晴天(?!娃娃)|晴空(?!塔)|\bsunny\b(?![ -]side)|\bclear sky\b", r"雨天|暴雨|大雨|下雨|雨夜|\brain(?:y|ing)\b"),
)
# "working day and night" is a way of speaking.
_AT_ONCE = re.compile(
    r"\b(?:day and night|night and day)\b.*\b(?:at once|at the same time|together|simultaneously)\b", re.IGNORECASE
)
# A change from one to the other is a picture that can be made, and so are the two side by side.
_CHANGE = re.compile(
    r"从.+到|渐变|交替|对比|过渡|一半.+一半|各占|各一半|分屏|一边.+一边|左.+右|"
    r"\bfrom\b.+\bto\b|\bhalf\b.+\bhalf\b|\bversus\b|\bvs\b|\bsplit\b|\bleft\b.+\bright\b",
    re.IGNORECASE,
)

_CHINESE_SUBJECT = re.compile(r"[一两二三四五六七八九十几多\d]\s*(?:只|个|位|名|头|匹|辆|群|条|架|艘)")
_COUNT = r"\b(?:an?|one|two|three|four|five|six|several|some)\s+"
# "a cat, a dog, two birds and a car"; articles alone say nothing ("a photo of a woman in a red dress").
_ENGLISH_SUBJECTS = re.compile(
    rf"(?:{_COUNT}(?:\w+\s+){{0,2}}\w+\s*(?:,\s*(?:and\s+)?|\s+and\s+)){{3,}}{_COUNT}\w", re.IGNORECASE
)
_MANY_SUBJECTS = 4


def tip_for(prompt: str, *, raw_prompt: str | None = None) -> str | None:
    """The catalogue key of the tip; the words of a style, which ``raw_prompt`` is without, make nothing clearer."""
    if len(prompt) > PROMPT_HINT_LENGTH:
        return "advice.long"
    said = prompt if raw_prompt is None else raw_prompt
    described = unquoted(said)
    opposed = _AT_ONCE.search(described) or any(
        re.search(one, described, re.IGNORECASE) and re.search(other, described, re.IGNORECASE)
        for one, other in _OPPOSITES
    )
    if opposed and not _CHANGE.search(described):
        return "advice.contradictory"
    if described == said and _LETTER.search(said) and not _LETTER.search(_EMPTY.sub("", said)):
        return "advice.vague"
    if len(_CHINESE_SUBJECT.findall(described)) >= _MANY_SUBJECTS or _ENGLISH_SUBJECTS.search(described):
        return "advice.subjects"
    return None
