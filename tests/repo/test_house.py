"""The house rules that a machine can hold."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.repo.lock import TOP

ALLOWED = {"bot", "tests", "config", "pyproject.toml", "README.md", "Procfile", "requirements.txt"}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
WORDS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|/(?:root|home|tmp|work)/\w+")


def tracked() -> list[Path]:
    """Every file of the repository that is there."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    return [TOP / name for name in listing.stdout.splitlines() if (TOP / name).is_file()]


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """The program's modules: name, text and tree."""
    for path in sorted((TOP / "bot").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(TOP).as_posix(), text, ast.parse(text)


def test_the_top_level_is_as_designed() -> None:
    """Nothing lies at the top but what the design names, and dot-files."""
    names = {path.relative_to(TOP).parts[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} <= ALLOWED


def test_modules_and_functions_stay_short() -> None:
    """A module has at most 400 lines, a function 50, and each module says what it is."""
    found = [name for name, text, tree in modules() if text.count("\n") > LONGEST_MODULE or not ast.get_docstring(tree)]
    for name, _, tree in modules():
        if "/migrations/versions/" in name:
            # A revision is a list of statements that the schema's tool wrote.
            continue
        found += [
            f"{name}:{node.lineno} {node.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
        ]
    assert found == []


def test_only_the_runner_and_the_paid_call_have_a_broad_except() -> None:
    """Every thread and pool task runs under one runner; a paid call whose outcome is not known is not made again."""
    found = [
        name
        for name, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert found == ["bot/background.py", "bot/worker/generation_steps.py"]


def test_nothing_prints_but_the_command_line() -> None:
    """Everything else logs."""
    found = {
        name
        for name, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {name for name in found if not name.startswith("bot/cli/") and name != "bot/__main__.py"} == set()


def test_no_leftovers() -> None:
    """No note to do something later, and no path of a machine."""
    found = []
    for path in tracked():
        if (
            path.suffix in {".py", ".js", ".css", ".html", ".toml", ".md", ".env", ".json"}
            and "tests" not in path.parts
        ):
            found += [f"{path.name}: {hit[0]}" for hit in WORDS.finditer(path.read_text(encoding="utf-8"))]
    assert found == []
