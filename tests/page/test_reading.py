"""Reading the page: in both languages, in light and dark, on a phone, by keyboard and by ear."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import NARROW, Scene, Visit
from tests.page.typing_in import card, open_chat, open_panel, say

pytestmark = pytest.mark.browser

TOO_WIDE = """room => [...document.querySelectorAll(`${room}, ${room} *`)]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1).length"""
"""Counts the elements of a room that reach over the screen's edge."""


def faults_for_readers(page: Page) -> list[str]:
    """What axe-core finds to be serious or critical: the rule and the first element."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run().then(results => results.violations)")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def test_the_readers_language_decides_the_words(scene: Scene, visit: Visit, shots: Path) -> None:
    """The switch turns the cards and the page's own words; people read in their own language unless it is set."""
    page = visit(scene.origin)
    say(page, "一只猫")
    expect(card(page, "blue")).to_contain_text("排队中")
    page.select_option("#language", "en")
    expect(card(page, "blue")).to_contain_text("In the queue")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.screenshot(path=shots / "english.png")
    page.select_option("#language", "speaker")
    expect(page.locator("h1")).to_have_text("沙盒")
    page.select_option("#speaker", "ou_alex")
    expect(page.locator("h1")).to_have_text("Sandbox")


def test_an_english_browser_begins_in_english(scene: Scene, visit: Visit) -> None:
    """A newcomer whose browser is not Chinese speaks as the English reader, and is toasted in English."""
    page = visit(scene.origin, locale="en-GB")
    expect(page.locator("#speaker")).to_have_value("ou_alex")
    say(page, "components")
    card(page, "orange").get_by_role("button", name="Again").click()
    expect(page.locator(".toast")).to_have_text("Got it")


@pytest.mark.parametrize(("chosen", "system", "background"), [
    ("system", "dark", "rgb(26, 27, 29)"),
    ("system", "light", "rgb(255, 255, 255)"),
    ("light", "dark", "rgb(255, 255, 255)"),
    ("dark", "light", "rgb(26, 27, 29)"),
])  # fmt: skip
def test_light_and_dark_follow_the_system_unless_chosen(
    scene: Scene, visit: Visit, chosen: str, system: Literal["light", "dark"], background: str
) -> None:
    """The theme is the system's, or the one that the switch says; a reload keeps it."""
    page = visit(scene.origin)
    page.emulate_media(color_scheme=system)
    page.select_option("#theme", chosen)
    page.reload()
    page.wait_for_selector(".chat")
    expect(page.locator(".talk")).to_have_css("background-color", background)


def test_everything_fits_on_a_phone(scene: Scene, visit: Visit, shots: Path) -> None:
    """On a narrow screen nothing is wider than it: the chat, a card with a picture, the panel."""
    scene.bot.go_on.set()
    page = visit(scene.origin, viewport=NARROW)
    open_chat(page, "oc_topics")
    say(page, "@画图 一只猫")
    card(page, "green")
    say(page, "@画图 components")
    card(page, "orange")
    page.screenshot(path=shots / "narrow.png")
    assert page.evaluate(TOO_WIDE, "main") == 0
    open_panel(page, "faults")
    page.screenshot(path=shots / "narrow-panel.png")
    assert page.evaluate(TOO_WIDE, "aside") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_news_is_told_to_who_cannot_see(scene: Scene, visit: Visit) -> None:
    """A card that changes is announced with its sender and what it says now."""
    page = visit(scene.origin)
    say(page, "一只猫")
    expect(page.locator("#news")).to_have_text("画图: 排队中")
    scene.bot.go_on.set()
    expect(page.locator("#news")).to_have_text("画图: 图片好了")


def test_a_changing_card_keeps_the_keyboards_place(scene: Scene, visit: Visit) -> None:
    """Whoever has a button of a card in focus is not thrown to the page's top when the card changes."""
    page = visit(scene.origin)
    say(page, "一只猫")
    card(page, "blue").get_by_role("button", name="取消").focus()
    scene.bot.go_on.set()
    card(page, "green")
    assert page.evaluate("document.activeElement.closest('#log') !== null")


def test_the_panel_opens_and_closes_by_keyboard(scene: Scene, visit: Visit) -> None:
    """Enter opens the panel, arrows change its tabs, Esc closes it and goes back to its button."""
    page = visit(scene.origin)
    page.focus("#panel-toggle")
    for keys in ("Enter", "ArrowRight", "ArrowRight"):
        page.keyboard.press(keys)
    expect(page.locator("#tab-faults")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("#panel-toggle")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(scene: Scene, visit: Visit, shots: Path, theme: str) -> None:
    """The chat with cards, each tab of the panel and the enlarged picture have no serious fault for readers."""
    scene.bot.go_on.set()
    page = visit(scene.origin, bypass_csp=True, color_scheme=theme)
    for text in ("一只猫", "components", "refused"):
        say(page, text)
    card(page, "green")
    card(page, "orange")
    expect(page.locator(".refusal")).to_be_visible()
    found = faults_for_readers(page)
    for tab in ("wires", "queue", "faults"):
        open_panel(page, tab)
        page.screenshot(path=shots / f"{theme}-{tab}.png")
        found += faults_for_readers(page)
        page.click("#panel-toggle")
    page.locator(".card .picture").first.click()
    assert found + faults_for_readers(page) == []


def test_the_pages_words_are_in_both_languages(scene: Scene, visit: Visit) -> None:
    """Each of the page's own sentences has a Chinese and an English form with the same placeholders."""
    page = visit(scene.origin)
    words = json.loads(page.evaluate("import('/static/words.js').then(module => JSON.stringify(module.WORDS))"))
    for key, said in words.items():
        assert len(said) == 2, key
        chinese, english = (sorted(part.partition("}")[0] for part in text.split("{")[1:]) for text in said)
        assert chinese == english, key
