"""Writing in the chats, and seeing what comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page import scripted_cards
from tests.page.actions import card, open_chat, say
from tests.page.conftest import Scene, Visit

pytestmark = pytest.mark.browser


def test_a_prompt_becomes_a_picture_on_the_same_card(scene: Scene, visit: Visit, shots: Path) -> None:
    """A typed prompt shows one card that goes from queued over generating to the picture."""
    scene.glm.seconds = 0.3
    page = visit(scene.origin)
    say(page, "一只橘猫")
    expect(card(page, "blue")).to_contain_text("排队中")
    page.screenshot(path=shots / "queued.png")
    scene.bot.go_on.set()
    expect(card(page, "wathet")).to_contain_text("正在生成")
    page.screenshot(path=shots / "generating.png")
    ready = card(page, "green")
    expect(ready).to_contain_text("一只橘猫")
    assert ready.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 1280
    expect(page.locator(".card")).to_have_count(1)
    page.screenshot(path=shots / "ready.png")


def test_an_example_can_be_pressed_by_a_newcomer(scene: Scene, visit: Visit) -> None:
    """In a fresh chat three examples stand; one press sends it, with the bot's mention in a group."""
    page = visit(scene.origin)
    open_chat(page, "oc_group")
    expect(page.locator(".hint button")).to_have_count(3)
    expect(page.locator(".hint")).to_contain_text("BOT_LIMITS_PER_DAY=0")
    page.locator(".hint button").first.click()
    card(page, "blue")
    [asked] = [message for message in scene.feishu.messages if message.sender == "ou_lin"]
    assert [mention["mentioned_type"] for mention in asked.mentions] == ["bot"]
    assert json.loads(asked.content)["text"].startswith("@_user_1 一只")


def test_a_picture_can_be_enlarged_and_saved(scene: Scene, visit: Visit, shots: Path) -> None:
    """A press on the picture shows it large, offers the file, and Esc closes it."""
    scene.bot.go_on.set()
    page = visit(scene.origin)
    say(page, "一只橘猫")
    card(page, "green").locator(".picture").click()
    expect(page.locator("#viewer img")).to_be_visible()
    page.screenshot(path=shots / "enlarged.png")
    with page.expect_download() as download:
        page.click("#viewer a")
    assert download.value.path().read_bytes().startswith(b"\xff\xd8")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_what_people_type_is_never_markup(scene: Scene, visit: Visit) -> None:
    """Tags in a message, in a card's texts and in its markdown stay the characters that they are."""
    page = visit(scene.origin)
    say(page, scripted_cards.HOSTILE)
    expect(page.locator(".bubble").first).to_have_text(scripted_cards.HOSTILE)
    say(page, "components")
    shown = card(page, "orange")
    expect(shown.locator("p.text").first).to_have_text(scripted_cards.HOSTILE)
    expect(shown.locator(".markdown")).to_contain_text("<img src=x onerror=alert(1)> <b>bold</b> @all")
    assert page.locator("b, img[onerror], script:not([src])").count() == 0


def test_links_in_a_text_can_be_followed(scene: Scene, visit: Visit) -> None:
    """As in the client, an address in a message is a link, without the punctuation that follows it."""
    page = visit(scene.origin)
    say(page, "看 https://example.com/a?b=1，还有 javascript:alert(1)")
    expect(page.locator(".own .bubble a")).to_have_attribute("href", "https://example.com/a?b=1")


def test_mentions_are_chosen_by_keyboard(scene: Scene, visit: Visit) -> None:
    """After an @ the arrows and Enter choose a person, and the event mentions the bot and them."""
    page = visit(scene.origin)
    open_chat(page, "oc_group")
    for keys in ("@", "Enter", "@", "ArrowDown", "Enter", "你看"):
        page.locator("#text").press(keys) if keys != "你看" else page.keyboard.insert_text(keys)
        if keys == "@":
            expect(page.locator(".mentions")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".bubble")).to_have_text("@画图 @陈晨 你看")
    [message] = [one for one in scene.feishu.messages if one.sender == "ou_lin"]
    assert [mention["name"] for mention in message.mentions] == ["画图", "陈晨"]


def test_enter_belongs_to_the_input_method_first(scene: Scene, visit: Visit) -> None:
    """While a word is being composed, Enter neither chooses a person nor sends."""
    page = visit(scene.origin)
    open_chat(page, "oc_group")
    page.locator("#text").press_sequentially("@")
    expect(page.locator(".mentions")).to_be_visible()
    enter = (
        "field => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))"
    )
    page.locator("#text").evaluate(enter)
    expect(page.locator(".mentions")).to_be_visible()
    expect(page.locator("#text")).to_have_value("@")
    page.locator("#text").press("Enter")
    expect(page.locator("#text")).to_have_value("@画图 ")
    page.locator("#text").evaluate(enter)
    assert scene.feishu.messages == []


def test_rich_text_and_a_picture_can_be_sent(scene: Scene, visit: Visit) -> None:
    """The Aa button sends rich text, and an attached picture arrives as a picture."""
    page = visit(scene.origin)
    page.click("[aria-label=富文本]")
    say(page, "富文本")
    page.click("[aria-label=富文本]")
    page.set_input_files(
        "input[type=file]", files={"name": "a.png", "mimeType": "image/png", "buffer": scripted_cards.PIXEL}
    )
    page.click("text=发送")
    expect(page.locator(".message .picture.sent")).to_have_count(1)
    kinds = [message.msg_type for message in scene.feishu.messages if message.sender == "ou_lin"]
    assert kinds == ["post", "image"]


def test_a_reply_in_a_topic_stays_there(scene: Scene, visit: Visit, shots: Path) -> None:
    """In the topic group the bot answers in the thread, and so does a reply to it."""
    scene.bot.go_on.set()
    page = visit(scene.origin)
    open_chat(page, "oc_topics")
    say(page, "@画图 一只猫")
    card(page, "green")
    page.locator(".message").first.hover()
    page.locator("text=回复话题").first.click()
    say(page, "好看")
    expect(page.locator(".thread")).to_have_count(1)
    expect(page.locator(".thread .message")).to_have_count(3)
    assert len({message.thread_id for message in scene.feishu.messages}) == 1
    page.screenshot(path=shots / "topic.png")


def reply_to(page: Page, words: str) -> None:
    """Begins a reply to the message that says this."""
    message = page.locator(".message", has_text=words)
    message.hover()
    message.get_by_role("button", name="回复话题").click()


def attach(page: Page, *, name: str = "a.png", kind: str = "image/png", content: bytes = scripted_cards.PIXEL) -> None:
    """Chooses a file to be sent."""
    page.set_input_files("input[type=file]", files={"name": name, "mimeType": kind, "buffer": content})


def test_a_picture_is_sent_like_any_message(scene: Scene, visit: Visit, shots: Path) -> None:
    """With its words, the people whom they mention, and into the topic to which it replies."""
    page = visit(scene.origin)
    open_chat(page, "oc_topics")
    say(page, "第一个话题")
    reply_to(page, "第一个话题")
    attach(page)
    page.fill("#text", "@陈晨 @画图 像这张")
    page.get_by_role("button", name="发送").click()
    card(page, "blue")
    expect(page.locator(".thread")).to_have_count(1)
    page.screenshot(path=shots / "topic-picture.png")
    first, picture, answer = scene.feishu.messages
    assert {first.thread_id, picture.thread_id, answer.thread_id} == {first.thread_id}
    assert (picture.msg_type, picture.root_id) == ("post", first.message_id)
    assert [mention["name"] for mention in picture.mentions] == ["画图", "陈晨"]


def test_only_pictures_are_taken_for_pictures(scene: Scene, visit: Visit, complaints: list[str]) -> None:
    """Another file is refused where it is chosen, or where its bytes show it, and nothing that was typed is lost."""
    page = visit(scene.origin)
    attach(page, name="a.txt", kind="text/plain", content=b"words")
    expect(page.locator(".toast.warning")).to_have_text("只能添加图片，这个文件不是。")
    expect(page.locator(".picked")).to_be_hidden()
    attach(page, content=b"words")
    say(page, "像这张")
    expect(page.locator(".toast.error")).to_have_text("只能添加图片，这个文件不是。")
    expect(page.locator("#text")).to_have_value("像这张")
    expect(page.locator(".picked")).to_contain_text("a.png")
    assert "400 (Bad Request)" in complaints.pop()
    assert scene.feishu.messages == []


def test_an_older_topic_is_where_its_reply_is_seen(scene: Scene, visit: Visit, shots: Path) -> None:
    """Whoever replies in a topic further up stays there, and sees the bot's answer and its refused card there, too."""
    page = visit(scene.origin)
    open_chat(page, "oc_topics")
    for number in range(12):
        scene.feishu.say(chat_id="oc_topics", sender="ou_lin", text=f"话题 {number} 号", mention_bot=False)
    expect(page.locator(".thread")).to_have_count(12)
    reply_to(page, "话题 2 号")
    say(page, "@画图 一只猫")
    asked = page.locator(".bubble", has_text="一只猫")
    expect(asked).to_be_in_viewport()
    card(page, "blue")
    expect(page.locator(".card")).to_be_in_viewport()
    reply_to(page, "话题 2 号")
    say(page, "@画图 refused")
    expect(page.locator(".refusal")).to_be_in_viewport()
    page.screenshot(path=shots / "topic-refused.png")
    expect(page.locator(".thread")).to_have_count(12)
    expect(page.locator(".thread", has_text="话题 2 号").locator(".refusal")).to_have_count(1)
    expect(page.locator(".bubble", has_text="话题 11 号")).not_to_be_in_viewport()


def test_one_message_that_cannot_be_drawn_hides_no_other(scene: Scene, visit: Visit) -> None:
    """Its place says so, and a number that is no character stays as it was written."""
    page = visit(scene.origin)
    scene.bot.show({"tag": "markdown", "content": "坏 &#9999999999; 好 &#9731;"})
    expect(page.locator(".card")).to_contain_text("坏 &#9999999999; 好 ☃")
    message = next(one for one in scene.feishu.messages if one.chat_id == "oc_direct_lin")
    scene.feishu.state.change_message(message.message_id, content='{"schema": "2.0"}')
    expect(page.locator("li.problem")).to_have_text("这条消息无法显示。")
    say(page, "之后的话")
    expect(page.locator(".bubble")).to_have_text("之后的话")
    page.reload()
    expect(page.locator("#log li")).to_have_text(["这条消息无法显示。", re.compile("之后的话"), re.compile("排队中")])


def test_a_message_can_be_recalled(scene: Scene, visit: Visit) -> None:
    """One's own message can be taken back; the bot's cannot."""
    page = visit(scene.origin)
    say(page, "一只猫")
    card(page, "blue")
    page.locator(".message").first.hover()
    expect(page.locator("text=撤回")).to_have_count(1)
    page.click("text=撤回")
    expect(page.locator(".notice")).to_have_text("林小雨 撤回了一条消息")


def test_a_message_that_feishu_refuses_shows_why(scene: Scene, visit: Visit, shots: Path) -> None:
    """In place of a card with an unknown property stands the platform's own error."""
    page = visit(scene.origin)
    say(page, "refused")
    refusal = page.locator(".refusal")
    expect(refusal).to_contain_text("230099")
    expect(refusal).to_contain_text("'note' was unexpected")
    page.screenshot(path=shots / "refused.png")
