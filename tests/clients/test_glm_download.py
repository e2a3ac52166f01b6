"""One download: the bytes unchanged, or a reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from io import BytesIO

import pytest
import trustme
from PIL import Image

from bot.errors import DownloadFailed
from bot.glm.client import Downloader, GlmClient, fetch_with_retries, link_expires_at
from bot.glm.transport import GuardedTransport, is_public
from bot.models import ImageFile
from bot.options import Options
from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import IMAGE_HOST, GlmStandIn, LoopbackTransport
from bot.sandbox.http import LoopbackServer, Request, Response
from bot.timings import DownloadRetries
from tests.clients.glm_wire import (
    FAKE_KEY,
    certified,
    dripping_server,
    http_answer,
    leading_to,
    tls_server,
    trusting,
)


def link_of(glm: GlmStandIn, size: str = "1728x960") -> str:
    """The link to a new picture."""
    with GlmClient(api_key=FAKE_KEY, transport=glm.transport()) as client:
        return client.generate("一只橘猫", options=Options(size=size)).url


def refused(downloader: Downloader, url: str) -> DownloadFailed:
    with downloader, pytest.raises(DownloadFailed) as caught:
        downloader.fetch(url)
    return caught.value


def test_a_picture_comes_as_it_is(glm: GlmStandIn) -> None:
    with Downloader(transport=glm.transport()) as downloader:
        image = downloader.fetch(link_of(glm))
    assert (image.format, image.suffix, image.width, image.height) == ("JPEG", ".jpg", 1728, 960)
    assert "AIGC" in Image.open(BytesIO(image.content)).getexif()[0x010E]


@pytest.mark.parametrize(
    ("fault", "transient", "status"),
    [
        ("image_403", False, 403),
        ("image_404", False, 404),
        ("image_206", False, 206),
        ("image_530", True, 530),
        ("image_html", True, None),
        ("image_json", True, None),
        ("image_empty", True, None),
        ("image_half", True, None),
        ("image_without_end", True, None),
        ("image_redirect", False, 302),
        ("image_truncated", True, None),
        ("image_reset", True, None),
        ("image_slow", True, None),
        ("image_hang", True, None),
    ],
)
def test_each_fault_of_a_download_has_its_answer(
    glm: GlmStandIn,
    fault: str,
    transient: bool,  # noqa: FBT001 - a table's column
    status: int | None,
) -> None:
    url = link_of(glm)
    glm.arm(fault)
    deadline = 1.0 if fault in ("image_slow", "image_hang") else 60.0
    downloader = Downloader(transport=glm.transport(inner=GuardedTransport()), deadline=deadline)
    error = refused(downloader, url)
    assert (error.transient, error.permanent, error.status) == (transient, False, status)
    assert glm.strays == []


def test_a_link_that_was_tampered_with_has_ended(glm: GlmStandIn) -> None:
    """The signed query goes to the storage byte for byte, so a longer life cannot be written into it."""
    url = link_of(glm)
    with Downloader(transport=glm.transport()) as downloader:
        assert downloader.fetch(url).format == "JPEG"
    assert refused(Downloader(transport=glm.transport()), url.replace("Expires=1", "Expires=2")).status == 403


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "http://pictures.example/a.png",
        "https://",
        "https://user:pass@pictures.example/a.png",
        "https://pictures.example:port/a.png",
        "https://xn--/a.png",
        "https://pictures.example/\ud800.png",
        "https://pictures.example/" + "a" * 100_000,
    ],
)
def test_only_https_addresses_are_fetched(url: str) -> None:
    assert refused(Downloader(transport=LoopbackTransport({})), url).permanent


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001"],
)
def test_private_addresses_are_refused(host: str) -> None:
    error = refused(Downloader(transport=GuardedTransport(allows=is_public)), f"https://{host}/a.png")
    assert "no public address" in error.message
    assert error.permanent


def test_a_name_with_one_private_address_is_refused_whole() -> None:
    transport = GuardedTransport(
        allows=lambda address: str(address) != "127.0.0.1",
        resolve=lambda _host, port: [("8.8.8.8", port), ("127.0.0.1", port)],
    )
    assert "127.0.0.1" in refused(Downloader(transport=transport), "https://rebinding.example/a.png").message


def test_a_picture_over_the_limit_is_left(glm: GlmStandIn) -> None:
    url = link_of(glm)
    error = refused(Downloader(transport=glm.transport(), largest=1000), url)
    assert "more than 1000 bytes" in error.message
    assert error.sentence == "failure.image_too_large"
    assert error.permanent


@pytest.mark.parametrize("encoding", ["gzip", "identity, gzip"])
def test_a_compressed_answer_is_refused(encoding: str) -> None:
    with LoopbackServer() as server:
        server.route("GET", "/*name", lambda _call: Response(headers={"Content-Encoding": encoding}, body=b"x"))
        downloader = Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin}))
        assert "compressed" in refused(downloader, f"https://{IMAGE_HOST}/a.png").message


def test_an_endless_picture_is_left_at_the_limit() -> None:
    sent = 0
    largest = 1024 * 1024

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield bytes(65536)

    with LoopbackServer() as server:
        server.route("GET", "/*name", lambda _call: Response(stream=endless()))
        downloader = Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin}), largest=largest)
        assert refused(downloader, f"https://{IMAGE_HOST}/a.png").permanent
    # What the buffers of the connection hold is sent beyond the limit, and no more.
    assert largest <= sent < 16 * largest


def test_a_name_that_changes_its_address_gains_nothing(authority: trustme.CA) -> None:
    picture = render("猫", width=64, height=64, image_id="1", watermark=False)
    with tls_server(authority, IMAGE_HOST, answer=http_answer(picture)) as server:
        addresses = iter([("127.0.0.1", server.port), ("169.254.169.254", 80)])
        transport = GuardedTransport(
            tls=trusting(authority),
            allows=lambda address: str(address) == "127.0.0.1",
            resolve=lambda _host, _port: [next(addresses)],
        )
        with Downloader(transport=transport) as downloader:
            assert downloader.fetch(f"https://{IMAGE_HOST}/a.png").format == "JPEG"
            with pytest.raises(DownloadFailed, match=r"leads to 169\.254\.169\.254") as caught:
                downloader.fetch(f"https://{IMAGE_HOST}/a.png")
        assert caught.value.permanent
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("start", "encrypted"),
    [(b"HTTP/1.1 200 OK\r\nX-Endless: ", False), (b"HTTP/1.1 200 OK\r\n\r\n\xff\xd8\xff", True)],
)
def test_an_endless_answer_is_held_to_the_deadline(start: bytes, *, encrypted: bool, authority: trustme.CA) -> None:
    with dripping_server(start, tls=certified(authority, IMAGE_HOST) if encrypted else None) as port:
        plain = LoopbackTransport({IMAGE_HOST: f"http://127.0.0.1:{port}"}, inner=GuardedTransport())
        transport = leading_to(port, tls=trusting(authority)) if encrypted else plain
        assert refused(Downloader(transport=transport, deadline=2.0), f"https://{IMAGE_HOST}/a.png").transient


def test_a_download_has_a_minute(glm: GlmStandIn) -> None:
    def downloader(seconds: float) -> Downloader:
        moments = itertools.chain([0.0], itertools.repeat(seconds))
        return Downloader(transport=glm.transport(), clock=lambda: next(moments))

    url = link_of(glm)
    assert refused(downloader(61.0), url).message == "it did not come within 60 s"
    with downloader(59.0) as in_time:
        assert in_time.fetch(url).format == "JPEG"


def test_a_picture_has_twenty_megabytes() -> None:
    limit = 20 * 1024 * 1024
    picture = render("猫", width=64, height=64, image_id="1", watermark=False)
    with LoopbackServer() as server:
        server.route(
            "GET", "/:more", lambda call: Response(body=picture.ljust(limit + int(call.values["more"]), b"\0"))
        )
        transport = LoopbackTransport({IMAGE_HOST: server.origin})
        with Downloader(transport=transport) as downloader:
            assert len(downloader.fetch(f"https://{IMAGE_HOST}/0").content) == limit
        assert "more than 20971520 bytes" in refused(Downloader(transport=transport), f"https://{IMAGE_HOST}/1").message


def waits_between(error: DownloadFailed, *, age: float = 0.0, stops_after: int | None = None) -> list[float]:
    """The waits between downloads that all fail, by a clock that only the waits move; ``age`` is the link's at first.

    After so many the process is told to stop.
    """
    waits: list[float] = []

    def fetch() -> ImageFile:
        raise error

    def stopped_in(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == stops_after

    with pytest.raises(DownloadFailed) as caught:
        fetch_with_retries(
            fetch,
            link_age=lambda: age + sum(waits),
            retries=DownloadRetries(),
            stopped_in=stopped_in,
            clock=lambda: sum(waits),
        )
    assert caught.value is error
    return waits


ANY_STATUS = DownloadFailed("404", status=404)
TRANSIENT = DownloadFailed("reset", transient=True)


@pytest.mark.parametrize("error", [ANY_STATUS, TRANSIENT])
def test_a_fresh_link_is_retried_for_twenty_seconds(error: DownloadFailed) -> None:
    waits = waits_between(error)
    assert sum(waits) == pytest.approx(20)
    for wait, plain in zip(waits[:-1], [1, 2, 4, 5, 5, 5], strict=False):
        assert 0.8 * plain <= wait <= 1.2 * plain
    assert waits_between(error) != waits


def test_retries_end_when_the_link_is_two_minutes_old() -> None:
    assert sum(waits_between(ANY_STATUS, age=110)) == pytest.approx(10)
    assert waits_between(ANY_STATUS, age=120) == []
    assert len(waits_between(TRANSIENT, age=120)) == 2


def test_what_cannot_change_ends_at_once() -> None:
    assert waits_between(DownloadFailed("too large", permanent=True)) == []


def test_a_process_that_stops_does_not_retry() -> None:
    assert len(waits_between(ANY_STATUS, stops_after=2)) == 2


def test_a_download_knows_no_key(glm: GlmStandIn) -> None:
    seen: list[Request] = []

    def see(call: Request) -> Response:
        seen.append(call)
        return Response(status=404)

    with LoopbackServer() as server:
        server.route("GET", "/*name", see)
        downloader = Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin}))
        refused(downloader, link_of(glm))
    assert not {"authorization", "cookie"} & set(seen[0].headers)
    assert seen[0].headers["host"] == IMAGE_HOST


@pytest.mark.parametrize(
    ("query", "expires_at"),
    [
        ("?Signature=x%3D&Expires=1786990028", 1786990028.0),
        ("?Expires=1762327333&Signature=x", 1762327333.0),
        ("", None),
        *((f"?Expires={value}", None) for value in ("soon", "-1", "99999999999999999999")),
    ],
)
def test_a_signed_link_says_when_it_expires(query: str, expires_at: float | None) -> None:
    assert link_expires_at(f"https://pictures.example/a.png{query}") == expires_at
    assert link_expires_at(f"https://[broken/a.png{query}") is None
