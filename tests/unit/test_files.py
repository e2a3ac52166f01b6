"""Files on the disk: a saved file appears whole or not at all, and what the bot keeps is private."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bot.cli.atomic_file import AtomicFile
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.permissions import make_private, make_private_folder
from bot.sandbox.glm.images import render
from bot.worker.image_cache import DAY, ImageCache


def test_an_old_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    """Its permissions are kept, and a link is written through, whether or not it leads to a file."""
    target, link = tmp_path / "new" / "image.png", tmp_path / "link.png"
    link.symlink_to(target)
    for permissions in (0o600, 0o640, 0o664):
        with AtomicFile(str(link)) as file:
            before = target.read_bytes() if target.exists() else b""
            assert before == (b"" if permissions == 0o600 else b"new")
            file.write(b"new")
            assert file.path == str(link)
        assert (link.is_symlink(), target.read_bytes()) == (True, b"new")
        target.chmod(permissions)
        with AtomicFile(str(target)) as file:
            file.write(b"new")
        assert mode(target) == permissions


def test_the_reported_path_is_absolute(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    with AtomicFile(os.path.relpath(tmp_path / "link" / ".." / "image.png")) as file:
        file.write(b"new")
    with AtomicFile(f"{tmp_path}/link/../image.png") as other:
        other.write(b"new")
    assert other.path == str(tmp_path / "a" / "image.png")
    assert Path(file.path).is_absolute()


def test_a_path_that_cannot_be_a_file_is_rejected_at_once(tmp_path: Path) -> None:
    """A folder, a device, a file in the way, an unknown home or a loop of links is found before anything is paid."""
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    for path in ("", "/", "/dev/null", "/dev/null/image.png", "~nobody-of-this-name/image.png", str(loop)):
        with pytest.raises(OSError, match=r".+"):
            AtomicFile(path)
    assert list(tmp_path.iterdir()) == [loop]


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    yield
    os.umask(before)


UMASKS = pytest.mark.parametrize("bits", [0o000, 0o022, 0o077])


@UMASKS
@pytest.mark.parametrize("wide", [False, True])
def test_the_database_and_what_sqlite_puts_beside_it_are_private(tmp_path: Path, bits: int, *, wide: bool) -> None:
    """A new one, and one that an earlier version left readable to everybody, with its journals."""
    file = tmp_path / "made" / "bot.db"
    names = ("bot.db", "bot.db-wal", "bot.db-shm")
    with umask(bits), closing(Database(read_url(f"sqlite:///{file}"), connections=1)) as database:
        migrate(database)
        if wide:
            for name in names:
                (file.parent / name).chmod(0o644)
            with closing(Database(read_url(f"sqlite:///{file}"), connections=1)):
                pass
        assert {name: oct(mode(file.parent / name)) for name in names} == dict.fromkeys(names, "0o600")
    assert wide or mode(file.parent) == 0o700


@UMASKS
def test_a_private_file_is_so_from_its_first_byte(tmp_path: Path, bits: int) -> None:
    """Its unfinished part is private as well, and so are originals, and what was readable to everybody."""
    target, folder = tmp_path / "export.csv", tmp_path / "originals"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "old.jpg").write_bytes(b"old")
    (folder / "old.jpg").chmod(0o666)
    with umask(bits):
        for _ in range(2):
            with AtomicFile(str(target), private=True) as file:
                parts = [mode(part) for part in tmp_path.glob(".*.part")]
                file.write(b"x")
            assert (parts, mode(target)) == ([0o600], 0o600)
            target.chmod(0o644)
        ImageCache(folder, days=30, largest=1000).put("new.jpg", b"new")
    assert [mode(folder), *(mode(folder / name) for name in ("old.jpg", "new.jpg"))] == [0o700, 0o600, 0o600]


def test_what_is_shared_or_no_file_stays_as_it_is(tmp_path: Path) -> None:
    """Whoever keeps the bot's data in /tmp does not lock everybody else out of it; a pipe is not the bot's own."""
    for shared in (0o1777, 0o1770):
        tmp_path.chmod(shared)
        make_private_folder(tmp_path)
        assert mode(tmp_path) == shared
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    make_private(pipe)
    assert mode(pipe) == 0o666


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


def test_old_images_are_removed_and_then_the_oldest_until_the_rest_fits(tmp_path: Path) -> None:
    """After 30 days; each file has 10 bytes."""
    for largest, ages, left in ((1000, (31, 29), ["g1.jpg"]), (25, (1, 3, 2, 0), ["g0.jpg", "g3.jpg"])):
        cache = cache_in(tmp_path / str(largest), largest=largest)
        for number, days in enumerate(ages):
            cache.put(f"g{number}.jpg", b"x" * 10)
            aged(tmp_path / str(largest) / f"g{number}.jpg", days=days)
        assert cache.prune() == len(ages) - len(left)
        assert sorted(file.name for file in (tmp_path / str(largest)).iterdir()) == left


def test_what_cannot_be_read_or_removed_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the system refuses is logged, counts as an image that is not there, and stops no removal."""
    cache = cache_in(tmp_path / "originals")
    (tmp_path / "originals" / "g1.jpg").mkdir(parents=True)
    (tmp_path / "originals" / "loop.jpg").symlink_to("loop.jpg")
    cache.put("old.jpg", b"x")
    for name in ("g1.jpg", "old.jpg"):
        aged(tmp_path / "originals" / name, days=31)
    assert (cache.get("g1.jpg"), cache.get("loop.jpg"), cache.put("g1.jpg", WHOLE)) == (None, None, False)
    assert (cache.prune(), (tmp_path / "originals" / "old.jpg").exists()) == (1, False)
    tmp_path.joinpath("file").write_bytes(b"not a folder")
    cache = cache_in(tmp_path / "file")
    assert (cache.put("g1.jpg", WHOLE), cache.get("g1.jpg"), cache.prune()) == (False, None, 0)
    for event in ("original not written", "original not read", "originals not listed"):
        assert event in caplog.text


NOW = 1_800_000_000.0
WHOLE = render("猫", width=64, height=48, image_id="1", watermark=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def cache_in(path: Path, *, days: float = 30, largest: int = 1000) -> ImageCache:
    return ImageCache(path, days=days, largest=largest, clock=lambda: NOW)


def aged(path: Path, *, days: float) -> None:
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


def test_the_file_appears_whole_and_alone_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "image.png"
    with AtomicFile(str(target)) as file:
        assert not target.exists()
        file.write(b"image")
    assert target.read_bytes() == b"image"
    with pytest.raises(KeyboardInterrupt), AtomicFile(str(target.parent / "other.png")):
        raise KeyboardInterrupt
    assert list(target.parent.iterdir()) == [target]


def test_a_signal_right_after_the_file_was_made_leaves_none(tmp_path: Path) -> None:
    def strike(_frame: object, event: str, called: object) -> None:
        if event == "c_return" and called is os.open:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(strike)
    with pytest.raises(KeyboardInterrupt):
        AtomicFile(str(tmp_path / "image.png"))
    assert list(tmp_path.iterdir()) == []
