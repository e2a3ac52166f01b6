"""What the README says is so."""

from __future__ import annotations

import re
import tomllib

import pytest

from bot.chat.reading.words import COMMANDS as CHAT_COMMANDS
from bot.settings import VARIABLES
from tests.repo.lock import TOP

README = (TOP / "README.md").read_text(encoding="utf-8")
LONGEST = 250


def test_it_can_be_read_at_a_sitting() -> None:
    """The README is at most 250 lines."""
    assert README.count("\n") <= LONGEST


@pytest.mark.parametrize("name", [*VARIABLES, "BOT_CONFIG_DIR"])
def test_every_variable_is_in_it(name: str) -> None:
    """Each variable that the program reads is explained."""
    assert f"`{name}`" in README


def test_every_chat_command_is_in_it() -> None:
    """Each thing that can be typed is listed."""
    listed = README[README.index("## What you can type") : README.index("## The command line")]
    missing = {name for name in CHAT_COMMANDS.values() if f"/{name}" not in listed}
    assert missing == set()


def test_the_setup_names_are_those_of_the_project() -> None:
    """The extras and scripts that it uses are declared."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(re.findall(r"-e '\.\[(\w+)\]'", README)) <= set(project["optional-dependencies"])
    assert "glm-image" in project["scripts"]


def test_the_procfile_runs_what_the_readme_says() -> None:
    """The lines of the Procfile are the two production commands."""
    lines = (TOP / "Procfile").read_text(encoding="utf-8").splitlines()
    assert lines == ["web: python -m bot serve", "worker: python -m bot worker"]
