"""The durable steps of one generation: one paid call, one download, one upload, each stored before the next begins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from bot.db.generations import GenerationStore
from bot.db.key_value import PseudonymousIds
from bot.db.leases import Leases
from bot.db.outages import Outages
from bot.db.row_models import Generation
from bot.errors import DatabaseUnavailable, DownloadFailed, FeishuAction, FeishuError, GlmError, LeaseLost, SendDelayed
from bot.glm.client import fetch_with_retries, link_expires_at
from bot.glm.images import LARGEST_FOR_FEISHU, shrink
from bot.logs import get_logger
from bot.models import GeneratedImage, ImageFile
from bot.options import Options
from bot.timings import Timings, backoff_with_jitter
from bot.worker import failures
from bot.worker.image_cache import ImageCache

log = get_logger(__name__)

T = TypeVar("T")


class ImageProvider(Protocol):
    """What makes a picture: the GLM client."""

    def generate(
        self, prompt: str, *, options: Options, user_id: str | None = None, before_send: Callable[[], None]
    ) -> GeneratedImage:
        """One paid call; ``before_send`` may still stop it by raising."""


class ImageDownloader(Protocol):
    """What fetches a picture from its link: the downloader."""

    def fetch(self, url: str) -> ImageFile:
        """One download."""


class ImageUploader(Protocol):
    """What takes a picture for the chat: the Feishu client."""

    def upload_image(self, content: bytes, *, filename: str) -> str:
        """One upload; gives the image key."""


class Workflow:
    """Takes a claimed generation through its steps.

    Args:
        leases: the leases of this process, which are confirmed before every side effect.
        outages: what makes uploads wait while Feishu refuses the app.
        stopping: set when the process is about to leave; waits end then.

    A crash between two steps loses nothing: what was stored decides where the next worker goes on. A step has no
    number: it is due as long as its result (the URL, the original, the image key) is missing. So a version that adds
    a step, or drops one, goes on with what another version left, wherever that stood. The one thing that cannot be
    known after a crash is the outcome of a paid call that was under way.
    """

    def __init__(
        self,
        *,
        store: GenerationStore,
        maker: ImageProvider,
        source: ImageDownloader,
        target: ImageUploader,
        originals: ImageCache,
        outages: Outages,
        user_ids: PseudonymousIds,
        leases: Leases,
        pace: Timings,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._maker = maker
        self._source = source
        self._target = target
        self._originals = originals
        self._outages = outages
        self._user_ids = user_ids
        self._leases = leases
        self._owner = leases.owner
        self._pace = pace
        self._stopping = stopping

    def generate(self, generation: Generation) -> bool:
        """Makes the one paid call that was claimed.

        Returns:
            Whether there is an image to deliver; otherwise it is back in line, or has ended.

        Raises:
            LeaseLost: another worker has taken the generation over.
            StoreUnavailable: the outcome could not be stored before the process has to leave.
        """
        log.info(
            "generation call",
            generation=generation.generation_id,
            request=generation.request_id,
            model=generation.model,
            size=generation.options.size,
            calls=generation.calls_made,
        )
        try:
            return self._generate(generation)
        except (LeaseLost, DatabaseUnavailable):
            raise
        except Exception:
            # The call may have been sent, and must not be paid for again because this program is wrong.
            log.exception("paid call crashed", generation=generation.generation_id)
            self._retry_until_stored(
                lambda: self._store.fail(generation, failures.UNKNOWN_OUTCOME, owner=self._owner, billed=True)
            )
            return False

    def _generate(self, generation: Generation) -> bool:
        try:
            image = self._maker.generate(
                generation.prompt,
                options=generation.options,
                user_id=self._user_ids.of(generation.sender),
                before_send=lambda: self._leases.confirm(generation.generation_id),
            )
        except GlmError as error:
            self._on_glm_error(generation, error)
            return False
        except (LeaseLost, DatabaseUnavailable):
            # Nothing was sent, so nothing was paid for.
            log.warning("paid call not sent", generation=generation.generation_id)
            self._store.undo_claim(generation, owner=self._owner)
            raise
        # The URL is paid for: it is stored whatever it takes, and it frees the slot.
        wanted = self._retry_until_stored(
            lambda: self._store.made(generation, image, owner=self._owner, link_ends_at=link_expires_at(image.url))
        )
        log.info(
            "generation made", generation=generation.generation_id, wanted=wanted, platform_request_id=image.request_id
        )
        return wanted

    def _on_glm_error(self, generation: Generation, error: GlmError) -> None:
        log.warning(
            "generation failed",
            generation=generation.generation_id,
            code=error.code,
            provider_code=error.provider_code,
            status=error.status,
            platform_request_id=error.request_id,
            words=error.values.get("words"),
        )
        self._retry_until_stored(lambda: self._store_glm_error(generation, error))

    def _store_glm_error(self, generation: Generation, error: GlmError) -> None:
        left = self._pace.backoff_in_all - self._store.delayed_for(generation) if error.waits else 0.0
        if left > 0:
            wait = backoff_with_jitter(self._pace.backoff, self._pace.backoff_longest, generation.backoff_count)
            # The whole model waits as long, and the card says how long that is at most.
            seconds = min(max(wait, error.retry_after or 0.0), left)
            self._store.push_back(generation, owner=self._owner, seconds=seconds)
            return
        self._store.fail(
            generation,
            failures.of_glm(error),
            owner=self._owner,
            billed=failures.may_be_billed(error),
            platform_request_id=error.request_id,
        )

    def deliver(self, generation: Generation) -> None:
        """Downloads a paid picture and uploads it for the chat."""
        if generation.stalled_attempts > self._pace.takeups:
            self._store.fail(generation, failures.STALLED, owner=self._owner)
            return
        try:
            uploaded = {} if generation.image_key else self._upload(generation, self._original(generation))
            self._store.done(generation, owner=self._owner, **uploaded)
            log.info("generation done", generation=generation.generation_id)
        except DownloadFailed as error:
            log.warning("download failed", generation=generation.generation_id, reason=error)
            if self._stopping.is_set() and not error.permanent:
                # The retries were cut short; the next process goes on with them.
                self._store.postpone(generation, owner=self._owner, seconds=0.0)
                return
            # What was kept of it is gone, too.
            self._store.fail(generation, failures.of_glm(error), owner=self._owner, cache_name=None)
        except SendDelayed as held:
            self._store.hold(generation, owner=self._owner, seconds=held.seconds, delays=generation.backoff_count)
        except FeishuError as error:
            self._not_uploaded(generation, error)

    def _original(self, generation: Generation) -> ImageFile:
        if generation.cache_name and (kept := self._originals.get(generation.cache_name)):
            return kept
        image = self._download(generation)
        name = f"{generation.generation_id}{image.suffix}"
        if self._originals.put(name, image.content):
            self._store.keep(generation, owner=self._owner, cache_name=name)
        return image

    def _download(self, generation: Generation) -> ImageFile:
        return fetch_with_retries(
            lambda: self._source.fetch(generation.url or ""),
            link_age=lambda: self._store.link_age(generation),
            retries=self._pace.download_retries,
            stopped_in=self._stopping.wait,
        )

    def _upload(self, generation: Generation, image: ImageFile) -> dict[str, object]:
        """Uploads a picture, smaller where it has to be; gives what is to be stored of it."""
        shown = shrink(image) if len(image.content) > LARGEST_FOR_FEISHU else image
        try:
            key = self._upload_once(generation, shown)
        except FeishuError as error:
            if error.action is not FeishuAction.SHRINK_IMAGE or shown is not image:
                raise
            shown = shrink(image)
            key = self._upload_once(generation, shown)
        return {"image_key": key, "reencoded": shown is not image}

    def _upload_once(self, generation: Generation, image: ImageFile) -> str:
        self._leases.confirm(generation.generation_id)
        with self._outages.guard("image"):
            return self._target.upload_image(image.content, filename=f"image{image.suffix}")

    def _not_uploaded(self, generation: Generation, error: FeishuError) -> None:
        log.log(
            logging.INFO if error.action is FeishuAction.APP_REFUSED else logging.WARNING,
            "upload failed",
            generation=generation.generation_id,
            code=error.code,
            action=error.action.name,
        )
        waited = generation.backoff_count * self._pace.probe_longest
        if error.action is FeishuAction.APP_REFUSED and waited < self._pace.outage_in_all:
            seconds = self._pace.after_refusal(generation.backoff_count)
            self._store.hold(generation, owner=self._owner, seconds=seconds, delays=generation.backoff_count + 1)
            return
        if error.action is FeishuAction.RETRY and self._store.delayed_for(generation) < self._pace.upload_in_all:
            seconds = self._pace.retry_delay(error.retry_after, times=generation.backoff_count)
            self._store.postpone(generation, owner=self._owner, seconds=seconds)
            return
        self._store.fail(generation, failures.of_upload(error), owner=self._owner)

    def _retry_until_stored(self, step: Callable[[], T]) -> T:
        """Runs a step that stores the outcome of a paid call until the database takes it.

        Raises:
            LeaseLost: meanwhile another worker took the generation over.
            StoreUnavailable: the process has to leave, and has waited for the database for as long as it may.
        """
        times, gives_up_at = 0, float("inf")
        while True:
            try:
                return step()
            except DatabaseUnavailable:
                times += 1
                log.error("database unavailable, paid outcome kept in memory", tries=times)  # noqa: TRY400
                if self._stopping.is_set():
                    gives_up_at = min(gives_up_at, time.monotonic() + self._pace.holding)
                    if time.monotonic() >= gives_up_at:
                        raise
                    time.sleep(backoff_with_jitter(0.1, 2.0, times))
                else:
                    self._stopping.wait(backoff_with_jitter(0.1, 2.0, times))
