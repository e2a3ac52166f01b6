"""Hostile words through the whole bot: drawn and shown as they were typed, and nobody is pinged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dsl import BotUnderTest, Card, header_color, wait_for
from tests.unit.card_samples import elements
from tests.unit.test_cards_valid import HOSTILE

CARD_BYTES = 30 * 1024
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
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
]

INVISIBLE = dict.fromkeys(map(ord, "\u034f\u200f\u202e\u2066\u2069\x00\x01\x1b\x7f"))
"""Characters that nobody sees, which reach neither the platform nor the card."""

CHANGED = [
    # Feishu itself writes an address in a text as such a link.
    ("[点我](https://example.com) **粗**", "点我 **粗**"),
    *((text, text.translate(INVISIBLE)) for text in ("龙\u202egnp.exe", "猫\x00\x1b[31m\x7f狗", "a\u2066b\u2069c")),
]
"""What is typed, and what the platform gets and the card shows."""

LONG = [
    "猫" * 30_000,
    "👨‍👩‍👧‍👦" * 4000,
    '猫"\\' * 10_000,
    "<" * 30_000,
    "a\n" * 15_000,
    "\u202e\x01<at id=all></at>" * 1500,
]

VARIABLES = {
    **{f"BOT_LIMITS_{name}": "0" for name in ("PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH")},
    "BOT_IMAGES_MODEL": "cogview-3-flash",
    "BOT_IMAGES_SIZE": "512x512",
}


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot that no limit holds up; in the end nobody was pinged and every card is within the platform's size."""
    with BotUnderTest(folder=tmp_path, variables=VARIABLES) as bot:
        yield bot
        check_harmless(bot)


def check_harmless(bot: BotUnderTest) -> None:
    """Nobody was pinged, and every version of every card is within the platform's size."""
    assert bot.feishu.pings == []
    versions = [version for message in bot.feishu.messages for version in message.versions]
    assert all(len(version.encode()) < CARD_BYTES for version in versions)


def answers(bot: BotUnderTest, texts: list[str], *, kind: str = "p2p") -> list[Card]:
    """What each text is answered with, by one card each; whoever is answered twice or not at all is a failure."""
    users = [bot.new_user(kind=kind) for _ in texts]
    for user, text in zip(users, texts, strict=True):
        user.send(f"/draw {text}")
    wait_for(lambda: all(user.answers for user in users) and bot.idle, timeout=60)
    cards = []
    for user in users:
        (card,) = user.answers
        cards.append(card)
    return cards


def markdown(card: Any) -> str:
    """Everything on a card in which markup would be acted on."""
    return json.dumps([one for one in elements(card) if one["tag"] == "markdown"], ensure_ascii=False)


def test_what_was_typed_is_drawn_and_shown(tmp_path: Path, database_url: str) -> None:
    """Markup, JSON, templates and every script reach the platform and the card as plain text."""
    table = [(text, text.translate(INVISIBLE)) for text in AS_TYPED] + CHANGED
    with BotUnderTest(folder=tmp_path, variables={**VARIABLES, "DATABASE_URL": database_url}) as bot:
        cards = [json.loads(card.content) for card in answers(bot, [typed for typed, _ in table])]
        for (_, shown), card in zip(table, cards, strict=True):
            assert {"tag": "plain_text", "content": shown} in list(elements(card))
            assert EVERYBODY not in markdown(card)
        assert sorted(bot.paid_prompts) == sorted(shown for _, shown in table)
        check_harmless(bot)


def test_thirty_thousand_characters(bot: BotUnderTest) -> None:
    """A prompt of any length goes whole to the platform, whose refusal comes back on a card that Feishu takes."""
    cards = answers(bot, LONG)
    assert {header_color(card) for card in cards} == {"red"}
    assert sorted(call.body["prompt"] for call in bot.glm.calls) == sorted(
        text.translate(INVISIBLE).strip() for text in LONG
    )
    assert not [card for card in cards if EVERYBODY in markdown(json.loads(card.content))]


@pytest.mark.parametrize("fault", ["card_bad", "sensitive", "too_long"])
def test_a_card_that_was_refused_turns_into_harmless_text(bot: BotUnderTest, fault: str) -> None:
    """Where a text message takes the card's place, a tag in the prompt is no tag in it."""
    for on in ("reply", "patch"):
        bot.feishu.faults.arm(fault, on=on)
        user = bot.new_user(kind="group")
        user.send(f'一只猫 {EVERYBODY} <at user_id="all">所有人</at> &lt;at user_id="all"&gt; &#60;at id=all&#62;')
        wait_for(lambda user=user: user.answers and bot.idle)  # type: ignore[misc]
        # Whether Feishu reads entities back as tags is documented nowhere.
        texts = [json.loads(one.content)["text"] for one in user.answers if one.msg_type == "text"]
        assert not [text for text in texts if re.search(r"<|&#?\w+;", text)]


@pytest.mark.parametrize("name", ["张三 /n 4", "/cancel", "李四 /sise", '王"五', "取消"])
def test_the_name_of_somebody_mentioned_is_drawn(bot: BotUnderTest, name: str) -> None:
    """Whatever people call themselves, who mentions one pays for one picture, with the name in its prompt."""
    friend = bot.feishu.state.add_person(name).open_id
    user = bot.new_user(kind="group")
    said = bot.feishu.say(chat_id=user.chat_id, sender=user.person, text=f'画 "@{name}" 的头像', mentions=[friend])
    user.wait_for_end(said)
    assert [call.body["prompt"] for call in bot.glm.paid] == [f'"{name}" 的头像']
    assert [header_color(card) for card in user.answers] == ["green"]


def test_what_is_echoed_elsewhere_is_harmless_too(bot: BotUnderTest) -> None:
    """Mistyped options, names of people, and the cards that list prompts hold markup as text."""
    friend = bot.feishu.state.add_person(EVERYBODY).open_id
    user = bot.new_user(kind="group")
    bot.feishu.say(chat_id=user.chat_id, sender=user.person, text="画 @某某", mentions=[friend])
    wait_for(lambda: user.answers and bot.idle)
    words = ("猫 /sise", "猫 /style", "猫 /size", "/set size", "/cancel", "/lang")
    cards = answers(bot, [f"{word} {EVERYBODY}" for word in words], kind="group")
    user.send("/history")
    wait_for(lambda: len(user.answers) == 2 and bot.idle)
    assert not [card for card in (*cards, *user.answers) if EVERYBODY in markdown(json.loads(card.content))]
