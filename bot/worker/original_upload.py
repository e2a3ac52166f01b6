"""Sending a picture's original as a file: from the data folder, else from its link, else Feishu's own copy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import select, update

from bot.db.database import Database
from bot.db.outages import Outages
from bot.db.tables import generations
from bot.errors import DownloadFailed, FeishuError
from bot.feishu.error_codes import FOR_NOW
from bot.glm.images import inspect_image
from bot.logs import get_logger
from bot.models import ImageFile
from bot.worker.generation_steps import ImageDownloader
from bot.worker.image_cache import ImageCache

log = get_logger(__name__)

LARGEST_FILE = 30 * 1024 * 1024
"""Bytes of a file that Feishu takes: https://open.feishu.cn/document/server-docs/im-v1/file/create."""


class FileStore(Protocol):
    """Where files go and pictures come back from: the Feishu client."""

    def upload_file(self, content: bytes, *, filename: str) -> str:
        """One upload; gives the file key."""

    def download_own_image(self, image_key: str, *, largest: int) -> bytes:
        """A picture that the bot has uploaded."""


class OriginalUploader:
    """Finds originals and uploads them."""

    def __init__(
        self, database: Database, *, originals: ImageCache, source: ImageDownloader, files: FileStore, outages: Outages
    ) -> None:
        self._database = database
        self._originals = originals
        self._source = source
        self._files = files
        # Two people who ask for the same original at once wait for one upload.
        self._locks = [threading.Lock() for _ in range(16)]
        self._outages = outages

    def upload(self, generation_id: str, *, confirm: Callable[[], None]) -> str | None:
        """Uploads the original of a generation once; gives the file key, or ``None`` when the image is gone.

        Args:
            generation_id: which.
            confirm: called right before the upload; what it raises stops that.

        Raises:
            FeishuError: Feishu did not take it.
            MessageHeld: it has to wait.
        """
        with self._locks[hash(generation_id) % len(self._locks)]:
            return self._upload_once(generation_id, confirm)

    def _upload_once(self, generation_id: str, confirm: Callable[[], None]) -> str | None:
        columns = (generations.c.file_key, generations.c.cache_name, generations.c.url, generations.c.image_key)
        statement = select(*columns).where(generations.c.generation_id == generation_id)
        with self._database.look() as connection:
            row = connection.execute(statement).first()
        if row is None or row.file_key is not None:
            return row and row.file_key
        ways: tuple[Callable[[], ImageFile | None], ...] = (
            lambda: self._originals.get_image(row.cache_name) if row.cache_name else None,
            lambda: self._source.fetch(row.url) if row.url else None,
            lambda: self._own_copy(row.image_key),
        )
        for way in ways:
            try:
                image = way()
            except DownloadFailed as error:
                log.info("original not downloaded", generation=generation_id, reason=error)
                continue
            if image is not None and len(image.content) <= LARGEST_FILE:
                confirm()
                with self._outages.guard("file"):
                    file_key = self._files.upload_file(image.content, filename=f"{generation_id}{image.suffix}")
                # For the next time that it is asked for, or that its message is sent again.
                self._store(generation_id, file_key)
                return file_key
        return None

    def forget(self, generation_id: str) -> None:
        """Forgets the file key of a generation; the next time its original is uploaded again."""
        self._store(generation_id, None)

    def _store(self, generation_id: str, file_key: str | None) -> None:
        which = generations.c.generation_id == generation_id
        with self._database.change() as connection:
            connection.execute(update(generations).where(which).values(file_key=file_key))

    def _own_copy(self, image_key: str | None) -> ImageFile | None:
        if image_key is None:
            return None
        try:
            with self._outages.guard("file"):
                return inspect_image(self._files.download_own_image(image_key, largest=LARGEST_FILE))
        except FeishuError as error:
            if error.action in FOR_NOW:
                raise
            return None
