"""The folder of downloaded pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.sandbox.glm.pictures import render
from bot.worker.image_cache import DAY, ImageCache

NOW = 1_800_000_000.0


def folder_of(path: Path, *, days: float = 30, largest: int = 1000) -> ImageCache:
    """A folder whose clock stands still."""
    return ImageCache(path, days=days, largest=largest, clock=lambda: NOW)


def aged(path: Path, *, days: float) -> None:
    """Makes a file as old as that."""
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


def test_a_picture_comes_back_as_it_was(tmp_path: Path) -> None:
    """What was put is what is got, and nothing half-written stays behind."""
    originals = folder_of(tmp_path)
    assert originals.put("g1.jpg", b"picture")
    assert originals.get("g1.jpg") == b"picture"
    assert [file.name for file in tmp_path.iterdir()] == ["g1.jpg"]


def test_a_truncated_picture_is_discarded(tmp_path: Path) -> None:
    """A file that does not decode is deleted, so that the picture is fetched again; a whole one stays."""
    originals = folder_of(tmp_path)
    whole = render("猫", width=64, height=48, picture_id="1", watermark=False)
    originals.put("whole.jpg", whole)
    originals.put("half.jpg", whole[: len(whole) // 2])
    originals.put("empty.jpg", b"")
    (tmp_path / "folder.jpg").mkdir()
    image = originals.get_image("whole.jpg")
    assert image is not None
    assert (image.content, image.format) == (whole, "JPEG")
    for name in ("half.jpg", "empty.jpg", "folder.jpg", "gone.jpg"):
        assert originals.get_image(name) is None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.jpg", "whole.jpg"]


def test_a_picture_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """Another host may have downloaded it, or room was made."""
    assert folder_of(tmp_path).get("g1.jpg") is None


def test_too_old_pictures_go(tmp_path: Path) -> None:
    """A picture older than the days goes, a younger one stays."""
    originals = folder_of(tmp_path, days=30)
    for name, days in (("old.jpg", 31), ("young.jpg", 29)):
        originals.put(name, b"x")
        aged(tmp_path / name, days=days)
    assert originals.tidy() == 1
    assert [file.name for file in tmp_path.iterdir()] == ["young.jpg"]


def test_the_oldest_go_first_when_room_is_short(tmp_path: Path) -> None:
    """Over the size the oldest go until the rest fits."""
    originals = folder_of(tmp_path, largest=20)
    for number in range(4):
        originals.put(f"g{number}.jpg", b"x" * 10)
        aged(tmp_path / f"g{number}.jpg", days=4 - number)
    assert originals.tidy() == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["g2.jpg", "g3.jpg"]


def test_a_folder_that_cannot_be_used_is_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the system refuses is logged, and counts as a picture that is not there."""
    tmp_path.joinpath("file").write_bytes(b"not a folder")
    originals = folder_of(tmp_path / "file")
    assert not originals.put("g1.jpg", b"picture")
    assert originals.get("g1.jpg") is None
    assert originals.get_image("g1.jpg") is None
    assert originals.tidy() == 0
    for event in ("original not written", "original not read", "originals not listed"):
        assert event in caplog.text


def test_what_cannot_be_read_or_removed_is_left(tmp_path: Path) -> None:
    """One entry that the system refuses keeps no other from being removed."""
    originals = folder_of(tmp_path, days=30)
    (tmp_path / "g1.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    originals.put("old.jpg", b"x")
    for name in ("g1.jpg", "old.jpg"):
        aged(tmp_path / name, days=31)
    assert originals.get("g1.jpg") is None
    assert originals.get("loop.jpg") is None
    assert not originals.put("g1.jpg", b"picture")
    assert originals.tidy() == 1
    assert not (tmp_path / "old.jpg").exists()
