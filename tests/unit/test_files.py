"""Files on the disk: a saved file appears whole or not at all, and what the bot keeps is private."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.cli.atomic_file import AtomicFile
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.permissions import make_private_folder
from bot.sandbox.glm.images import render
from bot.worker.image_cache import DAY, ImageCache

NOW = 1_800_000_000.0
WHOLE = render("猫", width=64, height=48, image_id="1", watermark=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def cache_in(path: Path, *, largest: int = 1000) -> ImageCache:
    return ImageCache(path, days=30, largest=largest, clock=lambda: NOW)


def aged(path: Path, *, days: float) -> None:
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Nothing is private by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_an_old_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    """Its permissions are kept, and a link is written through, whether or not it leads to a file."""
    target, link = tmp_path / "new" / "image.png", tmp_path / "link.png"
    link.symlink_to(target)
    for permissions, old in ((0o640, None), (0o664, b"640")):
        with AtomicFile(str(link)) as file:
            assert (target.read_bytes() if target.exists() else None) == old
            file.write(b"%o" % permissions)
        assert (file.path, link.is_symlink(), target.read_bytes()) == (str(link), True, b"%o" % permissions)
        target.chmod(permissions)
        with pytest.raises(KeyboardInterrupt), AtomicFile(str(target)):
            raise KeyboardInterrupt
        assert target.read_bytes() == b"%o" % permissions
        with AtomicFile(str(target)) as file:
            file.write(b"%o" % permissions)
        assert (mode(target), list(target.parent.iterdir())) == (permissions, [target])


def test_the_reported_path_is_absolute_and_one_that_cannot_be_a_file_is_rejected(tmp_path: Path) -> None:
    """A folder, a device, a file in the way, an unknown home or a loop of links is found before anything is paid."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    behind = f"{tmp_path}/link/../image.png"
    for path, reported in ((behind, "a/image.png"), (os.path.relpath(tmp_path / "a" / "b.png"), "a/b.png")):
        with AtomicFile(path) as file:
            file.write(b"new")
        assert file.path == str(tmp_path / reported)
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    for path in ("", "/", "/dev/null", "/dev/null/image.png", "~nobody-of-this-name/image.png", str(loop)):
        with pytest.raises(OSError, match=r".+"):
            AtomicFile(path)
    assert set(tmp_path.iterdir()) == {loop, tmp_path / "a", tmp_path / "link"}


@pytest.mark.usefixtures("no_umask")
def test_the_database_and_what_sqlite_puts_beside_it_are_private(tmp_path: Path) -> None:
    """A new one, and one that an earlier version left readable to everybody, with its journals."""
    file = tmp_path / "made" / "bot.db"
    files = [file.parent / name for name in ("bot.db", "bot.db-wal", "bot.db-shm")]
    with closing(Database(read_url(f"sqlite:///{file}"), connections=1)) as database:
        migrate(database)
        assert [mode(one) for one in (file.parent, *files)] == [0o700, 0o600, 0o600, 0o600]
        for one in files:
            one.chmod(0o644)
        with closing(Database(read_url(f"sqlite:///{file}"), connections=1)):
            assert [mode(one) for one in files] == [0o600] * 3


@pytest.mark.usefixtures("no_umask")
def test_a_private_file_is_so_from_its_first_byte(tmp_path: Path) -> None:
    """Its unfinished part is private as well, and so are originals, and what was readable to everybody."""
    target, folder = tmp_path / "export.csv", tmp_path / "originals"
    folder.mkdir(mode=0o755)
    (folder / "old.jpg").touch(0o666)
    for _ in range(2):
        with AtomicFile(str(target), private=True) as file:
            parts = [mode(part) for part in tmp_path.glob(".*.part")]
            file.write(b"x")
        assert (parts, mode(target)) == ([0o600], 0o600)
        target.chmod(0o644)
    cache_in(folder).put("new.jpg", b"new")
    assert [mode(one) for one in (folder, folder / "old.jpg", folder / "new.jpg")] == [0o700, 0o600, 0o600]


def test_what_is_shared_stays_so(tmp_path: Path) -> None:
    """Whoever keeps the bot's data in /tmp does not lock everybody else out of it."""
    tmp_path.chmod(0o1777)
    make_private_folder(tmp_path)
    assert mode(tmp_path) == 0o1777


def test_only_whole_images_come_back(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    for name, content in (("whole.jpg", WHOLE), ("half.jpg", WHOLE[: len(WHOLE) // 2]), ("empty.jpg", b"")):
        assert cache.put(name, content)
    found = [cache.get(name) for name in ("whole.jpg", "half.jpg", "empty.jpg", "gone.jpg")]
    assert [image and image.content for image in found] == [WHOLE, None, None, None]
    assert [file.name for file in tmp_path.iterdir()] == ["whole.jpg"]


def test_old_images_are_removed_and_then_the_oldest_until_the_rest_fits(tmp_path: Path) -> None:
    """After 30 days; each file has 10 bytes."""
    for largest, ages, left in ((1000, (31, 29), ["g1.jpg"]), (25, (1, 3, 2, 0), ["g0.jpg", "g3.jpg"])):
        folder = tmp_path / str(largest)
        cache = cache_in(folder, largest=largest)
        for number, days in enumerate(ages):
            cache.put(f"g{number}.jpg", b"x" * 10)
            aged(folder / f"g{number}.jpg", days=days)
        assert cache.prune() == len(ages) - len(left)
        assert sorted(file.name for file in folder.iterdir()) == left


def test_what_cannot_be_read_or_removed_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the system refuses is logged, counts as an image that is not there, and stops no removal."""
    cache = cache_in(tmp_path / "originals")
    (tmp_path / "originals" / "g1.jpg").mkdir()
    cache.put("old.jpg", b"x")
    for name in ("g1.jpg", "old.jpg"):
        aged(tmp_path / "originals" / name, days=31)
    assert (cache.put("g1.jpg", WHOLE), cache.get("g1.jpg"), cache.prune()) == (False, None, 1)
    for event in ("original not written", "original not read"):
        assert event in caplog.text
