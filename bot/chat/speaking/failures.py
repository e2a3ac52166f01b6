"""What a person is told about a failure: our sentence, the platform's own words, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.chat.catalogue import PLAIN, Both, Catalogue, joined
from bot.chat.speaking.shown import clipped
from bot.models import Failure, RequestCard, State

UNKNOWN = Failure(code="", sentence="failure.internal")
"""What is told where the reason is not known."""

BY_PROMPT = frozenset({"content", "prompt_too_long", "request", "model", "size", "quality", "prompt"})
"""Failures that the same prompt with the same options meets again; sending it again is not offered."""

# Four different failures share a card of 30 KB, a value standing up to three times in a label of two languages.
_LONGEST_VALUE = 90
_LONGEST_PLATFORM = 160
_ROLES = ("user", "assistant", "history")


@dataclass(frozen=True, slots=True)
class Told:
    """The parts of what is told, in the order in which they stand."""

    sentence: Both
    platform: str | None
    advice: Both | None


def told(failure: Failure, words: Catalogue) -> Told:
    """What is told about a failure; one that this version does not know is told as an internal one."""
    values: dict[str, object] = {name: clipped(value, _LONGEST_VALUE) for name, value in failure.values.items()}
    if failure.roles:
        values["where"] = places(failure.roles, words)
    key = words.fitting(failure.sentence, values) or UNKNOWN.sentence
    advice = words.fitting(f"{key.removesuffix(PLAIN)}.advice", values)
    return Told(
        sentence=words.both(key, **values),
        platform=clipped(failure.platform, _LONGEST_PLATFORM) if failure.platform else None,
        advice=words.both(advice, **values) if advice else None,
    )


def repeatable(failure: Failure) -> bool:
    """Whether the same request may succeed when it is sent again."""
    return failure.sentence.removeprefix("failure.").removesuffix(PLAIN) not in BY_PROMPT


def grouped(card: RequestCard) -> list[tuple[list[int], Failure]]:
    """The failures of a request, equal ones once, with the numbers of their images counted from 1."""
    groups: list[tuple[list[int], Failure]] = []
    for number, picture in enumerate(card.pictures, 1):
        if picture.state is not State.FAILED:
            continue
        failure = picture.failure or UNKNOWN
        numbers = next((numbers for numbers, known in groups if known == failure), None)
        if numbers is None:
            groups.append(([number], failure))
        else:
            numbers.append(number)
    return groups


def places(roles: Iterable[str], words: Catalogue) -> Both:
    """Where the content filter found something, in words."""
    known = dict.fromkeys(role if role in _ROLES else "unknown" for role in roles)
    return joined((words.both(f"role.{role}") for role in known), separator=words.both("role.separator"))
