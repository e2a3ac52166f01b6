"""What happens behind the chat, and the switches that make it go wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.sandbox.faults import CALL_NAMES, FAULTS, arm
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page import server
from bot.sandbox.start import Sandbox
from tests.clients import feishu_wire
from tests.page.conftest import Scene, Visit, card, open_panel, say
from tests.support.dsl import wait_for

pytestmark = pytest.mark.browser


def opened(room: Locator, name: str) -> Locator:
    """The newest wire of that name, opened, once nothing more will come of it."""
    wire = room.locator(".wire", has=room.page.get_by_text(name, exact=True)).first
    expect(wire.locator(".wire-facts")).not_to_have_text("进行中")
    wire.locator("summary").click()
    return wire


def test_wires_show_events_and_calls_without_secrets(scene: Scene, page: Page) -> None:
    """Each event in and each call out appears with its bodies and answer; no secret is anywhere on the page."""
    scene.make_images()
    room = open_panel(page, "wires")
    say(page, "一只橘猫")
    card(page, "green")
    for name in ("im.message.receive_v1", "reply", "patch", "image", "token"):
        expect(room.locator(".wire", has_text=name).first).to_be_attached()
    expect(opened(room, "reply").locator("pre").first).to_contain_text('"schema": "2.0"')
    made, fetched = opened(room, "images/generations"), opened(room, "picture")
    expect(made.locator("pre").first).to_contain_text('"prompt": "一只橘猫"')
    expect(made.locator("pre").last).to_contain_text('"url": "https://')
    expect(made).to_contain_text("画好了，要计费")
    expect(fetched.locator("pre")).to_have_text(re.compile(r"<\d{4,} bytes>"))
    card(page, "green").get_by_role("button", name="再来一次").click()
    expect(opened(room, "card.action.trigger").locator("pre").first).to_contain_text('"token": "***"')
    everything = page.content()
    assert not re.search(r"\bc-[0-9a-f]{34}", everything)
    assert scene.feishu.app_secret not in everything
    assert scene.feishu.verification_token not in everything
    assert "not-a-real-key" not in everything


def test_failed_call_is_shown_in_words(scene: Scene, page: Page) -> None:
    """A call without an answer does not stay under way; a rejected one shows its code and the fault that was met."""
    scene.make_images()
    room = open_panel(page, "wires")
    arm("glm_reset_after", feishu=scene.feishu.faults, glm=scene.glm.faults)
    say(page, "一只橘猫")
    facts = opened(room, "images/generations").locator(".wire-facts")
    expect(facts).to_have_text(f"没有回应 · 故障：{FAULTS['glm_reset_after'].zh}")
    scene.feishu.faults.arm("rate_gateway", on="create")
    scene.show(feishu_wire.card())
    facts = opened(room, "create").locator(".wire-facts")
    expect(facts).to_contain_text(re.compile(r"429 · 错误码 99991400 · \d+ ms · 故障：限流：应用的调用太多"))


def test_faults_are_armed_and_met_by_the_next_call(scene: Scene, page: Page) -> None:
    """A fault of Feishu is offered for the calls that can fail by it, some times or some seconds.

    All faults can be cleared.
    """
    scene.make_images()
    room = open_panel(page, "faults")
    room.get_by_label("GLM 的下一次调用").select_option("glm_1261")
    room.get_by_role("button", name="设下 GLM 故障").click()
    expect(room.locator("#armed li")).to_have_text("提示词过长")
    expect(page.locator("#badges")).to_contain_text("⚡ 提示词过长")
    say(page, "一只橘猫")
    card(page, "red")
    expect(room.locator("#armed li")).to_have_count(0)
    expect(page.locator("#badges")).not_to_contain_text("⚡")
    fault, calls = room.get_by_label("飞书的下一次调用"), room.get_by_label("哪一种调用")
    fault.select_option("patch_too_old")
    expect(calls.locator("option")).to_have_text(["patch"])
    fault.select_option("feishu_hang")
    expect(calls.locator("option")).to_have_count(len(CALL_NAMES))
    expect(calls).to_have_value("reply")
    fault.select_option("rate_gateway")
    calls.select_option("patch")
    for length in ("× 3", "持续 120 秒"):
        room.get_by_label("飞书故障的次数或时长").select_option(label=length)
        room.get_by_role("button", name="设下飞书故障").click()
    expect(room.locator("#armed li").first).to_contain_text("patch × 3")
    expect(page.locator("#badges .badge").last).to_contain_text(re.compile(r"patch · 还有 1\d\d 秒"))
    first, second = scene.feishu.faults.armed
    assert (first.fault.name, first.on, first.left, first.ends_at) == ("rate_gateway", "patch", 3, None)
    assert second.left is None
    room.get_by_role("button", name="全部取消").click()
    expect(room.locator("#armed li")).to_have_count(0)
    assert scene.feishu.faults.armed == []


def test_pace_and_deliveries_are_switched_and_the_queue_is_shown(scene: Scene, page: Page) -> None:
    room = open_panel(page, "faults")
    pace = room.get_by_label("GLM 每张图用时")
    pace.select_option("real")
    wait_for(lambda: scene.glm.seconds is None)
    pace.select_option("30")
    room.get_by_label("重复推送每个事件").select_option("3")
    room.get_by_label("重复的用新的事件编号").check()
    wait_for(lambda: scene.feishu.delivery.new_event_id)
    assert (scene.glm.seconds, scene.feishu.delivery.duplicates) == (30, 3)
    page.click("#tab-queue")
    room = page.locator("#pane-queue")
    expect(room.locator(".about")).to_contain_text(["BOT_LIMITS_PER_DAY=0", "队列是空的。"])
    one = {"prompt": "一只猫", "model": "glm-image"}
    scene.controls.waiting = [
        {**one, "sender": "ou_chen", "state": "generating"},
        {**one, "sender": "ou_lin", "state": "waiting", "ahead": 1},
    ]
    expect(room.locator("li .about")).to_have_text(
        ["生成中 陈晨 · glm-image", "等待中 林小雨 · glm-image · 前面还有 1 张"]
    )


def test_real_images_are_said_to_be_real(scene: Scene, visit: Visit) -> None:
    scene.controls.real_glm = True
    page = visit(scene.origin)
    expect(page.locator("#badges")).to_contain_text("真实的 GLM")
    room = open_panel(page, "faults")
    expect(room.get_by_label("GLM 的下一次调用")).to_have_count(0)
    expect(room.get_by_label("飞书的下一次调用")).to_have_count(1)


def test_the_bot_is_killed_at_work_and_goes_on(tmp_path: Path, visit: Visit) -> None:
    """Queued, killed from the page, started again from there, generating, and each picture on its one card."""
    with Sandbox(folder=tmp_path / "data", glm=GlmStandIn(seconds=2)) as sandbox, server.Page(sandbox) as served:
        page = visit(served.origin)
        room = open_panel(page, "faults")
        say(page, "一只橘猫")
        card(page, "wathet")
        say(page, "一只黑猫")
        second = page.locator(".message:not(.own)", has_text="一只黑猫")
        expect(second.locator(".of-blue")).to_be_visible()
        room.get_by_role("button", name="立即杀掉").click()
        expect(page.locator("#badges")).to_contain_text("机器人已停止")
        room.get_by_role("button", name="重新启动").click()
        expect(second.locator(".of-wathet")).to_be_visible()
        expect(second.locator(".of-green")).to_be_visible()
        expect(page.locator(".card .picture")).to_have_count(2)
        said = [message for message in sandbox.feishu.messages if message.sender != sandbox.feishu.app_id]
        assert [len(sandbox.feishu.replies(message.message_id)) for message in said] == [1, 1]
