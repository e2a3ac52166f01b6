"""Behind a company's proxy: everything goes through it or is refused in words; it sees neither key nor content."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from bot.app import Bot
from bot.errors import DownloadFailed, ErrorKind, GlmError, SettingsError
from bot.feishu.network import proxy_for
from bot.glm.client import Downloader, GlmClient
from bot.glm.transport import GuardedTransport, is_public
from bot.options import Options
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST
from bot.sandbox.http import Response
from bot.settings import load
from tests.clients.commands import run
from tests.clients.servers import FAKE_KEY, GOOD, PICTURE, RecordingServer, certified, trusting
from tests.support.dsl import variables_for
from tests.support.proxy import ConnectProxy, TlsProxy


def test_the_key_goes_through_the_proxy_unseen(authority: trustme.CA) -> None:
    platform = RecordingServer(GOOD, tls=certified(authority, API_HOST))
    with platform, ConnectProxy({API_HOST: platform.port}) as proxy:
        url = proxy.url.replace("//", "//me:not-real@")
        transport = GuardedTransport(tls=trusting(authority), proxy=url)
        with closing(GlmClient(api_key=FAKE_KEY, transport=transport)) as client:
            client.generate("猫", options=Options())
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT {API_HOST}:443 HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic bWU6bm90LXJlYWw=\r\n" in head
        assert FAKE_KEY.encode() not in head + proxy.seen
        assert platform.names == [API_HOST]
        assert platform.requests[0].headers["authorization"] == f"Bearer {FAKE_KEY}"
        assert "proxy-authorization" not in platform.requests[0].headers


def test_a_proxy_that_refuses_costs_nothing() -> None:
    """Nothing was sent, so nothing can have been billed."""
    for answer in (b"", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"):
        with ConnectProxy({}, answer=answer) as proxy:
            client = GlmClient(api_key=FAKE_KEY, transport=GuardedTransport(proxy=proxy.url))
            with closing(client), pytest.raises(GlmError) as refused:
                client.generate("猫", options=Options())
            assert (refused.value.kind, refused.value.may_be_billed) == (ErrorKind.NOT_CONNECTED, False)
            assert len(proxy.heads) == 1


def test_a_proxy_that_reads_along_gets_feishu_and_not_the_key(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Feishu is reached through a proxy that intercepts TLS, since ``ca_file`` names it; the paid call is not made."""
    ports = {"open.feishu.cn": feishu.port, API_HOST: 9}
    with TlsProxy(ports, folder=tmp_path) as proxy:
        given = {"FEISHU_DOMAIN": "feishu", "BOT_NETWORK_PROXY": proxy.url, "BOT_NETWORK_CA_FILE": str(proxy.authority)}
        with closing(Bot(load({**variables_for(feishu, folder=tmp_path), **given}))) as bot:
            bot.identity.fetch()
            bot.start()
            assert bot.worker is not None
            with pytest.raises(GlmError, match="certificate verify failed"):
                bot.worker.steps.glm.generate("猫", options=Options())
        assert set(proxy.asked) == {"open.feishu.cn:443", f"{API_HOST}:443"}


def test_an_image_comes_through_the_proxy_from_public_hosts_alone(authority: trustme.CA) -> None:
    """A name that only the proxy can resolve is left to it; of a private address it never hears."""
    host = RecordingServer(Response(body=PICTURE), tls=certified(authority, IMAGE_HOST))
    with host, ConnectProxy({IMAGE_HOST: host.port}) as proxy:

        def unknown(*_: object) -> list[tuple[str, int]]:
            raise OSError("no such name")

        tls = trusting(authority)
        transport = GuardedTransport(allows=is_public, tls=tls, resolve=unknown, proxy=proxy.url)
        with closing(Downloader(transport=transport)) as downloader:
            assert downloader.fetch(f"https://{IMAGE_HOST}/a.png").format == "JPEG"
        for private in ("127.0.0.1", "[::1]", "169.254.169.254", "localhost"):
            downloader = Downloader(transport=GuardedTransport(allows=is_public, proxy=proxy.url))
            with closing(downloader), pytest.raises(DownloadFailed, match="no public address") as caught:
                downloader.fetch(f"https://{private}/a.png")
            assert caught.value.permanent
        assert len(proxy.heads) == 1


def test_the_command_line_uses_the_proxy_of_the_variable(tmp_path: Path) -> None:
    """A proxy that refuses, or cannot be one, ends the command with an error in JSON, unpaid."""
    with ConnectProxy({}) as proxy:
        for url in (proxy.url, "socks5://127.0.0.1:1"):
            variables = {"ZHIPU_API_KEY": FAKE_KEY, "BOT_NETWORK_PROXY": url}
            ended = run("generate", "-p", "猫", folder=tmp_path, **variables)
            assert (ended.code, ended.answer["error"]["code"]) == (1, "NETWORK_ERROR")
        assert proxy.asked == [f"{API_HOST}:443"]


PROXY, SOCKS = "http://proxy.example:3128", "socks5://127.0.0.1:1080"
NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
FOUND: list[tuple[dict[str, str], str | None]] = [
    ({}, None),
    ({"https_proxy": PROXY, "HTTPS_PROXY": SOCKS}, PROXY),
    ({"https_proxy": "", "HTTPS_PROXY": PROXY}, None),
    ({"ALL_PROXY": PROXY}, PROXY),
    ({"HTTPS_PROXY": PROXY, "ALL_PROXY": SOCKS}, PROXY),
    ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
    ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost,fe80::/10,10.0.0.0/8"}, PROXY),
    ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".feishu.cn"}, None),
    ({"ALL_PROXY": SOCKS, "NO_PROXY": "open.feishu.cn"}, None),
]
REFUSED = [
    ("ALL_PROXY", SOCKS),
    ("all_proxy", "socks5h://me:not-a-secret@127.0.0.1:1080"),
    ("https_proxy", "http://proxy.example:port"),
    ("HTTPS_PROXY", "http://proxy.example:3128/not-a-secret"),
    ("HTTPS_PROXY", "http://not-a-secret@proxy.example:3128"),
]
WRONG_SETTINGS = [
    ("PROXY", SOCKS, "must be http://host:port"),
    ("PROXY", "http://me@proxy.example:3128", "must be http://host:port"),
    ("CA_FILE", __file__, "must name a file of PEM certificates"),
]


def found_with(variables: dict[str, str], host: str = "open.feishu.cn") -> str | None:
    """The proxy of a host in an environment of these variables alone."""
    with pytest.MonkeyPatch.context() as environment:
        for name in NAMES:
            environment.delenv(name, raising=False)
        for name, value in variables.items():
            environment.setenv(name, value)
        return proxy_for(host)


def test_the_proxy_of_a_host() -> None:
    """The one for https comes before the one for all, and no network that NO_PROXY names is in the way."""
    assert [(variables, found_with(variables)) for variables, _ in FOUND] == FOUND
    assert {found_with(variables, host) for variables, _ in FOUND for host in ("127.0.0.1", "localhost")} == {None}


def test_what_is_no_http_proxy_is_refused() -> None:
    """The sentence names the variable, what is expected and how to do without, and no password."""
    for name, value in REFUSED:
        with pytest.raises(SettingsError) as refused:
            found_with({name: value})
        (fault,) = refused.value.faults
        assert fault.startswith(f"{name}: must be http://host:port")
        assert ("NO_PROXY=open.feishu.cn" in fault, "not-a-secret" in fault) == (True, False)
    for name, value, expected in WRONG_SETTINGS:
        with pytest.raises(SettingsError) as refused:
            load({f"BOT_NETWORK_{name}": value})
        (fault,) = refused.value.faults
        assert (fault.startswith(f"BOT_NETWORK_{name}: "), expected in fault) == (True, True)


@pytest.mark.parametrize(
    ("command", "code", "variable"),
    [
        *((command, 2, "ALL_PROXY") for command in ("serve", "connect", "base create")),
        *((command, 1, "ALL_PROXY") for command in ("check --json", "generate -p 一只橘猫 --send oc_group")),
        ("connect", 2, "SSL_CERT_FILE"),
    ],
)
def test_every_command_that_calls_feishu_tells_of_it(command: str, code: int, variable: str, tmp_path: Path) -> None:
    """A SOCKS proxy, or certificates that are none, end it with one sentence in its own form and no traceback."""
    app = {"FEISHU_APP_ID": "cli_1", "FEISHU_APP_SECRET": "not-real", "FEISHU_ENCRYPT_KEY": "not-real"}
    wrong = {"ALL_PROXY": "socks5://me:not-a-secret@127.0.0.1:1080", "SSL_CERT_FILE": __file__}[variable]
    given = {"FEISHU_DOMAIN": "https://feishu.invalid", "ZHIPU_API_KEY": FAKE_KEY, "PORT": "0", variable: wrong}
    ended = run(*command.split(), folder=tmp_path, **app, **given)
    said = ended.text + ended.stderr
    assert (ended.code, said.count(variable)) == (code, 1)
    assert [word for word in ("Traceback", "not-a-secret") if word in said] == []
    if code == 1:
        json.loads(ended.stdout)
