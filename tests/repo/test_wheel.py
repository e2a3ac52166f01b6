"""The package as it is installed: a wheel that runs from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import bot
from tests.repo.lock import TOP
from tests.repo.test_conventions import TRACKED


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel has been unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(TOP)).build(directory=str(folder))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_file_travels_in_the_wheel(installed: Path) -> None:
    """Each file of the program and of its configuration is inside the package, and no test; so is the licence."""
    files = {path.relative_to(installed).as_posix() for path in installed.rglob("*")}
    packed = {name if name.startswith("bot/") else f"bot/{name}" for name in TRACKED if name[:4] in ("bot/", "conf")}
    assert (packed - files, "tests" in files) == (set(), False)
    (metadata,) = installed.glob("feishu_glm_image_bot-*.dist-info/METADATA")
    fields = metadata.read_text(encoding="utf-8").splitlines()
    assert {f"Version: {bot.__version__}", "License-Expression: MIT", "License-File: config/LICENSE"} < set(fields)
    assert (metadata.parent / "licenses" / "config" / "LICENSE").is_file()


def test_the_installed_programs_run_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """Both tell their version, and the configuration that is copied and checked is the wheel's."""

    def run(*arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "PYTHONUTF8": "1"}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout

    for module, name in (("bot.__main__", "glm-image-bot"), ("bot.cli.generate", "glm-image")):
        code = f"from {module} import main; raise SystemExit(main())"
        assert run("-c", code, "--version") == f"{name} {bot.__version__}\n"
    run("-m", "bot", "config", "init", "own")
    assert (tmp_path / "own" / "bot.toml").read_bytes() == (installed / "bot" / "config" / "bot.toml").read_bytes()
    (tmp_path / ".env").write_text("BOT_CONFIG_DIR=own\n", encoding="utf-8")
    assert "own/bot.toml, with all keys of this version" in run("-m", "bot", "check", "--offline")
