"""The page with the whole bot behind it, as ``python -m bot sandbox`` shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page.server import Page
from bot.sandbox.start import Sandbox
from bot.timings import Timings
from tests.page.browser import card, open_panel, say
from tests.page.conftest import Visit

pytestmark = pytest.mark.browser


@dataclass
class Running:
    """A sandbox and the address of its page."""

    sandbox: Sandbox
    origin: str


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """The bot, the stand-ins and the page."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(folder=tmp_path / "data", glm=GlmStandIn(seconds=0.5)))
        page = stack.enter_context(Page(feishu=sandbox.feishu, glm=sandbox.glm))
        yield Running(sandbox=sandbox, origin=page.origin)


def test_every_control_of_the_result_is_answered(running: Running, visit: Visit) -> None:
    """Again and another ratio draw once more, the original comes as a file, and the prompt can be edited."""
    page = visit(running.origin)
    say(page, "一只橘猫")
    ready = card(page, "green")
    expect(ready).to_contain_text("1280x1280")
    ready.get_by_role("button", name="再来一次").click()
    expect(page.locator(".card:has(.of-green)")).to_have_count(2)
    ready = page.locator(".card:has(.of-green)").first
    ready.get_by_label("换比例").select_option("16:9")
    expect(page.locator(".card", has_text="1728x960").locator(".picture")).to_have_count(1)
    ready.get_by_label("更多").select_option(label="发原图文件")
    expect(page.locator(".file")).to_have_count(1)
    ready.get_by_label("更多").select_option(label="改提示词")
    form = page.locator(".card-form")
    form.locator("textarea, input").first.fill("两只橘猫")
    form.get_by_role("button").first.click()
    expect(page.locator(".card:has(.of-green)", has_text="两只橘猫")).to_have_count(1)


def test_the_bot_is_killed_at_work_and_goes_on(tmp_path: Path, visit: Visit) -> None:
    """Queued, killed from the page, started again from there, generating, and each picture on its one card."""
    with ExitStack() as stack:
        glm, pace = GlmStandIn(seconds=2), Timings(backoff=0.2)
        sandbox = stack.enter_context(Sandbox(folder=tmp_path / "data", glm=glm, pace=pace))
        origin = stack.enter_context(Page(feishu=sandbox.feishu, glm=sandbox.glm, controls=sandbox)).origin
        page = visit(origin)
        room = open_panel(page, "faults")
        say(page, "一只橘猫")
        card(page, "wathet")
        say(page, "一只黑猫")
        second = page.locator(".message:not(.own)", has_text="一只黑猫")
        expect(second.locator(".of-blue")).to_be_visible()
        room.get_by_role("button", name="立即杀掉").click()
        expect(page.locator("#badges")).to_contain_text("机器人已停止")
        room.get_by_role("button", name="重新启动").click()
        expect(second.locator(".of-wathet")).to_be_visible()
        expect(second.locator(".of-green")).to_be_visible()
        expect(page.locator(".card .picture")).to_have_count(2)
        said = [message for message in sandbox.feishu.messages if message.sender != sandbox.feishu.app_id]
        assert [len(sandbox.feishu.replies(message.message_id)) for message in said] == [1, 1]


def test_the_original_can_be_opened(running: Running, visit: Visit) -> None:
    """The link on the card gives the picture as GLM made it, though its host on the network knows nothing of it."""
    page = visit(running.origin)
    say(page, "一只橘猫")
    ready = card(page, "green")
    with page.context.expect_event("response", lambda answer: "/originals/" in answer.url) as opened:
        ready.get_by_role("button", name="打开原图").click()
    assert opened.value.status == 200
    assert opened.value.url.startswith(running.origin)
    assert len(running.sandbox.glm.downloads) == 1
