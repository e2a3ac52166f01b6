"""Conventions of the repository: what is where, and that imports go one way.

base ← db, chat, glm, feishu ← service ← worker, web, cli ← app, run; and there are no cycles.
"""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter

from tests.repo.lock import TOP

TOP_LEVEL = {"bot", "tests", "config", "pyproject.toml", "README.md", "Procfile", "requirements.txt"}
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
    assert (TOP / "Procfile").read_text(encoding="utf-8") == "web: python -m bot serve\nworker: python -m bot worker\n"


def test_functions_are_short() -> None:
    """At most 50 lines, generated migrations aside."""
    functions = [
        (f"{name} {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "/migrations/versions/" not in name
    ]
    assert [name for name, lines in functions if lines > 50] == []


LAYERS = (("db", "chat", "glm", "feishu"), ("service",), ("worker", "web", "cli"), ("app", "run", "__main__"))
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
    return next((number for number, layer in enumerate(LAYERS, 1) if package(module) in layer), 0)


NAMES = {
    path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): set(imports(tree))
    for path, tree in MODULES.items()
}
GRAPH = {
    module: {name if name in NAMES else name.rpartition(".")[0] for name in names} & NAMES.keys() - {module, "bot"}
    for module, names in NAMES.items()
}
BETWEEN = {
    (module, imported)
    for module, targets in GRAPH.items()
    for imported in targets
    if package(imported) != package(module)
}
"""What imports what of another package."""


def test_imports_go_one_way() -> None:
    """A module imports only its own package and lower layers; the sandbox, which ``cli`` may start, only the SDK."""
    assert [
        (module, imported)
        for module, imported in BETWEEN
        if package(module) not in ("sandbox", "__main__")
        and (package(module), package(imported)) != ("cli", "sandbox")
        and (level(imported) > level(module) or 0 < level(imported) == level(module) < len(LAYERS))
    ] == []
    of_sandbox = {edge for edge in BETWEEN if package(edge[0]) == "sandbox" and edge[0] != "bot.sandbox.start"}
    assert {imported for _, imported in of_sandbox} == {"bot.feishu.sdk"}


def test_no_modules_and_no_packages_import_each_other() -> None:
    """There is no cycle of imports between modules, nor between packages and top-level modules: ``CycleError``."""
    TopologicalSorter(GRAPH).prepare()
    packages = defaultdict(set)
    for module, imported in BETWEEN:
        packages[package(module)].add(package(imported))
    TopologicalSorter(packages).prepare()


def test_only_the_sdk_module_imports_the_sdk_and_chat_knows_nothing_of_the_network() -> None:
    """The package that parses and renders imports no HTTP, no database, no settings and no clock."""
    roots = {module: {name.split(".")[0] for name in names} for module, names in NAMES.items()}
    assert {module for module, names in roots.items() if "lark_oapi" in names} <= {"bot.feishu.sdk"}
    banned = {"httpx", "flask", "sqlalchemy", "socket", "time", "requests"}
    assert {module for module, names in roots.items() if module.startswith("bot.chat") and names & banned} == set()
