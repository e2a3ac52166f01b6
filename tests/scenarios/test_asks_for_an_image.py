"""Somebody asks for an image: alone with the bot, in a group, in rich text, in a topic; or talks to somebody else."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from bot.sandbox.feishu.state import ChatMessage, new_id
from tests.support.dsl import BotUnderTest, Conversation, all_strings, header_color

PROMPT = "一只坐在窗台上的橘猫，水彩"


def test_alone_with_the_bot(bot: BotUnderTest) -> None:
    """A prompt in a direct conversation is answered by one card, which ends with the picture and its facts."""
    talk = bot.new_user()
    card = talk.ask(PROMPT)
    assert card.color == "green"
    card.assert_shows("state.ready")
    assert PROMPT in card.text()
    assert set(all_strings(json.loads(card.content))) & bot.feishu.uploads.keys()
    assert talk.answers == [card]
    assert [body["prompt"] for body in card.paid] == [PROMPT]


def test_the_platform_gets_exactly_this(bot: BotUnderTest) -> None:
    """The paid call holds the prompt, the defaults, and an id of the asker from which no name can be read."""
    talk = bot.new_user()
    said = talk.ask(PROMPT)
    (body,) = said.paid
    user = body.pop("user_id")
    assert body == {
        "model": "glm-image",
        "prompt": PROMPT,
        "size": "1280x1280",
        "quality": "hd",
        "watermark_enabled": True,
    }
    assert talk.person not in user
    assert 6 <= len(user) <= 128


def test_in_a_group_with_a_mention(bot: BotUnderTest, member: Conversation) -> None:
    """In a group the mention leaves the prompt, and the name of somebody else stays in it."""
    friend = bot.feishu.state.add_person("小李").open_id
    said = bot.feishu.say(
        chat_id=member.chat_id, sender=member.person, text="@画图 画一张 @小李 的漫画头像", mentions=[friend]
    )
    card = member.ask(said)
    assert card.color == "green"
    assert [body["prompt"] for body in member.paid_since(said)] == ["小李 的漫画头像"]
    assert card.thread_id is None


@pytest.mark.parametrize("kind", ["p2p", "group"])
def test_in_rich_text(bot: BotUnderTest, kind: str) -> None:
    """Rich text of several lines is one prompt, and its options count as in plain text."""
    talk = bot.new_user(kind=kind)
    said = bot.feishu.say(chat_id=talk.chat_id, sender=talk.person, text="雨后的竹林\n水墨画 /size 3:4", as_post=True)
    assert header_color(talk.ask(said)) == "green"
    (body,) = talk.paid_since(said)
    assert (body["prompt"], body["size"]) == ("雨后的竹林\n水墨画", "1088x1472")


def test_in_a_topic(bot: BotUnderTest) -> None:
    """In a topic the card stays in the topic."""
    talk = bot.new_user(kind="topic")
    said = talk.send(PROMPT)
    card = talk.ask(said)
    assert card.thread_id == said.thread_id is not None
    assert card.color == "green"


def test_under_another_message(bot: BotUnderTest, member: Conversation) -> None:
    """A prompt that quotes a message of a group is answered under the prompt."""
    first = member.send(PROMPT)
    member.ask(first)
    said = bot.feishu.say(chat_id=member.chat_id, sender=member.person, text="一座灯塔", quote=first.message_id)
    assert header_color(member.ask(said)) == "green"
    assert [body["prompt"] for body in member.paid_since(said)] == ["一座灯塔"]


def test_with_everybody_mentioned(bot: BotUnderTest, member: Conversation) -> None:
    """A message to everybody is not one to the bot."""
    said = bot.feishu.say(chat_id=member.chat_id, sender=member.person, text=f"@_all {PROMPT}", mention_bot=False)
    member.assert_no_answer(said)


@pytest.mark.parametrize(
    ("sender_type", "mentioned"),
    [
        pytest.param("user", [], id="nobody is mentioned"),
        pytest.param("user", [("ou_somebody_else", "小李")], id="somebody else is mentioned"),
        pytest.param("user", [("ou_namesake", "画图")], id="a namesake is mentioned"),
        pytest.param("app", [("ou_sandbox_bot", "画图")], id="another bot mentions this one"),
    ],
)
def test_said_to_somebody_else(member: Conversation, sender_type: str, mentioned: list[tuple[str, str]]) -> None:
    """What the platform delivers though it is not for the bot is acknowledged and not answered."""
    member.assert_no_answer(overheard(member, sender_type=sender_type, mentioned=mentioned))


def overheard(talk: Conversation, *, sender_type: str, mentioned: list[tuple[str, str]]) -> ChatMessage:
    """Delivers a group's message as an app gets it that may read all messages."""
    feishu = talk.bot.feishu
    keys = [f"@_user_{number}" for number in range(1, len(mentioned) + 1)]
    content = json.dumps({"text": " ".join([*keys, f"{PROMPT} {secrets.token_hex(4)}"])})
    said = ChatMessage(
        message_id=new_id("om"),
        chat_id=talk.chat_id,
        sender=talk.person,
        msg_type="text",
        content=content,
        created=feishu.state.clock(),
    )
    mentions = [
        {"key": key, "id": {"open_id": open_id}, "name": name}
        for key, (open_id, name) in zip(keys, mentioned, strict=True)
    ]
    (attempt,) = feishu.push(_event(talk, said, sender_type=sender_type, mentions=mentions))
    assert attempt.status == 200
    return said


def _event(
    talk: Conversation, said: ChatMessage, *, sender_type: str, mentions: list[dict[str, Any]]
) -> dict[str, Any]:
    feishu = talk.bot.feishu
    milliseconds = str(int(said.created * 1000))
    return {
        "schema": "2.0",
        "header": {
            "event_id": secrets.token_hex(16),
            "event_type": "im.message.receive_v1",
            "create_time": milliseconds,
            "token": feishu.verification_token,
            "app_id": feishu.app_id,
            "tenant_key": "sandbox_tenant",
        },
        "event": {
            "sender": {"sender_id": {"open_id": talk.person}, "sender_type": sender_type},
            "message": {
                "message_id": said.message_id,
                "create_time": milliseconds,
                "chat_id": talk.chat_id,
                "chat_type": "group",
                "message_type": "text",
                "content": said.content,
                "mentions": mentions,
            },
        },
    }
