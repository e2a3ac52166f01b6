"""What a visitor does on the page."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


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
