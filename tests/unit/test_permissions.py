"""Who can read what the bot keeps on the disk."""

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
from bot.permissions import make_private, make_private_folder
from bot.worker.image_cache import ImageCache


@pytest.fixture(params=[0o000, 0o022, 0o077], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """A umask that takes nothing away, the usual one, and a strict one."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("wide", [False, True])
def test_the_database_and_what_sqlite_puts_beside_it_are_private(tmp_path: Path, *, wide: bool) -> None:
    file = tmp_path / "made" / "bot.db"
    names = ("bot.db", "bot.db-wal", "bot.db-shm")
    with closing(Database(read_url(f"sqlite:///{file}"), connections=1)) as database:
        migrate(database)
        if wide:
            for name in names:
                (file.parent / name).chmod(0o644)
            with closing(Database(read_url(f"sqlite:///{file}"), connections=1)):
                pass
        assert {name: oct(mode(file.parent / name)) for name in names} == dict.fromkeys(names, "0o600")
    assert wide or mode(file.parent) == 0o700


def test_originals_and_their_folder_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "originals"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "old.jpg").write_bytes(b"old")
    (folder / "old.jpg").chmod(0o666)
    ImageCache(folder, days=30, largest=1000).put("new.jpg", b"new")
    assert [mode(folder), *(mode(folder / name) for name in ("old.jpg", "new.jpg"))] == [0o700, 0o600, 0o600]


@pytest.mark.parametrize("wide", [False, True])
def test_a_private_file_is_so_from_its_first_byte(tmp_path: Path, *, wide: bool) -> None:
    target = tmp_path / "export.csv"
    if wide:
        target.touch()
        target.chmod(0o644)
    with AtomicFile(str(target), private=True) as file:
        parts = [mode(part) for part in tmp_path.glob(".*.part")]
        file.write(b"x")
    assert (parts, mode(target)) == ([0o600], 0o600)


@pytest.mark.parametrize("shared", [0o1777, 0o1770])
def test_a_folder_that_is_shared_stays_as_it_is(tmp_path: Path, shared: int) -> None:
    """Whoever keeps the bot's data in /tmp does not lock everybody else out of it."""
    tmp_path.chmod(shared)
    make_private_folder(tmp_path)
    assert mode(tmp_path) == shared


def test_what_is_no_file_stays_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    make_private(pipe)
    assert mode(pipe) == 0o666
