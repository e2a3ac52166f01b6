"""What each event means: whose message it is for, what it says, and which events mean nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parsing.events import unmask
from bot.models import CardAction, Ignored, Message, MessageRecall, Onboarding
from tests.unit.event_bodies import (
    ADDED,
    AT_BOT,
    BOT,
    ENTERED,
    EVENT_TYPES,
    SENDER,
    body_of,
    heard,
    json_values,
    mention,
)


def test_direct_text_is_a_message() -> None:
    """A direct text becomes a message with its ids, its sender, its words and its time in seconds."""
    assert heard(body_of({"text": "一只猫 /size 1:1"})) == Message(
        message_id="om_1",
        event_id="e1",
        chat_id="oc_1",
        chat_type="p2p",
        thread_id=None,
        sender=SENDER,
        text="一只猫 /size 1:1",
    )


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("一只猫", None),
        ("@_all 大家好", None),
        ("@_all 大家好", []),
        ("@_all 大家好", [{"key": "@_all", "id": {"open_id": ""}, "name": "所有人"}]),
        ("@_user_1 一只猫", [mention(1, "画图", "ou_other_bot")]),
        ("@画图 一只猫", None),
        ("@_user_1 一只猫", [{"key": "@_user_1", "id": None, "name": "画图"}]),
    ],
)
def test_group_message_without_own_mention_is_ignored(text: str, mentions: list[dict[str, Any]] | None) -> None:
    """In a group only a mention by the bot's own open_id counts: not its name, and not everybody's."""
    body = body_of({"text": text}, chat_type="group", mentions=mentions)
    assert heard(body) == Ignored("the bot is not mentioned")


def test_group_message_is_ignored_while_the_own_id_is_unknown() -> None:
    """Without the bot's open_id nothing in a group is taken for a mention, even one without an id."""
    nobody = {"key": "@_user_1", "id": {"open_id": ""}, "name": "画图"}
    for mentions in ([AT_BOT], [nobody]):
        body = body_of({"text": "@_user_1 猫"}, chat_type="group", mentions=mentions)
        assert isinstance(heard(body, bot_open_id=None), Ignored)


def test_direct_message_needs_no_own_id() -> None:
    """A direct message is understood without the bot's open_id, its mentions by their names."""
    message = heard(body_of({"text": "@_user_1 猫"}, mentions=[AT_BOT]), bot_open_id=None)
    assert isinstance(message, Message)
    assert unmask(message.text, message.names) == "画图 猫"


@pytest.mark.parametrize("message_type", ["image", "file", "audio", "media", "sticker", "share_chat", "location"])
def test_direct_attachment_has_no_words(message_type: str) -> None:
    """A picture, a file and the like in a direct chat are a message without words, whatever their content."""
    message = heard(body_of("not even JSON", message_type=message_type))
    assert isinstance(message, Message)
    assert (message.attachment, message.text) == (True, "")


def test_mention_with_only_a_picture_has_no_words() -> None:
    """A mention with nothing but a picture is an attachment too; a bare picture in a group is nothing."""
    at, picture = {"tag": "at", "user_id": "@_user_1"}, {"tag": "img", "image_key": "img_1"}
    body = body_of({"content": [[at], [picture]]}, message_type="post", chat_type="group", mentions=[AT_BOT])
    message = heard(body)
    assert isinstance(message, Message)
    assert (message.attachment, message.text) == (True, "")
    assert isinstance(heard(body_of({"image_key": "img_1"}, message_type="image", chat_type="group")), Ignored)


def test_thread_id_is_set_only_in_a_topic() -> None:
    """The topic is taken from thread_id alone; a reply's root_id makes no topic."""
    replied = heard(body_of({"text": "猫"}, root_id="om_0", parent_id="om_0"))
    in_topic = heard(body_of({"text": "猫"}, root_id="om_0", thread_id="omt_1"))
    assert isinstance(replied, Message)
    assert isinstance(in_topic, Message)
    assert (replied.thread_id, in_topic.thread_id) == (None, "omt_1")


@pytest.mark.parametrize("sender_type", ["bot", "app", "", None])
def test_messages_of_bots_are_ignored(sender_type: str | None) -> None:
    """What a bot says, this one or another, is never answered."""
    body = body_of({"text": "猫"})
    body["sender"]["sender_type"] = sender_type
    assert heard(body) == Ignored("not sent by a person")


def test_own_message_is_ignored() -> None:
    """A message with the bot's own open_id as its sender is ignored, whatever its sender type."""
    body = body_of({"text": "猫"})
    body["sender"]["sender_id"]["open_id"] = BOT
    assert isinstance(heard(body), Ignored)


def test_recall_names_its_message() -> None:
    """A recall tells which message was taken back."""
    body = {"message_id": "om_1", "chat_id": "oc_1", "recall_type": "message_owner"}
    assert heard(body, "im.message.recalled_v1") == MessageRecall(message_id="om_1")


@pytest.mark.parametrize(
    ("last", "first"), [({}, True), ({"last_message_id": ""}, True), ({"last_message_id": "om_1"}, False)]
)
def test_entering_the_chat_is_a_greeting(*, last: dict[str, str], first: bool) -> None:
    """Opening the direct chat is a greeting, the first one where no message was ever there."""
    body = {"chat_id": "oc_1", "operator_id": {"open_id": SENDER}, **last}
    assert heard(body, ENTERED) == Onboarding(kind="entered", event_id="e1", chat_id="oc_1", person=SENDER, first=first)


def test_being_added_and_the_menu_are_greetings() -> None:
    """Being added to a group tells the chat; a press on the bot's menu tells only the person."""
    added = heard({"chat_id": "oc_1", "operator_id": {"open_id": SENDER}}, ADDED)
    assert added == Onboarding(kind="added", event_id="e1", chat_id="oc_1", person=SENDER)
    body = {"operator": {"operator_id": {"open_id": SENDER}}, "event_key": "help", "timestamp": 1669364458}
    menu = heard(body, "application.bot.menu_v6")
    assert menu == Onboarding(kind="menu", event_id="e1", chat_id=None, person=SENDER)


def press(**action: Any) -> object:
    """What a press with this action means."""
    context = {"open_message_id": "om_1", "open_chat_id": "oc_1"}
    return heard({"operator": {"open_id": SENDER}, "context": context, "action": action}, "card.action.trigger")


CARRIED: list[dict[str, Any]] = [{}, {"value": None}, {"value": {}}, {"value": ""}, {"value": "x"}]
"""What may stand in place of a value."""


@pytest.mark.parametrize(
    ("action", "value", "choice", "form"),
    [
        ({"value": {"a": "again", "r": "r1"}, "tag": "button"}, {"a": "again", "r": "r1"}, None, {}),
        ({"value": '{"a": "again"}'}, {"a": "again"}, None, {}),
        ({"value": {"a": "ratio"}, "option": "16:9"}, {"a": "ratio"}, "16:9", {}),
        ({"value": {"a": "edit"}, "form_value": {"prompt": "猫", "n": 2}}, {"a": "edit"}, None, {"prompt": "猫"}),
        ({"name": "submit", "form_value": {"prompt": "猫"}}, {}, None, {"prompt": "猫"}),
        # A form's button also tells by its name what it is for; its value may be missing or a string.
        *(
            (
                {"name": name, **carried, "form_value": {"prompt": "猫"}},
                {"a": "submit", "r": "r1"},
                None,
                {"prompt": "猫"},
            )
            for name in ("submit_r1", "submit_r1_0a1b2c3d")
            for carried in CARRIED
        ),
        ({"name": "submit_r1", "form_value": '{"prompt": "猫"}'}, {"a": "submit", "r": "r1"}, None, {"prompt": "猫"}),
    ],
)
def test_press_carries_its_action(
    action: dict[str, Any], value: dict[str, str], choice: str | None, form: dict[str, str]
) -> None:
    """A press gives who pressed, on which card, what the button carries, and what was chosen or filled in."""
    assert press(**action) == CardAction(
        event_id="e1", presser=SENDER, message_id="om_1", chat_id="oc_1", value=value, choice=choice, form=form
    )


@pytest.mark.parametrize("value", ["", "x", "[]", "[" * 100_000, 5, ["a"], True])
def test_press_with_a_value_of_another_form_is_ignored(value: object) -> None:
    """A button's value that is no object, nor the JSON of one, means nothing."""
    assert press(value=value) == Ignored("no usable action.value")


@pytest.mark.parametrize("event_type", ["im.message.reaction.created_v1", "im.message.message_read_v1", "", "?"])
def test_other_events_are_ignored(event_type: str) -> None:
    """An event type that the bot has no use for is ignored."""
    assert isinstance(heard({}, event_type), Ignored)


@pytest.mark.parametrize(("length", "kept"), [(256, True), (257, False), (120_000, False)])
def test_an_id_has_a_length_that_an_index_takes(*, length: int, kept: bool) -> None:
    """An id longer than any of the platform's is none, so that nothing is looked up or stored by it."""
    body = body_of({"text": "猫"})
    body["message"]["message_id"] = "o" * length
    assert isinstance(heard(body), Message if kept else Ignored)


@given(st.sampled_from(EVENT_TYPES), json_values)
def test_body_of_any_shape_has_a_meaning(event_type: str, body: object) -> None:
    """No shape of JSON makes an exception."""
    assert isinstance(heard(body, event_type), Message | MessageRecall | Onboarding | CardAction | Ignored)


@given(st.data())
def test_body_with_one_part_replaced_has_a_meaning(data: st.DataObject) -> None:
    """A real message of which any one part is replaced by anything is a message or is ignored."""
    body = body_of({"text": "@_user_1 猫"}, message_type=data.draw(st.sampled_from(["text", "post", "image"])))
    body["message"]["mentions"] = [dict(AT_BOT)]
    parts = [body, body["sender"], body["message"], body["message"]["mentions"][0]]
    part = data.draw(st.sampled_from(parts))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(json_values)
    assert isinstance(heard(body), Message | Ignored)
