"""A saved picture appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.cli.saving import NewFile


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    """Until it is written nothing stands at its place; afterwards nothing else is left."""
    target = tmp_path / "new" / "image.png"
    with NewFile(str(target)) as file:
        assert not target.exists()
        file.write(b"picture")
    assert target.read_bytes() == b"picture"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_not_written_leaves_nothing(tmp_path: Path) -> None:
    """A call that fails leaves neither the file nor a part of it."""
    with pytest.raises(KeyboardInterrupt), NewFile(str(tmp_path / "image.png")):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    """The old picture stays readable up to the moment at which the new one takes its place."""
    target = tmp_path / "image.png"
    target.write_bytes(b"old")
    with NewFile(str(target)) as file:
        assert target.read_bytes() == b"old"
        file.write(b"new")
    assert target.read_bytes() == b"new"


def test_a_link_is_written_through(tmp_path: Path) -> None:
    """A link stays a link, and what it leads to is replaced."""
    target, link = tmp_path / "image.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with NewFile(str(link)) as file:
        file.write(b"new")
        assert file.path == link
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_relative_path_is_told_in_full(tmp_path: Path) -> None:
    """What is told afterwards does not depend on the folder that the command was run in."""
    relative = os.path.relpath(tmp_path / "image.png")
    with NewFile(relative) as file:
        assert file.path.is_absolute()


@pytest.mark.parametrize("path", ["", "/", "/dev/null", "/dev/null/image.png", "~nobody-of-this-name/image.png"])
def test_a_place_that_takes_no_file_is_refused_at_once(path: str) -> None:
    """A folder, a device, a file in the way or an unknown home is found before anything is paid."""
    with pytest.raises(OSError, match=r".+"):
        NewFile(path)
