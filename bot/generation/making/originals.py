"""The pictures' bytes in the data folder: kept for a time and up to a size, oldest out first."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

DAY = 86_400.0


class Originals:
    """A folder of downloaded pictures.

    It does not guarantee that a picture is there: another host may have downloaded it, or room was made. Who needs
    one falls back to the link.

    Args:
        folder: where the files are; made when missing.
        days: how long a file is kept.
        largest: bytes that all files together may take.
        clock: the time in seconds since 1970.
    """

    def __init__(self, folder: Path, *, days: float, largest: int, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._days = days
        self._largest = largest
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, content: bytes) -> None:
        """Stores a picture whole or not at all.

        Raises:
            OSError: there is no room, or the folder cannot be written.
        """
        partial = self._folder / f".{name}.part"
        try:
            partial.write_bytes(content)
            partial.replace(self._folder / name)
        finally:
            partial.unlink(missing_ok=True)

    def get(self, name: str) -> bytes | None:
        """A picture's bytes, or ``None`` when they are gone."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def tidy(self) -> int:
        """Removes what is too old, then the oldest until the rest fits; gives how many files went."""
        files = []
        for entry in os.scandir(self._folder):
            # A picture that is being written gets its own name meanwhile.
            with suppress(FileNotFoundError):
                facts = entry.stat()
                files.append((facts.st_mtime, facts.st_size, entry.path))
        files.sort()
        kept = sum(size for _, size, _ in files)
        oldest_kept = self._clock() - self._days * DAY
        removed = 0
        for changed, size, path in files:
            if changed >= oldest_kept and kept <= self._largest:
                break
            Path(path).unlink(missing_ok=True)
            kept -= size
            removed += 1
        if removed:
            log.info("originals removed=%d bytes_kept=%d", removed, kept)
        return removed
