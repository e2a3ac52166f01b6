"""Answers of the GLM API: failures by sentence, what may be billed, and what no database and no card can hold.

Which code leads to which error is the subject of the unit tests of the responses; here each sentence has one fault.
The bot has one slot, so that each test also shows that the one before it left the slot free.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from bot.db.tables import generations
from bot.sandbox.faults import FAULTS
from tests.clients.commands import run
from tests.support.builders import change
from tests.support.dsl import QUICK, BotUnderTest, Conversation, around, wait_for

FAILURES: dict[str, tuple[str, dict[str, str], bool]] = {
    # The fault, its sentence with its placeholders, and whether the call may be billed.
    "glm_1234": ("failure.server", {}, True),
    "glm_1002": ("failure.key_refused", {}, False),
    "glm_1005": ("failure.login", {}, False),
    "glm_1112": ("failure.account", {}, False),
    "glm_1113": ("failure.balance", {}, False),
    "glm_1210": ("failure.request", {}, False),
    "glm_1211": ("failure.model", {}, False),
    "glm_1231": ("failure.duplicate", {}, False),
    "glm_1261": ("failure.prompt_too_long", {}, False),
    "glm_1301": ("failure.content.advice", {}, True),
    "level_0": ("failure.content.advice_image", {}, True),
    "glm_1303": ("failure.rate_limit", {}, False),
    "glm_1308": ("failure.quota", {"until": "11-22 16:00"}, False),
    "glm_1304": ("failure.quota_plain", {}, False),
    "glm_1309": ("failure.plan", {}, False),
    "glm_1312": ("failure.overloaded", {}, False),
    "glm_1313": ("failure.fair_use", {}, False),
    "glm_1315": ("failure.key_type", {}, False),
    "glm_1318": ("failure.spending", {}, False),
    "hang": ("failure.timeout", {}, True),
    "reset_after": ("failure.network", {}, True),
    "html_502": ("failure.broken", {"status": "502"}, True),
    "gbk_451": ("failure.blocked", {"status": "451"}, False),
    "redirect": ("failure.blocked", {"status": "302"}, False),
}
"""The faults that end a generation at once; the codes: https://docs.bigmodel.cn/cn/faq/api-code."""

WAITS = {"glm_1302": "failure.rate_limit", "glm_1305": "failure.overloaded", "retry_after_503": "failure.overloaded"}
"""Rejections before any work: the generation waits, and ends with this sentence when they go on for too long."""


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """A bot of a team in London, where it is earlier than in the platform's messages."""
    variables = {"BOT_TEAM_TIMEZONE": "Europe/London"}
    pace = replace(QUICK, backoff=0.2, backoff_longest=0.2, backoff_in_all=900.0)
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), pace=pace, variables=variables) as bot:
        yield bot
        assert bot.glm.strays == []


@pytest.mark.parametrize("fault", FAILURES)
def test_a_failure_has_its_sentence(bot: BotUnderTest, fault: str) -> None:
    """The card ends after one call, with the platform's own words and nothing of a proxy's, and can be retried."""
    key, values, billed = FAILURES[fault]
    user = bot.new_user()
    bot.glm.arm(fault)
    before = bot.charged
    card = user.ask(said := user.send())
    (call,) = user.posts(said)
    assert call.paid <= bot.charged - before == billed
    card.assert_shows(key, **values)
    assert card.color == "red"
    shown = card.text()
    if fault.startswith("glm_"):
        assert f"{fault.removeprefix('glm_')} {FAULTS[fault].text}" in shown
    assert not any(words in shown for words in ("Access denied", "您的请求已被拦截", "Traceback", "/paas/v4"))
    if "status" in values:
        assert card.button("again")


@pytest.mark.parametrize("fault", WAITS)
def test_a_rejection_before_work_waits_and_passes(tmp_path: Path, fault: str) -> None:
    """Its card says that it waits, within the platform's patches, and it is paid for once."""
    # So long that the card can be patched meanwhile.
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, backoff=1.0, backoff_longest=1.0)) as bot:
        user = bot.new_user()
        bot.glm.arm(fault, times=1000)
        user.ask_without_waiting(said := user.send()).wait_to_show("wait.backing_off")
        wait_for(lambda: len(user.posts(said)) >= 3)
        bot.disarm()
        card = user.ask(said)
        *rejected, last = [call.paid for call in user.posts(said)]
        assert (any(rejected), last, card.color) == (False, True, "green")
        assert card.patches <= 6


@pytest.mark.parametrize("fault", WAITS)
def test_waiting_has_an_end(bot: BotUnderTest, user: Conversation, fault: str) -> None:
    """Rejected for longer than a generation may wait, it ends with a sentence, unpaid."""
    bot.glm.arm(fault, times=1000)
    before = bot.charged
    said = user.send()
    wait_for(lambda: len(user.posts(said)) > 1)
    change(bot.app.database, update(generations).values(backoff_since=generations.c.backoff_since - 900.0))
    user.ask(said).assert_shows(WAITS[fault])
    assert bot.charged == before
    assert not any(call.paid for call in user.posts(said))


URL = "https://pictures.example/a.png"
GOOD = {"created": 1767225600, "data": [{"url": URL}]}

NO_IMAGE = replace(QUICK, download=replace(QUICK.download, seconds=0.2))
"""Gives an image up at once that its host does not have."""

HOSTILE: dict[str, tuple[int, Mapping[str, Any]]] = {
    "a link of 200,000 characters": (200, {"data": [{"url": URL + "a" * 200_000}]}),
    "an error of a megabyte": (500, {"error": {"code": "9" * 500_000, "message": "误" * 150_000}}),
    "roles that are none": (200, {**GOOD, "content_filter": [{"role": "a\0\ud800", "level": 2}]}),
    "two thousand findings": (200, {**GOOD, "content_filter": [{"role": str(n), "level": 3} for n in range(2000)]}),
    "two thousand refusals": (200, {"content_filter": [{"role": str(n), "level": 0} for n in range(2000)]}),
}


def test_what_cannot_be_stored_is_paid_once_and_shown(tmp_path: Path, database_url: str) -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(prompt := json.loads(request.read())["prompt"])
        status, body = HOSTILE[prompt]
        return httpx.Response(status, content=json.dumps(body))

    variables = {"DATABASE_URL": database_url}
    with BotUnderTest(
        folder=tmp_path, pace=NO_IMAGE, wrap_glm=lambda _: httpx.MockTransport(answer), variables=variables
    ) as bot:
        assert {bot.new_user().ask(named).color for named in HOSTILE} == {"red"}
        assert calls == list(HOSTILE)


NUMBER = "20261129161"


def add_request_id(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    response = inner.handle_request(request)
    response.headers["x-request-id"] = NUMBER
    return response


def test_the_platforms_id_of_a_call_is_logged_and_exported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the call or the download has failed, the card shows it in small print as well; a result does not."""
    with (
        BotUnderTest(folder=tmp_path, pace=NO_IMAGE, wrap_glm=around(add_request_id)) as bot,
        caplog.at_level(logging.INFO),
    ):
        for fault in (None, "glm_1234", "image_html"):
            caplog.clear()
            if fault:
                bot.glm.arm(fault, times=1000)
            card = bot.new_user().ask("一座灯塔")
            bot.disarm()
            assert card.color == ("red" if fault else "green")
            assert card.shows("label.platform_request_id", ids=NUMBER) is (NUMBER in card.content) is bool(fault)
            assert f"platform_request_id={NUMBER}" in caplog.text
        assert run("export", folder=tmp_path).text.count(NUMBER) == 3
