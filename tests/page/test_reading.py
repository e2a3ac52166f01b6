"""Reading the page: in both languages, in light and dark, on a phone, by keyboard and by ear."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from bot.sandbox.page import server
from tests.page.conftest import SMALL, Scene, Visit, card, open_chat, open_panel, say

pytestmark = pytest.mark.browser

TOO_WIDE = """room => [...document.querySelectorAll(`${room}, ${room} *`)]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1).length"""
"""Counts the elements of a room that reach over the screen's edge."""


def faults_for_readers(page: Page, rules: list[str]) -> list[str]:
    """What axe-core finds to be serious or critical: the rule and the first element; all rules where none is named."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    options = {"runOnly": rules} if rules else {}
    found = page.evaluate("options => axe.run(options).then(results => results.violations)", options)
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def test_the_readers_language_decides_the_words(scene: Scene, page: Page, visit: Visit) -> None:
    """The switch turns the cards and the page's own words; people read in their own language unless it is set.

    Where the page is English, so are the names of the bot and of the chats, also after an @.
    """
    say(page, "一只猫")
    expect(card(page, "wathet")).to_contain_text("正在生成")
    page.select_option("#language", "en")
    expect(card(page, "wathet")).to_contain_text("Generating")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.select_option("#language", "speaker")
    expect(page.locator("h1")).to_have_text("沙盒")
    page.select_option("#speaker", "ou_alex")
    expect(page.locator("h1")).to_have_text("Sandbox")
    page = visit(scene.origin, locale="en-GB")
    expect(page.locator("#speaker")).to_have_value("ou_alex")
    expect(page.locator(".chat strong")).to_have_text(["Painter", "Design team", "Ideas"])
    open_chat(page, "oc_group")
    page.keyboard.press("@")
    expect(page.locator(".mentions li")).to_have_text(["Painter", "林小雨", "陈晨", "all"])


def test_the_page_is_used_by_keyboard(page: Page) -> None:
    """The first stop of the page is a way round everything, and a chat that is opened can be written in at once.

    The panel is opened and closed by keyboard, too.
    """
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_be_focused()
    page.locator("[data-chat=oc_group]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_be_focused()
    page.focus("#panel-toggle")
    for keys in ("Enter", "ArrowRight", "ArrowRight"):
        page.keyboard.press(keys)
    expect(page.locator("#tab-faults")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("#panel-toggle")).to_be_focused()


LOOK = """state => {
    Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What a browser does when another tab is chosen, and when this one is chosen again."""


def test_many_tabs_can_be_open(scene: Scene, visit: Visit) -> None:
    """A tab that is not looked at holds none of a browser's six connections; it is as it was left, and up to date."""
    first = visit(scene.origin)
    scene.show_form()
    field = first.locator(".card-form textarea")
    field.fill("写到一半")
    first.evaluate(LOOK, "hidden")
    for _ in range(7):
        visit(scene.origin).evaluate(LOOK, "hidden")
    last = visit(scene.origin)
    say(last, "一只猫")
    card(last, "wathet")
    scene.feishu.faults.arm("card_bad", on="reply")
    say(last, "一只狗")
    expect(last.locator(".refusal")).to_be_visible()
    expect(first.locator(".refusal")).to_have_count(0)
    first.evaluate(LOOK, "visible")
    card(first, "wathet")
    expect(first.locator(".refusal")).to_be_visible()
    expect(field).to_have_value("写到一半")


def test_a_page_without_its_sandbox_says_so(page: Page, complaints: list[str]) -> None:
    """What is sent then is not lost, and the reason is a sentence in the reader's language."""
    page.route("**/do/say", lambda route: route.abort("connectionrefused"))
    say(page, "一只猫")
    expect(page.locator(".toast.error")).to_contain_text("连不上沙盒")
    expect(page.locator("#text")).to_have_value("一只猫")
    assert "ERR_CONNECTION_REFUSED" in complaints.pop()


def test_light_and_dark_follow_the_system_unless_chosen(page: Page) -> None:
    """The theme is the system's, or the one that the switch says; a reload keeps it."""
    dark, light = "rgb(26, 27, 29)", "rgb(255, 255, 255)"
    systems: tuple[Literal["light", "dark"], ...] = ("dark", "light")
    for chosen, colours in (("system", (dark, light)), ("light", (light, light)), ("dark", (dark, dark))):
        page.select_option("#theme", chosen)
        page.reload()
        page.wait_for_selector(".chat")
        for system, colour in zip(systems, colours, strict=True):
            page.emulate_media(color_scheme=system)
            expect(page.locator(".talk")).to_have_css("background-color", colour)


def test_everything_fits_on_a_small_phone(scene: Scene, visit: Visit) -> None:
    """Nothing is wider than the screen: the bar, a card, an enlarged image, a toast, the panel."""
    scene.make_images()
    page = visit(scene.origin, viewport=SMALL)
    assert page.locator(".bar").evaluate("bar => bar.offsetHeight") <= 120
    open_chat(page, "oc_topics")
    say(page, "@画图 /help")
    card(page, "blue")
    say(page, "@画图 一只猫")
    card(page, "green").locator(".picture").click()
    page.locator("#viewer img").evaluate("image => image.decode()")
    assert page.locator("#viewer").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    page.keyboard.press("Escape")
    page.evaluate("import('/static/dom.js').then(module => module.toast('很长的一句话。'.repeat(12)))")
    toast = page.locator(".toast")
    assert toast.evaluate("toast => toast.offsetWidth > 0.85 * innerWidth && toast.offsetLeft >= 0")
    assert page.evaluate(TOO_WIDE, "main") == 0
    open_panel(page, "faults")
    assert page.evaluate(TOO_WIDE, "aside") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_one_can_write_beside_the_open_panel(scene: Scene, visit: Visit) -> None:
    page = visit(scene.origin, viewport={"width": 1000, "height": 800})
    open_panel(page, "wires")
    for width in (1000, 768):
        page.set_viewport_size({"width": width, "height": 800})
        page.fill("#text", f"{width} 只猫")
        page.get_by_role("button", name="发送").click()
        expect(page.locator(".card", has_text=f"{width} 只猫")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("#log").evaluate("log => log.clientWidth >= 340")
    expect(page.get_by_role("button", name="设计小组")).to_have_count(1)


@pytest.mark.parametrize(("theme", "rules"), [("light", []), ("dark", ["color-contrast"])])
def test_axe_finds_nothing_serious(scene: Scene, visit: Visit, theme: str, rules: list[str]) -> None:
    scene.make_images()
    page = visit(scene.origin, bypass_csp=True, color_scheme=theme)
    say(page, "一只猫")
    card(page, "green")
    scene.show_form()
    scene.feishu.faults.arm("card_bad", on="reply")
    say(page, "/help")
    expect(page.locator(".refusal")).to_be_visible()
    found = faults_for_readers(page, rules)
    for tab in ("wires", "queue", "faults"):
        open_panel(page, tab)
        found += faults_for_readers(page, rules)
        page.click("#panel-toggle")
    page.locator(".card .picture").first.click()
    assert found + faults_for_readers(page, rules) == []


def test_the_pages_words_are_in_both_languages_and_hold_its_servers_sentences(page: Page) -> None:
    words = json.loads(page.evaluate("import('/static/words.js').then(module => JSON.stringify(module.WORDS))"))
    for key, said in words.items():
        assert len(said) == 2, key
        chinese, english = (sorted(part.partition("}")[0] for part in text.split("{")[1:]) for text in said)
        assert chinese == english, key
    folder = Path(server.__file__).parent
    sources = [path.read_text("utf-8") for path in (*folder.glob("*.py"), *folder.parent.glob("*.py"))]
    told = {key for source in sources for key in re.findall(r'sentence="(\w+)"', source)}
    assert {"runs_already", "not_started"} <= told <= words.keys()
