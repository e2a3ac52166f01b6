"""The platform's id of a paid call is kept, since its support asks for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.data_command import run
from tests.support.dsl import BotUnderTest, header_color


class Numbered(httpx.BaseTransport):
    """Gives each answer an id, as the platform does."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self._count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request."""
        response = self._inner.handle_request(request)
        self._count += 1
        response.headers["x-request-id"] = f"2026112916{self._count}"
        return response

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot whose paid calls are numbered."""
    with BotUnderTest(folder=tmp_path, wrap_glm=Numbered) as bot:
        yield bot


def test_an_image_keeps_the_id_of_its_call(bot: BotUnderTest, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log and the export name it; the card of a result does not."""
    user = bot.new_user()
    with caplog.at_level(logging.INFO):
        card = user.ask("一座灯塔")
    assert header_color(card) == "green"
    assert "20261129161" not in card.content
    assert "platform_request_id=20261129161" in caplog.text
    assert "20261129161" in run("export", folder=tmp_path).text


@pytest.mark.parametrize("fault", ["glm_1234", "image_html"])
def test_a_failed_image_shows_the_id_of_its_call(
    bot: BotUnderTest, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """Whether the call failed or the download, the card shows the id in small print."""
    user = bot.new_user()
    bot.glm.arm(fault, times=1000)
    with caplog.at_level(logging.INFO):
        card = user.ask("一座灯塔")
    bot.glm.disarm()
    assert header_color(card) == "red"
    card.assert_shows("label.platform_request_id", ids="20261129161")
    assert "platform_request_id=20261129161" in caplog.text
    assert "20261129161" in run("export", folder=tmp_path).text
