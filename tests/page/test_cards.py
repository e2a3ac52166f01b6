"""Cards as Feishu's client draws them, and pressing, choosing and filling in on them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.clients import feishu_wire
from tests.clients.feishu_wire import button, png, words
from tests.page.conftest import Scene, Visit, card, open_chat, say
from tests.page.screenshot import served_samples
from tests.support.dsl import wait_for
from tests.unit.card_samples import samples

pytestmark = pytest.mark.browser


def presses(scene: Scene) -> list[dict[str, object]]:
    """What the bot was told of the presses, oldest first."""
    events = [attempt.event for attempt in scene.feishu.attempts if attempt.event_type == "card.action.trigger"]
    return [event["event"]["action"] for event in events]


def test_every_card_of_the_bot_is_drawn(visit: Visit) -> None:
    """No component is missing; one that the page does not know is named."""
    with served_samples() as (origin, wire):
        unknown = '{"schema": "2.0", "body": {"elements": [{"tag": "checker"}]}}'
        wire.stand_in.state.add_message("oc_direct_lin", wire.stand_in.app_id, "interactive", unknown)
        page = visit(origin)
        expect(page.locator("#log .card")).to_have_count(len(samples()) + 1)
        expect(page.locator(".problem")).to_have_text(re.compile("checker"))
        expect(page.locator(".chart li").first).to_be_attached()
        expect(page.locator(".person").first).to_contain_text("林小雨")
        expect(page.get_by_role("button", name=re.compile("第 2 张，共 4 张"))).to_have_count(1)


def test_every_control_of_the_result_is_answered(scene: Scene, page: Page) -> None:
    """Again and another ratio draw once more, the original comes as a file, and the prompt can be edited.

    The link to the original gives the picture as GLM made it, though its host on the network knows nothing of it.
    """
    scene.make_images()
    say(page, "一只橘猫")
    ready = card(page, "green")
    with page.context.expect_event("response", lambda answer: "/originals/" in answer.url) as opened:
        ready.get_by_role("button", name="打开原图").click()
    assert (opened.value.status, len(scene.glm.downloads)) == (200, 1)
    assert opened.value.url.startswith(scene.origin)
    ready.get_by_role("button", name="再来一次").click()
    expect(page.locator(".toast").first).to_be_visible()
    expect(page.locator(".card:has(.of-green)")).to_have_count(2)
    ready = page.locator(".card:has(.of-green)").first
    ready.get_by_label("换比例").select_option("16:9")
    expect(page.locator(".card", has_text="1728x960").locator(".picture")).to_have_count(1)
    ready.get_by_label("更多").select_option(label="发原图文件")
    expect(page.locator(".file")).to_have_count(1)
    ready.get_by_label("更多").select_option(label="改提示词")
    form = page.locator(".card-form")
    field, submit = form.locator("textarea"), form.get_by_role("button").first
    field.fill("")
    submit.click()
    expect(page.locator(".toast.warning")).to_have_text("请填写必填项")
    field.fill("两只橘猫")
    submit.click()
    expect(page.locator(".card:has(.of-green)", has_text="两只橘猫")).to_have_count(1)
    button, select, *_, sent = presses(scene)
    assert (button["tag"], select["tag"], select["option"]) == ("button", "select_static", "16:9")
    assert isinstance(sent["form_value"], dict)
    assert sent["form_value"]["prompt"] == "两只橘猫"


def test_confirmation_is_waited_for_and_links_open_apart(scene: Scene, page: Page) -> None:
    """A button with a link opens a tab of its own, which cannot reach back."""
    confirm = {"title": words("真的吗？"), "text": words("不能恢复。")}
    link = {"type": "open_url", "default_url": "https://example.com/"}
    opens = {"tag": "button", "text": words("打开"), "behaviors": [link]}
    scene.show(feishu_wire.card(button("删除", confirm=confirm), opens))
    dialog = page.locator("#confirm")
    for answer, count in (("取消", 0), ("确定", 1)):
        page.get_by_role("button", name="删除").click()
        expect(dialog).to_contain_text("不能恢复。")
        dialog.get_by_role("button", name=answer).click()
        expect(dialog).to_be_hidden()
        wait_for(lambda count=count: len(presses(scene)) == count)  # type: ignore[misc]
    page.context.route("https://example.com/", lambda route: route.fulfill(body="<title>there</title>"))
    with page.context.expect_page() as tab:
        page.get_by_role("button", name="打开", exact=True).click()
    assert tab.value.evaluate("window.opener") is None


def test_only_refused_content_leaves_a_box(scene: Scene, page: Page) -> None:
    for fault, code in (("rate_gateway", 99991400), ("muted", 230035), ("sensitive", 230022)):
        scene.feishu.faults.arm(fault, on="create")
        assert scene.show(feishu_wire.card()) == code
    assert scene.show(feishu_wire.card({"tag": "marquee"})) == 230099
    boxes = page.locator(".refusal strong")
    expect(boxes).to_have_text(["飞书拒绝了机器人的消息 · 230022", "飞书拒绝了机器人的消息 · 230099"])


def test_half_filled_form_survives_a_message_and_a_bot_that_is_down(scene: Scene, page: Page) -> None:
    """A message that comes leaves the form as it is; a press that nobody answers shows the client's code."""
    scene.show_form()
    field = page.locator(".card-form textarea")
    field.fill("写到一半")
    scene.feishu.webhook_url = "http://127.0.0.1:9/"
    scene.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="插一句")
    expect(page.locator(".bubble", has_text="插一句")).to_have_count(1)
    expect(field).to_have_value("写到一半")
    expect(field).to_be_focused()
    page.locator(".card-form").get_by_role("button").first.click()
    expect(page.locator(".toast.error")).to_contain_text("200342")


def test_image_has_the_size_that_its_properties_say(scene: Scene, page: Page) -> None:
    """A medium one is cut to a square, and what is never cut is shown whole in the width of a card's components."""
    open_chat(page, "oc_topics")
    key = scene.wire.upload_image(png(400, 1600)).json()["data"]["image_key"]
    picture = {"tag": "img", "img_key": key, "alt": words("图")}
    medium = {**picture, "size": "medium", "scale_type": "crop_center"}
    whole = {**picture, "scale_type": "fit_horizontal"}
    scene.wire.create("oc_topics", feishu_wire.card(medium, whole), kind="interactive")
    images = page.locator(".card img")
    expect(images).to_have_count(2)
    page.evaluate("Promise.all([...document.images].map(image => image.decode())).then(() => null)")
    boxes = images.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    assert [[round(length) for length in box] for box in boxes] == [[80, 80], [570, 4 * 570]]


def test_images_take_their_room_before_they_come(scene: Scene, page: Page) -> None:
    open_chat(page, "oc_group")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/uploads/*", hold)
    for _ in range(5):
        scene.feishu.say(chat_id="oc_group", sender="ou_lin", mention_bot=False, image=png(400, 300))
    say(page, "最后一句")
    expect(page.locator(".picture.sent")).to_have_count(5)
    expect(page.locator(".bubble", has_text="最后一句")).to_be_in_viewport()
    assert page.evaluate("document.querySelector('#log').scrollHeight") > 5 * 240
    for route in held:
        route.continue_()
