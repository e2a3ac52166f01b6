"""The pages that people read, and the commands that stand in them."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from tests.repo.lock import TOP

PAGES = [TOP / "README.md", *sorted((TOP / "config" / "docs").glob("*.md")), TOP / "tests" / "README.md"]
TEXTS = {page.relative_to(TOP).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}

BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, heading: str) -> list[str]:
    """The blocks of code under a heading of a page, in their order."""
    _, _, rest = TEXTS[page].partition(f"# {heading}\n")
    assert rest, f"{page} has no heading {heading}"
    return BLOCK.findall(re.split(r"^##+ ", rest, maxsplit=1, flags=re.MULTILINE)[0])


def program(name: str) -> str:
    """Where a program is; without it the test is skipped, or fails where ``REQUIRE_PROGRAMS`` is set."""
    found = shutil.which(name)
    if found is None:
        say = pytest.fail if os.environ.get("REQUIRE_PROGRAMS") else pytest.skip
        say(f"{name} is not installed")
    return found
