"""An image made and fetched, while a line on the terminal counts the seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from bot.cli.progress import Progress
from bot.glm.client import Downloader, GlmClient, fetch_with_retries
from bot.models import GeneratedImage, ImageFile
from bot.options import Options
from bot.timings import DownloadRetries


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for: the prompt, the options, and the id of the end user, all of them checked."""

    prompt: str
    options: Options
    user_id: str | None


def make(request: Request, *, key: str, transport: httpx.BaseTransport | None) -> tuple[GeneratedImage, float]:
    """Makes the paid call; gives its outcome and how many seconds it took.

    Raises:
        GlmError: there is no image; a leaf of it says why.
    """
    began = time.monotonic()
    with GlmClient(api_key=key, transport=transport) as client, Progress(f"Generating with {request.options.model}"):
        image = client.generate(request.prompt, options=request.options, user_id=request.user_id)
    return image, time.monotonic() - began


def fetch(url: str, *, transport: httpx.BaseTransport | None, retries: DownloadRetries | None) -> ImageFile:
    """Fetches the image from a link that the platform has just given.

    Raises:
        DownloadFailed: it could not be fetched.
    """
    given_at = time.monotonic()
    with Downloader(transport=transport) as downloader, Progress("Downloading"):
        return fetch_with_retries(
            lambda: downloader.fetch(url),
            link_age=lambda: time.monotonic() - given_at,
            retries=retries or DownloadRetries(),
            stopped_in=_sleep,
        )


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
