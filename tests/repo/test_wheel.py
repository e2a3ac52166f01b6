"""The package as it is installed: a wheel that runs from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bot
from tests.repo.lock import TOP


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel has been unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder), str(TOP)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the installed package's Python in another folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_everything_travels_in_the_wheel(installed: Path) -> None:
    """Settings, sentences, styles, migrations, the page and the licence are inside the package, and no tests are."""
    files = {path.relative_to(installed).as_posix() for path in installed.rglob("*")}
    config = {f"bot/config/{name}" for name in ("bot.toml", "messages.zh.toml", "messages.en.toml", "styles.toml")}
    assert config | {"bot/sandbox/page/static/index.html"} <= files
    assert any(name.startswith("bot/db/migrations/versions/r0001") for name in files)
    assert "tests" not in files
    (metadata,) = installed.glob("feishu_glm_image_bot-*.dist-info/METADATA")
    fields = metadata.read_text(encoding="utf-8").splitlines()
    assert {f"Version: {bot.__version__}", "License-Expression: MIT", "License-File: config/LICENSE"} < set(fields)
    licence = (metadata.parent / "licenses" / "config" / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("MIT License\n\nCopyright (c) ")


def test_the_installed_bot_works_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """Both programs tell their version, ``sandbox --say`` saves a picture, and the copied configuration is the wheel's.

    ``check`` names that copy once it is in force.
    """
    for module, name in (("bot.__main__", "glm-image-bot"), ("bot.cli.generate", "glm-image")):
        code = f"from {module} import main; raise SystemExit(main())"
        done = run(installed, tmp_path, "-c", code, "--version")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} {bot.__version__}\n", "")
    done = run(installed, tmp_path, "-m", "bot", "sandbox", "--say", "一只橘猫 /size 16:9", "--save", "cat.jpg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1728x960" in done.stdout
    assert (tmp_path / "cat.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    done = run(installed, tmp_path, "-m", "bot", "config", "init", "own")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "own" / "bot.toml").read_bytes() == (installed / "bot" / "config" / "bot.toml").read_bytes()
    (tmp_path / ".env").write_text("BOT_CONFIG_DIR=own\n", encoding="utf-8")
    done = run(installed, tmp_path, "-m", "bot", "check", "--offline")
    assert "own/bot.toml, with all keys of this version" in done.stdout
