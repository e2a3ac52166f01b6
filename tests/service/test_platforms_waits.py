"""How long the platforms themselves ask to wait: honoured within bounds, so that one header cannot stop the bot."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from bot.timings import Timings
from tests.support.dsl import QUICK, BotUnderTest, TimeoutTransport, header_color

BOUNDED = replace(QUICK, backoff_in_all=0.5, reset_longest=0.3)
LONG = ["3600", "9" * 400]
ANSWERS_GLM = {"error": {"code": "1302", "message": "您的账户已达到速率限制，请您控制请求频率"}}
ANSWERS_FEISHU = {"code": 99991400, "msg": "request trigger frequency limit"}


class Refusing(httpx.BaseTransport):
    """Refuses the first call to a path with 429 and a wait, and lets everything else through."""

    def __init__(self, inner: httpx.BaseTransport | None, *, path: str, answer: object, header: dict[str, str]) -> None:
        self._inner = TimeoutTransport(inner)
        self._path = path
        self._answer = answer
        self._header = header
        self._first = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answers in place of the platform, once."""
        if request.url.path.endswith(self._path) and self._first.acquire(blocking=False):
            return httpx.Response(429, json=self._answer, headers=self._header)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def busy_glm(folder: Path, wait: str, *, pace: Timings = BOUNDED) -> BotUnderTest:
    """A bot whose first paid call is refused for a rate limit, with a wait."""
    header = {"Retry-After": wait}
    return BotUnderTest(
        folder=folder,
        pace=pace,
        wrap_glm=lambda inner: Refusing(inner, path="/images/generations", answer=ANSWERS_GLM, header=header),
    )


def busy_feishu(folder: Path, wait: str, *, path: str, pace: Timings = BOUNDED) -> BotUnderTest:
    """A bot whose first call to a path is refused by Feishu's gateway, with a wait."""
    header = {"x-ogw-ratelimit-reset": wait}
    return BotUnderTest(
        folder=folder,
        pace=pace,
        wrap_feishu=lambda inner: Refusing(inner, path=path, answer=ANSWERS_FEISHU, header=header),
    )


@pytest.mark.parametrize("wait", LONG)
def test_the_image_platform_cannot_hold_everybody(tmp_path: Path, wait: str) -> None:
    """However long a Retry-After is, a generation waits no longer than its card says, and nor do the others."""
    with busy_glm(tmp_path, wait) as bot:
        first, other = bot.new_user().send(), bot.new_user()
        assert header_color(other.ask(other.send())) == "green"
        assert [header_color(card) for card in bot.feishu.replies(first.message_id)] == ["green"]


def test_the_image_platforms_own_wait_goes_before_ours(tmp_path: Path) -> None:
    """A Retry-After within the bound is waited out, where the bot itself would have asked again sooner."""
    with busy_glm(tmp_path, "1", pace=replace(QUICK, backoff_in_all=30.0)) as bot:
        user = bot.new_user()
        said = user.send()
        assert header_color(user.ask(said)) == "green"
        (paid,) = user.posts(said)
        assert paid.at - said.created >= 1.0


@pytest.mark.parametrize("wait", ["1e9", "86400"])
@pytest.mark.parametrize("path", ["/reply", "/images"])
def test_feishu_cannot_hold_everybody(tmp_path: Path, wait: str, path: str) -> None:
    """However long Feishu's gateway asks to wait, messages and uploads are tried again within the bound."""
    with busy_feishu(tmp_path, wait, path=path) as bot:
        first, other = bot.new_user().send(), bot.new_user()
        assert header_color(other.ask(other.send())) == "green"
        assert [header_color(card) for card in bot.feishu.replies(first.message_id)] == ["green"]


@pytest.mark.parametrize("path", ["/reply", "/images"])
def test_feishus_own_wait_goes_before_ours(tmp_path: Path, path: str) -> None:
    """A wait within the bound is kept to the end; the real limits are those of a minute."""
    with busy_feishu(tmp_path, "1", path=path, pace=QUICK) as bot:
        user = bot.new_user()
        said = user.send()
        assert header_color(user.ask(said)) == "green"
        name = {"/reply": "reply", "/images": "image"}[path]
        (made,) = [call for call in user.calls if call.name == name]
        assert made.at - said.created >= 1.0
    assert Timings().reset_longest >= 60.0
