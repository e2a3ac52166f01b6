"""The system's Chromium, and what a visitor does on the page."""

from __future__ import annotations

import shutil

from playwright.sync_api import Locator, Page

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pages of one context share a process, so that only the first one has to start it.
    "--process-per-site",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def program() -> str | None:
    """The path of the first one that is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def say(page: Page, text: str) -> None:
    """Types a message and sends it with Enter."""
    page.fill("#text", text)
    page.press("#text", "Enter")


def open_chat(page: Page, chat_id: str) -> None:
    """Opens a chat of the list."""
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
