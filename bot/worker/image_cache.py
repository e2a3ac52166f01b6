"""Original images: files in the data folder, kept for a time and up to a size, and their upload to Feishu."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from sqlalchemy import Row

from bot.db.database import Database
from bot.db.generations import find_generation, store_file_key
from bot.errors import DownloadFailed, FeishuError
from bot.feishu.client import FeishuClient
from bot.feishu.error_codes import FOR_NOW
from bot.glm.client import Downloader
from bot.glm.images import inspect_image
from bot.logs import get_logger
from bot.models import ImageFile
from bot.permissions import make_private, make_private_folder

log = get_logger(__name__)

DAY = 86_400.0

# The bytes of a file that Feishu takes: https://open.feishu.cn/document/server-docs/im-v1/file/create
LARGEST_FILE = 30 * 1024 * 1024


@dataclass
class ImageCache:
    """A folder of downloaded images, kept for ``days`` and up to ``largest`` bytes in all.

    It does not guarantee that an image is there: another host may have downloaded it, or it was removed to make space.
    The caller falls back to the link. A folder that cannot be read or written is logged and raises nothing.
    """

    folder: Path
    _: KW_ONLY
    days: float
    largest: int
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        # Earlier versions left everything readable to other users of the machine.
        with suppress(OSError):
            make_private_folder(self.folder)
            make_private(*self.folder.iterdir())

    def put(self, name: str, content: bytes) -> bool:
        """Stores an image whole or not at all; returns whether it was stored."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A temporary file is its owner's alone, whatever the umask.
            with NamedTemporaryFile(dir=self.folder, prefix=f".{name}.", delete=False) as file:
                partial = Path(file.name)
                try:
                    file.write(content)
                    file.flush()
                    partial.replace(self.folder / name)
                finally:
                    partial.unlink(missing_ok=True)
        except OSError as error:
            # The image is still shown; only the button for the original will have to fetch it again.
            log.error("original not written", name=name, reason=error.strerror)  # noqa: TRY400
            return False
        return True

    def get(self, name: str) -> ImageFile | None:
        """An image that decodes, or ``None``; a file that is truncated or damaged is deleted."""
        try:
            return inspect_image((self.folder / name).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            log.error("original not read", name=name, reason=error.strerror)  # noqa: TRY400
        except DownloadFailed as error:
            log.warning("original discarded", name=name, reason=error)
            with suppress(OSError):
                (self.folder / name).unlink(missing_ok=True)
        return None

    def prune(self) -> int:
        """Removes files that are too old, then the oldest until the rest fits; returns how many."""
        files = []
        try:
            for path in self.folder.iterdir():
                # A file that is being written is renamed at any moment.
                with suppress(OSError):
                    facts = path.stat()
                    files.append((facts.st_mtime, facts.st_size, path))
        except OSError as error:
            log.error("originals not listed", reason=error.strerror)  # noqa: TRY400
            return 0
        kept, removed = sum(size for _, size, _ in files), 0
        for changed, size, path in sorted(files):
            if changed >= self.clock() - self.days * DAY and kept <= self.largest:
                break
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.error("original not removed", name=path.name, reason=error.strerror)  # noqa: TRY400
                continue
            kept -= size
            removed += 1
        if removed:
            log.info("originals removed", removed=removed, bytes_kept=kept)
        return removed


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalUploader:
    """Uploads originals as files: from the cache, else from the link, else Feishu's own copy of the image."""

    database: Database
    cache: ImageCache
    downloader: Downloader
    feishu: FeishuClient
    # People who ask for the same original at once wait for one upload.
    _locks: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(16)])

    def upload(self, generation_id: str, *, confirm: Callable[[], None]) -> str | None:
        """Uploads the original of a generation once; returns the file key, or ``None`` when the image is gone.

        ``confirm`` is called right before the upload; what it raises stops that.
        """
        with self._locks[hash(generation_id) % len(self._locks)]:
            with self.database.read() as connection:
                row = find_generation(connection, generation_id)
            if row is not None and row.file_key is not None:
                return str(row.file_key)
            image = self._find(row) if row is not None else None
            if image is None:
                return None
            confirm()
            file_key = self.feishu.upload_file(image.content, filename=f"{generation_id}{image.suffix}")
            # For the next time that it is asked for, or that its message is sent again.
            self.store_key(generation_id, file_key)
            return file_key

    def _find(self, row: Row[Any]) -> ImageFile | None:
        for fetch, name in (
            (self.cache.get, row.cache_name),
            (self.downloader.fetch, row.url),
            (self._own_copy, row.image_key),
        ):
            try:
                image = fetch(name) if name else None
            except DownloadFailed as error:
                log.info("original not downloaded", generation=row.generation_id, reason=error)
                continue
            if image is not None and len(image.content) <= LARGEST_FILE:
                return image
        return None

    def store_key(self, generation_id: str, file_key: str | None) -> None:
        with self.database.write(step="originals.store_file_key") as connection:
            store_file_key(connection, generation_id, file_key)

    def _own_copy(self, image_key: str) -> ImageFile | None:
        try:
            return inspect_image(self.feishu.download_own_image(image_key, largest=LARGEST_FILE))
        except FeishuError as error:
            if error.action in FOR_NOW:
                raise
            return None
