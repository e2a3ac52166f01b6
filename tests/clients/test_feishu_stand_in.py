"""The stand-in of Feishu checks tokens, limits, messages and uploads as documented, and fails on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bot.sandbox.feishu.gateway import Limits
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from tests.clients.feishu_wire import HandClock, Wire, card, image, png, words

HOUR = 3600
DAY = 24 * HOUR
LIMITS = Limits(image_bytes=2000, file_bytes=3000)


@pytest.fixture
def clock() -> HandClock:
    """The stand-in's time."""
    return HandClock()


@pytest.fixture
def wire(clock: HandClock) -> Iterator[Wire]:
    """A logged-in client."""
    with FeishuStandIn(clock=clock, limits=LIMITS) as stand_in:
        wire = Wire(stand_in).log_in()
        yield wire
        wire.close()


def asked(wire: Wire, chat_id: str = "oc_group", **more: Any) -> ChatMessage:
    """A message that somebody wrote to the bot."""
    return wire.stand_in.say(chat_id=chat_id, sender="ou_lin", text="一只猫", **more)


def code(answer: httpx.Response) -> int:
    """The platform's code."""
    return int(answer.json()["code"])


def status(answer: httpx.Response) -> tuple[int, int]:
    """The HTTP status and the platform's code."""
    return answer.status_code, code(answer)


def test_the_same_token_comes_while_half_an_hour_is_left(wire: Wire, clock: HandClock) -> None:
    """A renewed token appears only in the last half hour, and the old one then lives on to its end."""
    first = wire.token().json()
    clock.now += 5400
    again = wire.token().json()
    clock.now += 1
    renewed = wire.token().json()
    assert (first["expire"], again["expire"], renewed["expire"]) == (7200, 1800, 7200)
    assert first["tenant_access_token"] == again["tenant_access_token"] != renewed["tenant_access_token"]
    clock.now += 1798
    assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 0
    clock.now += 1
    assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 99991663


@pytest.mark.parametrize(
    ("fields", "code"), [({"app_id": "cli_other"}, 10003), ({"app_secret": "wrong"}, 10014), ({}, 0)]
)
def test_a_wrong_app_or_secret_is_refused_with_http_200(wire: Wire, fields: dict[str, str], code: int) -> None:
    """The token endpoint answers 200 whatever its code is."""
    answer = wire.token(**fields)
    assert (answer.status_code, answer.json()["code"]) == (200, code)


@pytest.mark.parametrize(("header", "expected"), [("", 99991661), ("Bearer t-wrong", 99991663), ("t-wrong", 99991661)])
def test_calls_need_a_good_token(wire: Wire, header: str, expected: int) -> None:
    """A missing token and a wrong one have different codes."""
    answer = wire.http.get("/open-apis/bot/v3/info", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (400, expected)


def test_the_gateway_lets_fifty_calls_a_second_through(wire: Wire, clock: HandClock) -> None:
    """The fifty-first within a second is refused with the seconds to wait, and then let through."""
    codes = {wire.http.get("/open-apis/bot/v3/info").json()["code"] for _ in range(50)}
    refused = wire.http.get("/open-apis/bot/v3/info")
    assert codes == {0}
    assert (refused.status_code, refused.json()["code"]) == (429, 99991400)
    assert (refused.headers["x-ogw-ratelimit-limit"], refused.headers["x-ogw-ratelimit-reset"]) == ("50", "1")
    clock.now += 1
    assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 0


def test_the_gateway_counts_a_minute_too(clock: HandClock) -> None:
    """A thousand a minute is a limit of its own, here scaled to three."""
    with FeishuStandIn(clock=clock, limits=Limits(api_per_minute=3)) as stand_in:
        wire = Wire(stand_in).log_in()
        for _ in range(3):
            clock.now += 2
            assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 0
        refused = wire.http.get("/open-apis/bot/v3/info")
        assert (refused.status_code, refused.headers["x-ogw-ratelimit-reset"]) == (429, "56")
        wire.close()


def test_a_chat_takes_five_messages_a_second(wire: Wire, clock: HandClock) -> None:
    """The sixth message into one chat is refused; another chat is not touched by that."""
    codes = [wire.create("oc_group", {"text": str(place)}).json()["code"] for place in range(6)]
    assert codes == [0, 0, 0, 0, 0, 230020]
    assert wire.create("oc_topics", {"text": "x"}).json()["code"] == 0
    clock.now += 1
    assert wire.create("oc_group", {"text": "x"}).json()["code"] == 0


def test_a_card_takes_five_updates_a_second(wire: Wire) -> None:
    """The sixth update of one message is refused."""
    sent = wire.sent_card(card())
    codes = [wire.patch(sent, card()).json()["code"] for _ in range(6)]
    assert codes == [0, 0, 0, 0, 0, 230020]


@pytest.mark.parametrize(
    ("fault", "applied"),
    [("reset_before", 0), ("html_502", 0), ("reset_after", 1), ("empty_body", 1), ("truncated", 1)],
)
def test_wire_faults_apply_the_call_or_do_not(wire: Wire, fault: str, applied: int) -> None:
    """A broken connection hides whether a message was sent: each fault says which."""
    wire.stand_in.faults.arm(fault, on="create")
    try:
        answer: httpx.Response | None = wire.create("oc_group", {"text": "hi"})
    except httpx.TransportError:
        answer = None
    assert len(wire.stand_in.messages) == applied
    assert (answer is None) == fault.startswith(("reset", "truncated"))
    assert wire.stand_in.calls[-1].fault == fault


def test_a_hanging_call_is_never_answered(wire: Wire) -> None:
    """The request is read, and the client's patience ends it."""
    wire.stand_in.faults.arm("hang", on="bot_info")
    with pytest.raises(httpx.ReadTimeout):
        wire.http.get("/open-apis/bot/v3/info", timeout=0.2)


def test_a_fault_meets_only_the_calls_and_times_it_is_armed_for(wire: Wire) -> None:
    """A fault for any call leaves the token alone, counts down, and can be disarmed."""
    faults = wire.stand_in.faults
    faults.arm("feishu_1500", times=2)
    faults.arm("quota", on="create", times=None)
    assert wire.token().json()["code"] == 0
    assert [wire.http.get("/open-apis/bot/v3/info").json()["code"] for _ in range(3)] == [1500, 1500, 0]
    assert [wire.create("oc_group", {"text": "x"}).json()["code"] for _ in range(2)] == [99991403, 99991403]
    faults.disarm("quota")
    assert wire.create("oc_group", {"text": "x"}).json()["code"] == 0
    assert faults.armed == []


@pytest.mark.parametrize(("name", "on"), [("no_such_fault", "create"), ("quota", "no_such_call")])
def test_an_unknown_fault_or_call_cannot_be_armed(wire: Wire, name: str, on: str) -> None:
    """The refusal lists what there is."""
    with pytest.raises(ValueError, match=r"there are: .*(hang|bot_info)"):
        wire.stand_in.faults.arm(name, on=on)


def test_calls_are_recorded_without_secrets(wire: Wire) -> None:
    """A record tells what was asked and answered, but neither the app's secret nor a token."""
    wire.upload_image(png(1, 1))
    wire.create("oc_nowhere", {"text": "hi"})
    calls = wire.stand_in.calls
    assert [(call.name, call.status, call.code) for call in calls] == [
        ("token", 200, 0),
        ("image", 200, 0),
        ("create", 400, 230001),
    ]
    assert calls[0].body == f'{{"app_id":"{wire.stand_in.app_id}","app_secret":"***"}}'
    assert '"tenant_access_token": "***"' in calls[0].answer
    assert calls[1].body == f"image_type=message; image=<a.png, image/png, {len(png(1, 1))} bytes>"
    assert calls[2].path == "/open-apis/im/v1/messages?receive_id_type=chat_id"


def test_in_a_topic_group_a_reply_stays_in_its_thread(wire: Wire) -> None:
    """Whether asked for or not, and on a message further down too."""
    source = asked(wire, "oc_topics")
    further = asked(wire, "oc_topics", thread_id=source.thread_id)
    answer = wire.reply(further.message_id, {"text": "好"}).json()["data"]
    assert answer["thread_id"] == source.thread_id == further.thread_id
    assert (answer["root_id"], answer["parent_id"]) == (source.message_id, further.message_id)


def test_the_same_uuid_sends_once_in_an_hour(wire: Wire, clock: HandClock) -> None:
    """A repeated send returns the first message; after an hour it is sent again."""
    source = asked(wire)
    ids = [wire.reply(source.message_id, {"text": "好"}, uuid="u" * 50).json()["data"]["message_id"] for _ in "abc"]
    clock.now += HOUR
    later = wire.reply(source.message_id, {"text": "好"}, uuid="u" * 50).json()["data"]["message_id"]
    assert len(set(ids)) == 1
    assert later not in ids
    assert len(wire.stand_in.replies(source.message_id)) == 2


@pytest.mark.parametrize(
    "fields",
    [{"uuid": "u" * 51}, {"uuid": 7}, {"content": None}, {"content": {"text": "hi"}}, {"msg_type": None}],
    ids=str,
)
def test_fields_of_the_wrong_form_are_refused(wire: Wire, fields: dict[str, Any]) -> None:
    """A uuid of more than 50 characters and missing or mistyped fields fail the validation."""
    source = asked(wire)
    body = {"msg_type": "text", "content": '{"text":"hi"}', **fields}
    assert code(wire.http.post(f"/open-apis/im/v1/messages/{source.message_id}/reply", json=body)) == 99992402


def test_messages_that_are_gone_cannot_be_replied_to(wire: Wire) -> None:
    """Unknown, recalled and deleted sources have codes of their own."""
    recalled, deleted = asked(wire), asked(wire)
    wire.stand_in.recall(recalled.message_id, by="ou_lin")
    wire.stand_in.delete(deleted.message_id)
    assert code(wire.reply(recalled.message_id, {"text": "hi"})) == 230011
    assert code(wire.reply(deleted.message_id, {"text": "hi"})) == 230110
    unknown = wire.reply("om_bad", {"text": "hi"}).json()
    assert (unknown["code"], unknown["msg"].splitlines()[1]) == (99992354, "Invalid ids: [om_bad]")


def test_outside_a_group_the_bot_sends_nothing(wire: Wire) -> None:
    """A bot that was taken out of a group is told so."""
    source = asked(wire)
    wire.stand_in.remove_bot("oc_group")
    assert code(wire.reply(source.message_id, {"text": "hi"})) == 230002
    assert code(wire.create("oc_group", {"text": "hi"})) == 230002


@pytest.mark.parametrize(
    ("receiver", "by", "expected"),
    [("oc_no", "chat_id", 230001), ("ou_no", "open_id", 230001), ("oc_group", "email", 99992402)],
)
def test_unknown_receivers_are_refused(wire: Wire, receiver: str, by: str, expected: int) -> None:
    """Chats and people that do not exist, and kinds of receiver that the stand-in does not know."""
    assert code(wire.create(receiver, {"text": "hi"}, by=by)) == expected


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("text", {"text": "x" * (150 * 1024 - 12)}, 0),
        ("text", {"text": "x" * (150 * 1024 - 11)}, 230025),
        ("text", {"words": "hi"}, 230001),
        ("text", "hi", 230001),
        ("post", {"zh_cn": {"title": "", "content": [[{"tag": "md", "text": "**好**"}]]}}, 0),
        ("post", {"title": "", "content": [[{"tag": "text", "text": "好"}]]}, 230001),
        ("post", {"zh_cn": {"content": [[{"tag": "img", "image_key": "img_no"}]]}}, 230001),
        ("post", {"zh_cn": {"content": [[{"tag": "text", "text": "x" * 30 * 1024}]]}}, 230025),
        ("image", {"image_key": "img_no"}, 230001),
        ("file", {"file_key": "file_no"}, 230001),
        ("sticker", {}, 230001),
        ("interactive", [], 230099),
        ("interactive", card({"tag": "div", "text": words("x" * 30 * 1024)}), 230025),
    ],
    ids=lambda value: str(value)[:40],
)
def test_contents_are_checked(wire: Wire, kind: str, content: Any, expected: int) -> None:
    """Each kind of message has its form, its size, and keys that have to exist."""
    assert code(wire.create("oc_group", content, kind=kind)) == expected


def test_uploaded_pictures_and_files_can_be_sent(wire: Wire) -> None:
    """Keys that the app uploaded are good in messages of their kind, and only there."""
    image, file = wire.image_key(), wire.upload_file(b"original").json()["data"]["file_key"]
    assert code(wire.create("oc_group", {"image_key": image}, kind="image")) == 0
    assert code(wire.create("oc_group", {"file_key": file}, kind="file")) == 0
    assert code(wire.create("oc_group", {"image_key": file}, kind="image")) == 230001


def test_a_card_with_an_unknown_picture_is_refused_in_feishus_words(wire: Wire) -> None:
    """The text names the sub code and the place in the card."""
    bad = card({"tag": "hr"}, {"tag": "img", "img_key": "img_no", "alt": words("")})
    answer = wire.create("oc_group", bad, kind="interactive").json()
    assert answer["code"] == 230099
    assert (
        "ErrCode: 200570; ErrPath: ROOT -> body -> elements -> [1](tag: img); ErrMsg: invalid image keys"
        in answer["msg"]
    )


def test_a_card_is_changed_in_place(wire: Wire, clock: HandClock) -> None:
    """The message keeps its id and every content that it had."""
    sent = wire.sent_card(card({"tag": "hr"}))
    clock.now += 20
    assert wire.patch(sent, card()).json() == {"code": 0, "data": {}, "msg": "ok"}
    (message,) = wire.stand_in.messages
    assert (message.message_id, message.updated) == (sent, clock.now)
    assert [json.loads(version) for version in message.versions] == [card({"tag": "hr"}), card()]
    assert message.content == message.versions[-1]


def test_a_card_can_be_changed_for_fourteen_days(wire: Wire, clock: HandClock) -> None:
    """One second later it cannot."""
    sent = wire.sent_card(card())
    clock.now += 14 * DAY
    wire.log_in()
    assert code(wire.patch(sent, card())) == 0
    clock.now += 1
    assert code(wire.patch(sent, card())) == 230031


def test_only_ones_own_cards_can_be_changed(wire: Wire) -> None:
    """Texts, people's messages, recalled, deleted and unknown ones are refused."""
    text = wire.create("oc_group", {"text": "hi"}).json()["data"]["message_id"]
    recalled, deleted = wire.sent_card(card()), wire.sent_card(card())
    assert wire.http.delete(f"/open-apis/im/v1/messages/{recalled}").json()["code"] == 0
    wire.stand_in.delete(deleted)
    assert code(wire.patch(text, card())) == 230001
    assert code(wire.patch(asked(wire).message_id, card())) == 230001
    assert code(wire.patch(recalled, card())) == 230011
    assert code(wire.patch(deleted, card())) == 230110
    assert code(wire.patch("om_no", card())) == 99992354


def test_reactions_come_and_go(wire: Wire) -> None:
    """An emoji is put on a message and taken off by its id."""
    path = f"/open-apis/im/v1/messages/{asked(wire).message_id}/reactions"
    put = wire.http.post(path, json={"reaction_type": {"emoji_type": "Typing"}}).json()["data"]
    assert put["operator"] == {"operator_id": wire.stand_in.app_id, "operator_type": "app"}
    assert wire.http.delete(f"{path}/{put['reaction_id']}").json()["data"] == put
    assert code(wire.http.delete(f"{path}/{put['reaction_id']}")) == 231011
    assert code(wire.http.post(path, json={"reaction_type": {"emoji_type": "typing"}})) == 231001


@pytest.mark.parametrize(
    ("kind", "content", "whom"),
    [
        ("text", {"text": 'hi <at user_id="all"></at>'}, ["all"]),
        ("text", {"text": '&lt;at user_id="all"&gt; @all'}, []),
        ("post", {"zh_cn": {"content": [[{"tag": "at", "user_id": "all"}]]}}, ["all"]),
        ("post", {"zh_cn": {"content": [[{"tag": "md", "text": '<at user_id="ou_lin">x</at>'}]]}}, ["ou_lin"]),
        ("post", {"zh_cn": {"content": [[{"tag": "text", "text": '<at user_id="all"></at>'}]]}}, []),
        ("interactive", card({"tag": "markdown", "content": "<at id=all></at>"}), ["all"]),
        ("interactive", card({"tag": "markdown", "content": "&#60;at id=all>&#60;/at>"}), []),
        ("interactive", card({"tag": "div", "text": words("<at id=all></at>")}), []),
        ("interactive", card({"tag": "markdown", "content": "", "i18n_content": {"en_us": "<at id='all'>"}}), ["all"]),
        ("interactive", card({"tag": "markdown", "content": "<at ids=ou_lin,ou_chen></at>"}), ["ou_lin", "ou_chen"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_mentions_that_would_ping_are_noted(wire: Wire, kind: str, content: Any, whom: list[str]) -> None:
    """Text, rich text and card markdown ping; plain text in a card does not."""
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
        (b"II*\x00" + bytes(20), "image/tiff", (0, 0)),
        (b"\x00\x00\x01\x00" + bytes(20), "image/ico", (0, 0)),
        (bytes(4) + b"ftypheic" + bytes(20), "image/heic", (0, 0)),
    ],
)
def test_pictures_of_the_documented_formats_are_taken(
    wire: Wire, content: bytes, kind: str, size: tuple[int, int]
) -> None:
    """A picture is known by its bytes, whatever its name says."""
    answer = wire.upload_image(content, filename="图.png")
    upload = wire.stand_in.uploads[answer.json()["data"]["image_key"]]
    assert status(answer) == (200, 0)
    assert (upload.content_type, upload.width, upload.height) == (kind, *size)
    assert (upload.content, upload.name) == (content, "图.png")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", 234010),
        (b"<html>not a picture</html>", 234011),
        (png(1, 1) + bytes(2000), 234006),
        (png(12001, 1), 234039),
        (image("GIF", 2001, 1), 234039),
        (image("WEBP", 1, 12001), 234039),
    ],
)
def test_other_pictures_are_refused_with_their_code(wire: Wire, content: bytes, expected: int) -> None:
    """Empty, unknown, too large in bytes and too large in pixels have codes of their own."""
    assert status(wire.upload_image(content)) == (400, expected)
    assert wire.stand_in.uploads == {}


@pytest.mark.parametrize(("content", "expected"), [(bytes(3000), 0), (bytes(3001), 234006), (b"", 234010)])
def test_files_are_taken_up_to_their_limit(wire: Wire, content: bytes, expected: int) -> None:
    """A file may have exactly as many bytes as the limit says."""
    assert wire.upload_file(content).json()["code"] == expected


def test_the_resource_of_a_persons_message_can_be_fetched(wire: Wire) -> None:
    """The bot reads a picture that somebody sent by the message's id and the picture's key."""
    message = wire.stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", mention_bot=False, image=png(3, 3))
    (key,) = wire.stand_in.uploads
    path = f"/open-apis/im/v1/messages/{message.message_id}/resources"
    answer = wire.http.get(f"{path}/{key}", params={"type": "image"})
    assert (answer.content, answer.headers["Content-Type"]) == (png(3, 3), "image/png")
    assert status(wire.http.get(f"{path}/{key}", params={"type": "file"})) == (400, 234003)
    assert status(wire.http.get(f"{path}/{wire.image_key()}", params={"type": "image"})) == (400, 234003)
    assert status(wire.http.get(f"{path}/{key}")) == (400, 234001)
