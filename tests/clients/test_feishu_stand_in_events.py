"""What users do in the stand-in reaches the bot as Feishu's events: signed, at least once, and again on failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.feishu import sdk
from bot.sandbox.feishu.delivery import RetrySchedule, decrypt, encrypt, sign
from bot.sandbox.feishu.long_connection_stand_in import Frame, decode, encode
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import FeishuState
from bot.sandbox.feishu.user_actions import PressAnswer
from bot.sandbox.http import Response
from tests.clients.feishu_wire import HandClock, Json, RecordingBot, Wire, button, card
from tests.support.waiting import wait_until

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "facts" / "event_vectors.json").read_text(encoding="utf-8")
)
KEY = VECTORS["encrypt_key"]
FULL = VECTORS["full_vector"]
QUICK = RetrySchedule(ladder=(0.015, 0.03, 0.045, 0.06), answer_seconds=30.0)
numbers, texts = st.integers(0, 2**31 - 1), st.text(max_size=40)
frames = st.builds(
    Frame,
    method=st.sampled_from([0, 1]),
    headers=st.dictionaries(texts, texts, max_size=5),
    payload=st.binary(max_size=400),
    service=numbers,
)


@pytest.fixture
def stand_in() -> Iterator[FeishuStandIn]:
    with FeishuStandIn(
        FeishuState(clock=HandClock(1_700_000_000.5), encrypt_key="test key", verification_token="fake")
    ) as stand_in:
        yield stand_in


@pytest.fixture
def bot(stand_in: FeishuStandIn) -> Iterator[RecordingBot]:
    """A bot that keeps its events."""
    with RecordingBot(stand_in) as bot:
        yield bot


def say(stand_in: FeishuStandIn) -> str:
    return stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫").message_id


def ids(events: list[Json]) -> list[str]:
    """The messages that the events tell of."""
    return [event["event"]["message"]["message_id"] for event in events]


def test_a_direct_message_has_no_mentions(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    message = stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫 /size 1:1")
    (event,) = bot.wait_for(1)
    header, body = event["header"], event["event"]["message"]
    assert (header["create_time"], header["token"], len(header["event_id"])) == ("1700000000500", "fake", 32)
    assert (body["message_id"], body["create_time"]) == (message.message_id, "1700000000500")
    assert (body["chat_type"], json.loads(body["content"])) == ("p2p", {"text": "一只猫 /size 1:1"})
    assert "mentions" not in body


def test_in_a_group_mentions_stand_as_keys(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
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
    many = [stand_in.state.add_person(f"同事{place}").open_id for place in range(9)]
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="猫", mentions=many, as_post=True)
    (paragraph,) = json.loads(bot.wait_for(2)[1]["event"]["message"]["content"])["content"]
    keys = [element["user_id"] for element in paragraph if element["tag"] == "at"]
    assert keys == [f"@_user_{place}" for place in range(1, 11)]


def test_a_group_message_without_the_bot_stays_in_the_group(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="大家好", mention_bot=False)
    stand_in.say(chat_id="oc_group", sender="ou_lin", text="@_all 大家好", mention_bot=False)
    message = bot.wait_for(1)[0]["event"]["message"]
    assert (json.loads(message["content"])["text"], "mentions" in message) == ("@_all 大家好", False)
    assert len(stand_in.messages) == 2


def test_other_things_that_people_do_are_events_too(stand_in: FeishuStandIn, bot: RecordingBot) -> None:
    message = stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="猫")
    direct: dict[str, Any] = {"chat_id": "oc_direct_lin", "sender": "ou_lin", "content": b"x"}
    acts: tuple[Callable[[], object], ...] = (
        lambda: stand_in.recall(message.message_id, by="ou_lin"),
        lambda: stand_in.enter_p2p("ou_lin"),
        lambda: stand_in.add_bot("oc_group", by="ou_chen"),
        lambda: stand_in.press_menu("help", by="ou_alex"),
        lambda: stand_in.send_file(**direct, name="a.txt"),
        lambda: stand_in.send_file(**direct, name="a.opus", seconds=2),
    )
    for count, act in enumerate(acts, start=1):
        bot.wait_for(count)
        act()
    recalled, entered, added, menu, file, voice = (event["event"] for event in bot.wait_for(7)[1:])
    assert (recalled["message_id"], recalled["recall_type"]) == (message.message_id, "message_owner")
    assert entered["last_message_id"] == message.message_id
    assert (added["chat_id"], added["operator_id"]["open_id"]) == ("oc_group", "ou_chen")
    assert (menu["event_key"], menu["timestamp"]) == ("help", 1_700_000_000)
    assert (file["message"]["message_type"], json.loads(file["message"]["content"])["file_name"]) == ("file", "a.txt")
    assert (voice["message"]["message_type"], json.loads(voice["message"]["content"])["duration"]) == ("audio", 2000)


def pressed(answer: Response | None) -> tuple[PressAnswer, list[Json]]:
    """What a press on a card comes to when the bot gives this answer, and the events that the bot got."""
    with FeishuStandIn(FeishuState(clock=HandClock())) as stand_in:
        wire = Wire(stand_in).log_in()
        sent = wire.sent_card(card(button()))
        wire.close()
        with RecordingBot(stand_in, answer=lambda *_: answer or Response()) as bot:
            if answer is None:
                stand_in.webhook_url = None
            return stand_in.press(sent, "ou_lin", value={"a": "again", "r": "r1"}, name="b1"), bot.events


def test_a_press_is_a_callback_with_what_the_button_carries() -> None:
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


def test_the_answer_to_a_press_is_checked() -> None:
    for answer, code in (
        (Response.of_json({"toast": {"content": "好"}}), None),
        (None, 200340),
        (Response.of_json({}, status=500), 200671),
        (Response(body=b"ok"), 200672),
        (Response.of_json({"code": 0}), 200672),
        (Response.of_json({"toast": {"type": "loud", "content": "好"}}), 200672),
        (Response.of_json({"card": card()}), 200673),
        (Response.of_json({"card": {"type": "raw", "data": card({"tag": "note"})}}), 200673),
    ):
        shown, events = pressed(answer)
        assert (shown.code, len(events)) == (code, 0 if answer is None else 1), answer


def test_events_are_signed_over_the_raw_body() -> None:
    with FeishuStandIn(FeishuState(encrypt_key="test key")) as stand_in, RecordingBot(stand_in) as bot:
        say(stand_in)
        bot.wait_for(1)
        headers, body = bot.calls[0].headers, bot.calls[0].body
        timestamp, nonce = headers["x-lark-request-timestamp"], headers["x-lark-request-nonce"]
        assert headers["x-lark-signature"] == sign("test key", timestamp=timestamp, nonce=nonce, body=body)
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert bot.calls[0].json().keys() == {"encrypt"}


@pytest.mark.parametrize("status", [500, 204])
def test_a_bad_answer_brings_the_event_again(status: int) -> None:
    def answer(number: int, _: Json) -> Response:
        return Response(status=status) if number < 2 else Response.of_json({})

    with FeishuStandIn(delivery=QUICK) as stand_in, RecordingBot(stand_in, answer=answer) as bot:
        message_id = say(stand_in)
        events = bot.wait_for(3)
        assert ids(events) == [message_id] * 3
        assert len({event["header"]["event_id"] for event in events}) == 1
        assert wait_until(lambda: len(stand_in.attempts) == 3)
    outcomes = [(attempt.number, attempt.outcome) for attempt in stand_in.attempts]
    assert outcomes == [(1, "refused"), (2, "refused"), (3, "acknowledged")]


def test_the_ladder_has_four_rungs_whose_waits_grow() -> None:
    with FeishuStandIn(delivery=QUICK) as stand_in, RecordingBot(stand_in, answer=lambda *_: Response(status=500)):
        say(stand_in)
        assert wait_until(lambda: len(stand_in.attempts) == 5, seconds=30)
        starts = [attempt.at for attempt in stand_in.attempts]
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert all(wait >= rung for wait, rung in zip(waits, QUICK.ladder, strict=True))
    usual = RetrySchedule()
    assert (usual.ladder, usual.connect_seconds, usual.answer_seconds) == ((15, 300, 3600, 21600), 2, 3)


def test_a_duplicate_may_have_a_new_event_id() -> None:
    delivery = RetrySchedule(duplicates=1, new_event_id=True)
    with FeishuStandIn(delivery=delivery) as stand_in, RecordingBot(stand_in) as bot:
        message_id = say(stand_in)
        events = bot.wait_for(2)
        assert ids(events) == [message_id, message_id]
        assert events[0]["header"]["event_id"] != events[1]["header"]["event_id"]


def test_no_record_of_a_push_holds_a_token() -> None:
    event = {"schema": "2.0", "header": {"event_id": "e1", "token": "fake"}, "event": {"token": "c-1", "host": "im"}}
    with FeishuStandIn() as stand_in, RecordingBot(stand_in) as bot:
        stand_in.push(event)
        assert bot.events[0] == event
        (pushed,) = (attempt.event for attempt in stand_in.attempts)
    assert (pushed["header"]["token"], pushed["event"]) == ("***", {"token": "***", "host": "im"})


def test_published_vectors_hold() -> None:
    vector = VECTORS["official_vector"]
    assert decrypt(KEY, vector["encrypt"]) == vector["plain"].encode()
    encrypted = encrypt(KEY, FULL["plain"].encode(), iv=bytes.fromhex(FULL["iv_hex"]))
    assert json.loads(FULL["body"]) == {"encrypt": encrypted}
    assert decrypt(KEY, encrypted).decode() == FULL["plain"]
    short = '{"encrypt":"P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="}'
    for body, signature in (
        (FULL["body"], FULL["signature"]),
        (short, "21b279029a3bdf7b9f02a4935c76c53f09876d9d0e45add77a99d55d1bc7e79e"),
    ):
        assert sign(KEY, timestamp="1700000000", nonce="nonce1", body=body.encode()) == signature


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames)
def test_the_sdk_reads_and_writes_the_same(frame: Frame) -> None:
    theirs = sdk.load_frames()[0]()
    theirs.ParseFromString(encode(frame))
    assert {header.key: header.value for header in theirs.headers} == frame.headers
    assert (theirs.payload, theirs.method, theirs.service) == (frame.payload, frame.method, frame.service)
    assert decode(theirs.SerializeToString()) == frame
