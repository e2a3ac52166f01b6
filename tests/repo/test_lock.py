"""The lock is what ``pyproject.toml`` asks for."""

from __future__ import annotations

import os
import re
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repo.lock import TOP

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)

LOCK = (TOP / "requirements.txt").read_text(encoding="utf-8")
PINS = {canonicalize_name(name): pin for name, pin in PINNED.findall(LOCK)}
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_what_is_installed_is_pinned_within_the_ranges_of_the_project() -> None:
    """That nothing is missing in the lock is tried in test_image.py, with its packages alone."""
    for requirement in map(Requirement, PROJECT["dependencies"]):
        pin = PINS[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin, prereleases=True), f"{requirement} is pinned to {pin}"
    newer = {name for name, pin in PINS.items() if version(name) != pin}
    if newer and "REQUIRE_LOCK" not in os.environ:
        pytest.skip(f"what was installed is not what requirements.txt pins: {', '.join(sorted(newer))}")
    assert not newer


def test_every_pin_has_hashes_and_no_address_stands_in_the_lock() -> None:
    assert len(PINS) == len(re.findall(r"^[\w.-]+==.*\\\n    --hash=sha256:", LOCK, re.MULTILINE))
    assert "://" not in LOCK


def test_every_direct_dependency_has_its_reason_on_a_page() -> None:
    page = (TOP / "config" / "docs" / "hardening.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^- \*\*([\w-]+)\*\* \w", page.partition("\n## Dependencies\n")[2], re.MULTILINE)
    assert sorted(reasons) == sorted(Requirement(text).name for text in PROJECT["dependencies"])
