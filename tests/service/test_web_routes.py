"""What the web server answers besides events: a line about itself, and short plain errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from bot.sandbox.feishu.delivery import seal
from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.support.dsl import DEADLINE, BotUnderTest


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """A bot that nobody talks to."""
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot")) as bot:
        yield bot


def origin(bot: BotUnderTest) -> str:
    """Where it listens."""
    return str(bot.feishu.webhook_url).removesuffix("/webhook/event")


def challenge(feishu: FeishuStandIn) -> bytes:
    """The console's check of the address."""
    content = {"challenge": "abc", "token": feishu.verification_token, "type": "url_verification"}
    return seal(content, encrypt_key=feishu.encrypt_key, now=0.0)[0]


@pytest.mark.parametrize(
    "path",
    [
        "/webhook/event",
        "/webhook//event",
        "/webhook/event/",
        "//webhook/event",
        "/webhook///event//",
        "/webhook//card/",
    ],
)
def test_slashes_too_many_are_the_same_route(bot: BotUnderTest, path: str) -> None:
    """The event is taken, and nobody is redirected to an address made from the Host header."""
    body = challenge(bot.feishu)
    answer = posted(bot, path, body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"challenge": "abc"}
    assert b"evil.example" not in answer


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 200, None),
        ("HEAD", "/", 200, ""),
        ("POST", "/", 405, "method not allowed\n"),
        ("GET", "/healthz/", 200, "ok\n"),
        ("GET", "//healthz", 200, "ok\n"),
        ("GET", "/webhook/event", 405, "method not allowed\n"),
        ("GET", "/static", 404, "not found\n"),
        ("GET", "/static/x.js", 404, "not found\n"),
        ("GET", "/nothing", 404, "not found\n"),
        ("GET", "/nothing//else/", 404, "not found\n"),
        ("POST", "/Webhook/Event", 404, "not found\n"),
        ("POST", "/webhook/event/more", 404, "not found\n"),
    ],
)
def test_other_paths_have_short_plain_answers(
    bot: BotUnderTest, method: str, path: str, status: int, text: str | None
) -> None:
    """One line of text each, no page of HTML and no redirect."""
    answer = httpx.request(method, origin(bot) + path, trust_env=False, timeout=DEADLINE)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    if text is None:
        assert "Feishu" in answer.text
        assert answer.text.count("\n") == 1
    else:
        assert answer.text == text
    assert (answer.status_code == 405) is ("Allow" in answer.headers)
    assert "Location" not in answer.headers


def posted(bot: BotUnderTest, path: str, body: bytes) -> bytes:
    """The raw answer to a POST with a Host header of somebody else's."""
    host, _, port = origin(bot).removeprefix("http://").partition(":")
    head = f"POST {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with closing(socket.create_connection((host, int(port)), timeout=DEADLINE)) as connection:
        connection.sendall(head.encode() + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer
