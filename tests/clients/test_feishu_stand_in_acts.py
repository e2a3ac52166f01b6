"""What people do in the stand-in reaches the bot as Feishu's events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.user_actions import PressAnswer
from bot.sandbox.http import Response
from tests.clients.feishu_wire import HandClock, Json, RecordingBot, Wire, button, card, png, words


@pytest.fixture
def stand_in() -> Iterator[FeishuStandIn]:
    """A stand-in whose time stands still."""
    with FeishuStandIn(clock=HandClock(1_700_000_000.5), encrypt_key="test key", verification_token="fake") as stand_in:
        yield stand_in


@pytest.fixture
def bot(stand_in: FeishuStandIn) -> Iterator[RecordingBot]:
    """A bot that keeps its events."""
    with RecordingBot(stand_in) as bot:
        yield bot


def test_a_direct_message_has_no_mentions(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """The event has the documented fields and no others."""
    message = stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫 /size 1:1")
    (event,) = bot.wait_for(1)
    event_id = event["header"].pop("event_id")
    assert len(event_id) == 32
    assert event == {
        "schema": "2.0",
        "header": {
            "event_type": "im.message.receive_v1",
            "create_time": "1700000000500",
            "token": "fake",
            "app_id": "cli_sandbox",
            "tenant_key": "sandbox_tenant",
        },
        "event": {
            "sender": {
                "sender_id": {"union_id": "on_lin", "open_id": "ou_lin"},
                "sender_type": "user",
                "tenant_key": "sandbox_tenant",
            },
            "message": {
                "message_id": message.message_id,
                "create_time": "1700000000500",
                "update_time": "1700000000500",
                "chat_id": "oc_direct_lin",
                "chat_type": "p2p",
                "message_type": "text",
                "content": '{"text": "一只猫 /size 1:1"}',
            },
        },
    }


def test_in_a_group_mentions_stand_as_keys(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """The bot comes first, others where their names are written."""
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="画 @陈晨 的猫", mentions=["ou_chen"])
    message = bot.wait_for(1)[0]["event"]["message"]
    assert json.loads(message["content"]) == {"text": "@_user_1 画 @_user_2 的猫"}
    assert [(entry["key"], entry["name"], entry["mentioned_type"]) for entry in message["mentions"]] == [
        ("@_user_1", "画图", "bot"),
        ("@_user_2", "陈晨", "user"),
    ]
    assert message["mentions"][0]["id"]["open_id"] == stand_in.bot_open_id
    assert (message["chat_type"], "thread_id" in message, "root_id" in message) == ("group", False, False)


def test_rich_text_is_received_without_a_language(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """Mentions become elements of their paragraph, and tags in the markdown beside it."""
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="@画图 一只猫\n在雪里", as_post=True)
    message = bot.wait_for(1)[0]["event"]["message"]
    at = {"tag": "at", "user_id": "@_user_1", "user_name": "画图", "style": list[str]()}
    first, second = ({"tag": "text", "text": line, "style": list[str]()} for line in (" 一只猫", "在雪里"))
    assert message["message_type"] == "post"
    markdown = ['<at user_id="@_user_1">画图</at> 一只猫', "在雪里"]
    assert json.loads(message["content"]) == {
        "title": "",
        "content": [[at, first], [second]],
        "content_v2": [[{"tag": "md", "text": line}] for line in markdown],
    }


def test_ten_mentions_in_rich_text_keep_their_people(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """``@_user_1`` is not found in ``@_user_10``."""
    many = [stand_in.state.add_person(f"同事{place}").open_id for place in range(9)]
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="猫", mentions=many, as_post=True)
    (paragraph,) = json.loads(bot.wait_for(1)[0]["event"]["message"]["content"])["content"]
    assert [element["user_id"] for element in paragraph if element["tag"] == "at"] == [
        f"@_user_{place}" for place in range(1, 11)
    ]


def test_a_group_message_without_the_bot_stays_in_the_group(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """It is shown in the chat, but the bot gets no event; a mention of everybody reaches it without an entry."""
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="大家好", mention_bot=False)
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="@_all 大家好", mention_bot=False)
    message = bot.wait_for(1)[0]["event"]["message"]
    assert (json.loads(message["content"])["text"], "mentions" in message) == ("@_all 大家好", False)
    assert len(stand_in.messages) == 2


def test_threads_are_told_to_the_bot(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """A top message of a topic group opens a thread, a reply in it names its root."""
    top = stand_in.say(chat_id="oc_topics", sender="ou_lin", text="猫")
    bot.wait_for(1)
    stand_in.say(chat_id="oc_topics", sender="ou_chen", text="再来", thread_id=top.thread_id)
    first, second = (event["event"]["message"] for event in bot.wait_for(2))
    assert first["thread_id"] == second["thread_id"] == top.thread_id
    assert ("root_id" in first, second["root_id"], second["parent_id"]) == (False, top.message_id, top.message_id)


def test_a_quote_is_no_thread(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """A reply in a group has a root and a parent, but no thread."""
    top = stand_in.say(chat_id="oc_group", sender="ou_lin", text="猫")
    answer = stand_in.say(chat_id="oc_group", sender="ou_lin", text="这个", quote=top.message_id)
    deeper = stand_in.say(chat_id="oc_group", sender="ou_lin", text="那个", quote=answer.message_id)
    assert (deeper.root_id, deeper.parent_id, deeper.thread_id) == (top.message_id, answer.message_id, None)
    assert len(bot.wait_for(3)) == 3


def test_pictures_and_files_reach_the_bot_in_direct_messages(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """A bare picture is an image message, one with a mention rich text."""
    stand_in.send_picture(chat_id="oc_direct_lin", sender="ou_lin", content=png(2, 2))
    bot.wait_for(1)
    stand_in.send_file(chat_id="oc_direct_lin", sender="ou_lin", content=b"x", name="说明.txt")
    bot.wait_for(2)
    stand_in.send_picture(chat_id="oc_group", sender="ou_lin", content=png(2, 2), mention_bot=True)
    messages = [event["event"]["message"] for event in bot.wait_for(3)]
    assert [message["message_type"] for message in messages] == ["image", "file", "post"]
    assert json.loads(messages[0]["content"])["image_key"] in stand_in.uploads
    assert json.loads(messages[2]["content"])["content"][1][0]["tag"] == "img"


def test_other_things_that_people_do_are_events_too(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """Recalling, opening the conversation, adding the bot, pressing its menu."""
    message = stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="猫")
    bot.wait_for(1)
    ids = [stand_in.recall(message.message_id, by="ou_lin")]
    bot.wait_for(2)
    ids.append(stand_in.enter_p2p("ou_lin"))
    bot.wait_for(3)
    ids.append(stand_in.add_bot("oc_group", by="ou_chen"))
    bot.wait_for(4)
    ids.append(stand_in.press_menu("help", by="ou_alex"))
    recalled, entered, added, menu = bot.wait_for(5)[1:]
    assert [event["header"]["event_id"] for event in (recalled, entered, added, menu)] == ids
    assert (recalled["event"]["message_id"], recalled["event"]["recall_type"]) == (message.message_id, "message_owner")
    assert entered["event"]["last_message_id"] == message.message_id
    assert (added["event"]["chat_id"], added["event"]["operator_id"]["open_id"]) == ("oc_group", "ou_chen")
    assert (menu["event"]["event_key"], menu["event"]["timestamp"]) == ("help", 1_700_000_000)


def test_a_first_visit_has_no_last_message(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    """So that the bot can tell it from a later one."""
    stand_in.enter_p2p("ou_alex")
    (entered,) = bot.wait_for(1)
    assert "last_message_id" not in entered["event"]


def pressed(answer: Response | None, *, patience: float = 3.0) -> tuple[PressAnswer, list[Json]]:
    """What a press on a card comes to when the bot gives this answer, and the events that the bot got."""
    with FeishuStandIn(clock=HandClock()) as stand_in:
        wire = Wire(stand_in).log_in()
        sent = wire.sent_card(card(button()))
        wire.close()
        stand_in.delivery = type(stand_in.delivery)(answer_seconds=patience)
        with RecordingBot(stand_in, answer=lambda *_: answer or Response()) as bot:
            if answer is None:
                stand_in.webhook_url = None
            return stand_in.press(sent, "ou_lin", value={"a": "again", "r": "r1"}, name="b1"), bot.events


def test_a_press_is_a_callback_with_what_the_button_carries() -> None:
    """The header counts microseconds, and a toast is shown as it was answered."""
    toast = {"type": "info", "content": "已开始", "i18n": {"zh_cn": "已开始", "en_us": "Started"}}
    answer, (event,) = pressed(Response.of_json({"toast": toast}))
    assert (answer.code, answer.toast) == (None, toast)
    assert event["header"]["event_type"] == "card.action.trigger"
    assert event["header"]["create_time"] == "1700000000000000"
    assert event["event"]["operator"]["open_id"] == "ou_lin"
    assert event["event"]["action"] == {
        "value": {"a": "again", "r": "r1"},
        "tag": "button",
        "timezone": "Asia/Shanghai",
        "name": "b1",
    }
    assert event["event"]["context"]["open_chat_id"] == "oc_direct_lin"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response.of_json({}), None),
        (Response.of_json({"toast": {"content": "好"}}), None),
        (None, 200340),
        (Response.of_json({}, status=500), 200671),
        (Response.of_json({}, status=302, headers={"Location": "/"}), 200671),
        (Response(body=b"ok"), 200672),
        (Response.of_json([]), 200672),
        (Response.of_json({"code": 0}), 200672),
        (Response.of_json({"toast": {"type": "loud", "content": "好"}}), 200672),
        (Response.of_json({"toast": {"type": "info"}}), 200672),
        (Response.of_json({"card": card()}), 200673),
        (Response.of_json({"card": {"type": "raw", "data": card({"tag": "note"})}}), 200673),
    ],
    ids=str,
)
def test_the_answer_to_a_press_is_checked(answer: Response | None, code: int | None) -> None:
    """The presser sees a code for each wrong answer, and the bot is asked once."""
    shown, events = pressed(answer)
    assert shown.code == code
    assert len(events) == (0 if answer is None else 1)


def test_a_late_answer_to_a_press_is_a_failure_and_not_asked_for_again() -> None:
    """After three seconds, here a tenth, the presser sees 200341."""
    shown, events = pressed(Response(body=b"{}", delay=0.5), patience=0.1)
    assert (shown.code, len(events)) == (200341, 1)


def test_an_answered_card_replaces_the_pressed_one(stand_in: FeishuStandIn) -> None:
    """A raw card of JSON 2.0 changes the message for everybody."""
    wire = Wire(stand_in).log_in()
    sent = wire.sent_card(card(button()))
    wire.close()
    answer = Response.of_json({"card": {"type": "raw", "data": card()}})
    with RecordingBot(stand_in, answer=lambda *_: answer):
        stand_in.press(sent, "ou_lin", tag="select_static", option="16:9", form_value={"prompt": "猫"})
    assert json.loads(stand_in.messages[0].content) == card()
    with pytest.raises(ValueError, match="no card"):
        stand_in.press(stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="x").message_id, "ou_lin")


def test_what_can_be_pressed_on_a_card_is_listed(stand_in: FeishuStandIn) -> None:
    """Buttons, selects and fields with their labels, what they send, and the form that they are in."""
    wire = Wire(stand_in).log_in()
    select = {"tag": "select_static", "name": "ratio", "options": [{"text": words("1:1"), "value": "1:1"}]}
    fields = [select, button("好", name="send", form_action_type="submit")]
    link = button("原图", behaviors=[{"type": "open_url", "default_url": "https://example.com"}])
    sent = wire.sent_card(card(link, {"tag": "form", "name": "edit", "elements": fields}))
    wire.close()
    listed: list[tuple[Any, ...]] = [
        (action.tag, action.label, action.url, action.choices, action.form) for action in stand_in.actions(sent)
    ]
    assert listed == [
        ("button", "原图", "https://example.com", (), None),
        ("select_static", "", None, ("1:1",), "edit"),
        ("button", "好", None, (), "edit"),
    ]
