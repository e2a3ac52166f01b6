"""Cards as Feishu's client draws them, and pressing, choosing and filling in on them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.page import scripted_bot as cards
from tests.page.browser import card, open_chat, say
from tests.page.conftest import Scene, Visit

pytestmark = pytest.mark.browser

INSIDE = 570
"""The width that a card of 600 pixels has for its components."""

ALL_DECODED = "Promise.all([...document.images].map(image => image.decode())).then(() => null)"

SHAPES: tuple[tuple[dict[str, str], tuple[int, int]], ...] = (
    ({"size": "medium", "scale_type": "crop_center"}, (80, 80)),
    ({"scale_type": "fit_horizontal"}, (INSIDE, INSIDE * 4)),
)
"""The properties of an image, and the size in which it is drawn."""


@pytest.fixture
def shown(scene: Scene, visit: Visit) -> Locator:
    """The card that has one of each component."""
    page = visit(scene.origin)
    say(page, "components")
    found = card(page, "orange")
    page.locator("#log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
    return found


def test_every_component_of_the_bots_cards_is_drawn(scene: Scene, shown: Locator) -> None:
    """Tags, a chart, a person, several images and a menu; one that the page does not know is named."""
    expect(shown.locator(".card-head .text-tag")).to_have_text("横版")
    expect(shown.locator(".chart li")).to_have_text(["311-28", "1211-29"])
    expect(shown.locator(".person")).to_contain_text("陈晨")
    expect(shown.locator(".combination .picture")).to_have_count(4)
    expect(shown.get_by_role("button", name=re.compile("第 2 张，共 4 张"))).to_have_count(1)
    expect(shown.locator(".problem")).to_have_count(0)
    assert scene.bot.show({"tag": "multi_select_static", "options": []}) == 0
    expect(card(shown.page, "grey").locator(".problem")).to_contain_text("multi_select_static")


def test_press_choice_and_form_call_the_bot(scene: Scene, shown: Locator) -> None:
    """Each sends its value, and its toast comes in the presser's language; a required field is asked for."""
    page = shown.page
    shown.get_by_role("button", name="再来一张").click()
    expect(page.locator(".toast.success")).to_have_text("收到")
    ratio = shown.get_by_role("combobox", name="换比例")
    ratio.select_option("16:9")
    expect(page.locator(".toast")).to_have_count(2)
    expect(ratio).to_have_value("")
    field = shown.get_by_label("提示词")
    field.fill("")
    shown.get_by_role("button", name="提交").click()
    expect(page.locator(".toast.warning")).to_have_text("请填写必填项")
    field.fill("两只猫")
    shown.get_by_role("button", name="提交").click()
    expect(page.locator(".toast.success").last).to_be_visible()
    scene.bot.wait_for_presses(3)
    button, select, form = scene.bot.presses
    assert (button["tag"], button["value"]["a"]) == ("button", "again")
    assert (select["tag"], select["option"]) == ("select_static", "16:9")
    assert form["form_value"] == {"prompt": "两只猫"}


@pytest.mark.parametrize(("answer", "presses"), [("取消", 0), ("确定", 2)])
def test_confirmation_is_waited_for(scene: Scene, shown: Locator, answer: str, presses: int) -> None:
    """A button and a menu entry with a confirmation call the bot only after it was given."""
    dialog = shown.page.locator("#confirm")
    for press in (
        lambda: shown.get_by_role("button", name="删除").click(),
        lambda: shown.get_by_label("更多").select_option(label="删掉它"),
    ):
        press()
        expect(dialog).to_contain_text("不能恢复。")
        dialog.get_by_role("button", name=answer).click()
        expect(dialog).to_be_hidden()
    scene.bot.wait_for_presses(presses)
    assert [one.get("option") for one in scene.bot.presses] == [None, "delete"][:presses]


def test_link_opens_apart_from_the_page(shown: Locator) -> None:
    """A button with a link opens a tab of its own, which cannot reach back."""
    shown.page.context.route("https://example.com/", lambda route: route.fulfill(body="<title>there</title>"))
    with shown.page.context.expect_page() as opened:
        shown.get_by_role("button", name="打开").click()
    assert opened.value.evaluate("window.opener") is None


def test_only_refused_content_leaves_a_box(scene: Scene, shown: Locator) -> None:
    """A card that was refused for what it holds is shown as Feishu's error; other refusals leave nothing."""
    for fault, code in (("rate_gateway", 99991400), ("muted", 230035), ("sensitive", 230022)):
        scene.feishu.faults.arm(fault, on="create")
        assert scene.bot.show({"tag": "hr"}) == code
    assert scene.bot.show({"tag": "marquee"}) == 230099
    boxes = shown.page.locator(".refusal strong")
    expect(boxes).to_have_text(["飞书拒绝了机器人的消息 · 230022", "飞书拒绝了机器人的消息 · 230099"])


def test_half_filled_form_survives_a_message_and_a_bot_that_is_down(scene: Scene, shown: Locator) -> None:
    """A message that comes leaves the form as it is; a press that nobody answers shows the client's code."""
    field = shown.get_by_label("提示词")
    field.fill("写到一半")
    scene.feishu.webhook_url = "http://127.0.0.1:9/"
    scene.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="插一句")
    expect(shown.page.locator(".bubble", has_text="插一句")).to_have_count(1)
    expect(field).to_have_value("写到一半")
    expect(field).to_be_focused()
    shown.get_by_role("button", name="再来一张").click()
    expect(shown.page.locator(".toast.error")).to_contain_text("200342")


def test_image_has_the_size_that_its_properties_say(scene: Scene, visit: Visit) -> None:
    """A medium one is cut to a square, and what is never cut is shown whole."""
    page = visit(scene.origin)
    picture = {"tag": "img", "img_key": scene.bot.upload(cards.png(400, 1600)), "alt": cards.both("图", "Picture")}
    scene.bot.show(*({**picture, **properties} for properties, _ in SHAPES))
    images = page.locator(".card img")
    expect(images).to_have_count(len(SHAPES))
    page.evaluate(ALL_DECODED)
    boxes = images.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(({width, height}) => [width, height])"
    )
    assert [(round(width), round(height)) for width, height in boxes] == [size for _, size in SHAPES]


def test_images_take_their_room_before_they_come(scene: Scene, visit: Visit) -> None:
    """So the newest message is not pushed out of sight when they come."""
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
