"""A saved file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.cli.atomic_file import AtomicFile


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "image.png"
    with AtomicFile(str(target)) as file:
        assert not target.exists()
        file.write(b"image")
    assert target.read_bytes() == b"image"
    assert list(target.parent.iterdir()) == [target]


def test_an_interrupted_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), AtomicFile(str(tmp_path / "image.png")):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_old_file_is_replaced_only_by_a_whole_one(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "image.png"
    target.write_bytes(b"old")
    target.chmod(mode)
    with AtomicFile(str(target)) as file:
        assert target.read_bytes() == b"old"
        file.write(b"new")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", mode)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_written_through(tmp_path: Path, *, exists: bool) -> None:
    target, link = tmp_path / "new" / "image.png", tmp_path / "link.png"
    if exists:
        target.parent.mkdir()
        target.write_bytes(b"old")
    link.symlink_to(target)
    with AtomicFile(str(link)) as file:
        file.write(b"new")
        assert file.path == str(link)
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


def test_the_reported_path_is_absolute(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    with AtomicFile(os.path.relpath(tmp_path / "link" / ".." / "image.png")) as file:
        file.write(b"new")
    with AtomicFile(f"{tmp_path}/link/../image.png") as other:
        other.write(b"new")
    assert other.path == str(tmp_path / "a" / "image.png")
    assert Path(file.path).is_absolute()


@pytest.mark.parametrize(
    "path", ["", "/", "/dev/null", "/dev/null/image.png", "~nobody-of-this-name/image.png", "loop"]
)
def test_a_path_that_cannot_be_a_file_is_rejected_at_once(path: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r".+"):
        AtomicFile(str(tmp_path / path) if path == "loop" else path)
    assert [file.name for file in tmp_path.iterdir()] == ["loop"]
