"""Authentic events of every shape through the whole bot: each is answered with 200."""

from __future__ import annotations

import copy
import json
import logging
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.sandbox.feishu.delivery import encrypt, sign
from bot.sandbox.http import shared_tls
from tests.support.databases import postgres_database
from tests.support.dsl import BotUnderTest, all_strings

bounded = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

text = st.text(st.characters(exclude_categories=()))
"""Halves of surrogate pairs included."""

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)

WHO = {"open_id": "ou_somebody"}
BODIES: dict[str, dict[str, Any]] = {
    "im.message.receive_v1": {
        "sender": {"sender_type": "user", "sender_id": WHO},
        "message": {
            "message_id": "om_1",
            "chat_id": "oc_1",
            "chat_type": "p2p",
            "thread_id": "omt_1",
            "message_type": "text",
            "create_time": "1700000000000",
            "content": '{"text": "/id"}',
            "mentions": [{"key": "@_user_1", "id": WHO, "name": "某人"}],
        },
    },
    "im.message.recalled_v1": {"message_id": "om_1", "chat_id": "oc_1"},
    "im.chat.access_event.bot_p2p_chat_entered_v1": {"chat_id": "oc_1", "operator_id": WHO},
    "im.chat.member.bot.added_v1": {"chat_id": "oc_1", "operator_id": WHO},
    "application.bot.menu_v6": {"operator": {"operator_id": WHO}, "event_key": "help"},
    "card.action.trigger": {
        "operator": WHO,
        "action": {
            "value": {"a": "again", "r": "r1", "g": "g1", "e": "cat"},
            "option": "1:1",
            "form_value": {"prompt": "猫"},
        },
        "context": {"open_message_id": "om_1", "open_chat_id": "oc_1"},
    },
}


@pytest.fixture(name="bot", scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def bot_(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for all events."""
    folder = tmp_path_factory.mktemp("bot")
    if request.param == "sqlite":
        with BotUnderTest(folder=folder) as bot:
            yield bot
    else:
        with postgres_database() as url, BotUnderTest(folder=folder, variables={"DATABASE_URL": url}) as bot:
            yield bot


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a body."""
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def pushed(bot: BotUnderTest, event_type: str, body: Any) -> int:
    """The status with which an authentic event with this body is answered."""
    header = {
        "event_id": secrets.token_hex(8),
        "event_type": event_type,
        "create_time": str(int(bot.feishu.state.clock() * 1000)),
        "token": bot.feishu.verification_token,
        "app_id": bot.feishu.app_id,
    }
    # In ASCII, as UTF-8 cannot hold half of a surrogate pair.
    plain = json.dumps({"schema": "2.0", "header": header, "event": body}).encode()
    content = json.dumps({"encrypt": encrypt(bot.feishu.encrypt_key, plain)}).encode()
    given = {"X-Lark-Request-Timestamp": "1700000000", "X-Lark-Request-Nonce": "n"}
    given["X-Lark-Signature"] = sign(bot.feishu.encrypt_key, timestamp="1700000000", nonce="n", body=content)
    url = str(bot.feishu.webhook_url)
    return httpx.post(url, content=content, headers=given, verify=shared_tls()).status_code


def with_value(event_type: str, place: tuple[Any, ...], value: Any) -> Any:
    """The body of an event with another value at a place."""
    body = copy.deepcopy(BODIES[event_type])
    inner: Any = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return body


PLACES = [(event_type, place) for event_type, body in BODIES.items() for place in places(body)]


@bounded
@given(where=st.sampled_from(PLACES), value=anything)
@example(where=("card.action.trigger", ("action", "value", "r")), value="r\x00")
@example(where=("card.action.trigger", ("action", "value", "a")), value=[])
@example(where=("card.action.trigger", ("action", "option")), value="1:1\x00" * 500)
@example(where=("im.message.receive_v1", ("message", "message_id")), value="om\x00_1")
@example(where=("im.message.receive_v1", ("message", "content")), value='{"text": "\\u0000\\ud800"}')
def test_one_value_of_another_kind(bot: BotUnderTest, where: tuple[str, tuple[Any, ...]], value: Any) -> None:
    """An authentic event in which one value is anything at all is acknowledged, and never a fault of the bot."""
    event_type, place = where
    assert pushed(bot, event_type, with_value(event_type, place, value)) == 200


IDS = [
    (event_type, place)
    for event_type, place in PLACES
    if place[-1] in ("open_id", "message_id", "chat_id", "open_message_id", "open_chat_id") and "mentions" not in place
]


def test_an_id_longer_than_an_index_takes(tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """An authentic event with an id of 120,000 characters is acknowledged, and nothing comes of it."""
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": database_url}) as bot:
        before = len(bot.feishu.calls)
        for event_type, place in IDS:
            assert pushed(bot, event_type, with_value(event_type, place, secrets.token_hex(60_000))) == 200
        bot.wait_until_idle()
        assert len(bot.feishu.calls) == before
    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []


def test_a_name_that_was_cut_within_an_emoji(tmp_path: Path, database_url: str) -> None:
    """A message that holds half of a surrogate pair is taken like any other, with a sign in the place of the half."""
    with BotUnderTest(folder=tmp_path, variables={"DATABASE_URL": database_url}) as bot:
        user = bot.new_user(kind="group")
        said = bot.feishu.say(chat_id=user.chat_id, sender=user.person, text="画一只猫", mention_bot=False)
        body = with_value("im.message.receive_v1", ("message", "mentions", 0, "name"), "Ada \ud83d")
        body["sender"]["sender_id"] = {"open_id": user.person}
        body["message"] |= {"message_id": said.message_id, "chat_id": user.chat_id}
        body["message"]["content"] = '{"text": "画 @_user_1 的头像"}'
        assert pushed(bot, "im.message.receive_v1", body) == 200
        user.wait_for_end(said)
        assert "Ada \ufffd 的头像" in all_strings(user.first_card)
