"""Pressing, choosing and filling in on a card."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.page.actions import card, say
from tests.page.conftest import Scene, Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(scene: Scene, visit: Visit, shots: Path) -> Locator:
    """The card that has one of each component."""
    page = visit(scene.origin)
    say(page, "components")
    found = card(page, "orange")
    page.screenshot(path=shots / "components.png")
    return found


def test_a_button_calls_the_bot_and_its_toast_is_shown(scene: Scene, shown: Locator) -> None:
    """A press sends the button's value; the toast comes in the presser's language."""
    shown.get_by_role("button", name="再来一张").click()
    expect(shown.page.locator(".toast.success")).to_have_text("收到")
    assert [(press["tag"], press["value"]["a"]) for press in scene.bot.presses] == [("button", "again")]


def test_a_choice_calls_the_bot_with_its_value(scene: Scene, shown: Locator) -> None:
    """Choosing in a select sends the option, and the select is ready for the next choice."""
    shown.get_by_role("combobox").select_option("16:9")
    expect(shown.page.locator(".toast")).to_have_count(1)
    expect(shown.get_by_role("combobox")).to_have_value("")
    assert [(press["tag"], press["option"]) for press in scene.bot.presses] == [("select_static", "16:9")]


def test_a_form_sends_what_was_filled_in(scene: Scene, shown: Locator) -> None:
    """A form without its required field is kept back; filled in, it travels as form_value."""
    field = shown.get_by_label("提示词")
    field.fill("")
    shown.get_by_role("button", name="提交").click()
    expect(shown.page.locator(".toast.warning")).to_have_text("请填写必填项")
    field.fill("两只猫")
    shown.get_by_role("button", name="提交").click()
    expect(shown.page.locator(".toast.success")).to_have_count(1)
    assert [press["form_value"] for press in scene.bot.presses] == [{"prompt": "两只猫"}]


@pytest.mark.parametrize(("answer", "presses"), [("取消", 0), ("确定", 1)])
def test_a_press_that_asks_first_waits_for_the_answer(scene: Scene, shown: Locator, answer: str, presses: int) -> None:
    """A button with a confirmation calls the bot only after it was given."""
    shown.get_by_role("button", name="删除").click()
    dialog = shown.page.locator("#confirm")
    expect(dialog).to_contain_text("不能恢复。")
    dialog.get_by_role("button", name=answer).click()
    expect(dialog).to_be_hidden()
    expect(shown.page.locator(".toast")).to_have_count(presses)
    assert len(scene.bot.presses) == presses


def test_a_link_opens_apart_from_the_page(shown: Locator) -> None:
    """A button with a link opens a tab of its own, which cannot reach back."""
    shown.page.context.route("https://example.com/", lambda route: route.fulfill(body="<title>there</title>"))
    with shown.page.context.expect_page() as opened:
        shown.get_by_role("button", name="打开").click()
    assert opened.value.evaluate("window.opener") is None


def test_a_component_that_the_page_cannot_draw_says_so(scene: Scene, shown: Locator) -> None:
    """A component that Feishu takes and the page does not know is named, not left out, and not called refused."""
    expect(shown.locator(".problem")).to_contain_text("chart")
    assert scene.bot.show({"tag": "multi_select_static", "options": []}) == 0
    expect(card(shown.page, "violet").locator(".problem")).to_contain_text("multi_select_static")


def test_only_refused_content_leaves_a_box(scene: Scene, shown: Locator) -> None:
    """A card that was refused for what it holds stands as the error that Feishu gives; other refusals leave nothing."""
    for fault, code in (("rate_gateway", 99991400), ("muted", 230035), ("sensitive", 230022)):
        scene.feishu.faults.arm(fault, on="create")
        assert scene.bot.show({"tag": "hr"}) == code
    assert scene.bot.show({"tag": "marquee"}) == 230099
    boxes = shown.page.locator(".refusal strong")
    expect(boxes).to_have_text(["飞书拒绝了机器人的消息 · 230022", "飞书拒绝了机器人的消息 · 230099"])


def test_a_press_while_the_bot_is_down_shows_feishus_error(scene: Scene, shown: Locator) -> None:
    """When nobody answers, the presser sees the code that the client shows."""
    scene.feishu.webhook_url = "http://127.0.0.1:9/"
    shown.get_by_role("button", name="再来一张").click()
    expect(shown.page.locator(".toast.error")).to_contain_text("200342")


def test_what_is_being_filled_in_survives_a_new_message(scene: Scene, shown: Locator) -> None:
    """A message that comes in the meantime leaves a half-filled form as it is."""
    shown.get_by_label("提示词").fill("写到一半")
    scene.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="插一句")
    expect(shown.page.locator(".bubble", has_text="插一句")).to_have_count(1)
    expect(shown.get_by_label("提示词")).to_have_value("写到一半")
    expect(shown.get_by_label("提示词")).to_be_focused()
