"""The stand-in sends, changes and takes back messages as Feishu does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from tests.clients.feishu_wire import HandClock, Wire, card, png, words

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def clock() -> HandClock:
    """The stand-in's time."""
    return HandClock()


@pytest.fixture
def wire(clock: HandClock) -> Iterator[Wire]:
    """A logged-in client."""
    with FeishuStandIn(clock=clock) as stand_in:
        wire = Wire(stand_in).log_in()
        yield wire
        wire.close()


def asked(wire: Wire, chat_id: str = "oc_group", **more: Any) -> ChatMessage:
    """A message that somebody wrote to the bot."""
    return wire.stand_in.say(chat_id=chat_id, sender="ou_lin", text="一只猫", **more)


def code(answer: httpx.Response) -> int:
    """The platform's code."""
    return int(answer.json()["code"])


def test_a_reply_quotes_its_message(wire: Wire) -> None:
    """A reply in a group stands in the chat, under the message it answers."""
    source = asked(wire)
    answer = wire.reply(source.message_id, {"text": "好"}).json()
    (reply,) = wire.stand_in.replies(source.message_id)
    assert (reply.content, reply.sender, reply.thread_id) == ('{"text": "好"}', wire.stand_in.app_id, None)
    assert answer["data"]["message_id"] == reply.message_id
    assert (answer["data"]["root_id"], answer["data"]["parent_id"]) == (source.message_id, source.message_id)
    assert answer["data"]["body"] == {"content": reply.content}
    assert "thread_id" not in answer["data"]


def test_in_a_topic_group_a_reply_stays_in_its_thread(wire: Wire) -> None:
    """Whether asked for or not, and on a message further down too."""
    source = asked(wire, "oc_topics")
    further = asked(wire, "oc_topics", thread_id=source.thread_id)
    answer = wire.reply(further.message_id, {"text": "好"}).json()["data"]
    assert answer["thread_id"] == source.thread_id == further.thread_id
    assert (answer["root_id"], answer["parent_id"]) == (source.message_id, further.message_id)


def test_a_thread_is_opened_by_each_reply_that_asks_for_one(wire: Wire) -> None:
    """On a message outside a thread ``reply_in_thread`` opens a new thread every time."""
    source = asked(wire)
    threads = {
        wire.reply(source.message_id, {"text": "好"}, reply_in_thread=True).json()["data"]["thread_id"] for _ in "ab"
    }
    assert len(threads) == 2


def test_a_message_created_in_a_topic_group_opens_a_thread(wire: Wire) -> None:
    """Which is why one replies there instead."""
    first = wire.create("oc_topics", {"text": "a"}).json()["data"]["thread_id"]
    assert first != wire.create("oc_topics", {"text": "b"}).json()["data"]["thread_id"]


def test_a_person_can_be_written_to_by_open_id(wire: Wire) -> None:
    """The message lands in the direct conversation, which is made where there was none."""
    newcomer = wire.stand_in.state.add_person("新同事")
    answer = wire.create(newcomer.open_id, {"text": "你好"}, by="open_id").json()["data"]
    (chat,) = [chat for chat in wire.stand_in.chats if newcomer.open_id in chat.members]
    assert (answer["chat_id"], chat.kind) == (chat.chat_id, "p2p")


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


def test_a_body_that_is_not_json_is_refused(wire: Wire) -> None:
    """The validation fails before anything else."""
    assert code(wire.http.post("/open-apis/im/v1/messages?receive_id_type=chat_id", content=b"{")) == 99992402


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


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (card({"tag": "note"}), 230099),
        ({**card(), "config": {"update_multi": False}}, 230099),
        (card({"tag": "div", "text": words("x" * 30 * 1024)}), 230025),
    ],
    ids=["removed tag", "not shared", "too large"],
)
def test_a_changed_card_is_checked_like_a_new_one(wire: Wire, changed: dict[str, Any], expected: int) -> None:
    """A refused change leaves the card as it was."""
    sent = wire.sent_card(card())
    assert code(wire.patch(sent, changed)) == expected
    assert len(wire.stand_in.messages[0].versions) == 1


def test_the_bot_takes_back_only_its_own_messages(wire: Wire) -> None:
    """Its own is recalled, a person's is not."""
    sent = wire.sent_card(card())
    assert wire.http.delete(f"/open-apis/im/v1/messages/{sent}").json() == {"code": 0, "msg": "success", "data": {}}
    assert wire.stand_in.messages[0].recalled
    assert code(wire.http.delete(f"/open-apis/im/v1/messages/{asked(wire).message_id}")) == 230026


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


def test_what_happens_is_told_to_whoever_listens(wire: Wire) -> None:
    """A subscription sees the message, its change and the calls, in their order."""
    with wire.stand_in.listen() as changes:
        sent = wire.sent_card(card())
        wire.patch(sent, card({"tag": "hr"}))
        seen = [changes.wait(5) for _ in range(4)]
        assert changes.wait(0) is None
    assert [change.kind for change in seen if change] == ["message", "call", "card", "call"]
    assert wire.stand_in.wait_for(lambda feishu: feishu.messages[0].versions[-1] != feishu.messages[0].versions[0])
    assert not wire.stand_in.wait_for(lambda feishu: len(feishu.messages) > 1, seconds=0.1)


def test_a_picture_sent_by_a_person_is_no_picture_of_the_bot(wire: Wire) -> None:
    """The app can fetch by key alone only what it uploaded itself."""
    wire.stand_in.send_picture(chat_id="oc_direct_lin", sender="ou_lin", content=png(1, 1))
    (key,) = wire.stand_in.uploads
    assert code(wire.http.get(f"/open-apis/im/v1/images/{key}")) == 234005
