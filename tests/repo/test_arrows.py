"""The rooms of the program, and the arrows between them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.lock import TOP

BOT = TOP / "bot"

ALLOWED = {
    "errors": set(),
    "models": set(),
    "logs": set(),
    "machine": set(),
    "stopping": set(),
    "platform_clock": set(),
    "text": set(),
    "environment": {"errors"},
    "setting_faults": set(),
    "glm.sizes": {"errors"},
    "sections": {"errors", "models", "environment", "glm.sizes"},
    "addresses": set(),
    "permissions": set(),
    "settings": {"errors", "addresses", "sections", "environment", "setting_faults"},
    "chat": {"errors", "models", "environment", "text", "glm.sizes", "chat"},
    "glm": {"errors", "models", "text", "glm.sizes", "glm"},
    "feishu": {"errors", "models", "text", "feishu"},
    "generation": {"errors", "models", "permissions", "logs", "chat", "glm", "glm.sizes", "feishu", "generation"},
    "web": {"errors", "models", "logs", "generation", "web"},
    "metrics": {"errors", "models", "glm.sizes", "chat", "generation"},
    "cli": {
        "addresses",
        "errors",
        "models",
        "settings",
        "sections",
        "environment",
        "logs",
        "platform_clock",
        "chat",
        "glm",
        "glm.sizes",
        "feishu",
        "generation",
        "sandbox",
        "cli",
    },
}
"""For each room, the rooms it may import; ``app``, ``watching``, ``running`` and ``__main__`` stand above them all."""

ABOVE = {"app", "watching", "running", "__main__"}
STARTER = "sandbox/start.py"


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be one of its modules, so the names count as well.
            yield from (f"{node.module}.{name.name}" for name in node.names)


def room(module: str) -> str:
    """The room of a module of the bot, ``""`` for one of somebody else's or for the package itself."""
    parts = module.split(".")
    if parts[0] != "bot" or len(parts) == 1 or parts[1] == "__version__":
        return ""
    return "glm.sizes" if parts[1:3] == ["glm", "sizes"] else parts[1]


FILES = sorted(path.relative_to(BOT) for path in BOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_arrows_go_one_way(path: Path) -> None:
    """A file imports only the rooms that lie below its own."""
    own = room("bot." + ".".join(path.with_suffix("").parts))
    if own in ABOVE or path.name == "__init__.py" or path.as_posix() == STARTER:
        return
    used = {room(module) for module in imports(BOT / path)} - {"", own}
    if own == "sandbox":
        assert used == set()
    else:
        assert used <= ALLOWED[own] | {own}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_sdk_module_imports_the_sdk(path: Path) -> None:
    """lark_oapi is imported in one place, which knows how to do it cheaply."""
    imported = any(module.split(".")[0] == "lark_oapi" for module in imports(BOT / path))
    assert not imported or path.as_posix() == "feishu/sdk.py"


def test_speaking_knows_nothing_of_the_network() -> None:
    """The rooms that only understand and speak import no HTTP, no database, no settings and no clock."""
    banned = {"httpx", "flask", "sqlalchemy", "socket", "time", "requests"}
    found = {(path.name, module) for path in (BOT / "chat").rglob("*.py") for module in imports(path)}
    assert [one for one in found if one[1].split(".")[0] in banned] == []


def test_the_work_knows_nothing_of_the_web_server() -> None:
    """Flask and waitress stay in the web room and in the wiring."""
    users = {
        path for path in FILES if any(module.split(".")[0] in {"flask", "waitress"} for module in imports(BOT / path))
    }
    assert {path.parts[0] for path in users} <= {"web", "app.py", "watching.py", "running.py"}
