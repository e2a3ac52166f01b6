"""The paid call and the download: what is sent, by verified TLS and to one host, what comes back, when it is left."""

from __future__ import annotations

import inspect
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
import trustme
from PIL import Image

from bot.errors import (
    CallTimedOut,
    DownloadFailed,
    GlmError,
    MissingApiKey,
    NetworkFailed,
    RateLimited,
    RequestBlocked,
    ServerFailed,
    SettingsError,
)
from bot.glm.client import ENDPOINT, Downloader, GlmClient, call_seconds, fetch_with_retries, link_expires_at
from bot.glm.transport import GuardedTransport, is_public
from bot.models import ImageFile
from bot.options import Options
from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST, GlmStandIn, LoopbackTransport
from bot.sandbox.http import LoopbackServer, Request, Response
from bot.settings import config_folder, load
from bot.timings import DownloadRetries
from tests.clients.commands import generate
from tests.clients.glm_wire import (
    FAKE_KEY,
    TlsServer,
    certified,
    dripping_server,
    http_answer,
    leading_to,
    sipping_server,
    tls_server,
    trusting,
)
from tests.support.dsl import BotUnderTest
from tests.support.waiting import wait_until


def client_of(glm: GlmStandIn, *, deadline: float = 60.0) -> GlmClient:
    """A client that is led to the stand-in, by the real transport below."""
    transport = glm.transport(inner=GuardedTransport())
    return GlmClient(api_key=f" {FAKE_KEY}\n", transport=transport, deadline=deadline)


def error_of(client: GlmClient, prompt: str = "猫") -> GlmError:
    """The error of a call that must fail."""
    with client, pytest.raises(GlmError) as caught:
        client.generate(prompt, options=Options())
    return caught.value


@contextmanager
def endless_server() -> Iterator[tuple[str, list[int]]]:
    """Answers with bytes that do not end; its origin, and how many it has sent."""
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            sent.append(65536)
            yield bytes(65536)

    with LoopbackServer() as server:
        for method in ("GET", "POST"):
            server.route(method, "/*path", lambda _call: Response(stream=endless()))
        yield server.origin, sent


def test_what_does_not_end_is_left_at_its_limit() -> None:
    """A megabyte of an answer, and the bytes that an image may have; beyond it is what the buffers hold."""
    mebibyte = 1024 * 1024
    with endless_server() as (origin, sent):
        error = error_of(GlmClient(api_key=FAKE_KEY, transport=LoopbackTransport({API_HOST: origin})))
        assert (type(error), "be read" in error.message) == (ServerFailed, True)
        assert mebibyte <= sum(sent) < 16 * mebibyte
    with endless_server() as (origin, sent):
        downloader = Downloader(transport=LoopbackTransport({IMAGE_HOST: origin}), largest=mebibyte)
        error = refused(downloader, f"https://{IMAGE_HOST}/a.png")
        assert (error.permanent, error.sentence) == (True, "failure.image_too_large")
        assert mebibyte <= sum(sent) < 16 * mebibyte


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_the_deadline_ends_a_call_that_never_ends(glm: GlmStandIn, fault: str) -> None:
    glm.arm(fault)
    error = error_of(client_of(glm, deadline=0.7))
    assert (type(error), error.sentence, len(glm.calls)) == (CallTimedOut, "failure.timeout", 1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset_after", NetworkFailed),
        ("truncated", NetworkFailed),
        ("html_502", ServerFailed),
        ("empty_body", ServerFailed),
        ("glm_1302", RateLimited),
        ("redirect", RequestBlocked),
    ],
)
def test_no_call_is_ever_repeated_or_redirected(glm: GlmStandIn, fault: str, error: type[GlmError]) -> None:
    glm.arm(fault)
    assert type(error_of(client_of(glm))) is error
    assert (len(glm.calls), glm.strays) == (1, [])


def test_a_prompt_of_any_length_goes_whole_and_no_call_goes_without_a_key(glm: GlmStandIn) -> None:
    with client_of(glm) as client:
        client.generate("猫" * 2761, options=Options())
    assert error_of(client_of(glm), "猫" * 5000).sentence == "failure.prompt_too_long"
    assert [len(call.body["prompt"]) for call in glm.calls] == [2761, 5000]
    for key in ("", "假密钥"):
        assert isinstance(error_of(GlmClient(api_key=key, transport=glm.transport())), MissingApiKey)
    assert len(glm.calls) == 2


def test_the_deadline_ends_a_call_that_is_taken_in_slowly() -> None:
    sipped = threading.Event()
    with sipping_server(sipped) as port:
        transport = LoopbackTransport({API_HOST: f"http://127.0.0.1:{port}"}, inner=GuardedTransport())
        client = GlmClient(api_key=FAKE_KEY, transport=transport, clock=lambda: 180.0 if sipped.is_set() else 0.0)
        with client, pytest.raises(CallTimedOut, match="within 180 s"):
            client.generate("猫" * 3_000_000, options=Options())


def test_a_second_call_at_a_time_is_refused_before_any_work(glm: GlmStandIn) -> None:
    """A basic account has one slot for glm-image."""
    glm.seconds = 1.0
    with client_of(glm) as client:
        first = threading.Thread(target=client.generate, args=("猫",), kwargs={"options": Options()})
        first.start()
        assert wait_until(lambda: glm.working == 1, seconds=30)
        assert error_of(client_of(glm), "狗").waits
        first.join(30)
    assert [call.body["prompt"] for call in glm.paid] == ["猫"]


def test_nothing_can_be_reached_is_a_network_failure() -> None:
    with GlmStandIn() as gone:
        transport = gone.transport()
    error = error_of(GlmClient(api_key=FAKE_KEY, transport=transport))
    assert isinstance(error, NetworkFailed)
    assert error.message.startswith("Network error: ")


def test_the_key_goes_to_the_platform_alone_by_verified_tls(authority: trustme.CA, platform: TlsServer) -> None:
    """The certificate of an unknown authority, or of another host, ends the call before a byte of it is sent."""
    # A 2K image takes the platform several times as long as a small one.
    assert (call_seconds(Options(size="1280x1280")), call_seconds(Options(size="2048x2048"))) == (180, 300)
    assert ENDPOINT == "https://open.bigmodel.cn/api/paas/v4/images/generations"
    with GlmClient(api_key=FAKE_KEY, transport=leading_to(platform.port, tls=trusting(authority))) as client:
        client.generate("猫", options=Options())
    assert platform.names == [API_HOST]
    (head,) = platform.requests
    assert head.startswith(b"POST /api/paas/v4/images/generations HTTP/1.1\r\n")
    assert f"Authorization: Bearer {FAKE_KEY}\r\n".encode() in head
    assert f"Host: {API_HOST}\r\n".encode() in head
    error = error_of(GlmClient(api_key=FAKE_KEY, transport=leading_to(platform.port)))
    assert "certificate verify failed" in error.message
    assert len(platform.requests) == 1
    with tls_server(authority, "elsewhere.example", answer=GOOD) as server:
        error = error_of(GlmClient(api_key=FAKE_KEY, transport=leading_to(server.port, tls=trusting(authority))))
        assert ("certificate verify failed" in error.message, server.requests) == (True, [])


def test_no_variable_leads_the_key_elsewhere(
    platform: TlsServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With every such variable set, a prompt in a chat is paid for at the platform, and no stranger's certificate."""
    file = str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(file)
    heard: list[Request] = []

    def hear(call: Request) -> Response:
        heard.append(call)
        return Response(status=404)

    with LoopbackServer() as eavesdropper:
        for method in ("GET", "POST"):
            eavesdropper.route(method, "*rest", hear)
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
    assert f"Authorization: Bearer {FAKE_KEY}\r\n".encode() in platform.requests[0]
    assert heard == []


GOOD = http_answer(json.dumps({"created": 1, "data": [{"url": "https://pictures.example/a.png"}]}).encode())
LEADING = [
    *("ZAI_BASE_URL", "ZHIPUAI_BASE_URL", "ZHIPU_API_URL", "GLM_BASE_URL", "BIGMODEL_BASE_URL", "OPENAI_BASE_URL"),
    *("BASE_URL", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"),
]
"""Variables that have ever led a client to another address, or through a proxy."""


@pytest.fixture
def platform(authority: trustme.CA) -> Iterator[TlsServer]:
    with tls_server(authority, API_HOST, answer=GOOD) as server:
        yield server


@pytest.mark.parametrize(("section", "name"), [("glm", "url"), ("images", "endpoint"), ("network", "endpoint")])
def test_no_setting_leads_the_key_elsewhere(section: str, name: str, tmp_path: Path) -> None:
    """There is no setting of an address, and the bot does not start with one that it does not know."""
    shutil.copytree(config_folder({}), tmp_path / "config")
    with (tmp_path / "config" / "bot.toml").open("w", encoding="utf-8") as file:
        file.write(f'[{section}]\n{name} = "https://elsewhere.example"\n')
    variable = f"BOT_{section}_{name}".upper()
    for environment in ({variable: "https://elsewhere.example"}, {"BOT_CONFIG_DIR": str(tmp_path / "config")}):
        with pytest.raises(SettingsError) as caught:
            load(environment)
        assert len(caught.value.faults) == 1


def test_only_code_can_put_a_transport_in_between() -> None:
    """Neither the clients nor the command line take an address, a proxy or a switch for TLS."""
    assert set(inspect.signature(GlmClient).parameters) == {"api_key", "transport", "deadline", "clock", "on_date"}
    assert set(inspect.signature(Downloader).parameters) == {"transport", "deadline", "largest", "clock"}
    for flag in ("--base-url", "--proxy", "--insecure"):
        result = generate("-p", "猫", flag, "https://elsewhere.example", origin="http://127.0.0.1:9")
        assert (result.code, "unrecognized arguments" in result.answer["error"]["message"]) == (2, True)


def test_an_image_comes_as_it_is_and_the_storage_sees_no_key(glm: GlmStandIn) -> None:
    """JPEG bytes under a ``.png`` name are named for what they are; the signed query is sent byte for byte."""
    url = link_of(glm)
    with Downloader(transport=glm.transport()) as downloader:
        image = downloader.fetch(url)
    assert (image.format, image.suffix, image.width, image.height) == ("JPEG", ".jpg", 1728, 960)
    assert "AIGC" in Image.open(BytesIO(image.content)).getexif()[0x010E]
    assert refused(Downloader(transport=glm.transport()), url.replace("Expires=1", "Expires=2")).status == 403
    seen: list[Request] = []

    def see(call: Request) -> Response:
        seen.append(call)
        return Response(status=404)

    with LoopbackServer() as server:
        server.route("GET", "/*name", see)
        refused(Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin})), url)
    assert not {"authorization", "cookie"} & set(seen[0].headers)
    assert seen[0].headers["host"] == IMAGE_HOST


TRANSIENT_FAULTS = (
    *("image_530", "image_html", "image_json", "image_empty", "image_half", "image_without_end", "image_truncated"),
    *("image_reset", "image_slow", "image_hang"),
)
LASTING_FAULTS = ("image_403", "image_404", "image_206", "image_redirect")


def link_of(glm: GlmStandIn, size: str = "1728x960") -> str:
    """The link to a new picture."""
    with GlmClient(api_key=FAKE_KEY, transport=glm.transport()) as client:
        return client.generate("一只橘猫", options=Options(size=size)).url


def refused(downloader: Downloader, url: str) -> DownloadFailed:
    with downloader, pytest.raises(DownloadFailed) as caught:
        downloader.fetch(url)
    return caught.value


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


BAD_URLS = [
    *("file:///etc/hostname", "http://pictures.example/a.png", "https://", "https://xn--/a.png"),
    *("https://user:pass@pictures.example/a.png", "https://pictures.example:port/a.png"),
    *("https://pictures.example/\ud800.png", "https://pictures.example/" + "a" * 100_000),
]
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


def test_a_compressed_answer_is_refused() -> None:
    """A few compressed bytes could unpack into gigabytes, so compression is declined and refused by the head."""
    for encoding in ("gzip", "identity, gzip"):
        with LoopbackServer() as server:
            compressed = Response(headers={"Content-Encoding": encoding}, body=b"x")
            server.route("GET", "/*name", partial(lambda answer, _call: answer, compressed))
            downloader = Downloader(transport=LoopbackTransport({IMAGE_HOST: server.origin}))
            assert "compressed" in refused(downloader, f"https://{IMAGE_HOST}/a.png").message


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
    """A server that drips its head or its image for ever is left when the time is up, with and without TLS."""
    with dripping_server(start, tls=certified(authority, IMAGE_HOST) if encrypted else None) as port:
        plain = LoopbackTransport({IMAGE_HOST: f"http://127.0.0.1:{port}"}, inner=GuardedTransport())
        transport = leading_to(port, tls=trusting(authority)) if encrypted else plain
        assert refused(Downloader(transport=transport, deadline=0.7), f"https://{IMAGE_HOST}/a.png").transient


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


def test_a_fresh_link_is_retried_for_twenty_seconds() -> None:
    """The waits grow from one second to five, each give or take a fifth, and the last attempt is after 20 s."""
    for error in (ANY_STATUS, TRANSIENT):
        waits = waits_between(error)
        assert sum(waits) == pytest.approx(20)
        for wait, plain in zip(waits[:-1], [1, 2, 4, 5, 5, 5], strict=False):
            assert 0.8 * plain <= wait <= 1.2 * plain
        assert waits_between(error) != waits


def test_retries_end_with_the_links_second_minute_or_the_process() -> None:
    """After two minutes only what is transient goes on, up to three attempts; what cannot change is tried once."""
    assert sum(waits_between(ANY_STATUS, age=110)) == pytest.approx(10)
    assert waits_between(ANY_STATUS, age=120) == []
    assert len(waits_between(TRANSIENT, age=120)) == 2
    assert waits_between(DownloadFailed("too large", permanent=True)) == []
    assert len(waits_between(ANY_STATUS, stops_after=2)) == 2


LINKS = {
    "?Signature=x%3D&Expires=1786990028": 1786990028.0,
    "?Expires=1762327333&Signature=x": 1762327333.0,
    **dict.fromkeys(("", "?Expires=soon", "?Expires=-1", "?Expires=99999999999999999999"), None),
}


def test_a_signed_link_says_when_it_expires() -> None:
    assert {query: link_expires_at(f"https://pictures.example/a.png{query}") for query in LINKS} == LINKS
    assert link_expires_at("https://[broken/a.png") is None
