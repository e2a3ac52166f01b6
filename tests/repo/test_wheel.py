"""The package as it is installed: a wheel that runs from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.repo.lock import TOP


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel has been unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(TOP),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_everything_travels_in_the_wheel(installed: Path) -> None:
    """Settings, sentences, styles, migrations and the page are inside the package, and no tests are."""
    assert {path.name for path in (installed / "bot" / "config").iterdir()} >= {
        "bot.toml",
        "messages.zh.toml",
        "messages.en.toml",
        "styles.toml",
    }
    assert list((installed / "bot" / "generation" / "store" / "migrations" / "versions").glob("r0001*.py"))
    assert (installed / "bot" / "sandbox" / "page" / "static" / "index.html").is_file()
    assert not (installed / "tests").exists()


def test_the_installed_bot_answers_a_prompt_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """``sandbox --say`` works from anywhere, prints the transcript and saves the picture."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", "sandbox", "--say", "一只橘猫 /size 16:9", "--save", "cat.jpg"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1728x960" in done.stdout
    assert (tmp_path / "cat.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_a_prompt_with_a_fault_makes_the_command_fail(installed: Path, tmp_path: Path) -> None:
    """``sandbox --say`` exits 1 when no right picture came back."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", "sandbox", "--say", "一只橘猫 /size 512x512"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "512x512" in done.stdout
