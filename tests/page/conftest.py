"""A headless Chromium, and the page with stand-ins and a scripted bot behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer, Response
from bot.sandbox.page import server
from tests.page.browser import ARGUMENTS, NAMES, program
from tests.page.scripted_bot import ScriptedBot

WIDE: ViewportSize = {"width": 1280, "height": 860}
SMALL: ViewportSize = {"width": 375, "height": 667}
WAIT = 30_000
"""Milliseconds for which something on the page is waited for."""


@dataclass
class ScriptedControls:
    """The bot's process as the page sees it; nothing is killed."""

    real_glm: bool = False
    running: bool = True
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def kill(self) -> None:
        """Notes that it is down."""
        self.running = False

    def start(self) -> None:
        """Notes that it runs."""
        self.running = True

    def queue(self) -> list[dict[str, Any]]:
        """What the test put there."""
        return self.waiting


@dataclass
class Scene:
    """Everything behind one page."""

    feishu: FeishuStandIn
    glm: GlmStandIn
    bot: ScriptedBot
    controls: ScriptedControls
    origin: str


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
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Fresh stand-ins, the scripted bot and the page."""
    with ExitStack() as stack:
        feishu = stack.enter_context(FeishuStandIn(encrypt_key=""))
        glm = stack.enter_context(GlmStandIn())
        bot = stack.enter_context(ScriptedBot(feishu=feishu, glm=glm))
        controls = ScriptedControls()
        page = stack.enter_context(server.Page(feishu=feishu, glm=glm, controls=controls))
        yield Scene(feishu=feishu, glm=glm, bot=bot, controls=controls, origin=page.origin)


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
