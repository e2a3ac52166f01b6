"""The pictures' bytes in the data folder: kept for a time and up to a size, oldest out first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bot.errors import DownloadFailed
from bot.glm.images import inspect_image
from bot.logs import get_logger
from bot.models import ImageFile
from bot.permissions import make_private, make_private_folder, write_private

log = get_logger(__name__)

DAY = 86_400.0


class ImageCache:
    """A folder of downloaded pictures.

    It does not guarantee that an image is there: another host may have downloaded it, or room was made. The caller
    falls back to the link. A folder that cannot be read or written is logged and raises nothing.

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
        # Earlier versions left everything readable to other users of the machine.
        with suppress(OSError):
            make_private_folder(folder)
            make_private(*folder.iterdir())

    def put(self, name: str, content: bytes) -> bool:
        """Stores an image whole or not at all; tells whether it was stored."""
        partial = self._folder / f".{name}.part"
        try:
            make_private_folder(self._folder)
            try:
                write_private(partial, content)
                partial.replace(self._folder / name)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            # The image is still shown; only the button for the original will have to fetch it again.
            log.error("original not written", name=name, reason=error.strerror)  # noqa: TRY400
            return False
        return True

    def get(self, name: str) -> bytes | None:
        """An image's bytes, or ``None`` when they are gone or cannot be read."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.error("original not read", name=name, reason=error.strerror)  # noqa: TRY400
            return None

    def get_image(self, name: str) -> ImageFile | None:
        """An image that decodes, or ``None``; a file that is truncated or damaged is deleted."""
        try:
            content = self.get(name)
            return inspect_image(content) if content is not None else None
        except DownloadFailed as error:
            log.warning("original discarded", name=name, reason=error)
            with suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)
        return None

    def tidy(self) -> int:
        """Removes what is too old, then the oldest until the rest fits; gives how many files went."""
        try:
            files = self._files()
        except OSError as error:
            log.error("originals not listed", reason=error.strerror)  # noqa: TRY400
            return 0
        kept = sum(size for _, size, _ in files)
        oldest_kept = self._clock() - self._days * DAY
        removed = 0
        for changed, size, path in files:
            if changed >= oldest_kept and kept <= self._largest:
                break
            try:
                Path(path).unlink(missing_ok=True)
            except OSError as error:
                log.error("original not removed", name=Path(path).name, reason=error.strerror)  # noqa: TRY400
                continue
            kept -= size
            removed += 1
        if removed:
            log.info("originals removed", removed=removed, bytes_kept=kept)
        return removed

    def _files(self) -> list[tuple[float, int, str]]:
        """The time of change, size and path of each file, oldest first."""
        files = []
        for entry in os.scandir(self._folder):
            # A file that is being written gets its own name meanwhile.
            with suppress(OSError):
                facts = entry.stat()
                files.append((facts.st_mtime, facts.st_size, entry.path))
        return sorted(files)
