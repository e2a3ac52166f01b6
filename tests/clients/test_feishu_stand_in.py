"""The stand-in of Feishu checks tokens, limits, messages and uploads as documented, and fails on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, FeishuState, Limits
from tests.clients.feishu_wire import HandClock, Wire, card, image, png, words

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


def test_token_is_renewed_in_its_last_half_hour(wire: Wire, clock: HandClock) -> None:
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


def test_credentials_are_checked(wire: Wire) -> None:
    assert status(wire.token(app_id="cli_other")) == (200, 10003)
    assert status(wire.token(app_secret="wrong")) == (200, 10014)
    for header, expected in (("", 99991661), ("Bearer t-wrong", 99991663), ("t-wrong", 99991661)):
        assert status(wire.http.get(INFO, headers={"Authorization": header})) == (400, expected)


def test_gateway_limits_calls_per_second_and_minute(wire: Wire, clock: HandClock) -> None:
    assert {code(wire.http.get(INFO)) for _ in range(50)} == {0}
    rejected = wire.http.get(INFO)
    assert status(rejected) == (429, 99991400)
    assert (rejected.headers["x-ogw-ratelimit-limit"], rejected.headers["x-ogw-ratelimit-reset"]) == ("50", "1")
    wire.stand_in.state.limits = replace(LIMITS, api_per_minute=51)
    clock.now += 1
    assert code(wire.http.get(INFO)) == 0
    rejected = wire.http.get(INFO)
    assert (rejected.status_code, rejected.headers["x-ogw-ratelimit-reset"]) == (429, "59")


def test_messages_per_chat_and_updates_per_card_are_limited(wire: Wire, clock: HandClock) -> None:
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


def test_reply_in_a_topic_group_stays_in_its_thread(wire: Wire) -> None:
    source = asked(wire, "oc_topics")
    further = asked(wire, "oc_topics", quote=source.message_id)
    answer = wire.reply(further.message_id, {"text": "好"}).json()["data"]
    assert answer["thread_id"] == source.thread_id == further.thread_id
    assert (answer["root_id"], answer["parent_id"]) == (source.message_id, further.message_id)


def test_same_uuid_sends_once_in_an_hour(wire: Wire, clock: HandClock) -> None:
    source = asked(wire)
    ids = [wire.reply(source.message_id, {"text": "好"}, uuid="u" * 50).json()["data"]["message_id"] for _ in "abc"]
    clock.now += HOUR
    later = wire.reply(source.message_id, {"text": "好"}, uuid="u" * 50).json()["data"]["message_id"]
    assert len(set(ids)) == 1
    assert later not in ids
    assert len(wire.stand_in.replies(source.message_id)) == 2


def test_mistyped_fields_are_rejected(wire: Wire) -> None:
    path = f"{MESSAGES}/{asked(wire).message_id}/reply"
    for fields in ({"uuid": "u" * 51}, {"uuid": 7}, {"content": None}, {"content": {"text": "hi"}}, {"msg_type": None}):
        body = {"msg_type": "text", "content": '{"text":"hi"}', **fields}
        assert code(wire.http.post(path, json=body)) == 99992402, fields


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


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("text", {"text": "x" * (150 * 1024 - 12)}, 0),
        ("text", {"text": "x" * (150 * 1024 - 11)}, 230025),
        ("text", "hi", 230001),
        ("image", {"image_key": "img_no"}, 230001),
        ("sticker", {}, 230001),
        ("interactive", [], 230099),
        ("interactive", card({"tag": "div", "text": words("x" * 30 * 1024)}), 230025),
    ],
    ids=lambda value: str(value)[:40],
)
def test_content_is_checked(wire: Wire, kind: str, content: Any, expected: int) -> None:
    assert code(wire.create("oc_group", content, kind=kind)) == expected


def test_keys_are_valid_in_messages_of_their_kind_only(wire: Wire) -> None:
    key, file = wire.image_key(), wire.upload_file(b"original").json()["data"]["file_key"]
    assert code(wire.create("oc_group", {"image_key": key}, kind="image")) == 0
    assert code(wire.create("oc_group", {"file_key": file}, kind="file")) == 0
    assert code(wire.create("oc_group", {"image_key": file}, kind="image")) == 230001
    bad = card({"tag": "hr"}, {"tag": "img", "img_key": "img_no", "alt": words("")})
    answer = wire.create("oc_group", bad, kind="interactive")
    where = "ErrCode: 200570; ErrPath: ROOT -> body -> elements -> [1](tag: img); ErrMsg: invalid image keys"
    assert code(answer) == 230099
    assert where in answer.json()["msg"]


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


def test_reaction_needs_a_known_emoji_and_message(wire: Wire) -> None:
    path = f"{MESSAGES}/{asked(wire).message_id}/reactions"
    put = wire.http.post(path, json={"reaction_type": {"emoji_type": "Typing"}}).json()["data"]
    assert put["operator"] == {"operator_id": wire.stand_in.app_id, "operator_type": "app"}
    assert code(wire.http.post(path, json={"reaction_type": {"emoji_type": "typing"}})) == 231001
    nowhere = wire.http.post(f"{MESSAGES}/om_no/reactions", json={"reaction_type": {"emoji_type": "OK"}})
    assert code(nowhere) == 231003


@pytest.mark.parametrize(
    ("kind", "content", "whom"),
    [
        ("text", {"text": 'hi <at user_id="all"></at>'}, ["all"]),
        ("text", {"text": '&lt;at user_id="all"&gt; @all'}, []),
        ("interactive", card({"tag": "markdown", "content": "<at id=all></at>"}), ["all"]),
        ("interactive", card({"tag": "markdown", "content": "&#60;at id=all>&#60;/at>"}), []),
        ("interactive", card({"tag": "div", "text": words("<at id=all></at>")}), []),
        ("interactive", card({"tag": "markdown", "content": "", "i18n_content": {"en_us": "<at id='all'>"}}), ["all"]),
        ("interactive", card({"tag": "markdown", "content": "<at ids=ou_lin,ou_chen></at>"}), ["ou_lin", "ou_chen"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_mentions_that_would_notify_are_noted(wire: Wire, kind: str, content: Any, whom: list[str]) -> None:
    sent = wire.create("oc_group", content, kind=kind).json()["data"]["message_id"]
    assert [(ping.message_id, ping.whom) for ping in wire.stand_in.pings] == [(sent, who) for who in whom]


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (png(12000, 1), "image/png", (12000, 1)),
        (image("JPEG", 128, 72), "image/jpeg", (128, 72)),
        (image("GIF", 2000, 1), "image/gif", (2000, 1)),
        (image("WEBP", 64, 48), "image/webp", (64, 48)),
        (image("BMP", 7, 5), "image/bmp", (7, 5)),
        (image("TIFF", 3, 2), "image/tiff", (3, 2)),
    ],
)
def test_documented_image_formats_are_accepted(wire: Wire, content: bytes, kind: str, size: tuple[int, int]) -> None:
    answer = wire.upload_image(content, filename="图.png")
    upload = wire.stand_in.uploads[answer.json()["data"]["image_key"]]
    assert (upload.content_type, upload.width, upload.height) == (kind, *size)
    assert (upload.content, upload.name) == (content, "图.png")


def test_other_uploads_are_rejected_with_their_code(wire: Wire) -> None:
    for content, expected in (
        (b"", 234010),
        (b"<html>not an image</html>", 234011),
        (png(1, 1) + bytes(2000), 234006),
        (png(12001, 1), 234039),
        (image("GIF", 2001, 1), 234039),
        (image("WEBP", 1, 12001), 234039),
    ):
        assert status(wire.upload_image(content)) == (400, expected)
    assert wire.stand_in.uploads == {}
    assert [code(wire.upload_file(bytes(size))) for size in (3000, 3001, 0)] == [0, 234006, 234010]
