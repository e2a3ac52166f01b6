"""The stand-in of Feishu checks calls and cards as documented, delivers events as documented, and fails on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.feishu import sdk
from bot.sandbox.feishu.cards import UNCHECKED, validate_card
from bot.sandbox.feishu.delivery import RetrySchedule, decrypt, encrypt, sign
from bot.sandbox.feishu.long_connection_stand_in import Frame, decode, encode
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, FeishuState, Limits
from bot.sandbox.feishu.user_actions import PressAnswer
from bot.sandbox.http import Response
from tests.clients.feishu_wire import HandClock, Json, RecordingBot, Wire, button, card, image, png, words
from tests.support.waiting import wait_until

HOUR = 3600
DAY = 24 * HOUR
LIMITS = Limits(image_bytes=2000, file_bytes=3000)
INFO = "/open-apis/bot/v3/info"
MESSAGES = "/open-apis/im/v1/messages"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def wire(clock: HandClock) -> Iterator[Wire]:
    with FeishuStandIn(FeishuState(clock=clock, limits=LIMITS)) as stand_in:
        wire = Wire(stand_in).log_in()
        yield wire
        wire.close()


def asked(wire: Wire, chat_id: str = "oc_group", **more: Any) -> ChatMessage:
    return wire.stand_in.say(chat_id=chat_id, sender="ou_lin", text="一只猫", **more)


def status(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, code(answer)


def code(answer: httpx.Response) -> int:
    return int(answer.json()["code"])


def test_token_is_renewed_in_its_last_half_hour_and_checked(wire: Wire, clock: HandClock) -> None:
    """Until then the same token is returned; the old one stays valid to its end beside the new one."""
    first = wire.token().json()
    clock.now += 5400
    again = wire.token().json()
    clock.now += 1
    renewed = wire.token().json()
    assert (first["expire"], again["expire"], renewed["expire"]) == (7200, 1800, 7200)
    assert first["tenant_access_token"] == again["tenant_access_token"] != renewed["tenant_access_token"]
    clock.now += 1798
    assert code(wire.http.get(INFO)) == 0
    clock.now += 1
    assert code(wire.http.get(INFO)) == 99991663
    # The token call answers 200 whatever its code.
    assert status(wire.token(app_id="cli_other")) == (200, 10003)
    assert status(wire.token(app_secret="wrong")) == (200, 10014)
    for header, expected in (("", 99991661), ("Bearer t-wrong", 99991663), ("t-wrong", 99991661)):
        assert status(wire.http.get(INFO, headers={"Authorization": header})) == (400, expected)


def test_calls_per_second_and_minute_and_messages_per_chat_and_card_are_limited(wire: Wire, clock: HandClock) -> None:
    """The 51st call within a second is rejected with the seconds to wait, the sixth message with none."""
    assert {code(wire.http.get(INFO)) for _ in range(50)} == {0}
    rejected = wire.http.get(INFO)
    assert status(rejected) == (429, 99991400)
    assert (rejected.headers["x-ogw-ratelimit-limit"], rejected.headers["x-ogw-ratelimit-reset"]) == ("50", "1")
    wire.stand_in.state.limits = replace(LIMITS, api_per_minute=51)
    clock.now += 1
    assert code(wire.http.get(INFO)) == 0
    rejected = wire.http.get(INFO)
    assert (rejected.status_code, rejected.headers["x-ogw-ratelimit-reset"]) == (429, "59")
    wire.stand_in.state.limits = LIMITS
    clock.now += 1
    sent = wire.sent_card(card())
    assert [code(wire.patch(sent, card())) for _ in range(6)] == [0, 0, 0, 0, 0, 230020]
    assert [code(wire.create("oc_group", {"text": "x"})) for _ in range(6)] == [0, 0, 0, 0, 0, 230020]
    assert code(wire.create("oc_topics", {"text": "x"})) == 0
    clock.now += 1
    assert code(wire.create("oc_group", {"text": "x"})) == 0


@pytest.mark.parametrize(
    ("fault", "applied"),
    [("reset_before", 0), ("html_502", 0), ("reset_after", 1), ("empty_body", 1), ("truncated", 1), ("hang", 0)],
)
def test_wire_fault_is_met_before_or_after_the_call_is_applied(wire: Wire, fault: str, applied: int) -> None:
    wire.stand_in.faults.arm(fault, on="create")
    wire.http.timeout = httpx.Timeout(0.3 if fault == "hang" else 30)
    try:
        answer: httpx.Response | None = wire.create("oc_group", {"text": "hi"})
    except httpx.TransportError:
        answer = None
    assert len(wire.stand_in.messages) == applied
    assert (answer is None) == fault.startswith(("reset", "truncated", "hang"))
    assert wire.stand_in.calls[-1].fault == fault


def test_fault_meets_only_the_calls_and_times_it_is_armed_for(wire: Wire) -> None:
    faults = wire.stand_in.faults
    faults.arm("feishu_1500", times=2)
    faults.arm("quota", on="create", times=None)
    assert code(wire.token()) == 0
    assert [code(wire.http.get(INFO)) for _ in range(3)] == [1500, 1500, 0]
    assert [code(wire.create("oc_group", {"text": "x"})) for _ in range(2)] == [99991403, 99991403]
    faults.disarm("quota")
    assert code(wire.create("oc_group", {"text": "x"})) == 0
    assert faults.armed == []
    for name, on in (("no_such_fault", "create"), ("quota", "no_such_call")):
        with pytest.raises(ValueError, match=r"there are: .*(hang|bot_info)"):
            faults.arm(name, on=on)


def test_calls_are_recorded_without_secrets(wire: Wire) -> None:
    wire.upload_image(png(1, 1))
    wire.create("oc_nowhere", {"text": "hi"})
    token, upload, create = wire.stand_in.calls
    assert [(call.name, call.status, call.code) for call in (token, upload, create)] == [
        ("token", 200, 0),
        ("image", 200, 0),
        ("create", 400, 230001),
    ]
    assert token.body == f'{{"app_id":"{wire.stand_in.app_id}","app_secret":"***"}}'
    assert '"tenant_access_token": "***"' in token.answer
    assert upload.body == f"image_type=message; image=<a.png, image/png, {len(png(1, 1))} bytes>"
    assert create.path == "/open-apis/im/v1/messages?receive_id_type=chat_id"


def test_same_uuid_sends_once_in_an_hour_and_a_reply_stays_in_its_topic(wire: Wire, clock: HandClock) -> None:
    source = asked(wire, "oc_topics")
    further = asked(wire, "oc_topics", quote=source.message_id)
    sent = [wire.reply(further.message_id, {"text": "好"}, uuid="u" * 50).json()["data"] for _ in "abc"]
    clock.now += HOUR
    later = wire.reply(further.message_id, {"text": "好"}, uuid="u" * 50).json()["data"]
    assert len({answer["message_id"] for answer in sent}) == 1
    assert later["message_id"] != sent[0]["message_id"]
    assert later["thread_id"] == source.thread_id == further.thread_id
    assert (later["root_id"], later["parent_id"]) == (source.message_id, further.message_id)


def test_messages_and_chats_that_are_gone_have_their_codes(wire: Wire) -> None:
    text, recalled = asked(wire), wire.sent_card(card())
    assert code(wire.http.delete(f"{MESSAGES}/{recalled}")) == 0
    for message_id, replied, patched in (
        (recalled, 230011, 230011),
        ("om_bad", 99992354, 99992354),
        (text.message_id, 0, 230001),
    ):
        assert code(wire.reply(message_id, {"text": "hi"})) == replied
        assert code(wire.patch(message_id, card())) == patched
    assert wire.patch("om_bad", card()).json()["msg"].splitlines()[1] == "Invalid ids: [om_bad]"
    for receiver, by, expected in (
        ("oc_no", "chat_id", 230001),
        ("ou_no", "open_id", 230001),
        ("x", "email", 99992402),
    ):
        assert code(wire.create(receiver, {"text": "hi"}, by=by)) == expected
    path = f"{MESSAGES}/{text.message_id}"
    for fields in ({"uuid": "u" * 51}, {"uuid": 7}, {"content": None}, {"content": {"text": "hi"}}, {"msg_type": None}):
        body = {"msg_type": "text", "content": '{"text":"hi"}', **fields}
        assert code(wire.http.post(f"{path}/reply", json=body)) == 99992402, fields
    # Emoji types are case-sensitive.
    for message, emoji, expected in (
        (path, "Typing", 0),
        (path, "typing", 231001),
        (f"{MESSAGES}/om_no", "OK", 231003),
    ):
        reaction = {"reaction_type": {"emoji_type": emoji}}
        assert code(wire.http.post(f"{message}/reactions", json=reaction)) == expected


def test_content_is_checked(wire: Wire) -> None:
    """Each kind of message has its form, its size, and keys that have to exist and be of its kind."""
    key, file = wire.image_key(), wire.upload_file(b"original").json()["data"]["file_key"]
    bad = card({"tag": "hr"}, {"tag": "img", "img_key": "img_no", "alt": words("")})
    contents: list[tuple[str, Any, int]] = [
        ("text", {"text": "x" * (150 * 1024 - 12)}, 0),
        ("text", {"text": "x" * (150 * 1024 - 11)}, 230025),
        ("text", "hi", 230001),
        ("image", {"image_key": key}, 0),
        ("image", {"image_key": file}, 230001),
        ("image", {"image_key": "img_no"}, 230001),
        ("file", {"file_key": file}, 0),
        ("sticker", {}, 230001),
        ("interactive", [], 230099),
        ("interactive", card({"tag": "div", "text": words("x" * 30 * 1024)}), 230025),
        ("interactive", bad, 230099),
    ]
    for chat, (kind, content, expected) in enumerate(contents):
        answer = wire.create(("oc_group", "oc_topics", "oc_direct_lin")[chat % 3], content, kind=kind)
        assert code(answer) == expected, (kind, str(content)[:40])
    where = "ErrCode: 200570; ErrPath: ROOT -> body -> elements -> [1](tag: img); ErrMsg: invalid image keys"
    assert where in answer.json()["msg"]


def markdown(content: str, **fields: Any) -> Json:
    """A card with this text."""
    return card({"tag": "markdown", "content": content, **fields})


MENTIONS: list[tuple[str, Any, list[str]]] = [
    ("text", {"text": 'hi <at user_id="all"></at>'}, ["all"]),
    ("text", {"text": '&lt;at user_id="all"&gt; @all'}, []),
    ("interactive", markdown("<at id=all></at>"), ["all"]),
    ("interactive", markdown("&#60;at id=all>&#60;/at>"), []),
    ("interactive", card({"tag": "div", "text": words("<at id=all></at>")}), []),
    ("interactive", markdown("", i18n_content={"en_us": "<at id='all'>"}), ["all"]),
    ("interactive", markdown("<at ids=ou_lin,ou_chen></at>"), ["ou_lin", "ou_chen"]),
]


def test_card_is_changed_in_place_for_fourteen_days(wire: Wire, clock: HandClock) -> None:
    sent = wire.sent_card(card({"tag": "hr"}))
    clock.now += 14 * DAY
    wire.log_in()
    assert wire.patch(sent, card()).json() == {"code": 0, "data": {}, "msg": "ok"}
    (message,) = wire.stand_in.messages
    assert (message.message_id, message.updated) == (sent, clock.now)
    assert [json.loads(version) for version in message.versions] == [card({"tag": "hr"}), card()]
    clock.now += 1
    assert code(wire.patch(sent, card())) == 230031


def test_mentions_that_would_notify_are_noted(wire: Wire, clock: HandClock) -> None:
    """Texts and card markdown notify; plain text in a card does not."""
    for kind, content, whom in MENTIONS:
        clock.now += 1
        sent = wire.create("oc_group", content, kind=kind).json()["data"]["message_id"]
        assert [ping.whom for ping in wire.stand_in.pings if ping.message_id == sent] == whom


def test_uploads_are_read_by_their_bytes_or_rejected_with_their_code(wire: Wire) -> None:
    """A file may have as many bytes as its limit."""
    for content, kind, size in (
        (png(12000, 1), "image/png", (12000, 1)),
        (image("JPEG", 128, 72), "image/jpeg", (128, 72)),
        (image("GIF", 2000, 1), "image/gif", (2000, 1)),
        (image("WEBP", 64, 48), "image/webp", (64, 48)),
        (image("BMP", 7, 5), "image/bmp", (7, 5)),
        (image("TIFF", 3, 2), "image/tiff", (3, 2)),
    ):
        key = wire.upload_image(content, filename="图.png").json()["data"]["image_key"]
        upload = wire.stand_in.uploads[key]
        assert (upload.content_type, upload.width, upload.height) == (kind, *size)
        assert (upload.content, upload.name) == (content, "图.png")
    for content, expected in (
        (b"", 234010),
        (b"<html>not an image</html>", 234011),
        (png(1, 1) + bytes(2000), 234006),
        (png(12001, 1), 234039),
        (image("GIF", 2001, 1), 234039),
        (image("WEBP", 1, 12001), 234039),
    ):
        assert status(wire.upload_image(content)) == (400, expected)
    assert [code(wire.upload_file(bytes(size))) for size in (3000, 3001, 0)] == [0, 234006, 234010]


KEYS = {"img_v3_known"}
IMAGE: Json = {"tag": "img", "img_key": "img_v3_known", "alt": words("一只猫")}
MARKDOWN: Json = {"tag": "markdown", "content": "**尺寸** 1280x1280"}
SUBMIT: Json = button("提交", name="submit", form_action_type="submit")
INPUT: Json = {"tag": "input", "name": "prompt"}
SELECT: Json = {"tag": "select_static", "options": [{"text": words("16:9"), "value": "16:9"}]}


def columns(*elements: Json, **fields: Any) -> Json:
    return {"tag": "column_set", "columns": [{"tag": "column", "elements": [one]} for one in elements], **fields}


def form(*elements: Json, **fields: Any) -> Json:
    return {"tag": "form", "name": "edit", "elements": list(elements), **fields}


ACCEPTED: list[Json] = [
    *({"tag": tag, "name": "other", "options": []} for tag in UNCHECKED),
    columns(button(type="primary"), {**SELECT, "placeholder": words("换比例")}, flex_mode="flow", margin="0 4px"),
    {**IMAGE, "size": "100px 100px", "corner_radius": "5px", "element_id": "picture_1"},
    {**MARKDOWN, "margin": "4px -12px", "icon": {"tag": "custom_icon", "img_key": "img_v3_known"}},
    {"tag": "div", "text": {**words("x"), "text_color": "rgba(5,157,178,0.52)", "text_size": "notation"}},
    form({**INPUT, "max_length": 1000, "input_type": "multiline_text", "rows": 3}, columns(SUBMIT)),
    {"tag": "img_combination", "combination_mode": "bisect", "img_list": [{"img_key": "img_v3_known"}]},
]
REJECTED: list[tuple[Any, int]] = [
    ({"tag": "note", "elements": []}, 200861),
    ({"tag": "column", "elements": []}, 200861),
    ("text", 200861),
    (button(url="https://example.com"), 200621),
    ({**MARKDOWN, "i18n_content": {"zh": "猫"}}, 200621),
    ({"tag": "img", "img_key": "img_no", "alt": words("")}, 200570),
    ({"tag": "img", "img_key": "img_v3_known"}, 200621),
    ({**MARKDOWN, "element_id": "a" * 21}, 200621),
    ({**MARKDOWN, "margin": "100px"}, 200621),
    ({"tag": "div", "text": {"tag": "markdown", "content": "x"}}, 200621),
    (button("x" * 101), 200621),
    (button(behaviors=[{"type": "open_url", "default_url": "javascript:0"}]), 200621),
    (button(form_action_type="submit"), 200621),
    ({**SELECT, "options": SELECT["options"] * 2}, 200621),
    (form(INPUT), 200621),
    (form({"tag": "input"}, SUBMIT), 200530),
    (form(INPUT, INPUT, SUBMIT), 200621),
    (form(SUBMIT, button("x", name="x")), 200621),
    (columns(form(INPUT, SUBMIT)), 200861),
    (columns({**MARKDOWN, "element_id": "same"}, {**MARKDOWN, "element_id": "same"}), 200621),
]
REJECTED_CARDS: list[tuple[Json, str]] = [
    ({"schema": "1.0"}, "ROOT -> schema"),
    ({"elements": []}, "ROOT"),
    ({"config": {"update_multi": False}}, "ROOT -> config -> update_multi"),
    ({"header": {"template": "green"}}, "ROOT -> header"),
    ({"header": {"title": words("x"), "template": "pink"}}, "ROOT -> header -> template"),
    ({"body": {"elements": {}}}, "ROOT -> body -> elements"),
]


def test_cards_are_checked_as_documented() -> None:
    """Each mistake is reported with its sub-code and its path; what a bot of this kind does not use is not read."""
    for element in ACCEPTED:
        assert validate_card(card(element), image_keys=KEYS) == [], element
    for wrong, sub_code in REJECTED:
        error, *_ = validate_card(card(wrong), image_keys=KEYS)
        assert error.sub_code == sub_code, wrong
        assert error.path.startswith("ROOT -> body -> elements -> [0]")
    for fields, path in REJECTED_CARDS:
        (error,) = validate_card({**card(), **fields}, image_keys=KEYS)
        assert error.path == path


def test_a_card_has_two_hundred_components_and_thirty_kilobytes() -> None:
    element = button(behaviors=[{"type": "callback", "value": {"tag": "data"}}])
    for count, codes in ((200, []), (201, [11310])):
        errors = validate_card(card(element, *[{"tag": "hr"}] * (count - 2)), image_keys=KEYS)
        assert [error.sub_code for error in errors] == codes
    empty = len(json.dumps(card({"tag": "markdown", "content": ""}), separators=(",", ":")))
    for size, codes in ((30 * 1024, []), (30 * 1024 + 1, [230025])):
        errors = validate_card(card({"tag": "markdown", "content": "x" * (size - empty)}), image_keys=KEYS)
        assert [error.sub_code for error in errors] == codes


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


def say(stand_in: FeishuStandIn) -> str:
    return stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫").message_id


def ids(events: list[Json]) -> list[str]:
    """The messages that the events tell of."""
    return [event["event"]["message"]["message_id"] for event in events]


def test_events_are_signed_over_the_raw_body_and_recorded_without_tokens() -> None:
    """Neither the app's verification token nor the one with which a pressed card can be changed is in a record."""
    event = {"schema": "2.0", "header": {"event_id": "e1", "token": "fake"}, "event": {"token": "c-1", "host": "im"}}
    with FeishuStandIn(FeishuState(encrypt_key="test key")) as stand_in, RecordingBot(stand_in) as bot:
        stand_in.push(event)
        assert bot.events[0] == event
        headers, body = bot.calls[0].headers, bot.calls[0].body
        timestamp, nonce = headers["x-lark-request-timestamp"], headers["x-lark-request-nonce"]
        assert headers["x-lark-signature"] == sign("test key", timestamp=timestamp, nonce=nonce, body=body)
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert bot.calls[0].json().keys() == {"encrypt"}
        (pushed,) = (attempt.event for attempt in stand_in.attempts)
    assert (pushed["header"]["token"], pushed["event"]) == ("***", {"token": "***", "host": "im"})


@pytest.mark.parametrize(("bad", "answered", "attempts"), [(500, 3, 3), (204, 3, 3), (500, 9, 5)])
def test_a_bad_answer_brings_the_event_again_on_the_next_rung(bad: int, answered: int, attempts: int) -> None:
    """Anything but 200, until a good answer, or until it is given up; the platform's own ladder is the default."""

    def answer(number: int, _: Json) -> Response:
        return Response(status=bad) if number < answered - 1 else Response.of_json({})

    with FeishuStandIn(delivery=QUICK) as stand_in, RecordingBot(stand_in, answer=answer) as bot:
        message_id = say(stand_in)
        assert ids(bot.wait_for(attempts)) == [message_id] * attempts
        assert wait_until(lambda: len(stand_in.attempts) == attempts, seconds=30)
        assert len({event["header"]["event_id"] for event in bot.events}) == 1
    outcomes = [attempt.outcome for attempt in stand_in.attempts]
    assert outcomes == ["refused"] * (attempts - 1) + ["acknowledged" if answered == attempts else "refused"]
    waits = [later.at - earlier.at for earlier, later in pairwise(stand_in.attempts)]
    assert all(wait >= rung for wait, rung in zip(waits, QUICK.ladder, strict=False))
    usual = RetrySchedule()
    assert (usual.ladder, usual.connect_seconds, usual.answer_seconds) == ((15, 300, 3600, 21600), 2, 3)


def test_a_duplicate_may_have_a_new_event_id() -> None:
    """Only the message's id tells that it is the same."""
    delivery = RetrySchedule(duplicates=1, new_event_id=True)
    with FeishuStandIn(delivery=delivery) as stand_in, RecordingBot(stand_in) as bot:
        message_id = say(stand_in)
        events = bot.wait_for(2)
        assert ids(events) == [message_id, message_id]
        assert events[0]["header"]["event_id"] != events[1]["header"]["event_id"]


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


def test_a_press_is_a_callback_whose_answer_is_checked() -> None:
    """It carries the button's value; its header counts microseconds."""
    toast = {"type": "info", "content": "已开始", "i18n": {"zh_cn": "已开始", "en_us": "Started"}}
    for answer, code in (
        (Response.of_json({"toast": toast}), None),
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
    shown, (event,) = pressed(Response.of_json({"toast": toast}))
    assert shown.toast == toast
    assert event["header"]["event_type"] == "card.action.trigger"
    assert event["header"]["create_time"] == "1700000000000000"
    assert event["event"]["operator"]["open_id"] == "ou_lin"
    carried = {"value": {"a": "again", "r": "r1"}, "tag": "button", "timezone": "Asia/Shanghai", "name": "b1"}
    assert event["event"]["action"] == carried
    assert event["event"]["context"]["open_chat_id"] == "oc_direct_lin"
