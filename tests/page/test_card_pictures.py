"""Pictures on cards and in messages, as large and as cut as Feishu shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.page import scripted_cards as cards
from tests.page.actions import open_chat, say
from tests.page.conftest import Scene, Visit

pytestmark = pytest.mark.browser

INSIDE = 570
"""The width that a card of 600 pixels has for its components."""

ALL_DECODED = "Promise.all([...document.images].map(image => image.decode())).then(() => null)"

SHAPES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "tiny": ({"size": "tiny"}, (16, 16)),
    "small": ({"size": "small", "scale_type": "crop_top"}, (40, 40)),
    "medium": ({"size": "medium", "scale_type": "crop_center"}, (80, 80)),
    "large": ({"size": "large"}, (160, 160)),
    "lengths of one's own": ({"size": "100px 60px"}, (100, 60)),
    "no size, which cuts what is too high": ({}, (INSIDE, round(INSIDE * 16 / 9))),
    "never cut, so of no size": ({"size": "small", "scale_type": "fit_horizontal"}, (INSIDE, INSIDE * 4)),
    "not to be enlarged": ({"size": "medium", "preview": False}, (80, 80)),
}


def test_a_picture_has_the_size_that_its_properties_say(scene: Scene, visit: Visit, shots: Path) -> None:
    """The named sizes are squares, others are cut to fit, and what is never cut is shown whole."""
    page = visit(scene.origin)
    picture = {"tag": "img", "img_key": scene.bot.upload(cards.png(400, 1600)), "alt": cards.both("图", "Picture")}
    scene.bot.show(*({**picture, **properties} for properties, _ in SHAPES.values()))
    images = page.locator(".card img")
    expect(images).to_have_count(len(SHAPES))
    page.evaluate(ALL_DECODED)
    boxes = images.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(({width, height}) => [width, height])"
    )
    sizes = {name: (round(width), round(height)) for name, (width, height) in zip(SHAPES, boxes, strict=True)}
    page.screenshot(path=shots / "picture-sizes.png")
    assert sizes == {name: size for name, (_, size) in SHAPES.items()}
    expect(page.locator(".card button.picture")).to_have_count(len(SHAPES) - 1)


def test_a_picture_has_its_title(scene: Scene, visit: Visit, shots: Path) -> None:
    """The title stands above the picture, in the reader's language."""
    page = visit(scene.origin)
    key = scene.bot.upload(cards.png(300, 200))
    title = cards.both("一个标题", "A title")
    scene.bot.show({"tag": "img", "img_key": key, "alt": cards.both("图", "Picture"), "title": title, "size": "large"})
    expect(page.locator(".titled")).to_have_text("一个标题")
    page.screenshot(path=shots / "picture-with-title.png")
    page.select_option("#language", "en")
    expect(page.locator(".titled")).to_have_text("A title")


def test_the_end_of_the_log_is_seen_before_its_pictures_have_come(scene: Scene, visit: Visit) -> None:
    """A picture takes its room at once, so that the newest message is not pushed out of sight when it comes."""
    page = visit(scene.origin)
    open_chat(page, "oc_group")
    held: list[Route] = []
    letting = False

    def hold(route: Route) -> None:
        route.continue_() if letting else held.append(route)

    page.route("**/uploads/*", hold)
    for _ in range(5):
        scene.feishu.say(chat_id="oc_group", sender="ou_lin", mention_bot=False, image=cards.png(400, 300))
    say(page, "最后一句")
    expect(page.locator(".picture.sent")).to_have_count(5)
    expect(page.locator(".bubble", has_text="最后一句")).to_be_in_viewport()
    before = page.evaluate("document.querySelector('#log').scrollHeight")
    # Which of them were held by now is left open: what is asked for later is not held any more.
    letting = True
    for route in held:
        route.continue_()
    page.evaluate(ALL_DECODED)
    assert page.evaluate("document.querySelector('#log').scrollHeight") == before
    assert before > 5 * 240
