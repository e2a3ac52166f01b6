"""Failures in words: our sentence, the platform's own message, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from bot.chat.cards.elements import CardContext, linkable
from bot.chat.messages import PLAIN, Bilingual, join
from bot.models import ROLES, Failure, GenerationView, RequestView, State
from bot.text import truncate

UNKNOWN = Failure(code="", sentence="failure.internal")

BY_REQUEST = frozenset(
    {"content", "prompt_too_long", "request", "model", "size", "quality", "prompt", "image_too_large"}
)
"""Failures that the same prompt with the same options meets again; sending it again is not offered."""
UNTIL_FIXED = frozenset({"upload_barred"})
"""Failures that every request meets until an admin acts, each of them paid; sending it again is not offered, either."""

# Four different failures share a card of 30 KB, and a value may be three times in a label of two languages.
_VALUE_LENGTH = 90
_PLATFORM_LENGTH = 160
_REQUEST_ID_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """The images of a request that failed alike; ``numbers`` count its images from 1."""

    failure: Failure
    linked: bool
    """Whether the card links to the images, which were generated."""
    numbers: list[int] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    """The platform's ids of the calls, for its support."""


@dataclass(frozen=True, slots=True)
class FailureText:
    """The parts of the text, in their order."""

    sentence: Bilingual
    platform: str | None
    advice: Bilingual


def describe_failure(ctx: CardContext, group: FailureGroup) -> FailureText:
    """A failure in words; one that this version does not know is described as an internal one."""
    failure = group.failure
    values: dict[str, object] = {name: truncate(value, _VALUE_LENGTH) for name, value in failure.values.items()}
    with suppress(ValueError):  # without a time, there is a plain form of the sentence
        values["until"] = ctx.time(float(str(values.pop("until", None))))
    if where := describe_roles(ctx, failure.roles):
        values["where"] = where
    key = ctx.messages.best_key(failure.sentence, values) or UNKNOWN.sentence
    advice = f"{key.removesuffix(PLAIN)}.advice"
    if not group.linked and advice + PLAIN in ctx.messages:
        advice += PLAIN
    platform = truncate(failure.platform, _PLATFORM_LENGTH) if failure.platform else None
    return FailureText(ctx.say(key, **values), platform, ctx.say(advice, **values))


def describe_roles(ctx: CardContext, roles: Iterable[str]) -> Bilingual | None:
    """What the content filter objected to; ``None`` if it names nothing that is known."""
    known = [ctx.say(f"role.{role}") for role in dict.fromkeys(roles) if role in ROLES]
    if not known:
        return None
    *others, last = known
    listed = join(others, separator=ctx.say("role.separator"))
    return join([listed, last], separator=ctx.say("role.last_separator")) if others else last


def is_repeatable(failure: Failure) -> bool:
    """Whether the same request may succeed when it is sent again."""
    return _kind(failure) not in BY_REQUEST | UNTIL_FIXED


def is_resumable(image: GenerationView) -> bool:
    """Whether an image that was paid for may arrive when it is downloaded and uploaded again."""
    return image.resumable and _kind(image.failure or UNKNOWN) not in BY_REQUEST


def group_failures(view: RequestView) -> list[FailureGroup]:
    """The failures of a request, equal ones together."""
    groups: list[FailureGroup] = []
    for number, image in enumerate(view.images, 1):
        if image.state is not State.FAILED:
            continue
        failure, linked = image.failure or UNKNOWN, linkable(image.url)
        group = next((one for one in groups if (one.failure, one.linked) == (failure, linked)), None)
        if group is None:
            group = FailureGroup(failure=failure, linked=linked)
            groups.append(group)
        group.numbers.append(number)
        if image.platform_request_id:
            group.request_ids.append(truncate(image.platform_request_id, _REQUEST_ID_LENGTH))
    return groups


def _kind(failure: Failure) -> str:
    return failure.sentence.removeprefix("failure.").removesuffix(PLAIN)
