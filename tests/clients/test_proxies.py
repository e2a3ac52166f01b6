"""The way to Feishu that the environment names: it is used, passed by where that is said, or refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.feishu.network import proxy_for
from tests.clients.commands import CommandResult, run
from tests.clients.glm_wire import FAKE_KEY

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

COMMANDS = ["serve", "connect", "base create", "check --json", "generate -p 一只橘猫 --send oc_group"]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def run_without_feishu(command: str, folder: Path, **variables: str) -> CommandResult:
    """Runs a command of the bot that would call a host that is not there."""
    given = {
        "FEISHU_APP_ID": "cli_1",
        "FEISHU_APP_SECRET": "not-real",
        "FEISHU_ENCRYPT_KEY": "not-real",
        "FEISHU_DOMAIN": "https://feishu.invalid",
        "ZHIPU_API_KEY": FAKE_KEY,
        "PORT": "0",
        **variables,
    }
    return run(*command.split(), folder=folder, **given)


@pytest.mark.parametrize(("variables", "expected"), FOUND)
def test_the_proxy_of_a_host(variables: dict[str, str], expected: str | None, environment: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for("open.feishu.cn") == expected
    assert (proxy_for("127.0.0.1"), proxy_for("localhost")) == (None, None)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_is_no_http_proxy_is_refused(name: str, value: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        proxy_for("open.feishu.cn")
    (fault,) = refused.value.faults
    assert fault.startswith(f"{name}: must be http://host:port")
    assert "NO_PROXY=open.feishu.cn" in fault
    assert "not-a-secret" not in fault


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_calls_feishu_tells_of_it(command: str, tmp_path: Path) -> None:
    ended = run_without_feishu(command, tmp_path, ALL_PROXY="socks5://me:not-a-secret@127.0.0.1:1080")
    said = ended.text + ended.stderr
    assert ended.code == (1 if command.startswith(("check", "generate")) else 2)
    assert said.count("ALL_PROXY") == 1
    assert [word for word in ("Traceback", "not-a-secret") if word in said] == []
    if command.startswith(("check", "generate")):
        json.loads(ended.stdout)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_told_of(content: str | None, tmp_path: Path) -> None:
    named = tmp_path / "authority.pem"
    if content is not None:
        named.write_text(content, encoding="utf-8")
    ended = run_without_feishu("connect", tmp_path, SSL_CERT_FILE=str(named))
    assert ended.code == 2
    assert "SSL_CERT_FILE: must name a file of PEM certificates" in ended.stderr
    assert "Traceback" not in ended.stderr
