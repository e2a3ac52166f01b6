"""The stand-in of Feishu checks calls and cards as documented, answers and delivers as the platform was recorded.

The facts are data in ``tests/facts``, each with the page that they are from. They are compared with the stand-in only,
so that a wrong belief of the bot cannot pass for a fact. Feishu's own SDK reads what the stand-in sends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.feishu import sdk
from bot.sandbox.feishu.cards import validate_card
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, FeishuState, Limits
from bot.sandbox.http import Response
from tests.clients.feishu_wire import HandClock, Json, Wire, button, card, image, png, words
from tests.clients.servers import RecordingServer
from tests.support.waiting import wait_until

sdk.stub("lark_oapi", "lark_oapi.api", "lark_oapi.api.im")
im: Any = import_module("lark_oapi.api.im.v1")
JSON: Any = import_module("lark_oapi.core").JSON

FACTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "facts" / "feishu.json").read_text(encoding="utf-8"))
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


def test_an_error_has_its_documented_status_and_fields(wire: Wire, clock: HandClock) -> None:
    """Status, code, the beginning of the message, the fields of the body and the special headers are the platform's."""
    for fact in FACTS["errors"].values():
        clock.now += 1
        wire.stand_in.faults.arm(f"feishu_{fact['code']}", on="create")
        answer = wire.create("oc_group", {"text": "hi"})
        body = answer.json()
        assert status(answer) == (fact["status"], fact["code"])
        assert body["msg"][:16] == fact["message"][:16]
        assert (set(fact["fields"]) - set(body), set(fact["headers"]) - set(answer.headers)) == (set(), set())


def test_feishus_own_sdk_reads_the_answers(wire: Wire) -> None:
    """The SDK finds every documented field of a sent message, of the documented kind, and the key of an upload."""
    said = asked(wire)
    body = wire.reply(said.message_id, {"text": "好"}).json()
    message = JSON.unmarshal(json.dumps(body["data"]), im.ReplyMessageResponseBody)
    assert message.parent_id == message.root_id == said.message_id
    assert (message.chat_id, message.deleted, message.updated) == ("oc_group", False, False)
    assert (message.create_time.isdecimal(), message.sender.id) == (True, wire.stand_in.app_id)
    assert set(FACTS["calls"]["reply"]["answer"]["data"]) <= set(body["data"])
    body = wire.upload_image(png(1, 1)).json()
    assert JSON.unmarshal(json.dumps(body["data"]), im.CreateImageResponseBody).image_key.startswith("img_")
    documented = FACTS["calls"]["image"]["answer"]
    assert (body.keys(), body["data"].keys()) == (documented.keys(), documented["data"].keys())


def test_feishus_own_sdk_reads_the_events(wire: Wire) -> None:
    """The SDK finds sender, chat, kind and content, and every field that the recorded event has is there."""
    for chat_id, chat_type, fact in (("oc_direct_lin", "p2p", "p2p_text"), ("oc_group", "group", "group_text")):
        said = asked(wire, chat_id)
        event = wire.stand_in.event_of(said)
        read = JSON.unmarshal(json.dumps(event), im.P2ImMessageReceiveV1).event
        assert read.sender.sender_id.open_id == "ou_lin"
        sent = (read.message.message_id, read.message.chat_id, read.message.chat_type)
        assert sent == (said.message_id, chat_id, chat_type)
        recorded = FACTS["events"][fact]
        assert set(recorded["header"]) == set(event["header"])
        optional = {"update_time", "user_agent", "root_id", "parent_id", "thread_id"}
        assert set(recorded["event"]["message"]) - set(event["event"]["message"]) <= optional
    event_id = wire.stand_in.recall(said.message_id, by="ou_lin")
    assert wait_until(lambda: event_id in {one.event_id for one in wire.stand_in.attempts}, seconds=30)
    (event,) = [one.event for one in wire.stand_in.attempts if one.event_id == event_id]
    read = JSON.unmarshal(json.dumps(event), im.P2ImMessageRecalledV1).event
    assert (read.message_id, read.recall_type) == (said.message_id, "message_owner")
    assert set(FACTS["events"]["recalled"]["event"]) == set(event["event"])


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


def test_same_uuid_sends_once_in_an_hour_and_a_reply_stays_in_its_topic(wire: Wire, clock: HandClock) -> None:
    source = asked(wire, "oc_topics")
    further = asked(wire, "oc_topics", quote=source.message_id)
    sent = []
    for later in (0, HOUR - 1, 1):
        clock.now += later
        sent.append(wire.reply(further.message_id, {"text": "好"}, uuid="u" * 50).json()["data"])
    first, again, another = (answer["message_id"] for answer in sent)
    assert first == again != another
    assert sent[0]["thread_id"] == source.thread_id == further.thread_id
    assert (sent[0]["root_id"], sent[0]["parent_id"]) == (source.message_id, further.message_id)


def test_messages_and_chats_that_are_gone_have_their_codes(wire: Wire) -> None:
    text, recalled = asked(wire), wire.sent_card(card())
    assert code(wire.http.delete(f"{MESSAGES}/{recalled}")) == 0
    gone = [(recalled, 230011, 230011), ("om_bad", 99992354, 99992354), (text.message_id, 0, 230001)]
    for message_id, replied, patched in gone:
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
        ("interactive", card({"tag": "div", "text": words("x" * 30 * 1024)}), 230025),
        ("interactive", bad, 230099),
    ]
    for chat, (kind, content, expected) in enumerate(contents):
        answer = wire.create(("oc_group", "oc_topics", "oc_direct_lin")[chat % 3], content, kind=kind)
        assert code(answer) == expected, (kind, str(content)[:40])
    where = "ErrCode: 200570; ErrPath: ROOT -> body -> elements -> [1](tag: img); ErrMsg: invalid image keys"
    assert where in answer.json()["msg"]


MENTIONS: list[tuple[str, Any, list[str]]] = [
    ("text", {"text": 'hi <at user_id="all"></at>'}, ["all"]),
    ("text", {"text": '&lt;at user_id="all"&gt; @all'}, []),
    ("interactive", card({"tag": "markdown", "content": "<at id=all></at>"}), ["all"]),
    ("interactive", card({"tag": "div", "text": words("<at id=all></at>")}), []),
    ("interactive", card({"tag": "markdown", "content": "<at ids=ou_lin,ou_chen></at>"}), ["ou_lin", "ou_chen"]),
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
    for kind, content, _ in MENTIONS:
        clock.now += 1
        assert code(wire.create("oc_group", content, kind=kind)) == 0
    assert wire.stand_in.pings == [who for *_, whom in MENTIONS for who in whom]


def test_uploads_are_read_by_their_bytes_or_rejected_with_their_code(wire: Wire) -> None:
    """A file may have as many bytes as its limit."""
    for content, kind, size in (
        (png(12000, 1), "image/png", (12000, 1)),
        (image("JPEG", 128, 72), "image/jpeg", (128, 72)),
        (image("GIF", 2000, 1), "image/gif", (2000, 1)),
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
    ):
        assert status(wire.upload_image(content)) == (400, expected)
    assert [code(wire.upload_file(bytes(size))) for size in (3000, 3001, 0)] == [0, 234006, 234010]


KEYS = {"img_v3_known"}
MARKDOWN: Json = {"tag": "markdown", "content": "**尺寸** 1280x1280"}
SUBMIT: Json = button("提交", name="submit", form_action_type="submit")
INPUT: Json = {"tag": "input", "name": "prompt"}
SELECT: Json = {"tag": "select_static", "options": [{"text": words("16:9"), "value": "16:9"}]}


def columns(*elements: Json, **fields: Any) -> Json:
    return {"tag": "column_set", "columns": [{"tag": "column", "elements": [one]} for one in elements], **fields}


def form(*elements: Json, **fields: Any) -> Json:
    return {"tag": "form", "name": "edit", "elements": list(elements), **fields}


REJECTED: list[tuple[Any, int]] = [
    ({"tag": "note", "elements": []}, 200861),
    ({"tag": "column", "elements": []}, 200861),
    ({"tag": "img", "img_key": "img_no", "alt": words("")}, 200570),
    ({"tag": "img", "img_key": "img_v3_known"}, 200621),
    (button(behaviors=[{"type": "open_url", "default_url": "javascript:0"}]), 200621),
    (button(form_action_type="submit"), 200621),
    ({**SELECT, "options": SELECT["options"] * 2}, 200621),
    (form(INPUT), 200621),
    (form({"tag": "input"}, SUBMIT), 200530),
    (form(SUBMIT, button("x", name="x")), 200621),
    (columns(form(INPUT, SUBMIT)), 200861),
    (columns({**MARKDOWN, "element_id": "same"}, {**MARKDOWN, "element_id": "same"}), 200621),
]
REJECTED_CARDS: list[tuple[Json, str]] = [
    ({"schema": "1.0"}, "ROOT -> schema"),
    ({"elements": []}, "ROOT"),
    ({"config": {"update_multi": False}}, "ROOT -> config -> update_multi"),
    ({"header": {"template": "green"}}, "ROOT -> header"),
]


def test_cards_are_checked_as_documented() -> None:
    """Each mistake is reported with its sub-code and its path; what a button carries is none of the 200 components."""
    for wrong, sub_code in REJECTED:
        error, *_ = validate_card(card(wrong), image_keys=KEYS)
        assert error.sub_code == sub_code, wrong
        assert error.path.startswith("ROOT -> body -> elements -> [0]")
    for fields, path in REJECTED_CARDS:
        (error,) = validate_card({**card(), **fields}, image_keys=KEYS)
        assert error.path == path
    element = button(behaviors=[{"type": "callback", "value": {"tag": "data"}}])
    for count, codes in ((200, []), (201, [11310])):
        errors = validate_card(card(element, *[{"tag": "hr"}] * (count - 2)), image_keys=KEYS)
        assert [error.sub_code for error in errors] == codes


QUICK = RetrySchedule(ladder=(0.015, 0.03, 0.045, 0.06), answer_seconds=30.0)


@pytest.mark.parametrize(("bad", "answered", "attempts"), [(500, 3, 3), (204, 3, 3), (500, 9, 5)])
def test_a_bad_answer_brings_the_event_again_on_the_next_rung(bad: int, answered: int, attempts: int) -> None:
    """Anything but 200, until a good answer, or until it is given up; the platform's own ladder is the default."""
    bot = RecordingServer(lambda _: Response(status=bad) if len(bot.requests) < answered else Response.of_json({}))
    with FeishuStandIn(delivery=QUICK) as stand_in, bot:
        stand_in.webhook_url = bot.origin
        stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫")
        assert wait_until(lambda: len(stand_in.attempts) == attempts, seconds=30)
    assert (len(bot.requests), len({attempt.event_id for attempt in stand_in.attempts})) == (attempts, 1)
    outcomes = [attempt.outcome for attempt in stand_in.attempts]
    assert outcomes == ["refused"] * (attempts - 1) + ["acknowledged" if answered == attempts else "refused"]
    waits = [later.at - earlier.at for earlier, later in pairwise(stand_in.attempts)]
    assert all(wait >= rung for wait, rung in zip(waits, QUICK.ladder, strict=False))
    usual = RetrySchedule()
    assert (usual.ladder, usual.answer_seconds) == ((15, 300, 3600, 21600), 3)


def test_a_press_is_a_callback_whose_answer_is_checked(wire: Wire) -> None:
    """It carries the button's value; its header counts microseconds."""
    stand_in, sent = wire.stand_in, wire.sent_card(card(button()))
    toast = {"type": "info", "content": "已开始", "i18n": {"zh_cn": "已开始", "en_us": "Started"}}
    answers: list[tuple[Response, tuple[int | None, Json | None]]] = [
        (Response.of_json({"toast": toast}), (None, toast)),
        (Response.of_json({"toast": {"content": "好"}}), (None, {"content": "好"})),
        (Response.of_json({}, status=500), (200671, None)),
        (Response(body=b"ok"), (200672, None)),
        (Response.of_json({"code": 0}), (200672, None)),
        (Response.of_json({"toast": {"type": "loud", "content": "好"}}), (200672, None)),
        (Response.of_json({"card": card()}), (200673, None)),
        (Response.of_json({"card": {"type": "raw", "data": card({"tag": "note"})}}), (200673, None)),
    ]
    bot = RecordingServer(lambda _: answers[len(bot.requests) - 1][0])
    with bot:
        stand_in.webhook_url = bot.origin
        for answer, expected in answers:
            shown = stand_in.press(sent, "ou_lin", value={"a": "again", "r": "r1"}, name="b1")
            assert (shown.code, shown.toast) == expected, answer
    stand_in.webhook_url = None
    assert stand_in.press(sent, "ou_lin").code == 200340
    event = stand_in.attempts[0].event
    assert event["header"]["event_type"] == "card.action.trigger"
    assert event["header"]["create_time"] == "1700000000000000"
    assert event["event"]["operator"]["open_id"] == "ou_lin"
    carried = {"value": {"a": "again", "r": "r1"}, "tag": "button", "timezone": "Asia/Shanghai", "name": "b1"}
    assert event["event"]["action"] == carried
    assert event["event"]["context"]["open_chat_id"] == "oc_direct_lin"
