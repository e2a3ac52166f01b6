"""The container image and its compose file, as far as they can be tried without a container engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
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


def test_the_build_sees_what_is_copied_and_nothing_else() -> None:
    sources = sorted(source for words in COPIED for source in words[:-1])
    lines = (TOP / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules == ["*", *(f"!{source}" for source in sources), "**/__pycache__"]
    assert [source for source in sources if not (TOP / source).exists()] == []


def test_nothing_runs_as_root_and_nothing_is_unlocked() -> None:
    """The user has a number other than 0, the packages come with hashes alone, and data have a volume."""
    (install,) = re.findall(r"pip install [^&\n]*", TEXT.replace("\\\n", ""))
    assert "--require-hashes -r /tmp/requirements.txt" in install
    instructions = {name: of(name) for name in ("USER", "VOLUME", "WORKDIR", "STOPSIGNAL")}
    assert list(instructions.values()) == [["10001"], ["/data"], ["/data"], ["SIGTERM"]]
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


def test_the_services_are_those_that_the_head_says_and_run_the_image_as_intended() -> None:
    """One with SQLite by default; a database, two webs and a worker in a profile; ports on loopback only.

    Each runs a command of the bot, waits out a paid call, and has no more rights.
    """
    services: dict[str, dict[str, Any]] = COMPOSE["services"]
    ours = {name: one for name, one in services.items() if "build" in one}
    profile = {name for name, one in services.items() if one.get("profiles") == ["postgres"]}
    assert (set(ours), profile) == ({"bot", "web", "worker"}, {"web", "worker", "postgres"})
    assert ours["web"]["deploy"]["replicas"] == 2
    assert [port for one in services.values() for port in one.get("ports", ())] == ["127.0.0.1:8001-8002:8000"]
    for name, service in ours.items():
        folder = (DEPLOY / service["build"]["context"]).resolve()
        assert (folder, (folder / service["build"]["dockerfile"]).is_file()) == (TOP, True)
        assert service["command"].split()[0] in COMMANDS
        bounds = (service["stop_grace_period"], service["read_only"], service["cap_drop"])
        assert bounds == ("320s", True, ["ALL"]), name
        given = service.get("environment", {})
        variables = {key: value.replace("${POSTGRES_PASSWORD:-}", "p") for key, value in given.items()}
        assert set(variables) <= {*VARIABLES, "BOT_SERVER_WORKER_PORT"}
        assert load(variables).url.startswith("sqlite" if name == "bot" else "postgresql://bot:p@postgres/bot")


def test_the_forge_s_files_name_what_is_there() -> None:
    """Each command of the YAML files, and each link of the pages for contributors, leads to a file.

    The matrix of Pythons begins with the oldest that is supported, and has those of the tools and of the image.
    """
    texts = {path: path.read_text(encoding="utf-8") for path in (TOP / ".github").rglob("*") if path.is_file()}
    command = re.compile(r"(?:-f |-r |run: |file: )((?:\.|config|requirements)[\w./-]+)")
    named = [TOP / one for path, text in texts.items() if path.suffix == ".yml" for one in command.findall(text)]
    links = [path.parent / one for path, text in texts.items() for one in re.findall(r"\]\(([^)#:]+)\)", text)]
    assert (len(named) >= 3, len(links) >= 3) == (True, True)
    assert [one for one in (*named, *links) if not one.is_file()] == []
    assert os.access(TOP / ".ci" / "run", os.X_OK)
    workflow = yaml.safe_load(texts[TOP / ".github" / "workflows" / "check.yml"])
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={versions[0]}"' in (TOP / "pyproject.toml").read_text(encoding="utf-8")
    pinned = (TOP / ".python-version").read_text(encoding="utf-8").strip()
    assert {pinned, *re.findall(r"FROM python:([\d.]+)-slim", TEXT)} <= set(versions)
