"""The GLM-Image API over HTTP: one paid call, one download."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Self

import httpx

from bot.errors import CallTimedOut, DownloadFailed, NetworkFailed, NotConnected
from bot.glm.image_url import https_address
from bot.glm.images import inspect_image, too_large
from bot.glm.redact import mask_key
from bot.glm.request import call_body, checked_key
from bot.glm.responses import read_answer
from bot.glm.transport import AddressRejected, GuardedTransport, Remaining, is_public
from bot.models import GeneratedImage, ImageFile, Options

ENDPOINT = "https://open.bigmodel.cn/api/paas/v4/images/generations"
"""Where the key goes; no setting, variable or flag changes it."""

CALL_SECONDS = 180.0
"""For a whole call; glm-image takes 20 to 50 s, in a bad hour 180 s."""

LARGE_CALL_SECONDS = 300.0
"""For a whole call with more than ``LARGE_PIXELS``; the time grows with the pixels."""

LARGE_PIXELS = 2_400_000
CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0

DOWNLOAD_SECONDS = 60.0
"""For a whole download."""

LARGEST_DOWNLOAD = 20 * 1024 * 1024
"""In bytes; the platform's pictures have about 100,000."""

_LARGEST_ANSWER = 1024 * 1024
_USER_AGENT = "feishu-glm-image-bot"
_TRANSIENT = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS)

log = logging.getLogger(__name__)


def call_seconds(options: Options) -> float:
    """How many seconds a call with these options may take."""
    return LARGE_CALL_SECONDS if options.width * options.height > LARGE_PIXELS else CALL_SECONDS


class GlmClient:
    """Makes images; safe to use from several threads at once, and a context manager that closes its connections.

    Args:
        api_key: the key of the ZhiPu platform; checked when a call is made.
        transport: stands between this client and the network, for the sandbox and for tests. The real one verifies
            TLS, heeds no proxy and no other environment variable.
        deadline: the seconds a whole call may take; :func:`call_seconds` says so by default.
        clock: a time in seconds that only goes forward.
        on_date: called with the ``Date`` header of each answer.

    No call is ever repeated, and no redirect is followed: each call may be billed, and the platform knows no
    idempotency key.
    """

    def __init__(
        self,
        *,
        api_key: str,
        transport: httpx.BaseTransport | None = None,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_date: Callable[[str | None], None] = lambda _date: None,
    ) -> None:
        self._api_key = api_key
        self._deadline = deadline
        self._clock = clock
        self._http = _http_client(transport or GuardedTransport())
        self._http.event_hooks = {"response": [lambda response: on_date(response.headers.get("Date"))]}

    def generate(
        self,
        prompt: str,
        *,
        options: Options,
        user_id: str | None = None,
        before_send: Callable[[], None] = lambda: None,
    ) -> GeneratedImage:
        """Makes one image with one paid call.

        Args:
            prompt: what to draw; over 1,000 characters the platform may refuse it.
            options: with what; ``style`` and ``count`` are not the platform's and are not sent.
            user_id: 6 to 128 characters that stand for the asker, so that the platform can block one person.
            before_send: called on the open connection right before anything is sent; what it raises stops the call.

        Raises:
            GlmError: a leaf of it says why there is no image. After ``CallTimedOut`` and ``NetworkFailed`` it is not
                known whether one was made and billed.
        """
        key = checked_key(self._api_key)
        body = call_body(prompt, options=options, user_id=user_id)
        seconds = call_seconds(options) if self._deadline is None else self._deadline
        remaining = _countdown(seconds, self._clock)
        try:
            with self._http.stream(
                "POST",
                ENDPOINT,
                headers={"Authorization": f"Bearer {key}"},
                json=body,
                timeout=httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds), write=WRITE_SECONDS),
                extensions={"remaining": remaining, "trace": _before_headers(before_send)},
            ) as response:
                answer = _read(response.iter_bytes(), limit=_LARGEST_ANSWER, remaining=remaining)
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotConnected(f"Network error: no connection within {CONNECT_SECONDS:g} s") from error
        except httpx.ConnectError as error:
            raise NotConnected(f"Network error: {_said(error)}") from error
        except httpx.TimeoutException as error:
            raise CallTimedOut(f"No answer within {seconds:g} s; the image may have been made all the same") from error
        except (_TooLargeError, httpx.DecodingError):
            answer = b"the answer could not be read"
        except httpx.RequestError as error:
            raise NetworkFailed(f"Network error: {mask_key(_said(error), key)}") from error
        log.info("GLM answered", extra={"status": response.status_code, "seconds": round(seconds - remaining(), 1)})
        return read_answer(response.status_code, headers=response.headers, body=answer, key=key)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Downloader:
    """Fetches pictures; safe to use from several threads at once, and a context manager likewise.

    Args:
        transport: stands between it and the network, for the sandbox and for tests. The real one verifies TLS, heeds
            no environment variable, and connects to public addresses only.
        deadline: the seconds a whole download may take.
        largest: the bytes that a picture may have.
        clock: a time in seconds that only goes forward.

    It knows no API key.
    """

    def __init__(
        self,
        *,
        transport: httpx.BaseTransport | None = None,
        deadline: float = DOWNLOAD_SECONDS,
        largest: int = LARGEST_DOWNLOAD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadline = deadline
        self._largest = largest
        self._clock = clock
        self._http = _http_client(transport or GuardedTransport(allows=is_public))

    def fetch(self, url: str) -> ImageFile:
        """Fetches the picture behind ``url``, its bytes unchanged.

        Raises:
            DownloadFailed: ``url`` is not https or leads to no public address, or the image is too large (these are
                ``permanent``); the answer is not 200 (a redirect included), too slow, compressed, or not an image that
                decodes to its end.
        """
        address = https_address(url)
        remaining = _countdown(self._deadline, self._clock)
        try:
            with self._http.stream(
                "GET",
                address,
                # Compression is declined, so that the bytes counted are the bytes that come.
                headers={"Accept-Encoding": "identity"},
                timeout=httpx.Timeout(self._deadline, connect=min(CONNECT_SECONDS, self._deadline)),
                extensions={"remaining": remaining},
            ) as response:
                _check_head(response)
                content = _read(response.iter_raw(), limit=self._largest, remaining=remaining)
        except AddressRejected as error:
            raise DownloadFailed(str(error), permanent=True) from error
        except _TooLargeError as error:
            raise too_large(f"the picture has more than {self._largest} bytes") from error
        except httpx.TimeoutException as error:
            raise DownloadFailed(f"it did not come within {self._deadline:g} s", transient=True) from error
        except httpx.RequestError as error:
            raise DownloadFailed(f"the connection failed: {_said(error)}", transient=True) from error
        return inspect_image(content)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _TooLargeError(Exception):
    """A body is longer than it may be."""


def _http_client(transport: httpx.BaseTransport) -> httpx.Client:
    return httpx.Client(
        transport=transport, trust_env=False, follow_redirects=False, headers={"User-Agent": _USER_AGENT}
    )


def _before_headers(act: Callable[[], None]) -> Callable[[str, object], None]:
    """Calls ``act`` where httpcore is about to send a request: https://www.encode.io/httpcore/extensions/#trace."""

    def trace(event: str, _: object) -> None:
        if event.endswith("send_request_headers.started"):
            act()

    return trace


def _said(error: httpx.RequestError) -> str:
    return str(error) or type(error).__name__


def _countdown(seconds: float, clock: Callable[[], float]) -> Remaining:
    end = clock() + seconds
    return lambda: end - clock()


def _read(parts: Iterator[bytes], *, limit: int, remaining: Remaining) -> bytes:
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > limit:
            raise _TooLargeError
        if remaining() <= 0:
            raise httpx.ReadTimeout("the time for the whole call ran out")
    return bytes(content)


def _check_head(response: httpx.Response) -> None:
    status = response.status_code
    if response.is_redirect:
        raise DownloadFailed(f"the link redirects (HTTP {status}), which is not followed", status=status)
    if status != httpx.codes.OK:
        transient = status in _TRANSIENT or response.is_server_error
        raise DownloadFailed(f"the link answers HTTP {status}", status=status, transient=transient)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadFailed("the picture came compressed", status=status)
