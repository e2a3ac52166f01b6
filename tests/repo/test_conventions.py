"""Conventions of the repository that can be checked."""

from __future__ import annotations

import ast
import re
import subprocess

from tests.repo.lock import TOP

TOP_LEVEL = {"bot", "tests", "config", "pyproject.toml", "README.md", "Procfile", "requirements.txt"}
LONGEST_FUNCTION = 50
LEFTOVERS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|/(?:root|home|tmp|work)/\w+")
SUFFIXES = {".py", ".js", ".css", ".html", ".toml", ".md", ".env", ".json"}
LISTING = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]

TRACKED = [
    name
    for name in subprocess.run(LISTING, cwd=TOP, capture_output=True, text=True, check=True).stdout.splitlines()
    if (TOP / name).is_file()
]
MODULES = {
    name: ast.parse((TOP / name).read_text(encoding="utf-8"))
    for name in TRACKED
    if name.startswith("bot/") and name.endswith(".py")
}


def test_the_top_level_is_as_designed() -> None:
    assert {name.split("/")[0] for name in TRACKED if not name.startswith(".")} <= TOP_LEVEL


def test_functions_are_short_and_modules_have_docstrings() -> None:
    """A function has at most 50 lines, generated migrations aside, and each module says what it is for."""
    assert [name for name, tree in MODULES.items() if not ast.get_docstring(tree)] == []
    assert [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in MODULES.items()
        if "/migrations/versions/" not in name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ] == []


def test_only_the_command_line_prints() -> None:
    printing = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {name for name in printing if not name.startswith(("bot/cli/", "bot/__main__.py"))} == set()


def test_no_leftovers() -> None:
    """No note to do something later, and no path of a machine."""
    assert [
        f"{name}: {found[0]}"
        for name in TRACKED
        if name.endswith(tuple(SUFFIXES)) and not name.startswith("tests/")
        for found in LEFTOVERS.finditer((TOP / name).read_text(encoding="utf-8"))
    ] == []
