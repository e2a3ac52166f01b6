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
        if key not in seen:
            seen.add(key)
            yield one
            given += [further for further in map(Requirement, requires(one.name) or ()) if applies(further, one.extras)]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    return not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def test_what_the_dependencies_bring_along_is_pinned_and_nothing_else_is() -> None:
    direct = [Requirement(text) for text in PROJECT["dependencies"]]
    assert [one for one in direct if not fits(one)] == []
    newer = {name for name, pin in PINS.items() if version(name) != pin}
    if newer and "REQUIRE_LOCK" not in os.environ:
        pytest.skip(f"what was installed is not what requirements.txt pins: {', '.join(sorted(newer))}")
    assert not newer
    found = list(wanted(direct))
    assert [one for one in found if not fits(one)] == []
    assert set(PINS) == {canonicalize_name(requirement.name) for requirement in found}


def fits(requirement: Requirement) -> bool:
    """Whether what is pinned is in the range."""
    return requirement.specifier.contains(PINS[canonicalize_name(requirement.name)], prereleases=True)


def test_every_pin_has_hashes_and_no_address_stands_in_the_lock() -> None:
    assert len(PINS) == len(re.findall(r"^[\w.-]+==.*\\\n    --hash=sha256:", LOCK, re.MULTILINE))
    assert "://" not in LOCK


def test_every_direct_dependency_has_its_reason_on_a_page() -> None:
    page = (TOP / "config" / "docs" / "hardening.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^- \*\*([\w-]+)\*\* \w", page.partition("\n## Dependencies\n")[2], re.MULTILINE)
    assert sorted(reasons) == sorted(Requirement(text).name for text in PROJECT["dependencies"])
