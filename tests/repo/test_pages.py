"""What the pages say can be typed, set and opened is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module

import pytest

from bot.__main__ import COMMANDS
from bot.__main__ import main as bot_main
from bot.settings import VARIABLES, Settings
from tests.repo.lock import TOP
from tests.repo.pages import FLAG, TEXTS, code, commands, flags_alone
from tests.support.forkserver import run_command

SETTING = re.compile(r"BOT_[A-Z]+_[A-Z_]+")
KNOWN = {
    f"BOT_{section}_{name}".upper()
    for section, field in Settings.model_fields.items()
    for name in getattr(field.annotation, "model_fields", ())
} | {*VARIABLES, "BOT_CONFIG_DIR"}
WITHOUT_HELP = {"tests.repo.lock", "tests.page.screenshot"}


def runs(page: str) -> set[tuple[str, str]]:
    """Each program that a page runs, with each flag that it gives it; and with none."""
    return {(program, flag) for program, flags in commands(page) for flag in ("", *flags)}


@cache
def flags_of(program: str) -> set[str]:
    """The flags that a program says it has."""
    own, _, command = program.partition(" ")
    if own == "bot" or own.startswith("tests."):
        main = bot_main if own == "bot" else import_module(f"{own}.__main__").main
        told = run_command(main, *command.split(), "--help", variables=dict(os.environ), folder=TOP).stdout.decode()
        return set(FLAG.findall(told))
    if program == "pip-audit":
        pytest.importorskip("pip_audit", reason="the extra dev is not installed")
    asked = [sys.executable, "-m", *program.replace("-", "_").split(), "--help"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(asked, cwd=TOP, env=alone, check=True, capture_output=True, text=True)
    return set(FLAG.findall(done.stdout))


def test_every_command_of_a_page_is_there() -> None:
    """Each program that a page runs has a ``--help``, in which each flag that the page gives it stands."""
    given = sorted(set().union(*map(runs, TEXTS)))
    files = {program: TOP / f"{program.replace('.', '/')}.py" for program in WITHOUT_HELP}
    assert [program for program, _ in given if program in files and not files[program].is_file()] == []
    helped = [(program, flag or "--help") for program, flag in given if program not in files]
    assert [(program, flag) for program, flag in helped if flag not in flags_of(program)] == []


def test_every_flag_that_stands_alone_is_one_of_the_page() -> None:
    """A flag that is spoken of without its program is one of a program that the page runs."""
    for page in TEXTS:
        programs = {program for program, _ in runs(page)} - WITHOUT_HELP
        if alone := flags_alone(page):
            assert alone - set().union(*map(flags_of, programs)) == set(), page


def test_every_command_stands_on_a_page() -> None:
    """No command has to be guessed."""
    assert {f"bot {name}" for name in COMMANDS} <= {program for page in TEXTS for program, _ in commands(page)}


@pytest.mark.parametrize(
    ("program", "heading"), [("bot generate", "## The command line"), ("bot check", "## The check")]
)
def test_every_flag_stands_in_the_section_of_its_command(program: str, heading: str) -> None:
    """The page of commands names each flag, and no other."""
    section = TEXTS["config/docs/commands.md"].partition(f"{heading}\n")[2].partition("\n## ")[0]
    # In backticks, and with the flag first: a command that is quoted there is no list of flags.
    told = {flag for span in re.findall(r"(?<!`)`(-[^`]+)`", section) for flag in FLAG.findall(span.replace("/", " "))}
    assert told == flags_of(program) - {"-h", "--help", "--version"}


def test_every_setting_of_a_page_is_there() -> None:
    """Each ``BOT_…`` variable and each ``[section]`` with a name beside it is a setting."""
    for page, text in TEXTS.items():
        assert set(SETTING.findall(text)) - KNOWN == set(), page
        named = re.findall(r"`(\w+)` of `\[(\w+)\]`|`\[(\w+)\] (\w+)\b", text)
        assert {f"BOT_{b or c}_{a or d}".upper() for a, b, c, d in named} - KNOWN == set(), page


def test_every_link_of_a_page_leads_somewhere() -> None:
    """Files and pictures that it links are there, as seen from the page, and so are the headings of pages."""
    for page, text in TEXTS.items():
        folder = (TOP / page).parent
        for target, heading in re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", text):
            assert (folder / target).exists(), f"{page}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", (folder / target).read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in {one.lower().replace(" ", "-") for one in headings}


def test_the_readme_links_every_page() -> None:
    """Nobody has to find a page by looking through folders."""
    assert [page for page in TEXTS if page != "README.md" and f"]({page})" not in TEXTS["README.md"]] == []


def test_every_path_that_a_page_names_is_there() -> None:
    """Files of the repository that stand in code, alone or in a command, exist; a star stands for some of them."""
    path = re.compile(r"(?<![\w./-])(?:bot|tests|config)/[\w./*@-]+|(?<![\w./-])(?:requirements\.txt|pyproject\.toml)")
    named = {(page, found) for page in TEXTS for line in code(page) for found in path.findall(line)}
    assert [(page, name) for page, name in sorted(named) if not list(TOP.glob(name.rstrip("/")))] == []
