"""The pages that people read, and the commands that stand in them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

import pytest

from bot.__main__ import COMMANDS
from tests.repo.lock import TOP

PAGES = [TOP / "README.md", *sorted((TOP / "config" / "docs").glob("*.md")), TOP / "tests" / "README.md"]
TEXTS = {page.relative_to(TOP).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}

FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")

_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_CHAT = re.compile(r"^## What you can type.*?^(?=## )", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(
    r"(?:^|\s)(?:[^\s=]*/)?"
    r"(?:python3? -m (?P<module>[\w.]+)|(?P<script>glm-image-bot|glm-image|pytest|pip-audit|pip))(?=\s|$)"
    r"(?: (?P<verb>[a-z]+)\b)?(?P<rest>[^|;&]*)"
)


def blocks(page: str, heading: str) -> list[str]:
    """The blocks of code under a heading of a page, in their order."""
    _, _, rest = TEXTS[page].partition(f"# {heading}\n")
    assert rest, f"{page} has no heading {heading}"
    return _BLOCK.findall(re.split(r"^##+ ", rest, maxsplit=1, flags=re.MULTILINE)[0])


def code(page: str) -> Iterator[str]:
    """What stands on a page as code: each line of a block and each span, those put together that are wrapped.

    What is typed in a chat is left out.
    """
    text = _CHAT.sub("", TEXTS[page])
    for block in _BLOCK.findall(text):
        yield from block.replace("\\\n", "").splitlines()
    for span in _SPAN.findall(_BLOCK.sub("", text)):
        yield " ".join(span.replace("\\|", "/").split())


def commands(page: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each program that a page runs, with the flags that it gives it there; those of a line's comment are meant too."""
    for line in code(page):
        command, _, comment = line.partition(" #")
        if command.split(" ")[0] in COMMANDS:
            command = f"python -m bot {command}"
        for found in _PROGRAM.finditer(command):
            flags = frozenset(FLAG.findall(f"{found['rest']} {comment}"))
            if name := _name(found["module"] or found["script"], found["verb"]):
                yield name, flags


def _name(program: str, verb: str | None) -> str | None:
    """A program with its command, where it has several; ``None`` where only its name stands, as that of a service."""
    if program in {"bot", "glm-image-bot", "pip"}:
        return verb and f"{program.replace('glm-image-bot', 'bot')} {verb}"
    return "bot generate" if program == "glm-image" else program


def flags_alone(page: str) -> set[str]:
    """The flags that a page speaks of without the program."""
    return {flag for span in code(page) if span.startswith("-") for flag in FLAG.findall(span)}


def program(name: str) -> str:
    """Where a program is; without it the test is skipped, or fails where ``REQUIRE_PROGRAMS`` is set."""
    found = shutil.which(name)
    if found is None:
        say = pytest.fail if os.environ.get("REQUIRE_PROGRAMS") else pytest.skip
        say(f"{name} is not installed")
    return found
