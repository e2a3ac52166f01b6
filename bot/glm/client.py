"""The GLM-Image API over HTTP: one paid call, one download."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from bot.errors import DownloadFailed, ErrorKind, GlmError
from bot.glm.api import call_body, https_url, mask_key, read_answer, validate_key
from bot.glm.images import inspect_image, too_large
from bot.glm.transport import AddressRejected
from bot.models import GeneratedImage, ImageFile
from bot.options import Options
from bot.timings import DownloadRetries, backoff_with_jitter

ENDPOINT = "https://open.bigmodel.cn/api/paas/v4/images/generations"
"""Where the key goes; no setting, variable or flag changes it."""

CALL_SECONDS, LARGE_CALL_SECONDS = 180.0, 300.0
"""For a whole call, and for one with more than ``LARGE_PIXELS``; glm-image takes 20 to 50 s, in a bad hour 180 s."""

LARGE_PIXELS = 2_400_000
CONNECT_SECONDS, WRITE_SECONDS, DOWNLOAD_SECONDS = 10.0, 30.0, 60.0
LARGEST_DOWNLOAD = 20 * 1024 * 1024  # bytes; the platform's images have about 100,000

_LARGEST_ANSWER = 1024 * 1024
_TRANSIENT = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS)

log = logging.getLogger(__name__)


def call_seconds(options: Options) -> float:
    """How many seconds a call with these options may take."""
    return LARGE_CALL_SECONDS if options.width * options.height > LARGE_PIXELS else CALL_SECONDS


@dataclass(kw_only=True, eq=False, repr=False)
class _Client:
    """An HTTP client that follows no redirect and keeps a deadline for each call; safe to use from several threads.

    ``transport`` is a ``GuardedTransport``, except in the sandbox and in tests; ``clock`` gives monotonic seconds.
    """

    transport: httpx.BaseTransport
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        headers = {"User-Agent": "feishu-glm-image-bot"}
        self._http = httpx.Client(transport=self.transport, trust_env=False, headers=headers)

    def _stream(
        self,
        method: str,
        url: str | httpx.URL,
        *,
        seconds: float,
        trace: Callable[..., None] = lambda _event, _details: None,
        **data: Any,
    ) -> AbstractContextManager[httpx.Response]:
        """Sends a request, which with its answer may take so many seconds."""
        ends_at = self.clock() + seconds
        extensions: dict[str, Any] = {"remaining": lambda: ends_at - self.clock(), "trace": trace}
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds), write=min(WRITE_SECONDS, seconds))
        return self._http.stream(method, url, timeout=timeout, extensions=extensions, follow_redirects=False, **data)

    def close(self) -> None:
        self._http.close()


@dataclass(kw_only=True, eq=False, repr=False)
class GlmClient(_Client):
    """Makes images. No call is ever repeated: each may be billed, and the platform has no idempotency key.

    ``api_key`` is validated when a call is made; ``deadline`` is the seconds that a whole call may take, by default
    :func:`call_seconds`.
    """

    api_key: str
    deadline: float | None = None

    def generate(
        self,
        prompt: str,
        *,
        options: Options,
        user_id: str | None = None,
        before_send: Callable[[], None] = lambda: None,
    ) -> GeneratedImage:
        """Makes one image with one paid call.

        Over 1,000 characters of ``prompt`` the platform may reject; ``user_id``, 6 to 128 characters, identifies the
        sender, so that it can block one person. ``before_send`` is called on the open connection right before anything
        is sent; what it raises stops the call.

        The kind of the ``GlmError`` says why there is no image. After ``CALL_TIMED_OUT`` and ``NETWORK_FAILED`` it is
        unknown whether one was made and billed.
        """
        key = validate_key(self.api_key)
        body = call_body(prompt, options=options, user_id=user_id)
        seconds = call_seconds(options) if self.deadline is None else self.deadline
        started = self.clock()

        # See https://www.encode.io/httpcore/extensions/#trace.
        def trace(event: str, _: object) -> None:
            if event.endswith("send_request_headers.started"):
                before_send()

        headers = {"Authorization": f"Bearer {key}"}
        try:
            with self._stream("POST", ENDPOINT, seconds=seconds, trace=trace, headers=headers, json=body) as response:
                answer = _read(response, limit=_LARGEST_ANSWER)
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise GlmError(
                f"Network error: no connection within {CONNECT_SECONDS:g} s", ErrorKind.NOT_CONNECTED
            ) from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            raise GlmError(f"Network error: {_reason(error)}", ErrorKind.NOT_CONNECTED) from error
        except httpx.TimeoutException as error:
            raise GlmError(
                f"No answer within {seconds:g} s; the image may have been made all the same", ErrorKind.CALL_TIMED_OUT
            ) from error
        except httpx.DecodingError:
            answer = b"the answer could not be read"
        except httpx.RequestError as error:
            raise GlmError(f"Network error: {mask_key(_reason(error), key)}", ErrorKind.NETWORK_FAILED) from error
        took = round(self.clock() - started, 1)
        log.info("GLM answered", extra={"status": response.status_code, "seconds": took})
        return read_answer(response.status_code, headers=response.headers, body=answer, key=key)


@dataclass(kw_only=True, eq=False, repr=False)
class Downloader(_Client):
    """Downloads images; it knows no API key. ``deadline`` is the seconds that a whole download may take."""

    deadline: float = DOWNLOAD_SECONDS

    def fetch(self, url: str) -> ImageFile:
        """Downloads one image, its bytes unchanged.

        ``DownloadFailed`` if ``url`` is not https or leads to no public address, or the image is too large (these are
        ``permanent``); the answer is not 200 (a redirect included), too slow, compressed, or no image that decodes to
        its end.
        """
        address = https_url(url)
        # Compression is declined, so that the bytes counted are the bytes that come.
        headers = {"Accept-Encoding": "identity"}
        try:
            with self._stream("GET", address, seconds=self.deadline, headers=headers) as response:
                _check_head(response)
                content = _read(response, limit=LARGEST_DOWNLOAD)
        except AddressRejected as error:
            raise DownloadFailed(str(error), permanent=True) from error
        except httpx.TimeoutException as error:
            raise DownloadFailed(f"it did not come within {self.deadline:g} s", transient=True) from error
        except httpx.RequestError as error:
            raise DownloadFailed(f"the connection failed: {_reason(error)}", transient=True) from error
        if len(content) > LARGEST_DOWNLOAD:
            raise too_large(f"the picture has more than {LARGEST_DOWNLOAD} bytes")
        return inspect_image(content)


def fetch_with_retries(
    fetch: Callable[[], ImageFile],
    *,
    link_age: Callable[[], float],
    retries: DownloadRetries,
    stopped_in: Callable[[float], bool],
    clock: Callable[[], float] = time.monotonic,
) -> ImageFile:
    """Downloads an image, retrying what may pass; raises the ``DownloadFailed`` of the last attempt.

    ``fetch`` makes one attempt, ``link_age`` returns how many seconds ago the platform gave the link, and
    ``stopped_in`` waits for so many seconds and returns whether the process is to stop instead.
    """
    ends_at, attempt = clock() + retries.seconds, 0
    while True:
        attempt += 1
        try:
            return fetch()
        except DownloadFailed as error:
            left = min(retries.fresh - link_age(), ends_at - clock())
            wait = backoff_with_jitter(retries.first_wait, retries.longest_wait, attempt - 1)
            if not (error.transient and attempt < retries.attempts):
                if left <= 0 or error.permanent:
                    raise
                # The last attempt is at the end of the time.
                wait = min(wait, left)
            log.info("download failed", extra={"attempt": attempt, "reason": str(error), "next_in": round(wait, 1)})
            if stopped_in(wait):
                raise


def link_expires_at(url: str) -> float | None:
    """The ``Expires=`` of a signed link in seconds since 1970, ``None`` if it has none.

    The platform documents 30 days; links that it signs expired 24 hours or 7 days after the call in public samples.
    """
    try:
        expires = parse_qs(urlsplit(url).query).get("Expires", [""])[-1]
    except ValueError:
        return None
    # Ten digits reach the year 2286; more, or fewer, is not a time.
    return float(expires) if expires.isascii() and expires.isdigit() and len(expires) == len("1786990028") else None


def _reason(error: httpx.RequestError) -> str:
    return str(error) or type(error).__name__


def _read(response: httpx.Response, *, limit: int) -> bytes:
    """The body, or its beginning if it has more bytes than ``limit``."""
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > limit:
            break
        if response.request.extensions["remaining"]() <= 0:
            raise httpx.ReadTimeout("the time for the whole call ran out")
    return bytes(content)


def _check_head(response: httpx.Response) -> None:
    status = response.status_code
    if status != httpx.codes.OK:
        transient = status in _TRANSIENT or response.is_server_error
        raise DownloadFailed(f"the link answers HTTP {status}", status=status, transient=transient)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadFailed("the picture came compressed", status=status)
