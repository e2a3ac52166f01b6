"""Whatever arrives, in whatever shape and order: it is answered, paid for once at most, and shown as it was typed."""

from __future__ import annotations

import copy
import json
import logging
import re
import secrets
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.sandbox.feishu.delivery import encrypt, sign
from bot.sandbox.http import shared_tls
from tests.support.databases import postgres_database
from tests.support.dsl import BotUnderTest, Card, all_strings, wait_for
from tests.unit.card_samples import elements
from tests.unit.test_cards_valid import HOSTILE

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


VARIABLES = {
    **{f"BOT_LIMITS_{name}": "0" for name in ("PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH")},
    "BOT_IMAGES_MODEL": "cogview-3-flash",
    "BOT_IMAGES_SIZE": "512x512",
}
CARD_BYTES = 30 * 1024
pytestmark = pytest.mark.postgres


@pytest.fixture(name="bot", scope="module")
def bot_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot on PostgreSQL, which takes less than SQLite does; every example is another person.

    In the end nobody was pinged, and every version of every card is within the platform's size.
    """
    with (
        postgres_database() as url,
        BotUnderTest(folder=tmp_path_factory.mktemp("bot"), variables={**VARIABLES, "DATABASE_URL": url}) as bot,
    ):
        yield bot
        assert bot.feishu.pings == []
        versions = [version for message in bot.feishu.messages for version in message.versions]
        assert all(len(version.encode()) < CARD_BYTES for version in versions)


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def pushed(bot: BotUnderTest, event_type: str, body: Any) -> httpx.Response:
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
    return httpx.post(str(bot.feishu.webhook_url), content=content, headers=given, verify=shared_tls())


def with_value(event_type: str, place: tuple[Any, ...], value: Any) -> Any:
    body = copy.deepcopy(BODIES[event_type])
    inner: Any = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return body


PLACES = [(event_type, place) for event_type, body in BODIES.items() for place in places(body)]


@settings(
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(where=st.sampled_from(PLACES), value=anything)
@example(where=("card.action.trigger", ("action", "value", "r")), value="r\x00")
@example(where=("card.action.trigger", ("action", "value", "a")), value=[])
@example(where=("card.action.trigger", ("action", "option")), value="1:1\x00" * 500)
@example(where=("im.message.receive_v1", ("message", "message_id")), value="om\x00_1")
@example(where=("im.message.receive_v1", ("message", "content")), value='{"text": "\\u0000\\ud800"}')
def test_one_value_of_another_kind(bot: BotUnderTest, where: tuple[str, tuple[Any, ...]], value: Any) -> None:
    """An authentic event in which one value is anything at all is acknowledged, and never a fault of the bot."""
    event_type, place = where
    answer = pushed(bot, event_type, with_value(event_type, place, value))
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)


IDS = ("open_id", "message_id", "chat_id", "open_message_id", "open_chat_id")


def test_an_id_longer_than_an_index_takes(bot: BotUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    bot.wait_until_idle()
    before = len(bot.feishu.calls)
    for event_type, place in (one for one in PLACES if one[1][-1] in IDS and "mentions" not in one[1]):
        assert pushed(bot, event_type, with_value(event_type, place, secrets.token_hex(60_000))).status_code == 200
    bot.wait_until_idle()
    assert len(bot.feishu.calls) == before
    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []


def test_a_name_that_was_cut_within_an_emoji(bot: BotUnderTest) -> None:
    """A message that holds half of a surrogate pair is taken like any other, with a sign in the place of the half."""
    user = bot.new_user(kind="group")
    said = bot.feishu.say(chat_id=user.chat_id, sender=user.person, text="画一只猫", mention_bot=False)
    body = with_value("im.message.receive_v1", ("message", "mentions", 0, "name"), "Ada \ud83d")
    body["sender"]["sender_id"] = {"open_id": user.person}
    body["message"] |= {"message_id": said.message_id, "chat_id": user.chat_id}
    body["message"]["content"] = '{"text": "画 @_user_1 的头像"}'
    assert pushed(bot, "im.message.receive_v1", body).status_code == 200
    user.wait_for_end(said)
    assert "Ada \ufffd 的头像" in all_strings(user.first_card)


EVERYBODY = "<at id=all></at>"

AS_TYPED = [
    *(text for text in HOSTILE if "](http" not in text),
    "'; DROP TABLE requests; --",
    "{{7*7}} {% raw %} ${jndi:ldap://x} `id` $(id) <script>alert(1)</script>",
    '{"schema":"2.0","body":{"elements":[{"tag":"markdown","content":"<at id=all></at>"}]}}',
    "![图](data:x)<img src=x><person id=all></person> **粗** _斜_ ~~删~~",
    "{prompt} {count} %s %(name)s ${HOME} {{x}} 的一只猫",
    "👩🏽‍🚀🇨🇳1️⃣ ❤️‍🔥 𠮷 ｱ 👩‍👩‍👧‍👦 和 🐈‍⬛",
    "一只猫\n\n  缩进\t制表\n结束",
    "写着 \"营业中\" 和 '打烊' 的两块牌子 \\n \\u0000",
    "一只猫，参考 https://example.com/a?b=c&d=e#f 和 and/or 24/7",
    "龙\u202egnp.exe",
    "猫\x00\x1b[31m\x7f狗",
    "a\u2066b\u2069c",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
]

INVISIBLE = dict.fromkeys(map(ord, "\u034f\u200f\u202e\u2066\u2069\x00\x01\x1b\x7f"))
"""Characters that nobody sees, which reach neither the platform nor the card."""


def answers_to(bot: BotUnderTest, texts: list[str], *, kind: str = "p2p") -> list[Card]:
    """What each text is answered with, by one card each; whoever is answered twice or not at all is a failure."""
    users = [bot.new_user(kind=kind) for _ in texts]
    for user, text in zip(users, texts, strict=True):
        user.send(f"/draw {text}")
    wait_for(lambda: all(user.answers for user in users) and bot.idle, timeout=60)
    assert [len(user.answers) for user in users] == [1] * len(texts)
    return [user.answers[0] for user in users]


def markdown(card: Any) -> str:
    """Everything on a card in which markup would be acted on."""
    return json.dumps([one for one in elements(card) if one["tag"] == "markdown"], ensure_ascii=False)


def test_what_was_typed_is_drawn_and_shown(bot: BotUnderTest) -> None:
    """Markup, JSON, templates and every script reach the platform and the card as plain text."""
    table = [(text, text.translate(INVISIBLE)) for text in AS_TYPED]
    # Feishu itself writes an address in a text as such a link.
    table.append(("[点我](https://example.com) **粗**", "点我 **粗**"))
    before = len(bot.paid_prompts)
    cards = [json.loads(card.content) for card in answers_to(bot, [typed for typed, _ in table])]
    for (_, shown), card in zip(table, cards, strict=True):
        assert {"tag": "plain_text", "content": shown} in list(elements(card))
        assert EVERYBODY not in markdown(card)
    assert sorted(bot.paid_prompts[before:]) == sorted(shown for _, shown in table)


def test_a_card_that_was_refused_turns_into_harmless_text(bot: BotUnderTest) -> None:
    for fault, on in product(("card_bad", "sensitive", "too_long"), ("reply", "patch")):
        bot.feishu.faults.arm(fault, on=on)
        user = bot.new_user(kind="group")
        user.send(f'一只猫 {EVERYBODY} <at user_id="all">所有人</at> &lt;at user_id="all"&gt; &#60;at id=all&#62;')
        wait_for(lambda user=user: user.answers and bot.idle)  # type: ignore[misc]
        # Whether Feishu reads entities back as tags is documented nowhere.
        texts = [json.loads(one.content)["text"] for one in user.answers if one.msg_type == "text"]
        assert not [text for text in texts if re.search(r"<|&#?\w+;", text)]


def test_what_is_echoed_elsewhere_is_harmless_too(bot: BotUnderTest) -> None:
    friend = bot.feishu.state.add_person(EVERYBODY).open_id
    user = bot.new_user(kind="group")
    bot.feishu.say(chat_id=user.chat_id, sender=user.person, text="画 @某某", mentions=[friend])
    wait_for(lambda: user.answers and bot.idle)
    words = ("猫 /sise", "猫 /style", "猫 /size", "/set size", "/cancel", "/lang")
    cards = answers_to(bot, [f"{word} {EVERYBODY}" for word in words], kind="group")
    user.send("/history")
    wait_for(lambda: len(user.answers) == 2 and bot.idle)
    assert not [card for card in (*cards, *user.answers) if EVERYBODY in markdown(json.loads(card.content))]
