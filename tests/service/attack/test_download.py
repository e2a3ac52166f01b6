"""Servers of pictures that mean harm: names that change their address, answers without an end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
import trustme

from bot.errors import DownloadFailed
from bot.glm.client import Downloader
from bot.glm.transport import Address, GuardedTransport
from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import IMAGE_HOST, LoopbackTransport
from bot.sandbox.http import LoopbackServer, Response
from tests.clients.glm_wire import http_answer, tls_server, trusting

HOST = "rebinding.example"
PICTURE = render("猫", width=64, height=64, image_id="1", watermark=False)
METADATA = "169.254.169.254"
LARGEST = 1024 * 1024


class Rebinding:
    """A resolver whose answer is a public address the first time, and an inner one ever after."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self._first, *_ = addresses
        self._answers = itertools.chain(addresses[:-1], itertools.repeat(addresses[-1]))
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> list[tuple[str, int]]:
        """The next answer."""
        self.asked += 1
        return [next(self._answers)]

    def allows(self, address: Address) -> bool:
        """Takes the first address for public, as servers of these tests are on loopback."""
        return str(address) == self._first[0]


def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """The address that was looked at is the one that is connected to, and every further connection looks again."""
    authority = trustme.CA()
    with tls_server(authority, HOST, answer=http_answer(PICTURE)) as server:
        rebinding = Rebinding(("127.0.0.1", server.port), (METADATA, 80))
        transport = GuardedTransport(tls=trusting(authority), allows=rebinding.allows, resolve=rebinding)
        with Downloader(transport=transport) as downloader:
            assert downloader.fetch(f"https://{HOST}/a.png").format == "JPEG"
            assert rebinding.asked == 1
            with pytest.raises(DownloadFailed, match=f"leads to {METADATA}") as refused:
                downloader.fetch(f"https://{HOST}/a.png")
    assert not refused.value.transient
    assert len(server.requests) == 1


def test_an_endless_picture_is_left_at_the_limit() -> None:
    """A picture of unannounced length that comes as fast as it can is left after the bytes that one may have."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield bytes(65536)

    with LoopbackServer() as server:
        server.route("GET", "/*name", lambda _call: Response(stream=itertools.chain([PICTURE], endless())))
        downloader = Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin}), largest=LARGEST)
        began = time.monotonic()
        with downloader, pytest.raises(DownloadFailed, match="more than") as refused:
            downloader.fetch(f"https://{IMAGE_HOST}/a.png")
    assert not refused.value.transient
    assert time.monotonic() - began < 10
    # What the buffers of the connection hold is sent beyond the limit, and no more.
    assert LARGEST <= sent < 16 * LARGEST


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP"])
def test_no_encoding_is_unpacked(encoding: str) -> None:
    """A bomb in any encoding stays packed: the download is refused by its head."""
    with LoopbackServer() as server:
        bomb = Response(headers={"Content-Encoding": encoding}, body=PICTURE)
        server.route("GET", "/*name", lambda _call: bomb)
        with (
            Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin})) as downloader,
            pytest.raises(DownloadFailed, match="compressed"),
        ):
            downloader.fetch(f"https://{IMAGE_HOST}/a.png")
