"""The durable steps of one generation: one paid call, one download, one upload, each stored before the next begins."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bot.db.generations import GenerationStore
from bot.db.key_value import PseudonymousIds
from bot.db.leases import Leases
from bot.db.tables import Generation
from bot.errors import (
    STALLED,
    UNKNOWN_OUTCOME,
    UPLOAD_FAILED,
    DatabaseUnavailable,
    DownloadFailed,
    FeishuAction,
    FeishuError,
    GlmError,
    LeaseLost,
    SendDelayed,
)
from bot.feishu.client import FeishuClient
from bot.feishu.error_codes import IMAGE_TOO_LARGE, refusal_level
from bot.glm.client import Downloader, GlmClient, fetch_with_retries, link_expires_at
from bot.glm.images import LARGEST_FOR_FEISHU, shrink
from bot.logs import get_logger
from bot.models import Failure, GeneratedImage, ImageFile
from bot.timings import Timings, backoff_with_jitter
from bot.worker.image_cache import ImageCache

log = get_logger(__name__)

T = TypeVar("T")

# Two calls were paid for and a crash hid the outcome of both.
REPEATED_UNKNOWN = Failure(code=UNKNOWN_OUTCOME, sentence="failure.repeated_unknown")
# This program failed during a paid call, so its outcome is not known.
CRASHED = Failure(code=UNKNOWN_OUTCOME, sentence="failure.unknown_outcome")
STUCK = Failure(code=STALLED, sentence="failure.stalled")  # the image was taken up too often without getting further
LONGEST_PLATFORM_TEXT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSteps:
    """Takes a claimed generation through its steps.

    A crash between two steps loses nothing: a step is due as long as its result (the URL, the original, the image key)
    is not stored. The one thing that cannot be known after a crash is the outcome of a paid call in progress.

    The lease is confirmed before every side effect. ``on_call`` is called after every paid call with its model, its
    seconds, and ``ok`` or the error's code; ``stopping`` ends waits.
    """

    store: GenerationStore
    glm: GlmClient
    downloader: Downloader
    feishu: FeishuClient
    cache: ImageCache
    user_ids: PseudonymousIds
    leases: Leases
    timings: Timings
    stopping: threading.Event
    on_call: Callable[[str, float, str], None] = lambda _model, _seconds, _code: None

    def generate(self, generation: Generation) -> bool:
        """Makes the one paid call that was claimed; returns whether there is an image to deliver.

        Raises:
            LeaseLost: another worker has taken the generation over.
            DatabaseUnavailable: the outcome could not be stored before the process had to exit.
        """
        options = generation.options
        log.info("generation call", model=generation.model, size=options.size, calls=generation.calls_made)
        try:
            try:
                image = self._call(generation)
            except GlmError as error:
                log.warning(
                    "generation failed",
                    code=error.kind.code,
                    provider_code=error.provider_code,
                    status=error.status,
                    platform_request_id=error.request_id,
                    words=error.values.get("words"),
                )
                self.retry_until_stored(partial(self._store_glm_error, generation, error))
                return False
            except (LeaseLost, DatabaseUnavailable):
                # Nothing was sent, so nothing was paid for.
                log.warning("paid call not sent")
                self.retry_until_stored(partial(self.store.undo_claim, generation))
                raise
            # The URL is paid for: it is stored whatever it takes, and it frees the slot.
            made = partial(self.store.made, generation, image, link_expires_at=link_expires_at(image.url))
            wanted = self.retry_until_stored(made)
        except (LeaseLost, DatabaseUnavailable):
            raise
        except Exception:
            # The call may have been sent, and must not be paid for again because of a bug in this program.
            log.exception("paid call crashed")
            self.retry_until_stored(partial(self.store.fail, generation, CRASHED, billed=True))
            return False
        log.info("generation made", wanted=wanted, platform_request_id=image.request_id)
        return wanted

    def _call(self, generation: Generation) -> GeneratedImage:
        started, code = time.monotonic(), "ok"
        try:
            return self.glm.generate(
                generation.prompt,
                options=generation.options,
                user_id=self.user_ids.of(generation.sender),
                before_send=lambda: self.leases.confirm(generation.generation_id),
            )
        except GlmError as error:
            # The platform's own code, such as 1302; no other text of the platform becomes a label.
            given = error.provider_code or ""
            code = given if re.fullmatch("[0-9]{1,6}", given) else error.kind.code
            raise
        finally:
            self.on_call(generation.model, time.monotonic() - started, code)

    def _store_glm_error(self, generation: Generation, error: GlmError) -> None:
        timings = self.timings
        left = timings.backoff_in_all - generation.delayed_for if error.waits else 0.0
        if left > 0:
            wait = backoff_with_jitter(timings.backoff, timings.backoff_longest, generation.backoff_count)
            # The whole model waits as long, and the card says how long that is at most.
            self.store.push_back(generation, seconds=min(max(wait, error.retry_after or 0.0), left))
        else:
            failure, billed = failure_from_glm(error), error.may_be_billed
            self.store.fail(generation, failure, billed=billed, platform_request_id=error.request_id)

    def deliver(self, generation: Generation) -> None:
        """Downloads a paid image and uploads it for the chat."""
        if generation.stalled_attempts > self.timings.takeups:
            self.store.fail(generation, STUCK)
            return
        try:
            uploaded = {} if generation.image_key else self._upload(generation, self._original(generation))
            # Feishu has the image: without its key it would be uploaded again.
            self.retry_until_stored(partial(self.store.done, generation, **uploaded))
            log.info("generation done")
        except DownloadFailed as error:
            log.warning("download failed", reason=error)
            if self.stopping.is_set() and not error.permanent:
                # The retries were cut short; the next process goes on with them.
                self.store.postpone(generation, seconds=0.0)
            else:
                # What was kept of it is gone, too.
                self.store.fail(generation, failure_from_glm(error), cache_name=None)
        except SendDelayed as delayed:
            self.store.postpone(generation, seconds=delayed.seconds, delays=generation.backoff_count)
        except FeishuError as error:
            self._on_upload_error(generation, error)

    def _original(self, generation: Generation) -> ImageFile:
        if generation.cache_name and (cached := self.cache.get(generation.cache_name)):
            return cached
        began = time.monotonic()
        image = fetch_with_retries(
            lambda: self.downloader.fetch(generation.url or ""),
            link_age=lambda: generation.link_age + time.monotonic() - began,
            retries=self.timings.download,
            stopped_in=self.stopping.wait,
        )
        name = f"{generation.generation_id}{image.suffix}"
        if self.cache.put(name, image.content):
            self.store.keep(generation, cache_name=name)
        return image

    def _upload(self, generation: Generation, image: ImageFile) -> dict[str, object]:
        """Uploads an image, smaller where it has to be; returns what is to be stored of it."""
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
        self.leases.confirm(generation.generation_id)
        return self.feishu.upload_image(image.content, filename=f"image{image.suffix}")

    def _on_upload_error(self, generation: Generation, error: FeishuError) -> None:
        timings, action = self.timings, error.action
        log.log(refusal_level(error), "upload failed", code=error.code, action=action.name)
        count = generation.backoff_count
        if action is FeishuAction.APP_REFUSED and count * timings.probe_longest < timings.outage_in_all:
            self.store.postpone(generation, seconds=timings.after_refusal(count), delays=count + 1)
        elif action is FeishuAction.RETRY and generation.delayed_for < timings.upload_in_all:
            self.store.postpone(generation, seconds=timings.retry_delay(error.retry_after, times=count))
        else:
            self.store.fail(generation, failure_from_upload(error))

    def retry_until_stored(self, step: Callable[[], T]) -> T:
        """Stores what must not be lost or asked for twice, again and again until the process has to exit."""
        tries, gives_up_at = 0, float("inf")
        while True:
            try:
                return step()
            except DatabaseUnavailable:
                tries += 1
                log.error("database unavailable, outcome kept in memory", tries=tries)  # noqa: TRY400
                wait = backoff_with_jitter(0.1, 2.0, tries)
                if self.stopping.is_set():
                    gives_up_at = min(gives_up_at, time.monotonic() + self.timings.holding)
                    if time.monotonic() >= gives_up_at:
                        raise
                    time.sleep(wait)
                else:
                    self.stopping.wait(wait)


def failure_from_glm(error: GlmError) -> Failure:
    platform = None
    if error.from_platform:
        parts = [error.provider_code or (str(error.status) if error.status else ""), error.message]
        platform = " ".join(part for part in parts if part)[:LONGEST_PLATFORM_TEXT]
    roles = tuple(role for role, _ in error.filters)
    worst = {"level": str(min(level for _, level in error.filters))} if error.filters else {}
    values = {**error.values, **worst}
    return Failure(code=error.kind.code, sentence=error.sentence, values=values, platform=platform, roles=roles)


def failure_from_upload(error: FeishuError) -> Failure:
    """The failure that a refused or impossible upload makes; the image's link is still shown."""
    if error.code in IMAGE_TOO_LARGE:
        sentence = "failure.image_too_large"
    elif error.action is FeishuAction.RETRY:
        sentence = "failure.feishu"
    else:
        is_barred = error.action in (FeishuAction.TELL_ADMIN, FeishuAction.REPORT)
        sentence = "failure.upload_barred" if is_barred else "failure.upload"
    platform = f"{error.code} {error.message}".strip()[:LONGEST_PLATFORM_TEXT] if error.code else None
    return Failure(code=UPLOAD_FAILED, sentence=sentence, platform=platform)
