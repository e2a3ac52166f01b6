"""A file that appears whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import IO, Self


class AtomicFile:
    """A file to be written once; a context manager that takes back what was begun and not finished.

    Its folder is made and written to at once, so that what would fail fails before anything is paid. A folder that was
    made stays, and so does the hidden ``.part`` file of a process that was killed. What the file holds is on the disk
    when it appears; that it appears may be lost with the power.

    ``OSError`` if it cannot be written there. ``~`` expands. A file that is there is replaced only by the whole new
    one, which takes over its permissions where the file system lets it; one that is ``private`` nobody else may read,
    whatever the umask and the permissions of the old one.
    """

    def __init__(self, path: str, *, private: bool = False) -> None:
        expanded = os.path.expanduser(path)
        if expanded.startswith("~"):
            raise FileNotFoundError(errno.ENOENT, "there is no such home folder", path)
        # A link is written through, not replaced.
        self._target = os.path.realpath(expanded)
        self.path = os.path.abspath(expanded)
        if os.path.realpath(self.path) != self._target:
            # Behind a link to a folder, "..", is not what the text says.
            self.path = self._target
        old = _replaceable(expanded)
        os.makedirs(os.path.dirname(self._target), exist_ok=True)
        self._part = os.path.join(os.path.dirname(self._target), f".{os.urandom(6).hex()}.part")
        number = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        self.part: IO[bytes] = open(number, "wb")  # noqa: SIM115 - closed on leaving
        """What is written here appears with :meth:`finish`."""
        if old is not None and not private:
            with suppress(OSError):
                os.fchmod(number, old)

    def write(self, content: bytes) -> None:
        """Writes the whole file and lets it appear; after an ``OSError`` nothing has."""
        self.part.write(content)
        self.finish()

    def finish(self) -> None:
        """Lets the file appear; after an ``OSError`` it has not."""
        with self.part as file:
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._part, self._target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.part.close()
        with suppress(FileNotFoundError):
            os.unlink(self._part)


def _replaceable(path: str) -> int | None:
    """The permissions of the file that is there, or ``None`` where there is none."""
    try:
        mode = stat.S_IFDIR if path.endswith(os.sep) else os.stat(path or os.curdir).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not an ordinary file", path)
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return stat.S_IMODE(mode)
