"""Where the key goes: to one host, by verified TLS, whatever the environment says."""

from __future__ import annotations

import inspect
import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from bot.errors import DownloadFailed, NetworkFailed, ServerFailed, SettingsError
from bot.glm.client import Downloader, GlmClient
from bot.options import Options
from bot.sandbox.glm.stand_in import API_HOST, GlmStandIn
from bot.sandbox.http import LoopbackServer, Request, Response
from bot.settings import config_folder, load
from tests.clients.commands import generate
from tests.clients.glm_wire import FAKE_KEY, TlsServer, http_answer, leading_to, tls_server, trusting
from tests.support.dsl import BotUnderTest

GOOD = http_answer(json.dumps({"created": 1, "data": [{"url": "https://pictures.example/a.png"}]}).encode())
LEADING = [
    "ZAI_BASE_URL",
    "ZHIPUAI_BASE_URL",
    "ZHIPU_API_URL",
    "GLM_BASE_URL",
    "BIGMODEL_BASE_URL",
    "OPENAI_BASE_URL",
    "BASE_URL",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
]
"""Variables that have ever led a client to another address, or through a proxy."""

AUTHORITIES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture
def platform(authority: trustme.CA) -> Iterator[TlsServer]:
    with tls_server(authority, API_HOST, answer=GOOD) as server:
        yield server


@pytest.fixture
def eavesdropper() -> Iterator[tuple[str, list[Request]]]:
    """The origin of a plain server that a variable may name, and what reached it."""
    heard: list[Request] = []

    def hear(call: Request) -> Response:
        heard.append(call)
        return Response.of_json({"created": 1, "data": [{"url": "https://pictures.example/a.png"}]})

    with LoopbackServer() as server:
        for method in ("GET", "POST"):
            server.route(method, "*rest", hear)
        yield server.origin, heard


def test_the_key_goes_to_the_platform_by_verified_tls(authority: trustme.CA, platform: TlsServer) -> None:
    with GlmClient(api_key=FAKE_KEY, transport=leading_to(platform.port, tls=trusting(authority))) as client:
        client.generate("猫", options=Options())
    assert platform.names == [API_HOST]
    (head,) = platform.requests
    assert head.startswith(b"POST /api/paas/v4/images/generations HTTP/1.1\r\n")
    assert f"Authorization: Bearer {FAKE_KEY}\r\n".encode() in head
    assert f"Host: {API_HOST}\r\n".encode() in head


def test_an_unknown_authority_never_sees_the_key(platform: TlsServer) -> None:
    client = GlmClient(api_key=FAKE_KEY, transport=leading_to(platform.port))
    with client, pytest.raises(NetworkFailed, match="certificate verify failed"):
        client.generate("猫", options=Options())
    assert platform.requests == []


def test_a_certificate_of_another_name_never_sees_the_key(authority: trustme.CA) -> None:
    with tls_server(authority, "elsewhere.example", answer=GOOD) as server:
        client = GlmClient(api_key=FAKE_KEY, transport=leading_to(server.port, tls=trusting(authority)))
        with client, pytest.raises(NetworkFailed, match="certificate verify failed"):
            client.generate("猫", options=Options())
        assert server.requests == []


@pytest.fixture
def stranger(eavesdropper: tuple[str, list[Request]], authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    """A file of authorities that every variable which has ever led a client elsewhere names, or the eavesdropper."""
    file = str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(file)
    variables = {
        **dict.fromkeys(LEADING, eavesdropper[0]),
        **dict.fromkeys(AUTHORITIES, file),
        "SSL_CERT_DIR": str(tmp_path),
        # The chats of the stand-in are this machine's own; the platform's host is not excepted.
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1"),
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        yield file


@pytest.mark.usefixtures("stranger")
def test_no_variable_adds_an_authority(platform: TlsServer) -> None:
    client = GlmClient(api_key=FAKE_KEY, transport=leading_to(platform.port))
    with client, pytest.raises(NetworkFailed, match="certificate verify failed"):
        client.generate("猫", options=Options())
    assert platform.requests == []


def test_no_variable_leads_the_key_elsewhere(
    platform: TlsServer, eavesdropper: tuple[str, list[Request]], stranger: str, tmp_path: Path
) -> None:
    tls = ssl.create_default_context(cafile=stranger)
    with BotUnderTest(
        folder=tmp_path / "data",
        variables={"ZHIPU_API_KEY": FAKE_KEY},
        wrap_glm=lambda _: leading_to(platform.port, tls=tls),
    ) as bot:
        user = bot.new_user()
        user.wait_for_end(user.send())
    assert platform.names == [API_HOST]
    assert f"Authorization: Bearer {FAKE_KEY}\r\n".encode() in platform.requests[0]
    assert eavesdropper[1] == []


@pytest.mark.parametrize(("section", "name"), [("glm", "url"), ("images", "endpoint"), ("network", "endpoint")])
def test_no_setting_leads_the_key_elsewhere(section: str, name: str, tmp_path: Path) -> None:
    shutil.copytree(config_folder({}), tmp_path / "config")
    with (tmp_path / "config" / "bot.toml").open("w", encoding="utf-8") as file:
        file.write(f'[{section}]\n{name} = "https://elsewhere.example"\n')
    for environment in (
        {f"BOT_{section}_{name}".upper(): "https://elsewhere.example"},
        {"BOT_CONFIG_DIR": str(tmp_path / "config")},
    ):
        with pytest.raises(SettingsError) as refused:
            load(environment)
        assert len(refused.value.faults) == 1


@pytest.mark.parametrize("flag", ["--base-url", "--proxy", "--insecure"])
def test_no_flag_leads_the_key_elsewhere(flag: str) -> None:
    result = generate("-p", "猫", flag, "https://elsewhere.example", origin="http://127.0.0.1:9")
    assert result.code == 2
    assert "unrecognized arguments" in result.answer["error"]["message"]


def test_no_redirect_takes_the_key_along(glm: GlmStandIn) -> None:
    glm.arm("redirect")
    client = GlmClient(api_key=FAKE_KEY, transport=glm.transport())
    with client, pytest.raises(ServerFailed) as caught:
        client.generate("猫", options=Options())
    assert (caught.value.status, glm.strays) == (302, [])


def test_only_code_can_put_a_transport_in_between() -> None:
    assert set(inspect.signature(GlmClient).parameters) == {"api_key", "transport", "deadline", "clock", "on_date"}
    assert set(inspect.signature(Downloader).parameters) == {"transport", "deadline", "largest", "clock"}


def test_a_download_by_tls_is_verified_too(authority: trustme.CA) -> None:
    with tls_server(authority, "pictures.example", answer=http_answer(b"no picture")) as server:
        asked: list[str] = []

        def allows(address: object) -> bool:
            asked.append(str(address))
            return True

        downloader = Downloader(transport=leading_to(server.port, tls=trusting(authority), allows=allows))
        with downloader, pytest.raises(DownloadFailed, match="not a picture"):
            downloader.fetch("https://pictures.example/a.png?Signature=x%3D&Expires=1")
        assert asked == ["127.0.0.1"]
        assert server.requests[0].startswith(b"GET /a.png?Signature=x%3D&Expires=1 HTTP/1.1\r\n")
