"""Writing in the chats, and seeing what comes back."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from bot.sandbox.feishu.state import ChatMessage
from tests.clients.feishu_wire import png
from tests.page.conftest import Scene, card, open_chat, say

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)> <b>bold</b>"  # text that must never become markup


def attach(page: Page, *, name: str = "a.png", content: bytes = png(1, 1)) -> None:
    files = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.set_input_files("input[type=file]", files=files)  # type: ignore[arg-type]


def reply_to(page: Page, words: str) -> None:
    """Begins a reply to the message that says this."""
    message = page.locator(".message", has_text=words).first
    message.hover()
    message.get_by_role("button", name=re.compile("^回复")).first.click()


def said(scene: Scene, person: str = "ou_lin") -> list[ChatMessage]:
    return [message for message in scene.feishu.messages if message.sender == person]


def test_prompt_becomes_an_image_on_the_same_card(scene: Scene, page: Page) -> None:
    """One card goes from queued over generating to the image, which can be enlarged and saved.

    A screen reader is told who says what now; a button in focus does not throw its user to the page's top.
    """
    say(page, "一只橘猫")
    expect(card(page, "wathet")).to_contain_text("正在生成")
    expect(page.locator("#news")).to_have_text("画图: 正在生成")
    say(page, "一只黑猫")
    second = page.locator(".message:not(.own)", has_text="一只黑猫")
    expect(second).to_contain_text("排队中")
    card(page, "wathet").get_by_role("button", name="取消").focus()
    scene.make_images()
    expect(second).to_contain_text("图片已生成")
    expect(page.locator("#news")).to_have_text("画图: 图片已生成")
    assert page.evaluate("document.activeElement.closest('#log') !== null")
    expect(second.locator(".card")).to_have_count(1)
    assert second.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 1280
    second.locator(".picture").click()
    expect(page.locator("#viewer img")).to_be_visible()
    with page.expect_download() as download:
        page.click("#viewer a")
    assert download.value.path().read_bytes().startswith(b"\xff\xd8")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_example_of_an_empty_chat_mentions_the_bot(scene: Scene, page: Page) -> None:
    """In a fresh chat three examples are shown; one press sends it, with the bot's mention in a group.

    What was sent can be recalled.
    """
    open_chat(page, "oc_group")
    expect(page.locator(".hint button")).to_have_count(3)
    expect(page.locator(".hint")).to_contain_text("BOT_LIMITS_PER_DAY=0")
    page.locator(".hint button").first.click()
    card(page, "wathet")
    [asked] = said(scene)
    assert [mention["mentioned_type"] for mention in asked.mentions] == ["bot"]
    assert json.loads(asked.content)["text"].startswith("@_user_1 一只")
    page.locator(".message.own").hover()
    expect(page.get_by_role("button", name="撤回")).to_have_count(1)
    page.get_by_role("button", name="撤回").click()
    expect(page.locator(".notice")).to_have_text("林小雨 撤回了一条消息")


def test_what_people_type_is_never_markup(page: Page) -> None:
    """Tags stay the characters that they are; an address is a link, without the punctuation that follows it."""
    say(page, HOSTILE)
    expect(page.locator(".bubble").first).to_have_text(HOSTILE)
    expect(card(page, "wathet")).to_contain_text(HOSTILE)
    assert page.locator("b, img[onerror], script:not([src])").count() == 0
    say(page, "看 https://example.com/a?b=1，还有 javascript:alert(1)")
    expect(page.locator(".own .bubble a")).to_have_attribute("href", "https://example.com/a?b=1")


def test_mention_is_chosen_by_keyboard(scene: Scene, page: Page) -> None:
    """After an @ the arrows and Enter choose a person, unless Enter belongs to an input method."""
    open_chat(page, "oc_group")
    text = page.locator("#text")
    composing = "{key: 'Enter', isComposing: true, bubbles: true}"
    text.press("@")
    expect(page.locator(".mentions")).to_be_visible()
    text.evaluate(f"field => field.dispatchEvent(new KeyboardEvent('keydown', {composing}))")
    expect(text).to_have_value("@")
    text.press("Enter")
    expect(text).to_have_value("@画图 ")
    text.evaluate(f"field => field.dispatchEvent(new KeyboardEvent('keydown', {composing}))")
    assert said(scene) == []
    for key in ("@", "ArrowDown", "Enter"):
        text.press(key)
    page.keyboard.insert_text("你看")
    page.keyboard.press("Enter")
    expect(page.locator(".bubble")).to_have_text("@画图 @陈晨 你看")
    [message] = said(scene)
    assert [mention["name"] for mention in message.mentions] == ["画图", "陈晨"]


def test_rich_text_images_voice_and_files_can_be_sent(scene: Scene, page: Page) -> None:
    """Each arrives as what it is, by its bytes."""
    page.click("[aria-label=富文本]")
    say(page, "富文本")
    page.click("[aria-label=富文本]")
    attach(page)
    page.get_by_role("button", name="发送", exact=True).click()
    expect(page.locator(".message .picture.sent")).to_have_count(1)
    attach(page, name="a.txt", content=b"words")
    page.get_by_role("button", name="发送", exact=True).click()
    expect(page.locator(".file")).to_contain_text("a.txt")
    page.get_by_role("button", name="发一段语音").click()
    expect(page.locator(".bubble", has_text="2 秒")).to_have_count(1)
    sent = said(scene)
    assert [message.msg_type for message in sent] == ["post", "image", "file", "audio"]
    assert json.loads(sent[-1].content)["duration"] == 2000


def test_reply_and_reaction_refer_to_their_message(scene: Scene, page: Page) -> None:
    """A reply to the bot's card carries its id, and an emoji is shown under the message that it is for."""
    scene.make_images()
    say(page, "一只橘猫")
    card(page, "green")
    reply_to(page, "图片已生成")
    say(page, "再来一张")
    expect(page.locator(".own .quote")).to_have_text("回复 画图：图片已生成")
    asked, reply = said(scene)
    [answer] = scene.feishu.replies(asked.message_id)
    assert (reply.parent_id, reply.root_id) == (answer.message_id, answer.root_id)
    message = page.locator(f"[data-id={answer.message_id}]")
    message.hover()
    message.get_by_role("button", name="回应 👍").click()
    expect(message.locator(".reactions")).to_have_text("👍")
    [reaction] = scene.feishu.state.reactions.values()
    assert (reaction.operator, reaction.message_id) == ("ou_lin", answer.message_id)


def test_topic_keeps_its_replies_images_and_answers(scene: Scene, page: Page) -> None:
    """An image with words is sent into the topic that it replies to, and the bot answers there.

    Whoever replies in a topic further up stays there, and sees the bot's answer and its refused card there, too.
    """
    open_chat(page, "oc_topics")
    for number in range(12):
        scene.feishu.say(chat_id="oc_topics", sender="ou_lin", text=f"话题 {number} 号", mention_bot=False)
    expect(page.locator(".thread")).to_have_count(12)
    reply_to(page, "话题 2 号")
    attach(page)
    say(page, "@陈晨 @画图 像这张")
    expect(page.locator(".bubble", has_text="像这张")).to_be_in_viewport()
    expect(page.locator(".thread .card")).to_be_in_viewport()
    expect(page.locator(".thread")).to_have_count(12)
    first, picture = said(scene)[2], said(scene)[-1]
    [answer] = scene.feishu.replies(picture.message_id)
    assert {first.thread_id, picture.thread_id, answer.thread_id} == {first.thread_id}
    assert (picture.msg_type, picture.root_id) == ("post", first.message_id)
    assert [mention["name"] for mention in picture.mentions] == ["画图", "陈晨"]
    scene.feishu.faults.arm("card_bad", on="reply")
    reply_to(page, "话题 2 号")
    say(page, "@画图 一只狗")
    refusal = page.locator(".thread", has_text="话题 2 号").locator(".refusal")
    expect(refusal).to_be_in_viewport()
    expect(refusal).to_contain_text(re.compile("230099.*invalid image keys", re.DOTALL))
    expect(page.locator(".bubble", has_text="话题 11 号")).not_to_be_in_viewport()
