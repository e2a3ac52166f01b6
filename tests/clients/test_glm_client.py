"""The paid call and the download: what is sent, by verified TLS and to one host, what comes back, when it is left."""

from __future__ import annotations

import inspect
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path

import pytest
import trustme
from PIL import Image

from bot.errors import DownloadFailed, ErrorKind, GlmError, SettingsError
from bot.glm.client import ENDPOINT, Downloader, GlmClient, call_seconds, fetch_with_retries, link_expires_at
from bot.glm.transport import GuardedTransport, is_public
from bot.models import ImageFile
from bot.options import Options
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST, GlmStandIn, LoopbackTransport
from bot.sandbox.http import Response
from bot.settings import load
from bot.timings import DownloadRetries
from tests.clients.commands import generate
from tests.clients.servers import (
    FAKE_KEY,
    GOOD,
    PICTURE,
    RecordingServer,
    certified,
    dripping_server,
    leading_to,
    trusting,
)
from tests.support.dsl import BotUnderTest

MEBIBYTE = 1024 * 1024
PICTURE_URL = f"https://{IMAGE_HOST}/a.png"
LEADING = [
    *("ZAI_BASE_URL", "ZHIPUAI_BASE_URL", "ZHIPU_API_URL", "GLM_BASE_URL", "BIGMODEL_BASE_URL", "OPENAI_BASE_URL"),
    *("BASE_URL", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"),
]
"""Variables that have ever led a client to another address, or through a proxy."""


@pytest.fixture
def platform(authority: trustme.CA) -> Iterator[RecordingServer]:
    with RecordingServer(GOOD, tls=certified(authority, API_HOST)) as server:
        yield server


def error_of(client: GlmClient) -> GlmError:
    """The error of a call that must fail."""
    with closing(client), pytest.raises(GlmError) as caught:
        client.generate("猫", options=Options())
    return caught.value


def refused(downloader: Downloader, url: str = PICTURE_URL) -> DownloadFailed:
    """The error of a download that must fail."""
    with closing(downloader), pytest.raises(DownloadFailed) as caught:
        downloader.fetch(url)
    return caught.value


def link_of(glm: GlmStandIn) -> str:
    """The link to a new picture."""
    with closing(GlmClient(api_key=FAKE_KEY, transport=glm.transport())) as client:
        return client.generate("一只橘猫", options=Options(size="1728x960")).url


def test_the_key_goes_to_the_platform_alone_by_verified_tls(authority: trustme.CA, platform: RecordingServer) -> None:
    """The certificate of an unknown authority, or of another host, ends the call before a byte of it is sent."""
    assert ENDPOINT == "https://open.bigmodel.cn/api/paas/v4/images/generations"
    with closing(GlmClient(api_key=FAKE_KEY, transport=leading_to(platform.port, tls=trusting(authority)))) as client:
        client.generate("猫", options=Options())
    assert platform.names == [API_HOST]
    (call,) = platform.requests
    assert (call.method, call.path) == ("POST", "/api/paas/v4/images/generations")
    assert (call.headers["authorization"], call.headers["host"]) == (f"Bearer {FAKE_KEY}", API_HOST)
    with RecordingServer(GOOD, tls=certified(authority, "elsewhere.example")) as elsewhere:
        for server, tls in ((platform, None), (elsewhere, trusting(authority))):
            error = error_of(GlmClient(api_key=FAKE_KEY, transport=leading_to(server.port, tls=tls)))
            assert "certificate verify failed" in error.message
    assert (len(platform.requests), elsewhere.requests) == (1, [])


def test_no_variable_leads_the_key_elsewhere(
    platform: RecordingServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With every such variable set, a prompt in a chat is paid for at the platform, and no stranger's certificate."""
    file = str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(file)
    with RecordingServer(Response(status=404)) as eavesdropper:
        authorities = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        variables = {**dict.fromkeys(LEADING, eavesdropper.origin), **dict.fromkeys(authorities, file)}
        # The chats of the stand-in are this machine's own; the platform's host is not excepted.
        own = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
        for name, value in {**variables, **own, "SSL_CERT_DIR": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        error = error_of(GlmClient(api_key=FAKE_KEY, transport=leading_to(platform.port)))
        assert ("certificate verify failed" in error.message, platform.requests) == (True, [])
        with BotUnderTest(
            folder=tmp_path / "data",
            variables={"ZHIPU_API_KEY": FAKE_KEY},
            wrap_glm=lambda _: leading_to(platform.port, tls=trusting(authority)),
        ) as bot:
            user = bot.new_user()
            user.wait_for_end(user.send())
    assert platform.names[-1] == API_HOST
    assert platform.requests[0].headers["authorization"] == f"Bearer {FAKE_KEY}"
    assert eavesdropper.requests == []


def test_no_setting_or_flag_leads_the_key_elsewhere() -> None:
    """Neither settings, command line nor clients take an address, a proxy of the key's or a switch for TLS."""
    for name in ("GLM_URL", "IMAGES_ENDPOINT", "NETWORK_ENDPOINT"):
        with pytest.raises(SettingsError):
            load({f"BOT_{name}": "https://elsewhere.example"})
    for flag in ("--base-url", "--proxy", "--insecure"):
        result = generate("-p", "猫", flag, "https://elsewhere.example", origin="http://127.0.0.1:9")
        assert (result.code, "unrecognized arguments" in result.answer["error"]["message"]) == (2, True)
    assert set(inspect.signature(GlmClient).parameters) == {"api_key", "transport", "deadline", "clock"}
    assert set(inspect.signature(Downloader).parameters) == {"transport", "deadline", "clock"}


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_the_deadline_ends_a_call_that_never_ends(glm: GlmStandIn, fault: str) -> None:
    """A 2K image takes the platform several times as long as a small one, and its call has more time."""
    glm.arm(fault)
    client = GlmClient(api_key=FAKE_KEY, transport=glm.transport(inner=GuardedTransport()), deadline=0.7)
    error = error_of(client)
    assert (error.kind, error.sentence, len(glm.calls)) == (ErrorKind.CALL_TIMED_OUT, "failure.timeout", 1)
    assert (call_seconds(Options(size="1280x1280")), call_seconds(Options(size="2048x2048"))) == (180, 300)


def test_the_deadline_ends_a_call_that_is_taken_in_slowly() -> None:
    """A timeout is one of each send, which a server that takes a little now and then would prolong without end."""
    sipped, over = threading.Event(), threading.Event()

    def sip() -> None:
        with suppress(OSError), listener.accept()[0] as connection:
            while not over.wait(0.02) and connection.recv(4096):
                sipped.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        threading.Thread(target=sip, daemon=True).start()
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = LoopbackTransport({API_HOST: origin}, inner=GuardedTransport())
        client = GlmClient(api_key=FAKE_KEY, transport=transport, clock=lambda: 180.0 if sipped.is_set() else 0.0)
        with closing(client), pytest.raises(GlmError, match="within 180 s"):
            client.generate("猫" * 3_000_000, options=Options())
        over.set()


def test_what_does_not_end_is_left_at_its_limit() -> None:
    """A megabyte of an answer, and the 20 MB that an image may have; beyond it is what the buffers hold."""
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            sent.append(65536)
            yield bytes(65536)

    with RecordingServer(lambda _: Response(stream=endless())) as server:
        transport = LoopbackTransport(dict.fromkeys((API_HOST, IMAGE_HOST), server.origin))
        error = error_of(GlmClient(api_key=FAKE_KEY, transport=transport))
        assert (error.kind, "on the way" in error.message) == (ErrorKind.SERVER_FAILED, True)
        assert MEBIBYTE <= sum(sent) < 16 * MEBIBYTE
        sent.clear()
        too_large = refused(Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin})))
        assert (too_large.permanent, too_large.sentence) == (True, "failure.image_too_large")
        assert 20 * MEBIBYTE <= sum(sent) < 35 * MEBIBYTE
    server = RecordingServer(Response(body=PICTURE.ljust(20 * MEBIBYTE, b"\0")))
    with server, closing(Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin}))) as downloader:
        assert len(downloader.fetch(PICTURE_URL).content) == 20 * MEBIBYTE


def test_an_image_comes_as_it_is_and_the_storage_sees_no_key(glm: GlmStandIn) -> None:
    """JPEG bytes under a ``.png`` name are named for what they are; the signed query is sent byte for byte."""
    url = link_of(glm)
    with closing(Downloader(transport=glm.transport())) as downloader:
        image = downloader.fetch(url)
    assert (image.format, image.suffix, image.width, image.height) == ("JPEG", ".jpg", 1728, 960)
    assert "AIGC" in Image.open(BytesIO(image.content)).getexif()[0x010E]
    assert refused(Downloader(transport=glm.transport()), url.replace("Expires=1", "Expires=2")).status == 403
    with RecordingServer(Response(status=404)) as server:
        refused(Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin})), url)
    (call,) = server.requests
    assert not {"authorization", "cookie"} & set(call.headers)
    assert call.headers["host"] == IMAGE_HOST


TRANSIENT_FAULTS = (
    *("image_530", "image_html", "image_json", "image_empty", "image_half", "image_without_end", "image_truncated"),
    *("image_reset", "image_slow", "image_hang"),
)
LASTING_FAULTS = ("image_403", "image_404", "image_206", "image_redirect")


@pytest.mark.parametrize("fault", [*TRANSIENT_FAULTS, *LASTING_FAULTS])
def test_each_fault_of_a_download_has_its_answer(glm: GlmStandIn, fault: str) -> None:
    """What broke on the way is transient; an ended link or a redirect is not, and none of it is permanent."""
    url = link_of(glm)
    glm.arm(fault)
    deadline = 0.5 if fault in ("image_slow", "image_hang") else 60.0
    error = refused(Downloader(transport=glm.transport(inner=GuardedTransport()), deadline=deadline), url)
    statuses = {"image_403": 403, "image_404": 404, "image_206": 206, "image_530": 530, "image_redirect": 302}
    assert (error.transient, error.permanent) == (fault in TRANSIENT_FAULTS, False)
    assert (error.status, glm.strays) == (statuses.get(fault), [])


BAD_URLS = ["http://pictures.example/a.png", "https://xn--/a.png", "https://pictures.example/" + "a" * 100_000]
PRIVATE = ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001"]


def test_only_public_https_addresses_are_fetched() -> None:
    """However the address is written; a name that leads to a public and a private one is refused whole."""
    for url in BAD_URLS:
        assert refused(Downloader(transport=LoopbackTransport({})), url).permanent
    for host in PRIVATE:
        error = refused(Downloader(transport=GuardedTransport(allows=is_public)), f"https://{host}/a.png")
        assert ("no public address" in error.message, error.permanent) == (True, True), host
    transport = GuardedTransport(
        allows=lambda address: str(address) != "127.0.0.1",
        resolve=lambda _host, port: [("8.8.8.8", port), ("127.0.0.1", port)],
    )
    assert "127.0.0.1" in refused(Downloader(transport=transport), "https://rebinding.example/a.png").message


def test_a_name_that_changes_its_address_gains_nothing(authority: trustme.CA) -> None:
    tls = certified(authority, IMAGE_HOST)
    with RecordingServer(Response(body=PICTURE, headers={"Connection": "close"}), tls=tls) as server:
        addresses = iter([("127.0.0.1", server.port), ("169.254.169.254", 80)])
        transport = GuardedTransport(
            tls=trusting(authority),
            allows=lambda address: str(address) == "127.0.0.1",
            resolve=lambda _host, _port: [next(addresses)],
        )
        with closing(Downloader(transport=transport)) as downloader:
            assert downloader.fetch(PICTURE_URL).format == "JPEG"
            with pytest.raises(DownloadFailed, match=r"leads to 169\.254\.169\.254") as caught:
                downloader.fetch(PICTURE_URL)
        assert caught.value.permanent
        assert len(server.requests) == 1


def test_a_compressed_answer_is_refused() -> None:
    """A few compressed bytes could unpack into gigabytes, so compression is declined and refused by the head."""
    for encoding in ("gzip", "identity, gzip"):
        with RecordingServer(Response(headers={"Content-Encoding": encoding}, body=b"x")) as server:
            downloader = Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin}))
            assert "compressed" in refused(downloader).message


def test_a_download_has_a_minute_even_for_a_head_that_never_ends(glm: GlmStandIn, authority: trustme.CA) -> None:
    def downloader(seconds: float) -> Downloader:
        moments = itertools.chain([0.0], itertools.repeat(seconds))
        return Downloader(transport=glm.transport(), clock=lambda: next(moments))

    url = link_of(glm)
    assert refused(downloader(61.0), url).message == "it did not come within 60 s"
    with closing(downloader(59.0)) as in_time:
        assert in_time.fetch(url).format == "JPEG"
    with dripping_server(certified(authority, IMAGE_HOST)) as port:
        assert refused(Downloader(transport=leading_to(port, tls=trusting(authority)), deadline=0.7)).transient


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


def test_a_fresh_link_is_retried_for_twenty_seconds_and_an_old_one_less() -> None:
    """The waits grow from one second to five, each give or take a fifth, and the last attempt is after 20 s.

    After two minutes only what is transient goes on, up to three attempts; what cannot change is tried once.
    """
    any_status, transient = DownloadFailed("404", status=404), DownloadFailed("reset", transient=True)
    for error in (any_status, transient):
        waits = waits_between(error)
        assert sum(waits) == pytest.approx(20)
        for wait, plain in zip(waits[:-1], [1, 2, 4, 5, 5, 5], strict=False):
            assert 0.8 * plain <= wait <= 1.2 * plain
        assert waits_between(error) != waits
    assert sum(waits_between(any_status, age=110)) == pytest.approx(10)
    assert waits_between(any_status, age=120) == []
    assert len(waits_between(transient, age=120)) == 2
    assert waits_between(DownloadFailed("too large", permanent=True)) == []
    assert len(waits_between(any_status, stops_after=2)) == 2


LINKS = {
    "?Signature=x%3D&Expires=1786990028": 1786990028.0,
    "?Expires=1762327333&Signature=x": 1762327333.0,
    **dict.fromkeys(("", "?Expires=soon", "?Expires=-1", "?Expires=99999999999999999999"), None),
}


def test_a_signed_link_says_when_it_expires() -> None:
    assert {query: link_expires_at(f"https://pictures.example/a.png{query}") for query in LINKS} == LINKS
    assert link_expires_at("https://[broken/a.png") is None
