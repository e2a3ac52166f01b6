"""The platform's id of a paid call is kept, since its support asks for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.data_command import run
from tests.scenarios.talking import answer_to, shows
from tests.support.world import World, colour


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
def world(tmp_path: Path) -> Iterator[World]:
    """A bot whose paid calls are numbered."""
    with World(folder=tmp_path, calling=Numbered) as world:
        yield world


def test_an_image_keeps_the_id_of_its_call(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log and the export name it; the card of a result does not."""
    talk = world.somebody()
    with caplog.at_level(logging.INFO):
        card = answer_to(talk, "一座灯塔")
    assert colour(card) == "green"
    assert "20261129161" not in card.content
    assert "platform_request_id=20261129161" in caplog.text
    assert "20261129161" in run("export", folder=tmp_path).text


@pytest.mark.parametrize("fault", ["glm_1234", "image_html"])
def test_a_failed_image_shows_the_id_of_its_call(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """Whether the call failed or the download, the card shows the id in small print."""
    talk = world.somebody()
    world.glm.arm(fault, times=1000)
    with caplog.at_level(logging.INFO):
        card = answer_to(talk, "一座灯塔")
    world.glm.disarm()
    assert colour(card) == "red"
    assert shows(card, "label.platform_request_id", ids="20261129161")
    assert "platform_request_id=20261129161" in caplog.text
    assert "20261129161" in run("export", folder=tmp_path).text
