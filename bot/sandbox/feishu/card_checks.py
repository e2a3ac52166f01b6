"""The small checks that a card's rules are put together from."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.feishu.card_words import COLOURS, LOCALES

UNSUPPORTED = 200861
INVALID = 200621
UNKNOWN_IMAGE = 200570
LIMIT_REACHED = 11310

_RGBA = re.compile(r"rgba\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*(0|1|0?\.\d+|1\.0+)\s*\)")
_ELEMENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}")
_PIXELS = re.compile(r"(-?\d+)px|0")


@dataclass(frozen=True, slots=True)
class CardFault:
    """Why Feishu would refuse a card: where, with which sub code of 230099, and in what words."""

    path: str
    sub_code: int
    message: str


@dataclass(slots=True)
class Findings:
    """What one inspection of a card has seen so far."""

    image_keys: Collection[str]
    custom_colours: Collection[str] = ()
    faults: list[CardFault] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    """The tags of the containers round the place that is being looked at."""
    _ids: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)

    def add(self, path: str, message: str, *, code: int = INVALID) -> None:
        """Notes a fault."""
        self.faults.append(CardFault(path, code, message))

    @contextmanager
    def inside(self, tag: str) -> Iterator[None]:
        """Notes that what follows lies in a container."""
        self.containers.append(tag)
        yield
        self.containers.pop()

    def see_id(self, value: Any, path: str) -> None:
        """Checks an ``element_id``: a letter, then letters, digits and underscores, 20 in all, once in a card."""
        if not isinstance(value, str) or not _ELEMENT_ID.fullmatch(value):
            self.add(path, f"element_id {value!r} is invalid")
        elif value in self._ids:
            self.add(path, f"element_id {value!r} is not unique")
        else:
            self._ids.add(value)

    def see_name(self, value: Any, path: str) -> None:
        """Checks the ``name`` of a form or of what is in it: not empty, once in a card."""
        if not isinstance(value, str) or not value:
            self.add(path, "name is empty")
        elif value in self._names:
            self.add(path, f"name {value!r} is not unique")
        else:
            self._names.add(value)


Check = Callable[[Any, str, Findings], None]
"""Looks at a value at a path and notes what is wrong with it."""


def shape(properties: Mapping[str, Check], *, required: Collection[str] = ()) -> Check:
    """An object with these properties and no other: JSON 2.0 refuses what it does not know."""

    def check(value: Any, path: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add(path, "an object is expected")
            return
        for name in value.keys() - properties.keys():
            findings.add(f"{path} -> {name}", f"unknown property {name!r}", code=UNSUPPORTED)
        for name in set(required) - value.keys():
            findings.add(path, f"property {name!r} is missing")
        for name, entry in value.items():
            if name in properties:
                properties[name](entry, f"{path} -> {name}", findings)

    return check


def each(check: Check, *, most: int | None = None) -> Check:
    """A list of such values, of at most ``most``."""

    def check_all(value: Any, path: str, findings: Findings) -> None:
        if not isinstance(value, list):
            findings.add(path, "a list is expected")
            return
        if most is not None and len(value) > most:
            findings.add(path, f"at most {most} entries", code=LIMIT_REACHED)
        for place, entry in enumerate(value):
            check(entry, f"{path} -> [{place}]", findings)

    return check_all


def one_of(*allowed: object) -> Check:
    """One of these values."""

    def check(value: Any, path: str, findings: Findings) -> None:
        if isinstance(value, (dict, list)) or not any(
            value == known and type(value) is type(known) for known in allowed
        ):
            findings.add(path, f"{value!r} is none of {', '.join(map(str, allowed))}")

    return check


def shape_of_any(value: Any, path: str, findings: Findings) -> None:
    """An object of any properties."""
    if not isinstance(value, dict):
        findings.add(path, "an object is expected")


def flag(value: Any, path: str, findings: Findings) -> None:
    """A boolean."""
    if not isinstance(value, bool):
        findings.add(path, "a boolean is expected")


def text(value: Any, path: str, findings: Findings) -> None:
    """Any string."""
    if not isinstance(value, str):
        findings.add(path, "a string is expected")


def anything(_value: Any, _path: str, _findings: Findings) -> None:
    """A value that the platform passes on unread."""


def whole(lowest: int, highest: int = 10**9) -> Check:
    """A whole number within these bounds."""

    def check(value: Any, path: str, findings: Findings) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            findings.add(path, f"a whole number from {lowest} to {highest} is expected")

    return check


def pixels(lowest: int, highest: int, *words: str, most: int = 1) -> Check:
    """One of the words, or up to ``most`` lengths such as ``12px`` within these bounds."""

    def check(value: Any, path: str, findings: Findings) -> None:
        if isinstance(value, str) and value in words:
            return
        lengths = value.split() if isinstance(value, str) else []
        found = [_PIXELS.fullmatch(length) for length in lengths]
        if not 1 <= len(found) <= most or any(
            length is None or not lowest <= int(length[1] or 0) <= highest for length in found
        ):
            findings.add(path, f"{value!r} is no length from {lowest}px to {highest}px")

    return check


def colour(value: Any, path: str, findings: Findings) -> None:
    """A colour by its name, a colour of the card's own style, or ``rgba(…)``; never hexadecimal."""
    known = isinstance(value, str) and (value in COLOURS or value in findings.custom_colours or _RGBA.fullmatch(value))
    # The platform's own samples leave the colour of an icon empty.
    if not known and value != "":
        findings.add(path, f"{value!r} is no colour")


def image_key(value: Any, path: str, findings: Findings) -> None:
    """The key of a picture that was uploaded."""
    if value not in findings.image_keys:
        findings.add(path.rpartition(" -> ")[0], "invalid image keys", code=UNKNOWN_IMAGE)


def by_language(check: Check) -> Check:
    """Such values by language."""
    return shape(dict.fromkeys(LOCALES, check))


def link(value: Any, path: str, findings: Findings) -> None:
    """An address to open, or Feishu's word for "not on this device"."""
    if not isinstance(value, str) or not value.startswith(("https://", "http://", "lark://")):
        findings.add(path, f"{value!r} is no link")
