"""The cache of original images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.sandbox.glm.images import render
from bot.worker.image_cache import DAY, ImageCache

NOW = 1_800_000_000.0
WHOLE = render("猫", width=64, height=48, image_id="1", watermark=False)


def cache_in(path: Path, *, days: float = 30, largest: int = 1000) -> ImageCache:
    return ImageCache(path, days=days, largest=largest, clock=lambda: NOW)


def aged(path: Path, *, days: float) -> None:
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


def test_only_whole_images_come_back(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    assert cache.put("whole.jpg", WHOLE)
    cache.put("half.jpg", WHOLE[: len(WHOLE) // 2])
    cache.put("empty.jpg", b"")
    (tmp_path / "folder.jpg").mkdir()
    image = cache.get("whole.jpg")
    assert image is not None
    assert (image.content, image.format) == (WHOLE, "JPEG")
    for name in ("half.jpg", "empty.jpg", "folder.jpg", "gone.jpg"):
        assert cache.get(name) is None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.jpg", "whole.jpg"]


@pytest.mark.parametrize(
    ("largest", "ages", "left"), [(1000, (31, 29), ["g1.jpg"]), (25, (1, 3, 2, 0), ["g0.jpg", "g3.jpg"])]
)
def test_old_images_are_removed_and_then_the_oldest_until_the_rest_fits(
    tmp_path: Path, largest: int, ages: tuple[int, ...], left: list[str]
) -> None:
    cache = cache_in(tmp_path, largest=largest)
    for number, days in enumerate(ages):
        cache.put(f"g{number}.jpg", b"x" * 10)
        aged(tmp_path / f"g{number}.jpg", days=days)
    assert cache.prune() == len(ages) - len(left)
    assert sorted(file.name for file in tmp_path.iterdir()) == left


def test_a_folder_that_cannot_be_used_is_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.joinpath("file").write_bytes(b"not a folder")
    cache = cache_in(tmp_path / "file")
    assert not cache.put("g1.jpg", WHOLE)
    assert cache.get("g1.jpg") is None
    assert cache.prune() == 0
    for event in ("original not written", "original not read", "originals not listed"):
        assert event in caplog.text


def test_what_cannot_be_read_or_removed_is_left(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    (tmp_path / "g1.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    cache.put("old.jpg", b"x")
    for name in ("g1.jpg", "old.jpg"):
        aged(tmp_path / name, days=31)
    assert cache.get("g1.jpg") is None
    assert cache.get("loop.jpg") is None
    assert not cache.put("g1.jpg", WHOLE)
    assert cache.prune() == 1
    assert not (tmp_path / "old.jpg").exists()
