"""Imports go one way: base ← db, chat, glm, feishu ← service ← worker, web, cli ← app, run; and there are no cycles."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter

from tests.repo.test_conventions import MODULES as TREES

TOP_LEVEL = {"app", "run", "__main__"}
LAYERS = (("db", "chat", "glm", "feishu"), ("service",), ("worker", "web", "cli"))
"""The packages above the base layer, from low to high; every other module of ``bot`` is base."""


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def package(module: str) -> str:
    return module.split(".")[1]


def level(module: str) -> int:
    """How high a module stands: 0 for base."""
    name = package(module)
    if name in TOP_LEVEL:
        return len(LAYERS) + 1
    return next((number for number, layer in enumerate(LAYERS, 1) if name in layer), 0)


NAMES = {
    path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): set(imports(tree))
    for path, tree in TREES.items()
}
GRAPH = {
    module: {name if name in NAMES else name.rpartition(".")[0] for name in names} & NAMES.keys() - {module, "bot"}
    for module, names in NAMES.items()
}
EDGES = {(module, imported) for module, targets in GRAPH.items() for imported in targets}
ROOTS = {module: {name.split(".")[0] for name in names} for module, names in NAMES.items()}


def test_imports_go_one_way() -> None:
    """A module imports only its own package and lower layers; ``cli`` may start what runs the bot."""
    wrong = {
        (module, imported)
        for module, imported in EDGES
        if package(module) not in ("sandbox", "__main__")
        and package(imported) != package(module)
        and not (package(module) == "cli" and package(imported) == "sandbox")
        and (level(imported) > level(module) or 0 < level(imported) == level(module) <= len(LAYERS))
    }
    assert wrong == set()


def test_sandbox_imports_nothing_of_the_bot() -> None:
    of_sandbox = {edge for edge in EDGES if package(edge[0]) == "sandbox" and edge[0] != "bot.sandbox.start"}
    assert {edge for edge in of_sandbox if package(edge[1]) != "sandbox"} == set()


def test_no_modules_and_no_packages_import_each_other() -> None:
    """There is no cycle of imports between modules, nor between packages and top-level modules.

    ``CycleError`` names one.
    """
    TopologicalSorter(GRAPH).prepare()
    packages = defaultdict(set)
    for module, imported in EDGES:
        if package(module) != package(imported):
            packages[package(module)].add(package(imported))
    TopologicalSorter(packages).prepare()


def test_only_the_sdk_module_imports_the_sdk() -> None:
    assert {module for module, roots in ROOTS.items() if "lark_oapi" in roots} <= {"bot.feishu.sdk"}


def test_chat_knows_nothing_of_the_network() -> None:
    """The package that parses and renders imports no HTTP, no database, no settings and no clock."""
    banned = {"httpx", "flask", "sqlalchemy", "socket", "time", "requests"}
    assert {module for module, roots in ROOTS.items() if module.startswith("bot.chat") and roots & banned} == set()
