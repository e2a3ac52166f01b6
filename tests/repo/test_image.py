"""The container image and its compose file, as far as they can be tried without a container engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from bot.__main__ import COMMANDS
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.settings import VARIABLES, load
from tests.repo.lock import TOP
from tests.repo.test_lock import PINS
from tests.support.dsl import DEADLINE, wait_for
from tests.support.servers import free_port

DEPLOY = TOP / "config" / "deploy"
TEXT = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
LINES = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", TEXT)).strip().splitlines()
INSTRUCTIONS = [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in LINES)]
FINAL = INSTRUCTIONS[max(place for place, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") + 1 :]
COPIED = [rest.split() for name, rest in INSTRUCTIONS if name == "COPY" and not rest.startswith("--from")]


def of(name: str) -> list[str]:
    """What the final stage says after an instruction, each time."""
    return [rest for each, rest in FINAL if each == name]


def ignored(path: str) -> bool:
    """Whether the build does not see a path, by the rules of ``.dockerignore``: the last one that matches counts."""
    hidden = False
    for rule in (TOP / ".dockerignore").read_text(encoding="utf-8").split("\n"):
        if rule and not rule.startswith("#"):
            pattern = rule.removeprefix("!").removeprefix("**/")
            parts = PurePosixPath(path).parts
            if any(fnmatch(part, pattern) for part in (parts if "**" in rule else parts[:1])):
                hidden = not rule.startswith("!")
    return hidden


def test_what_is_copied_is_there_and_seen() -> None:
    """Every source is in the repository and passes ``.dockerignore``; secrets, data and caches do not."""
    sources = [source for words in COPIED for source in words[:-1]]
    assert sorted(sources) == ["bot", "config", "requirements.txt"]
    assert [source for source in sources if not (TOP / source).exists() or ignored(source)] == []
    hidden = [".env", ".git/config", "data/bot.db", ".venv/bin/python", "tests/conftest.py", "bot/__pycache__/x.pyc"]
    assert [path for path in (*hidden, "bot/app.py") if ignored(path)] == hidden


def test_nothing_runs_as_root_and_nothing_is_unlocked() -> None:
    """The user has a number other than 0, the packages come with hashes alone, and data have a volume."""
    assert [int(user) for user in of("USER")] == [10001]
    installs = re.findall(r"pip install [^&\n]*", TEXT.replace("\\\n", ""))
    assert len(installs) == 1
    assert "--require-hashes -r /tmp/requirements.txt" in installs[0]
    assert (of("VOLUME"), of("WORKDIR"), of("STOPSIGNAL")) == (["/data"], ["/data"], ["SIGTERM"])
    assert all("-slim" in rest for name, rest in INSTRUCTIONS if name == "FROM")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files that the Dockerfile copies, and a virtual environment with the packages of the lock and no other."""
    (tmp_path / "data").mkdir()
    for *sources, target in COPIED:
        for source in sources:
            if (TOP / source).is_dir():
                shutil.copytree(TOP / source, tmp_path / target.removeprefix("/"))
    venv.create(tmp_path / "opt" / "venv", symlinks=True)
    (site,) = (tmp_path / "opt" / "venv").glob("lib/python*/site-packages")
    for package in map(distribution, PINS):
        for top in {path.parts[0] for path in package.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(package.locate_file(top))))
    return tmp_path


@contextmanager
def started(root: Path, *command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a command in the image's folder for data, with the image's variables and these."""
    given = dict(word.split("=", 1) for word in shlex.split(" ".join(of("ENV"))))
    own = {name: re.sub(r"/(?=opt/|data)", f"{root}/", value) for name, value in given.items()}
    words = [shutil.which(command[0], path=own["PATH"]) or command[0], *command[1:]]
    with subprocess.Popen(words, cwd=root / "data", env={**own, **variables}, text=True, stdout=-1, stderr=-2) as one:
        try:
            yield one
        finally:
            one.kill()


def ended(root: Path, *command: str, **variables: str) -> tuple[int, str]:
    """Runs a command to its end; gives the exit code and what it printed."""
    with started(root, *command, **variables) as process:
        shown, _ = process.communicate(timeout=2 * DEADLINE)
    return process.returncode, shown


def test_the_image_answers_a_prompt_and_is_healthy_while_it_runs(root: Path) -> None:
    """With the lock's packages and the copied files alone.

    Its own command connects, its health check passes then and fails afterwards, and SIGTERM ends it.
    """
    entry, own = (json.loads(of(name)[0]) for name in ("ENTRYPOINT", "CMD"))
    health = json.loads(re.findall(r"CMD (\[.*\])", of("HEALTHCHECK")[0])[0])
    code, shown = ended(root, *entry, "sandbox", "--say", "一只橘猫", "--save", "cat.jpg")
    assert code == 0, shown
    assert (root / "data" / "cat.jpg").stat().st_size > 1000
    _, shown = ended(root, *entry, "check", "--offline", "--connect")
    assert f"read from {root}/opt/glm-image-bot/config" in shown
    with ConnectedStandIn() as feishu:
        variables = {
            "FEISHU_APP_ID": feishu.app_id,
            "FEISHU_APP_SECRET": feishu.app_secret,
            "FEISHU_DOMAIN": feishu.origin,
            "PORT": str(free_port()),
        }
        with started(root, *entry, *own, **variables) as process:
            wait_for(lambda: ended(root, *health, **variables)[0] == 0)
            process.terminate()
            shown, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, shown
        assert ended(root, *health, **variables)[0] != 0


OURS: dict[str, dict[str, Any]] = {name: one for name, one in COMPOSE["services"].items() if "build" in one}


def test_the_services_are_those_that_the_head_says() -> None:
    """One with SQLite by default; a database, two webs and a worker in a profile; ports on loopback only."""
    assert set(OURS) == {"bot", "web", "worker"}
    assert {name for name, one in COMPOSE["services"].items() if one.get("profiles") == ["postgres"]} == {
        *("web", "worker", "postgres")
    }
    assert OURS["web"]["deploy"]["replicas"] == 2
    ports = [port for one in COMPOSE["services"].values() for port in one.get("ports", ())]
    assert ports == ["127.0.0.1:8001-8002:8000"]
    kept = {volume.partition(":")[0] for one in COMPOSE["services"].values() for volume in one.get("volumes", ())}
    assert kept == set(COMPOSE["volumes"])


def test_a_service_runs_the_image_as_intended() -> None:
    """It is built from what is there, runs a command of the bot, waits out a paid call, and has no more rights."""
    for name, service in OURS.items():
        assert (DEPLOY / service["build"]["context"]).resolve() == TOP
        assert (TOP / service["build"]["dockerfile"]).is_file()
        assert service["command"].split()[0] in COMMANDS
        bounds = (service["stop_grace_period"], service["read_only"], service["cap_drop"])
        assert bounds == ("320s", True, ["ALL"]), name
        given = service.get("environment", {})
        variables = {key: value.replace("${POSTGRES_PASSWORD:-}", "p") for key, value in given.items()}
        assert set(variables) <= {*VARIABLES, "BOT_SERVER_WORKER_PORT"}
        assert load(variables).url.startswith("sqlite" if name == "bot" else "postgresql://bot:p@postgres/bot")


def test_the_forge_s_files_name_what_is_there() -> None:
    """Each YAML file is one document, and its commands, like the links of the pages for contributors, lead to files."""
    for path in sorted((TOP / ".github").rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        assert isinstance(yaml.safe_load(text), dict)
        for named in re.findall(r"(?:-f |-r |run: |file: )((?:\.|config|requirements)[\w./-]+)", text):
            assert (TOP / named).is_file(), named
    links = [
        page.parent / link
        for page in (TOP / ".github").glob("*.md")
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) >= 3
    assert [link for link in links if not link.is_file()] == []


def test_every_supported_python_is_checked() -> None:
    """The matrix begins with the oldest that ``pyproject.toml`` allows, which is also the one that tools pick."""
    workflow = yaml.safe_load((TOP / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8"))
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    pinned = (TOP / ".python-version").read_text(encoding="utf-8").strip()
    assert pinned in versions
    assert f'requires-python = ">={versions[0]}"' in (TOP / "pyproject.toml").read_text(encoding="utf-8")
    image = re.findall(r"FROM python:([\d.]+)-slim", TEXT)
    assert set(image) <= set(versions)
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in versions
    assert os.access(TOP / ".ci" / "run", os.X_OK)
