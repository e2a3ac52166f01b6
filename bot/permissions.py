"""Files and folders that only the user who runs the bot can read, whatever the umask."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_FOLDER, _FILE = 0o700, 0o600


def make_private_folder(folder: Path) -> None:
    """Creates a folder with mode 0700, or removes other users' access to one that exists.

    A folder of another user, or one that is shared such as ``/tmp``, is left as it is.
    """
    folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    found = folder.stat()
    if not found.st_mode & stat.S_ISVTX and folder.resolve() != Path(folder.anchor or "/"):
        _narrow(folder, _FOLDER)


def private_opener(path: str, flags: int) -> int:
    """Opens a file with mode 0600, also one that exists; the ``opener`` of :func:`open`."""
    number = os.open(path, flags, _FILE)
    make_private(Path(path))
    return number


def make_private(*files: Path) -> None:
    """Gives those that are regular files mode 0600, as far as they are the user's own."""
    for file in files:
        # Path's own method raises where a folder on the way may not be searched.
        if os.path.isfile(file):
            _narrow(file, _FILE)


def _narrow(path: Path, mode: int) -> None:
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) & ~mode:
            path.chmod(mode)
