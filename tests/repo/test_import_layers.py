"""Imports go one way: base ← db, chat, glm, feishu ← service ← worker, web, cli ← app, run; and there are no cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.repo.lock import TOP

BOT = TOP / "bot"
FILES = sorted(BOT.rglob("*.py"))
TOP_LEVEL = {"app", "run", "__main__"}
LAYERS = (("db", "chat", "glm", "feishu"), ("service",), ("worker", "web", "cli"))
"""The packages above the base layer, from low to high; every other module of ``bot`` is base."""


def module_of(path: Path) -> str:
    """The dotted name of a file's module."""
    return ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path) for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """The modules of the bot that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{name.name}" for name in node.names]
        else:
            continue
        for name in names:
            found = name if name in MODULES else name.rpartition(".")[0]
            if found in MODULES and found != "bot":
                yield found


def package(module: str) -> str:
    """The package of a module, or a top-level module itself."""
    return module.split(".")[1]


def level(module: str) -> int:
    """How high a module stands: 0 for base."""
    name = package(module)
    if name in TOP_LEVEL:
        return len(LAYERS) + 1
    return next((number for number, layer in enumerate(LAYERS, 1) if name in layer), 0)


GRAPH = {module_of(path): set(imports(path)) - {module_of(path)} for path in FILES}


def test_imports_go_one_way() -> None:
    """A module imports only its own package and lower layers; ``cli`` may start what runs the bot."""
    wrong = {
        (module, imported)
        for module, targets in GRAPH.items()
        for imported in targets
        if package(module) not in ("sandbox", "__main__")
        and package(imported) != package(module)
        and not (package(module) == "cli" and package(imported) == "sandbox")
        and (level(imported) > level(module) or 0 < level(imported) == level(module) <= len(LAYERS))
    }
    assert wrong == set()


def test_sandbox_imports_nothing_of_the_bot() -> None:
    """The stand-ins share no code with the bot, except where they start it."""
    wrong = {
        (module, imported)
        for module, targets in GRAPH.items()
        for imported in targets
        if package(module) == "sandbox" and package(imported) != "sandbox" and module != "bot.sandbox.start"
    }
    assert wrong == set()


def test_no_modules_import_each_other() -> None:
    """There is no cycle of imports between modules; ``CycleError`` names one."""
    TopologicalSorter(GRAPH).prepare()


def test_no_packages_import_each_other() -> None:
    """There is no cycle of imports between packages and top-level modules."""
    edges: dict[str, set[str]] = {}
    for module, targets in GRAPH.items():
        for imported in targets:
            if package(module) != package(imported):
                edges.setdefault(package(module), set()).add(package(imported))
    TopologicalSorter(edges).prepare()


def test_only_the_sdk_module_imports_the_sdk() -> None:
    """lark_oapi is imported in one place, which knows how to do it cheaply."""
    found = {path.relative_to(BOT).as_posix() for path in FILES if "lark_oapi" in roots(path)}
    assert found <= {"feishu/sdk.py"}


def test_chat_knows_nothing_of_the_network() -> None:
    """The package that parses and renders imports no HTTP, no database, no settings and no clock."""
    banned = {"httpx", "flask", "sqlalchemy", "socket", "time", "requests"}
    assert {path.name for path in (BOT / "chat").rglob("*.py") if roots(path) & banned} == set()


def roots(path: Path) -> set[str]:
    """The first parts of the names that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {name.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return plain | {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
