"""The platform's id of a paid call is kept, since its support asks for it."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest

from tests.clients.commands import run
from tests.support.dsl import BotUnderTest, around

NUMBER = "20261129161"


def number(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    """The platform's answer with an id, as it gives one."""
    response = inner.handle_request(request)
    response.headers["x-request-id"] = NUMBER
    return response


@pytest.mark.parametrize("fault", [None, "glm_1234", "image_html"])
def test_the_id_of_a_call_is_logged_and_exported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str | None
) -> None:
    """Where the call or the download has failed, the card shows it in small print as well; a result does not."""
    with BotUnderTest(folder=tmp_path, wrap_glm=around(number)) as bot, caplog.at_level(logging.INFO):
        if fault:
            bot.glm.arm(fault, times=1000)
        card = bot.new_user().ask("一座灯塔")
        assert card.color == ("red" if fault else "green")
        assert card.shows("label.platform_request_id", ids=NUMBER) is bool(fault)
        assert bool(fault) is (NUMBER in card.content)
        assert f"platform_request_id={NUMBER}" in caplog.text
        assert NUMBER in run("export", folder=tmp_path).text
