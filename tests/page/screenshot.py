"""Pictures of the sandbox page.

``python -m tests.page.screenshot`` makes the README's picture, ``--cards FOLDER`` one of each card on a phone.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from bot.chat.cards.elements import content
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import FeishuState
from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page.server import Page
from bot.sandbox.start import Sandbox
from tests.clients.feishu_wire import HandClock, Wire
from tests.page.conftest import ARGUMENTS, ScriptedControls, card, open_chat, open_panel, program, say
from tests.unit.card_samples import PERSON, PROMPT, cards, samples

README_PICTURE = Path(__file__).parents[2] / ".readme" / "sandbox.png"
PHONE: ViewportSize = {"width": 390, "height": 2400}  # so tall that the whole of each card is seen


def write_readme_picture(browser: Browser) -> None:
    """Writes a prompt, its card with the picture and the wires beside them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(folder=Path(folder), glm=GlmStandIn(seconds=0.5)) as sandbox,
        Page(sandbox) as served,
    ):
        page = browser.new_page(locale="zh-CN", viewport={"width": 1280, "height": 880}, color_scheme="light")
        page.goto(served.origin)
        say(page, f"{PROMPT} /size 16:9")
        card(page, "green").locator("img").evaluate("image => image.decode()")
        open_panel(page, "wires").locator(".wire", has_text="images/generations").wait_for()
        page.locator("#log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
        picture = Image.open(BytesIO(page.screenshot()))
    picture.convert("RGB").save(README_PICTURE, "PNG", optimize=True)


def write_cards(browser: Browser, folder: Path) -> None:
    """Writes a picture of each card in both languages, light and dark."""
    folder.mkdir(exist_ok=True)
    with served_samples() as (origin, _):
        for language, theme in product(("zh", "en"), ("light", "dark")):
            page = browser.new_page(viewport=PHONE)
            settings = json.dumps({"speaker": "ou_lin", "language": language, "theme": theme})
            page.add_init_script(f"localStorage.setItem('sandbox', '{settings}')")
            page.goto(origin)
            open_chat(page, "oc_direct_lin")
            shown = page.locator("#log .card")
            expect(shown).to_have_count(len(samples()))
            page.evaluate(
                "Promise.all([...document.images].map((image) => { image.loading = 'eager'; return image.decode(); }))"
            )
            for name, one in zip(samples(), shown.all(), strict=True):
                one.screenshot(path=folder / f"{name}.{language}.{theme}.png")
            page.close()


@contextmanager
def served_samples() -> Iterator[tuple[str, Wire]]:
    """A page on which every card is in the first person's chat: its address, and what sends further ones.

    Raises:
        ValueError: a card is rejected.
    """
    clock = HandClock()
    with (
        FeishuStandIn(FeishuState(encrypt_key="", clock=clock)) as feishu,
        GlmStandIn() as glm,
        Page(ScriptedControls(feishu, glm)) as served,
    ):
        wire = Wire(feishu).log_in()
        person = next(iter(feishu.people))
        images = {}
        for number in range(1, 5):
            picture = render(f"{PROMPT}{number}", width=640, height=480, image_id=str(number), watermark=True)
            images[f"img_v3_{number}"] = str(wire.upload_image(picture).json()["data"]["image_key"])
        for name, draw in samples().items():
            text = content(draw(cards())).replace(PERSON, person.open_id)
            text = re.sub("|".join(images), lambda found: images[found[0]], text)
            answer = wire.create("oc_direct_lin", json.loads(text), kind="interactive").json()
            if answer["code"]:
                raise ValueError(f"{name}: {answer}")
            clock.now += 1  # a chat takes only a few messages a second
        yield served.origin, wire
        wire.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.page.screenshot", description=__doc__)
    parser.add_argument("--cards", type=Path, metavar="FOLDER", help="pictures of all cards instead")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        if given.cards:
            write_cards(browser, given.cards)
        else:
            write_readme_picture(browser)
        browser.close()


if __name__ == "__main__":
    main()
