"""A file that appears whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import secrets
from pathlib import Path
from typing import IO, Self

_PART = 1024 * 1024


class NewFile:
    """A file to be written once; a context manager that leaves nothing behind when it was not.

    Its folder is made and written to at once, so that what would fail fails before anything is paid.

    Args:
        path: where it is to appear; ``~`` expands. A file that is there is replaced only by the whole new one.

    Raises:
        OSError: it cannot be written there.
    """

    def __init__(self, path: str) -> None:
        try:
            self.path = Path(path).expanduser().absolute()
        except RuntimeError as error:
            raise FileNotFoundError(errno.ENOENT, str(error), path) from error
        if path.endswith(("/", os.sep)) or self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        # A link is written through, not replaced.
        self._target = self.path.resolve()
        if self._target.exists():
            _check_replaceable(self._target)
        _make_folder(self._target.parent)
        self._part = self._target.with_name(f".{secrets.token_hex(6)}.part")
        self._file = self._part.open("xb")

    def write(self, content: bytes) -> None:
        """Writes the whole file and lets it appear.

        Raises:
            OSError: it could not be written; nothing appeared.
        """
        self.copy(io.BytesIO(content))

    def copy(self, source: IO[bytes]) -> None:
        """Writes the whole file from what can be read of another one, a part at a time.

        Raises:
            OSError: it could not be written; nothing appeared.
        """
        with self._file as file:
            while part := source.read(_PART):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        self._part.replace(self._target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _check_replaceable(path: Path) -> None:
    if not path.is_file():
        raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
