"""What a person is told about a failure: our sentence, the platform's own words, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from bot.chat.cards.elements import linkable
from bot.chat.cards.sanitize import clipped
from bot.chat.cards.time_format import moment
from bot.chat.messages import PLAIN, Bilingual, Messages, joined
from bot.models import ROLES, Failure, GenerationView, RequestView, State

UNKNOWN = Failure(code="", sentence="failure.internal")
"""What is told where the reason is not known."""

BY_REQUEST = frozenset(
    {"content", "prompt_too_long", "request", "model", "size", "quality", "prompt", "image_too_large"}
)
"""Failures that the same prompt with the same options meets again; sending it again is not offered."""

UNTIL_MENDED = frozenset({"upload_barred"})
"""Failures that every request meets until an admin acts, each of them paid; sending it again is not offered, either."""

# Four different failures share a card of 30 KB, a value standing up to three times in a label of two languages.
_LONGEST_VALUE = 90
_LONGEST_PLATFORM = 160
_LONGEST_REQUEST_ID = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Images of a request that failed alike.

    ``numbers`` count its images from 1; ``linked`` tells whether the card leads to pictures that were made;
    ``request_ids`` are the platform's of their calls, for its support.
    """

    numbers: list[int]
    failure: Failure
    linked: bool
    request_ids: list[str]


@dataclass(frozen=True, slots=True)
class Told:
    """The parts of what is told, in the order in which they stand."""

    sentence: Bilingual
    platform: str | None
    advice: Bilingual


def told(failed: Failed, words: Messages, *, zone: tzinfo) -> Told:
    """What is told about a failure; one that this version does not know is told as an internal one.

    Args:
        failed: the failure.
        words: the catalogue.
        zone: the team's time zone, in which times are told.
    """
    failure = failed.failure
    values: dict[str, object] = {name: clipped(value, _LONGEST_VALUE) for name, value in failure.values.items()}
    if until := _moment(values.pop("until", None), zone):
        values["until"] = until
    if where := places(failure.roles, words):
        values["where"] = where
    key = words.fitting(failure.sentence, values) or UNKNOWN.sentence
    advice = f"{key.removesuffix(PLAIN)}.advice"
    if not failed.linked and advice + PLAIN in words:
        advice += PLAIN
    return Told(
        sentence=words.both(key, **values),
        platform=clipped(failure.platform, _LONGEST_PLATFORM) if failure.platform else None,
        advice=words.both(advice, **values),
    )


def _moment(seconds: object, zone: tzinfo) -> str | None:
    try:
        return moment(float(str(seconds)), zone)
    except ValueError:
        return None


def repeatable(failure: Failure) -> bool:
    """Whether the same request may succeed when it is sent again."""
    return failure.sentence.removeprefix("failure.").removesuffix(PLAIN) not in BY_REQUEST | UNTIL_MENDED


def resumable(picture: GenerationView) -> bool:
    """Whether an image that was paid for may arrive when it is fetched and uploaded again."""
    kind = (picture.failure or UNKNOWN).sentence.removeprefix("failure.").removesuffix(PLAIN)
    return picture.resumable and kind not in BY_REQUEST


def grouped(card: RequestView) -> list[Failed]:
    """The failures of a request, equal ones once."""
    groups: list[Failed] = []
    for number, picture in enumerate(card.pictures, 1):
        if picture.state is not State.FAILED:
            continue
        failure, linked = picture.failure or UNKNOWN, linkable(picture.url)
        known = next((one for one in groups if (one.failure, one.linked) == (failure, linked)), None)
        if known is None:
            known = Failed(numbers=[], failure=failure, linked=linked, request_ids=[])
            groups.append(known)
        known.numbers.append(number)
        if picture.platform_request_id:
            known.request_ids.append(clipped(picture.platform_request_id, _LONGEST_REQUEST_ID))
    return groups


def places(roles: Iterable[str], words: Messages) -> Bilingual | None:
    """Where the content filter found something, in words; ``None`` where it names no place that is known."""
    known = [words.both(f"role.{role}") for role in dict.fromkeys(roles) if role in ROLES]
    if not known:
        return None
    *others, last = known
    listed = joined(others, separator=words.both("role.separator"))
    return joined([listed, last], separator=words.both("role.last_separator")) if others else last
