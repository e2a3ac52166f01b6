"""A headless Chromium, and the page with the bot and its stand-ins behind it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect, sync_playwright

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer, Response
from bot.sandbox.page.server import Page as ServedPage
from bot.sandbox.page.server import Unable
from tests.clients.feishu_wire import Wire
from tests.support.dsl import Gate, bot_with
from tests.unit.card_samples import cards, samples

# Pages of one context share a process, so that only the first one has to start it.
ARGUMENTS = ("--disable-gpu", "--disable-quic", "--process-per-site")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDE: ViewportSize = {"width": 1280, "height": 860}
SMALL: ViewportSize = {"width": 375, "height": 667}
WAIT = 30_000  # milliseconds for which something on the page is waited for


def program() -> str | None:
    """The path of the first one that is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def say(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def open_chat(page: Page, chat_id: str) -> None:
    page.click(f"[data-chat={chat_id}]")


def open_panel(page: Page, tab: str) -> Locator:
    """Opens a tab of the side panel: wires, queue or faults."""
    page.click("#panel-toggle")
    page.click(f"#tab-{tab}")
    return page.locator(f"#pane-{tab}")


def card(page: Page, colour: str) -> Locator:
    """The last card with a header of that colour, once it is there."""
    found = page.locator(f".card:has(.of-{colour})").last
    found.wait_for()
    return found


@dataclass
class ScriptedControls:
    """The bot's process as the page sees it; nothing is started or killed."""

    feishu: FeishuStandIn
    glm: GlmStandIn
    real_glm: bool = False
    running: bool = True
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def kill(self) -> None:
        self.running = False

    def start(self) -> None:
        raise Unable("the bot runs", sentence="runs_already")

    def queue(self) -> list[dict[str, Any]]:
        return self.waiting


@dataclass
class Scene:
    """Everything behind one page; paid calls wait until ``gate`` is released."""

    feishu: FeishuStandIn
    glm: GlmStandIn
    gate: Gate
    controls: ScriptedControls
    origin: str
    wire: Wire

    def make_images(self) -> None:
        """Lets all paid calls through, those to come as well."""
        self.gate.release(1000)

    def show(self, card: dict[str, Any]) -> int:
        """Sends a card to 林小雨; returns the platform's code, 0 where it took the card."""
        return int(self.wire.create("oc_direct_lin", card, kind="interactive").json()["code"])

    def show_form(self) -> None:
        """Sends the form in which a prompt is edited."""
        assert self.show(samples()["form"](cards())) == 0


Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; without one the test is skipped, or fails where ``REQUIRE_BROWSER=1``."""
    found = program()
    if found is None:
        say = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        say(f"no Chromium is installed under any of the names {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT)
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A bot, fresh stand-ins and the page."""
    gate = Gate()
    # The welcome card comes at any moment after the page is opened, and would be the newest call of a test.
    with bot_with(tmp_path, {"BOT_WELCOME_ENTERED": "false"}, gate=gate) as bot:
        controls = ScriptedControls(bot.feishu, bot.glm)
        with ServedPage(controls) as page:
            wire = Wire(bot.feishu).log_in()
            yield Scene(bot.feishu, bot.glm, gate, controls, page.origin, wire)
            wire.close()


@pytest.fixture(scope="session")
def usual(chromium: Browser) -> Iterator[BrowserContext]:
    """The context of whoever reads Chinese on a wide screen, with a page that keeps its process alive.

    Each page has an address of its own, and so remembers nothing of another's.
    """
    with LoopbackServer() as nothing, _context(chromium) as context:
        nothing.route("GET", "/", lambda _: Response())
        context.new_page().goto(nothing.origin)
        yield context


@contextmanager
def _context(chromium: Browser, **how: Any) -> Iterator[BrowserContext]:
    with chromium.new_context(**{"locale": "zh-CN", "viewport": WIDE, **how}) as context:
        context.set_default_timeout(WAIT)
        yield context


@contextmanager
def _page_in(context: BrowserContext) -> Iterator[Page]:
    before = context.pages
    page = context.new_page()
    yield page
    # The next page may be given the same port.
    page.evaluate("localStorage.clear()")
    context.unroute_all()
    context.clear_cookies()
    for opened in context.pages:
        if opened not in before:
            opened.close()


@pytest.fixture
def complaints() -> list[str]:
    """The errors in the console of the pages; a test that provokes one takes it out."""
    return []


@pytest.fixture
def visit(chromium: Browser, usual: BrowserContext, complaints: list[str]) -> Iterator[Visit]:
    """Opens a page, in a context of its own where it is to be an unusual one; in the end the console holds no error."""
    with ExitStack() as closing:

        def open_page(origin: str, **how: Any) -> Page:
            context = closing.enter_context(_context(chromium, **how)) if how else usual
            page = closing.enter_context(_page_in(context))
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(origin)
            page.wait_for_selector(".chat")
            return page

        yield open_page
    assert complaints == []


@pytest.fixture
def page(scene: Scene, visit: Visit) -> Page:
    """The page of the scene, opened."""
    return visit(scene.origin)
