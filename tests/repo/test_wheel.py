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
    """Settings, sentences, styles, migrations and the page are inside the package, and no tests are."""
    assert {path.name for path in (installed / "bot" / "config").iterdir()} >= {
        "bot.toml",
        "messages.zh.toml",
        "messages.en.toml",
        "styles.toml",
    }
    assert list((installed / "bot" / "db" / "migrations" / "versions").glob("r0001*.py"))
    assert (installed / "bot" / "sandbox" / "page" / "static" / "index.html").is_file()
    assert not (installed / "tests").exists()


def test_the_licence_and_the_version_are_in_the_wheel(installed: Path) -> None:
    """The metadata names both, and the text of the licence is beside it."""
    (metadata,) = installed.glob("feishu_glm_image_bot-*.dist-info/METADATA")
    fields = metadata.read_text(encoding="utf-8").splitlines()
    assert {f"Version: {bot.__version__}", "License-Expression: MIT", "License-File: config/LICENSE"} < set(fields)
    licence = (metadata.parent / "licenses" / "config" / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("MIT License\n\nCopyright (c) ")
    assert 'THE SOFTWARE IS PROVIDED "AS IS"' in licence


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["-m", "bot", "--version"], "glm-image-bot"),
        (["-m", "bot", "generate", "--version"], "glm-image"),
        (["-c", "from bot.cli.generate import main; raise SystemExit(main())", "--version"], "glm-image"),
    ],
)
def test_both_programs_tell_their_version(installed: Path, tmp_path: Path, command: list[str], name: str) -> None:
    """One line on the output, and the exit code is 0; no settings are needed."""
    done = run(installed, tmp_path, *command)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} {bot.__version__}\n", "")


def test_the_installed_bot_answers_a_prompt_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """``sandbox --say`` works from anywhere, prints the transcript and saves the picture."""
    done = run(installed, tmp_path, "-m", "bot", "sandbox", "--say", "一只橘猫 /size 16:9", "--save", "cat.jpg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1728x960" in done.stdout
    assert (tmp_path / "cat.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_the_installed_bot_copies_its_configuration(installed: Path, tmp_path: Path) -> None:
    """The copy is the wheel's, and ``check`` names it once it is in force."""
    done = run(installed, tmp_path, "-m", "bot", "config", "init", "own")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "own" / "bot.toml").read_bytes() == (installed / "bot" / "config" / "bot.toml").read_bytes()
    (tmp_path / ".env").write_text("BOT_CONFIG_DIR=own\n", encoding="utf-8")
    done = run(installed, tmp_path, "-m", "bot", "check", "--offline")
    assert "own/bot.toml, with all keys of this version" in done.stdout
