"""The lock is what ``pyproject.toml`` asks for."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repo.lock import TOP

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)

LOCK = (TOP / "requirements.txt").read_text(encoding="utf-8")
PINS = {canonicalize_name(name): pin for name, pin in PINNED.findall(LOCK)}
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def wanted(given: list[Requirement]) -> Iterator[Requirement]:
    """The requirements and what they require in turn, here and now."""
    seen: set[tuple[str, frozenset[str]]] = set()
    while given:
        one = given.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        yield one
        for text in requires(one.name) or []:
            further = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *one.extras)]
            if further.marker is None or any(further.marker.evaluate(each) for each in environments):
                given.append(further)


def test_every_direct_dependency_is_pinned_within_its_range() -> None:
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        pin = PINS[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin, prereleases=True), f"{requirement} is pinned to {pin}"


def test_what_the_dependencies_bring_along_is_pinned_and_nothing_else_is() -> None:
    newer = {name for name, pin in PINS.items() if version(name) != pin}
    if newer and "REQUIRE_LOCK" not in os.environ:
        pytest.skip(f"what was installed is not what requirements.txt pins: {', '.join(sorted(newer))}")
    assert not newer
    found = list(wanted([Requirement(text) for text in PROJECT["dependencies"]]))
    for requirement in found:
        pin = PINS[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin, prereleases=True), f"{requirement} is pinned to {pin}"
    assert set(PINS) == {canonicalize_name(requirement.name) for requirement in found}


def test_every_pin_has_hashes_and_no_address_stands_in_the_lock() -> None:
    assert len(PINNED.findall(LOCK)) == len(
        re.findall(r"^[A-Za-z0-9._-]+==.*\\\n    --hash=sha256:", LOCK, re.MULTILINE)
    )
    assert "://" not in LOCK


def test_every_direct_dependency_has_its_reason_on_a_page() -> None:
    page = (TOP / "config" / "docs" / "hardening.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^- \*\*([\w-]+)\*\* \w", page.partition("\n## Dependencies\n")[2], re.MULTILINE)
    assert sorted(reasons) == sorted(Requirement(text).name for text in PROJECT["dependencies"])
