"""Somebody asks for an image: alone with the bot, in a group, in rich text, in a topic; or talks to somebody else."""

from __future__ import annotations

import json
import secrets

from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import BotUnderTest, Conversation, all_strings, header_color

PROMPT = "一只坐在窗台上的橘猫，水彩"


def test_prompt_in_a_direct_chat_gets_one_card(bot: BotUnderTest) -> None:
    """A prompt in a direct conversation is answered by one card, which ends with the picture and its facts."""
    talk = bot.new_user()
    card = talk.ask(PROMPT)
    assert card.color == "green"
    card.assert_shows("state.ready")
    assert PROMPT in card.text()
    assert set(all_strings(json.loads(card.content))) & bot.feishu.uploads.keys()
    assert talk.answers == [card]


def test_paid_call_holds_prompt_defaults_and_a_pseudonym(user: Conversation) -> None:
    """The paid call holds the prompt, the defaults, and an id of the asker from which no name can be read."""
    (body,) = user.ask(PROMPT).paid
    defaults = {"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark_enabled": True}
    assert body == {"prompt": PROMPT, "user_id": body["user_id"], **defaults}
    assert user.person not in body["user_id"]
    assert 6 <= len(body["user_id"]) <= 128


def test_mention_is_removed_from_a_group_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """In a group the mention leaves the prompt, and the name of somebody else stays in it."""
    friend = bot.feishu.state.add_person("小李").open_id
    said = bot.feishu.say(
        chat_id=member.chat_id, sender=member.person, text="@画图 画一张 @小李 的漫画头像", mentions=[friend]
    )
    card = member.ask(said)
    assert card.color == "green"
    assert [body["prompt"] for body in member.paid_since(said)] == ["小李 的漫画头像"]
    assert card.thread_id is None


def test_rich_text_is_one_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """Rich text of several lines is one prompt, and its options count as in plain text."""
    text = "雨后的竹林\n水墨画 /size 3:4"
    said = bot.feishu.say(chat_id=member.chat_id, sender=member.person, text=text, as_post=True)
    assert header_color(member.ask(said)) == "green"
    (body,) = member.paid_since(said)
    assert (body["prompt"], body["size"]) == ("雨后的竹林\n水墨画", "1088x1472")


def test_card_stays_in_its_topic(bot: BotUnderTest) -> None:
    """In a topic the card stays in the topic."""
    talk = bot.new_user(kind="topic")
    said = talk.send(PROMPT)
    card = talk.ask(said)
    assert card.thread_id == said.thread_id is not None
    assert card.color == "green"


def test_prompt_that_quotes_is_answered_under_the_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """A prompt that quotes a message of a group is answered under the prompt."""
    first = member.send(PROMPT)
    member.ask(first)
    said = bot.feishu.say(chat_id=member.chat_id, sender=member.person, text="一座灯塔", quote=first.message_id)
    assert header_color(member.ask(said)) == "green"
    assert [body["prompt"] for body in member.paid_since(said)] == ["一座灯塔"]


def test_message_to_everybody_is_ignored(bot: BotUnderTest, member: Conversation) -> None:
    """A message to everybody is not one to the bot."""
    said = bot.feishu.say(chat_id=member.chat_id, sender=member.person, text=f"@_all {PROMPT}", mention_bot=False)
    member.assert_no_answer(said)


OVERHEARD: list[tuple[str, list[tuple[str, str]]]] = [
    ("user", []),
    ("user", [("ou_somebody_else", "小李")]),
    ("user", [("ou_namesake", "画图")]),
    ("app", [("ou_sandbox_bot", "画图")]),
]
"""Nobody, somebody else or a namesake is mentioned, or another bot mentions this one."""


def test_message_to_somebody_else_is_ignored(member: Conversation) -> None:
    """What the platform delivers though it is not for the bot is acknowledged and not answered."""
    for sender_type, mentioned in OVERHEARD:
        member.assert_no_answer(overheard(member, sender_type=sender_type, mentioned=mentioned))


def overheard(talk: Conversation, *, sender_type: str, mentioned: list[tuple[str, str]]) -> ChatMessage:
    """Delivers a group's message as an app gets it that may read all messages."""
    feishu = talk.bot.feishu
    keys = [f"@_user_{number}" for number in range(1, len(mentioned) + 1)]
    content = json.dumps({"text": " ".join([*keys, f"{PROMPT} {secrets.token_hex(4)}"])})
    said = feishu.state.add_message(talk.chat_id, talk.person, "text", content)
    event = feishu.event_of(said)
    event["event"]["sender"]["sender_type"] = sender_type
    event["event"]["message"]["mentions"] = [
        {"key": key, "id": {"open_id": open_id}, "name": name}
        for key, (open_id, name) in zip(keys, mentioned, strict=True)
    ]
    attempt = feishu.push(event)
    assert attempt.status == 200
    return said
