"""A saved picture appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.cli.atomic_file import AtomicFile


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    """Until it is written nothing stands at its place; afterwards nothing else is left."""
    target = tmp_path / "new" / "image.png"
    with AtomicFile(str(target)) as file:
        assert not target.exists()
        file.write(b"picture")
    assert target.read_bytes() == b"picture"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_not_written_leaves_nothing(tmp_path: Path) -> None:
    """A call that fails leaves neither the file nor a part of it."""
    with pytest.raises(KeyboardInterrupt), AtomicFile(str(tmp_path / "image.png")):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    """The old picture stays readable up to the moment at which the new one takes its place."""
    target = tmp_path / "image.png"
    target.write_bytes(b"old")
    with AtomicFile(str(target)) as file:
        assert target.read_bytes() == b"old"
        file.write(b"new")
    assert target.read_bytes() == b"new"


def test_a_link_is_written_through(tmp_path: Path) -> None:
    """A link stays a link, and what it leads to is replaced."""
    target, link = tmp_path / "image.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with AtomicFile(str(link)) as file:
        file.write(b"new")
        assert file.path == str(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_relative_path_is_told_in_full(tmp_path: Path) -> None:
    """What is told afterwards does not depend on the folder that the command was run in."""
    relative = os.path.relpath(tmp_path / "image.png")
    with AtomicFile(relative) as file:
        assert Path(file.path).is_absolute()


@pytest.mark.parametrize("path", ["", "/", "/dev/null", "/dev/null/image.png", "~nobody-of-this-name/image.png"])
def test_a_place_that_takes_no_file_is_refused_at_once(path: str) -> None:
    """A folder, a device, a file in the way or an unknown home is found before anything is paid."""
    with pytest.raises(OSError, match=r".+"):
        AtomicFile(path)


def test_a_loop_of_links_is_refused_at_once(tmp_path: Path) -> None:
    """A link that leads to itself is no place for a file."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        AtomicFile(str(tmp_path / "loop"))
    assert [file.name for file in tmp_path.iterdir()] == ["loop"]


def test_a_link_to_nothing_is_written_through(tmp_path: Path) -> None:
    """What it leads to is made, folder and all."""
    (tmp_path / "link").symlink_to(tmp_path / "new" / "image.png")
    with AtomicFile(str(tmp_path / "link")) as file:
        file.write(b"new")
    assert (tmp_path / "new" / "image.png").read_bytes() == b"new"


def test_the_folder_above_a_linked_one_is_its_own(tmp_path: Path) -> None:
    """``..`` behind a link is the folder above the one that it leads to, and what is told is where the file is."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    with AtomicFile(f"{tmp_path}/link/../image.png") as file:
        file.write(b"new")
    assert file.path == str(tmp_path / "a" / "image.png")
    assert (tmp_path / "a" / "image.png").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    """Who let nobody else read the old picture lets nobody else read the new one."""
    target = tmp_path / "image.png"
    target.write_bytes(b"old")
    target.chmod(mode)
    with AtomicFile(str(target)) as file:
        file.write(b"new")
    assert target.stat().st_mode & 0o777 == mode
