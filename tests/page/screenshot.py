"""Makes the README's picture of the sandbox: ``python -m tests.page.screenshot [FILE]``."""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page.server import Page
from bot.sandbox.start import Sandbox
from tests.page.actions import card, open_panel, say
from tests.page.chromium import ARGUMENTS, program

FILE = Path(__file__).parents[2] / ".readme" / "sandbox.png"
MOST_BYTES = 250_000
PROMPT = "一只在窗台打盹的橘猫，水彩 /size 16:9"


def take(origin: str) -> bytes:
    """The page as a PNG: a prompt, its card with the picture, and the wires beside them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS))
        page = browser.new_page(locale="zh-CN", viewport={"width": 1280, "height": 880}, color_scheme="light")
        page.goto(origin)
        say(page, PROMPT)
        card(page, "green").locator("img").evaluate("image => image.decode()")
        open_panel(page, "wires").locator(".wire", has_text="images/generations").wait_for()
        page.locator("#log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
        taken = page.screenshot()
        browser.close()
    return taken


def small(picture: bytes) -> bytes:
    """The same picture in fewer bytes.

    Raises:
        ValueError: it is still over 250 KB.
    """
    written = BytesIO()
    Image.open(BytesIO(picture)).convert("RGB").save(written, "PNG", optimize=True)
    if written.tell() > MOST_BYTES:
        raise ValueError(f"the picture has {written.tell()} bytes, more than {MOST_BYTES}")
    return written.getvalue()


def main(file: Path = FILE) -> None:
    """Starts the sandbox, takes the picture, writes the file."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(folder=Path(folder), glm=GlmStandIn(seconds=0.5)) as sandbox,
        Page(feishu=sandbox.feishu, glm=sandbox.glm) as page,
    ):
        file.write_bytes(small(take(page.origin)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
