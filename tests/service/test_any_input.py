"""Whatever arrives, in whatever shape and order: it is answered, paid for once at most, and shown as it was typed."""

from __future__ import annotations

import copy
import json
import re
import secrets
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import FeishuState
from bot.sandbox.http import shared_tls
from tests.support.bot_process import NO_LIMITS
from tests.support.databases import postgres_database
from tests.support.dsl import REDELIVERY, BotUnderTest, wait_for
from tests.support.events import KEY, TOKEN, event, signature, wrapped
from tests.unit.card_samples import elements
from tests.unit.test_cards_valid import HOSTILE

text = st.text(st.characters(exclude_categories=()))  # halves of surrogate pairs included

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


VARIABLES = {**NO_LIMITS, "BOT_IMAGES_MODEL": "cogview-3-flash", "BOT_IMAGES_SIZE": "512x512"}
CARD_BYTES = 30 * 1024
pytestmark = pytest.mark.postgres


@pytest.fixture(name="bot", scope="module")
def bot_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot on PostgreSQL, which takes less than SQLite does; every example is another person.

    In the end nobody was pinged, and every version of every card is within the platform's size.
    """
    feishu = FeishuStandIn(FeishuState(encrypt_key=KEY, verification_token=TOKEN), delivery=REDELIVERY)
    folder = tmp_path_factory.mktemp("bot")
    with (
        postgres_database() as url,
        BotUnderTest(folder=folder, feishu=feishu, variables={**VARIABLES, "DATABASE_URL": url}) as bot,
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
    now = str(int(bot.feishu.state.clock() * 1000))
    pushed = {**event(event_type, event_id=secrets.token_hex(8), create_time=now), "event": body}
    # In ASCII, as UTF-8 cannot hold half of a surrogate pair.
    content = wrapped(json.dumps(pushed).encode())
    return httpx.post(str(bot.feishu.webhook_url), content=content, headers=signature(content), verify=shared_tls())


def with_value(event_type: str, place: tuple[Any, ...], value: Any) -> Any:
    body = copy.deepcopy(BODIES[event_type])
    inner: Any = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return body


PLACES = [(event_type, place) for event_type, body in BODIES.items() for place in places(body)]


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def markdown(card: Any) -> str:
    """Everything on a card in which markup would be acted on."""
    return json.dumps([one for one in elements(card) if one["tag"] == "markdown"], ensure_ascii=False)


def test_what_was_typed_is_drawn_and_shown(bot: BotUnderTest) -> None:
    """Markup, JSON, templates and every script reach the platform and the card as plain text."""
    table = [(text, text.translate(INVISIBLE)) for text in AS_TYPED]
    # Feishu itself writes an address in a text as such a link.
    table.append(("[点我](https://example.com) **粗**", "点我 **粗**"))
    before = len(bot.paid_prompts)
    for typed, shown in table:
        card = json.loads(bot.new_user().ask(f"/draw {typed}").content)
        assert {"tag": "plain_text", "content": shown} in list(elements(card))
        assert EVERYBODY not in markdown(card)
    assert bot.paid_prompts[before:] == [shown for _, shown in table]


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
    cards = [user.ask("画 @某某", mentions=[friend]), user.ask("/history")]
    words = ("猫 /sise", "猫 /style", "猫 /size", "/set size", "/cancel", "/lang")
    cards += [bot.new_user(kind="group").ask(f"/draw {word} {EVERYBODY}") for word in words]
    assert not [card for card in cards if EVERYBODY in markdown(json.loads(card.content))]
