"""Behind a company's proxy: everything goes through it or is refused in words; it sees neither key nor content."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trustme

from bot.app import Bot
from bot.errors import DownloadFailed, NetworkFailed, NotConnected, SettingsError
from bot.feishu.long_connection import LongConnection
from bot.feishu.network import proxy_for
from bot.glm.client import Downloader, GlmClient
from bot.glm.transport import GuardedTransport, is_public
from bot.options import Options
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST
from bot.settings import load
from tests.clients.commands import CommandResult, run
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


def test_a_proxy_that_refuses_costs_nothing(tmp_path: Path) -> None:
    """Nothing was sent, so nothing can have been billed; one that reads along fails as well."""
    for answer in (b"", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"):
        with ConnectProxy({}, answer=answer) as proxy:
            client = GlmClient(api_key=FAKE_KEY, transport=GuardedTransport(proxy=proxy.url))
            with client, pytest.raises(NotConnected):
                client.generate("猫", options=OPTIONS)
            assert len(proxy.heads) == 1
    with TlsProxy({API_HOST: 9}, folder=tmp_path) as reading:
        client = GlmClient(api_key=FAKE_KEY, transport=GuardedTransport(proxy=reading.url))
        with client, pytest.raises(NetworkFailed, match="certificate verify failed"):
            client.generate("猫", options=OPTIONS)
        assert reading.asked == [f"{API_HOST}:443"]


def test_the_command_line_uses_the_proxy_of_the_variable(tmp_path: Path) -> None:
    """A proxy that refuses, or cannot be one, ends the command with an error in JSON, unpaid."""
    with ConnectProxy({}) as proxy:
        for url in (proxy.url, "socks5://127.0.0.1:1"):
            variables = {"ZHIPU_API_KEY": FAKE_KEY, "BOT_NETWORK_PROXY": url}
            ended = run("generate", "-p", "猫", folder=tmp_path, **variables)
            assert (ended.code, ended.answer["error"]["code"]) == (1, "NETWORK_ERROR")
        assert proxy.asked == [f"{API_HOST}:443"]


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


def found_with(variables: dict[str, str], host: str = "open.feishu.cn") -> str | None:
    """The proxy of a host in an environment of these variables alone."""
    with pytest.MonkeyPatch.context() as environment:
        for name in NAMES:
            environment.delenv(name, raising=False)
        for name, value in variables.items():
            environment.setenv(name, value)
        return proxy_for(host)


PROXY = "http://proxy.example:3128"
NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")

SOCKS = "socks5://127.0.0.1:1080"

FOUND: list[tuple[dict[str, str], str | None]] = [
    ({}, None),
    ({"HTTPS_PROXY": PROXY}, PROXY),
    ({"https_proxy": PROXY, "HTTPS_PROXY": SOCKS}, PROXY),
    ({"https_proxy": "", "HTTPS_PROXY": PROXY}, None),
    ({"ALL_PROXY": PROXY}, PROXY),
    ({"HTTPS_PROXY": PROXY, "ALL_PROXY": SOCKS}, PROXY),
    ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
    ({"HTTPS_PROXY": "https://me:not-real@proxy.example"}, "https://me:not-real@proxy.example"),
    ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost,fe80::/10,10.0.0.0/8"}, PROXY),
    ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".feishu.cn"}, None),
    ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
    ({"ALL_PROXY": SOCKS, "NO_PROXY": "open.feishu.cn"}, None),
]

REFUSED = [
    ("ALL_PROXY", SOCKS),
    ("all_proxy", "socks5h://me:not-a-secret@127.0.0.1:1080"),
    ("HTTPS_PROXY", "http://"),
    ("https_proxy", "http://proxy.example:port"),
    ("HTTPS_PROXY", "http://proxy.example:3128/not-a-secret"),
    ("HTTPS_PROXY", "http://not-a-secret@proxy.example:3128"),
    ("HTTPS_PROXY", "http://[not-a-secret"),
]


def run_without_feishu(command: str, folder: Path, **variables: str) -> CommandResult:
    """Runs a command of the bot that would call a host that is not there."""
    app = {"FEISHU_APP_ID": "cli_1", "FEISHU_APP_SECRET": "not-real", "FEISHU_ENCRYPT_KEY": "not-real"}
    given = {**app, "FEISHU_DOMAIN": "https://feishu.invalid", "ZHIPU_API_KEY": FAKE_KEY, "PORT": "0", **variables}
    return run(*command.split(), folder=folder, **given)


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
    for name, value, expected in (
        ("PROXY", "socks5://127.0.0.1:1080", "must be http://host:port"),
        ("PROXY", "http://me@proxy.example:3128", "must be http://host:port"),
        ("CA_FILE", __file__, "must name a file of PEM certificates"),
    ):
        with pytest.raises(SettingsError) as refused:
            load({f"BOT_NETWORK_{name}": value})
        (fault,) = refused.value.faults
        assert (fault.startswith(f"BOT_NETWORK_{name}: "), expected in fault) == (True, True)


@pytest.mark.parametrize(
    "command", ["serve", "connect", "base create", "check --json", "generate -p 一只橘猫 --send oc_group"]
)
def test_every_command_that_calls_feishu_tells_of_it(command: str, tmp_path: Path) -> None:
    """A SOCKS proxy ends the command with one sentence, in its own form, and without a traceback."""
    ended = run_without_feishu(command, tmp_path, ALL_PROXY="socks5://me:not-a-secret@127.0.0.1:1080")
    said = ended.text + ended.stderr
    writes_json = command.startswith(("check", "generate"))
    assert (ended.code, said.count("ALL_PROXY")) == (1 if writes_json else 2, 1)
    assert [word for word in ("Traceback", "not-a-secret") if word in said] == []
    assert not writes_json or json.loads(ended.stdout)


def test_certificates_that_cannot_be_read_are_told_of(tmp_path: Path) -> None:
    """A file that is not there, or holds none, ends the command with a sentence that names the variable."""
    (tmp_path / "empty.pem").write_text("no certificate", encoding="utf-8")
    for name in ("missing.pem", "empty.pem"):
        ended = run_without_feishu("connect", tmp_path, SSL_CERT_FILE=str(tmp_path / name))
        assert (ended.code, "Traceback" in ended.stderr) == (2, False)
        assert "SSL_CERT_FILE: must name a file of PEM certificates" in ended.stderr


def test_an_image_comes_through_the_proxy_from_public_hosts_alone(authority: trustme.CA) -> None:
    """A name that only the proxy can resolve is left to it; of a private address it never hears."""
    with tls_server(authority, IMAGE_HOST, answer=PICTURE) as host, ConnectProxy({IMAGE_HOST: host.port}) as proxy:

        def unknown(*_: object) -> list[tuple[str, int]]:
            raise OSError("no such name")

        tls = trusting(authority)
        transport = GuardedTransport(allows=is_public, tls=tls, resolve=unknown, proxy=proxy.url)
        with Downloader(transport=transport) as downloader:
            assert downloader.fetch(f"https://{IMAGE_HOST}/a.png").format == "JPEG"
        for private in ("127.0.0.1", "[::1]", "169.254.169.254", "localhost"):
            downloader = Downloader(transport=GuardedTransport(allows=is_public, proxy=proxy.url))
            with downloader, pytest.raises(DownloadFailed, match="no public address") as caught:
                downloader.fetch(f"https://{private}/a.png")
            assert caught.value.permanent
        assert len(proxy.heads) == 1
