"""Behind a company's proxy: everything goes through it, it sees neither key nor content, and no check is lost."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trustme

from bot.app import Bot
from bot.errors import DownloadFailed, NetworkFailed, NotConnected, SettingsError
from bot.feishu.long_connection import LongConnection
from bot.glm.client import Downloader, GlmClient
from bot.glm.transport import GuardedTransport, is_public
from bot.options import Options
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST
from bot.settings import load
from tests.clients.commands import run
from tests.clients.glm_wire import FAKE_KEY, http_answer, tls_server, trusting
from tests.support.dsl import DEADLINE, variables_for, wait_for
from tests.support.proxy import ConnectProxy, TlsProxy

GOOD = http_answer(json.dumps({"created": 1, "data": [{"url": "https://pictures.example/a.png"}]}).encode())
PICTURE = http_answer(render("猫", width=64, height=64, image_id="1", watermark=False))
OPTIONS = Options(size="1280x1280")


def test_the_key_goes_through_the_proxy_unseen(authority: trustme.CA) -> None:
    with tls_server(authority, API_HOST, answer=GOOD) as platform, ConnectProxy({API_HOST: platform.port}) as proxy:
        url = proxy.url.replace("//", "//me:not-real@")
        transport = GuardedTransport(tls=trusting(authority), proxy=url)
        with GlmClient(api_key=FAKE_KEY, transport=transport) as client:
            client.generate("猫", options=OPTIONS)
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT {API_HOST}:443 HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic bWU6bm90LXJlYWw=\r\n" in head
        assert FAKE_KEY.encode() not in head + proxy.seen
        assert platform.names == [API_HOST]
        assert f"Authorization: Bearer {FAKE_KEY}\r\n".encode() in platform.requests[0]
        assert b"Proxy-Authorization" not in platform.requests[0]


def test_a_proxy_that_reads_along_does_not_get_the_key(tmp_path: Path) -> None:
    with TlsProxy({API_HOST: 9}, folder=tmp_path) as proxy:
        client = GlmClient(api_key=FAKE_KEY, transport=GuardedTransport(proxy=proxy.url))
        with client, pytest.raises(NetworkFailed, match="certificate verify failed"):
            client.generate("猫", options=OPTIONS)
        assert proxy.asked == [f"{API_HOST}:443"]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"])
def test_a_proxy_that_refuses_costs_nothing(answer: bytes) -> None:
    with ConnectProxy({}, answer=answer) as proxy:
        client = GlmClient(api_key=FAKE_KEY, transport=GuardedTransport(proxy=proxy.url))
        with client, pytest.raises(NotConnected):
            client.generate("猫", options=OPTIONS)
        assert len(proxy.heads) == 1


def test_an_image_comes_through_the_proxy(authority: trustme.CA) -> None:
    with tls_server(authority, IMAGE_HOST, answer=PICTURE) as host, ConnectProxy({IMAGE_HOST: host.port}) as proxy:

        def unknown(*_: object) -> list[tuple[str, int]]:
            raise OSError("no such name")

        tls = trusting(authority)
        transport = GuardedTransport(allows=is_public, tls=tls, resolve=unknown, proxy=proxy.url)
        with Downloader(transport=transport) as downloader:
            assert downloader.fetch(f"https://{IMAGE_HOST}/a.png").format == "JPEG"
        assert len(proxy.heads) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "localhost"])
def test_a_private_address_is_not_asked_for(host: str) -> None:
    with ConnectProxy({}) as proxy:
        downloader = Downloader(transport=GuardedTransport(allows=is_public, proxy=proxy.url))
        with downloader, pytest.raises(DownloadFailed, match="no public address") as caught:
            downloader.fetch(f"https://{host}/a.png")
        assert caught.value.permanent
        assert proxy.heads == []


@pytest.mark.parametrize("usable", [True, False])
def test_the_command_line_uses_the_proxy_of_the_variable(tmp_path: Path, *, usable: bool) -> None:
    with ConnectProxy({}) as proxy:
        variables = {"ZHIPU_API_KEY": FAKE_KEY, "BOT_NETWORK_PROXY": proxy.url if usable else "socks5://127.0.0.1:1"}
        ended = run("generate", "-p", "猫", folder=tmp_path, **variables)
        assert ended.code == 1
        assert json.loads(ended.stdout)["error"]["code"] == "NETWORK_ERROR"
        assert [head.split()[1] for head in proxy.heads] == [f"{API_HOST}:443".encode()] * usable


def test_the_settings_reach_feishu_and_not_the_key(tmp_path: Path) -> None:
    """Feishu and its long connection are reached through a proxy that intercepts TLS, since ``ca_file`` names it.

    The paid call goes to the same proxy, whose certificate it does not accept.
    """
    with ConnectedStandIn() as feishu, ExitStack() as stack:
        line = feishu.line.listen()
        feishu.line.origin = "wss://frontier.example"
        ports = {"open.feishu.cn": int(feishu.origin.rpartition(":")[2]), "frontier.example": line, API_HOST: 9}
        proxy = stack.enter_context(TlsProxy(ports, folder=tmp_path))
        given = {"FEISHU_DOMAIN": "feishu", "BOT_NETWORK_PROXY": proxy.url, "BOT_NETWORK_CA_FILE": str(proxy.authority)}
        settings = load({**variables_for(feishu, folder=tmp_path), **given})
        bot = stack.enter_context(closing(Bot(settings)))
        connection = LongConnection(client=bot.feishu, handle=lambda _payload: {})
        stack.enter_context(closing(connection))
        bot.fetch_identity()
        connection.start()
        wait_for(lambda: connection.down is None, timeout=DEADLINE, describe=lambda: connection.down)
        bot.start()
        assert bot.worker is not None
        with pytest.raises(NetworkFailed, match="certificate verify failed"):
            bot.worker.steps.glm.generate("猫", options=OPTIONS)
        assert set(proxy.asked) == {"open.feishu.cn:443", "frontier.example:443", f"{API_HOST}:443"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PROXY", "socks5://127.0.0.1:1080", "must be http://host:port"),
        ("PROXY", "http://me@proxy.example:3128", "must be http://host:port"),
        ("CA_FILE", __file__, "must name a file of PEM certificates"),
    ],
)
def test_an_unusable_network_is_told_at_the_start(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({f"BOT_NETWORK_{name}": value})
    (fault,) = refused.value.faults
    assert fault.startswith(f"BOT_NETWORK_{name}: ")
    assert expected in fault
