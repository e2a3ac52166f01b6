"""Pictures of the sandbox page.

``python -m tests.page.screenshot`` makes the README's picture, ``--cards FOLDER`` one of each card on a phone.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

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
MOST_BYTES = 250_000
LOOKS = [("zh", "light"), ("zh", "dark"), ("en", "light"), ("en", "dark")]
PHONE = 390
TALL = 2400
"""Pixels, so that the whole of each card is seen."""
GAP = 16


def take(browser: Browser, origin: str) -> bytes:
    """The page as a PNG: a prompt, its card with the picture, and the wires beside them."""
    page = browser.new_page(locale="zh-CN", viewport={"width": 1280, "height": 880}, color_scheme="light")
    page.goto(origin)
    say(page, f"{PROMPT} /size 16:9")
    card(page, "green").locator("img").evaluate("image => image.decode()")
    open_panel(page, "wires").locator(".wire", has_text="images/generations").wait_for()
    page.locator("#log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
    return page.screenshot()


def write_readme_picture(browser: Browser) -> None:
    """Writes the picture in at most 250 KB; raises ``ValueError`` where it is larger."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(folder=Path(folder), glm=GlmStandIn(seconds=0.5)) as sandbox,
        Page(sandbox) as page,
    ):
        picture = Image.open(BytesIO(take(browser, page.origin)))
    written = BytesIO()
    picture.convert("RGB").save(written, "PNG", optimize=True)
    if written.tell() > MOST_BYTES:
        raise ValueError(f"the picture has {written.tell()} bytes, more than {MOST_BYTES}")
    README_PICTURE.write_bytes(written.getvalue())


def write_cards(browser: Browser, folder: Path) -> None:
    """Writes a picture of each card: in both languages, light and dark, side by side."""
    folder.mkdir(exist_ok=True)
    clock = HandClock()
    with (
        FeishuStandIn(FeishuState(encrypt_key="", clock=clock)) as feishu,
        GlmStandIn() as glm,
        Page(ScriptedControls(feishu, glm)) as page,
    ):
        send_samples(feishu, clock)
        shots = [_shots(browser, page.origin, *look) for look in LOOKS]
    for name, row in zip(samples(), zip(*shots, strict=True), strict=True):
        beside = Image.new("RGB", (len(row) * (PHONE + GAP), max(image.height for image in row)), "grey")
        for column, image in enumerate(row):
            beside.paste(image, (column * (PHONE + GAP), 0))
        beside.save(folder / f"{name}.png")


def send_samples(feishu: FeishuStandIn, clock: HandClock) -> None:
    """Sends every card with pictures to the first person; raises ``ValueError`` for one that is rejected."""
    wire = Wire(feishu).log_in()
    person = next(iter(feishu.people))
    images = {f"img_v3_{number}": _upload(wire, number) for number in range(1, 5)}
    for name, draw in samples().items():
        clock.now += 1  # a chat takes only a few messages a second
        text = content(draw(cards())).replace(PERSON, person.open_id)
        text = re.sub("|".join(images), lambda found: images[found[0]], text)
        answer = wire.create("oc_direct_lin", json.loads(text), kind="interactive").json()
        if answer["code"]:
            raise ValueError(f"{name}: {answer}")
    wire.close()


def _upload(wire: Wire, number: int) -> str:
    picture = render(f"{PROMPT}{number}", width=1280, height=960, image_id=str(number), watermark=True)
    return str(wire.upload_image(picture).json()["data"]["image_key"])


def _shots(browser: Browser, origin: str, language: str, theme: str) -> list[Image.Image]:
    page = browser.new_page(locale="zh-CN", viewport={"width": PHONE, "height": TALL})
    page.add_init_script(f"localStorage.setItem('sandbox', '{json.dumps({'language': language, 'theme': theme})}')")
    page.goto(origin)
    open_chat(page, "oc_direct_lin")
    shown, count = page.locator("#log .card"), len(samples())
    page.wait_for_function("count => document.querySelectorAll('#log .card').length >= count", arg=count)
    page.evaluate(
        "Promise.all([...document.images].map((image) => { image.loading = 'eager'; return image.decode(); }))"
    )
    shots = [Image.open(BytesIO(one.screenshot())).convert("RGB") for one in shown.all()[-count:]]
    page.close()
    return shots


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
