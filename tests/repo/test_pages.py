"""What the pages say can be typed, set and opened is there."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bot.__main__ import COMMANDS
from bot.settings import VARIABLES, Settings
from tests.repo.lock import TOP

PAGES = [TOP / "README.md", *sorted((TOP / "config").glob("*.md")), TOP / "tests" / "README.md"]
TEXTS = {page.relative_to(TOP).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
COMMAND = re.compile(r"python -m (bot [a-z]+|tests(?:\.\w+)+)((?: [^`\n|#]*)?)")
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
SETTING = re.compile(r"BOT_[A-Z]+_[A-Z_]+")
KNOWN = {
    f"BOT_{section}_{name}".upper()
    for section, field in Settings.model_fields.items()
    for name in getattr(field.annotation, "model_fields", ())
} | {*VARIABLES, "BOT_CONFIG_DIR"}


def commands() -> set[tuple[str, str]]:
    """Each program that a page runs, with each flag that it gives it; and with none."""
    found = set()
    for text in TEXTS.values():
        for program, rest in COMMAND.findall(text.replace("python -m tests.benchmarks.NAME", "")):
            found |= {(program, ""), *((program, flag) for flag in FLAG.findall(rest))}
    return found


@cache
def help_of(program: str) -> str:
    """What a program says of its options."""
    command = [sys.executable, "-m", *program.split(), "--help"]
    return subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("program", "flag"), sorted(commands()))
def test_every_command_of_a_page_is_there(program: str, flag: str) -> None:
    """Each program that a page names has a ``--help``, in which each flag that the page gives it stands."""
    if program in {"tests.repo.lock", "tests.page.screenshot"}:
        assert (TOP / f"{program.replace('.', '/')}.py").is_file()
        return
    assert flag in FLAG.findall(help_of(program)) or not flag


def test_every_command_stands_on_a_page() -> None:
    """No command has to be guessed."""
    assert {f"bot {name}" for name in COMMANDS} <= {program for program, _ in commands()}


@pytest.mark.parametrize("page", TEXTS)
def test_every_setting_of_a_page_is_there(page: str) -> None:
    """Each ``BOT_…`` variable and each ``[section]`` with a name beside it is a setting."""
    assert set(SETTING.findall(TEXTS[page])) <= KNOWN
    named = re.findall(r"`(\w+)` of `\[(\w+)\]`|`\[(\w+)\] (\w+)\b", TEXTS[page])
    assert {f"BOT_{b or c}_{a or d}".upper() for a, b, c, d in named} <= KNOWN


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    """Files and pictures that it links are there, as seen from the page."""
    folder = (TOP / page).parent
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXTS[page])
    assert [target for target in targets if not (folder / target).exists()] == []


@pytest.mark.parametrize("page", [name for name in TEXTS if name != "README.md"])
def test_every_page_is_linked_from_the_readme(page: str) -> None:
    """Nobody has to find a page by looking through folders."""
    assert f"]({page})" in TEXTS["README.md"]


def test_every_path_that_a_page_names_is_there() -> None:
    """Files of the repository that stand in backticks exist."""
    named = {path for text in TEXTS.values() for path in re.findall(r"`((?:bot|tests|config)/[\w./-]+)`", text)}
    assert [path for path in named if not Path(TOP, path).exists()] == []
