"""Every row of the table of what people type, through the whole bot: what it answers, and what it pays for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import or_, select

from bot import sizes
from bot.db.tables import generations, requests
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation, Gate, bot_with_paused_glm, wait_for
from tests.unit.test_intents import bare, image_of
from tests.unit.test_intents import rows as read_rows

TOWER = "一座红色的塔"
TITLES = {
    "prices": "models.title",
    "cancel": "notice.cancelled.title",
    "ask": "question.title",
    "cannot_see": "notice.unreadable.title",
}
SETTINGS = {
    "BOT_CHAT_CONFIRM": "ambiguous",
    "BOT_IMAGES_WATERMARK_DISCLAIMER_SIGNED": "true",
    "BOT_LIMITS_WAITING": "0",
    "BOT_LIMITS_PENDING": "0",
    "BOT_SLOTS_GLM_IMAGE": "20",
}
"""Without the limits that a table of messages at once would meet."""
PATIENCE = 240.0
"""Seconds for all that a table of messages asks for."""


@dataclass(frozen=True)
class Row:
    """A row of the table, said by a person of its own."""

    situation: str
    text: str
    expects: str
    user: Conversation
    message: ChatMessage


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Row]]:
    """Every row but those that wait, said to one bot and answered."""
    glm = GlmStandIn(seconds=0.02, concurrency={"glm-image": 20})
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), glm=glm, variables=SETTINGS) as bot:
        rows = [row for row in read_rows("utterances.tsv") if row[0] != "waiting"]
        users = [bot.new_user(kind="group" if situation == "group" else "p2p") for situation, _, _ in rows]
        follow = [user for user, (situation, _, _) in zip(users, rows, strict=True) if situation in ("after", "reply")]
        send_all(bot, dict.fromkeys(follow, f"{TOWER} /size 1280x1280"))
        towers = {user: user.answers[0].message_id for user in follow}
        send_all(bot, {user: "一片蓝色的海" for user, row in zip(users, rows, strict=True) if row[0] == "reply"})
        paid = len(bot.glm.calls)
        messages = [
            bot.feishu.say(
                chat_id=user.chat_id,
                sender=user.person,
                text=text,
                quote=towers[user] if situation == "reply" else None,
            )
            for user, (situation, text, _) in zip(users, rows, strict=True)
        ]
        wait_for_answers(bot, messages)
        yield [Row(*row, user, message) for row, user, message in zip(rows, users, messages, strict=True)]
        assert len(bot.glm.calls) - paid == sum(images_of(message, bot) for message in messages)
        assert bot.violations() == []


def send_all(bot: BotUnderTest, texts: Mapping[Conversation, str]) -> None:
    """Sends a text of each person, and waits until all are answered."""
    wait_for_answers(bot, [user.send(text) for user, text in texts.items()])


def wait_for_answers(bot: BotUnderTest, messages: list[ChatMessage]) -> None:
    """Waits until the bot has taken all messages and nothing is left to do."""
    sent = {message.message_id for message in messages}

    def taken() -> bool:
        with bot.app.database.read() as connection:
            return sent <= set(connection.scalars(select(requests.c.dedup_key)))

    wait_for(lambda: taken() and bot.idle, timeout=PATIENCE, describe="an answer to every message")


def request_of(message: ChatMessage, bot: BotUnderTest) -> Any:
    """What the bot has stored of a message."""
    with bot.app.database.read() as connection:
        return connection.execute(select(requests).where(requests.c.dedup_key == message.message_id)).mappings().one()


def images_of(message: ChatMessage, bot: BotUnderTest) -> int:
    """How many paid calls a message led to."""
    with bot.app.database.read() as connection:
        joined = generations.join(requests, requests.c.request_id == generations.c.request_id)
        statement = select(generations.c.calls_made).select_from(joined)
        return sum(connection.scalars(statement.where(requests.c.dedup_key == message.message_id)))


def has_options(given: Mapping[str, Any], images: int, wanted: list[str]) -> bool:
    """Whether images were made with the options of a row, and with the defaults where it names none."""
    names = dict(option.split("=") for option in wanted)
    return (
        given["size"] == sizes.resolve(given["model"], names.get("size", "1280x1280"))
        and images == int(names.get("n", 1))
        and given["watermark"] == (names.get("watermark") != "no")
        and given["quality"] == names.get("quality", "hd")
        and given["model"] == names.get("model", "glm-image")
        and (given["style"] is not None) == ("style" in names)
    )


def holds(row: Row, expectation: str) -> bool:
    """Whether the bot has done what one expectation says."""
    bot = row.user.bot
    kind, _, rest = expectation.partition(" ")
    images, replies = images_of(row.message, bot), bot.feishu.replies(row.message.message_id)
    cards = [Card(row.user, reply) for reply in replies]
    if kind in ("image", "again"):
        prompts, options = image_of(rest)
        prompts = [TOWER] if kind == "again" else prompts
        return images > 0 and is_drawn(row, images, prompts, options) and [card.color for card in cards] == ["green"]
    if kind == "thanks":
        reactions = [one.message_id for one in bot.feishu.state.reactions.values()]
        return not images and not cards and reactions.count(row.message.message_id) == 1
    return not images and len(cards) == 1 and is_answer(cards[0], kind, rest)


def is_drawn(row: Row, images: int, prompts: list[str], options: list[str]) -> bool:
    """Whether one of some prompts was drawn with these options."""
    stored = request_of(row.message, row.user.bot)
    right = has_options(stored["content"], images, options)
    return right and bare(stored["raw_prompt"]) in prompts


def is_answer(card: Card, kind: str, rest: str) -> bool:
    """Whether a message of the bot is the free answer that a row expects."""
    if kind == "edit":
        field = re.search(r'"default_value":"([^"]*)"', card.content)
        return field is not None and bare(field[1]) in [bare(prompt) for prompt in rest.split("|")]
    if rest == "original":
        return card.msg_type == "file"
    if kind == "cancel" and card.shows("command.nothing_to_cancel"):
        return True
    key = TITLES.get(rest or kind, f"{rest}.title")
    return key in CATALOGUE and card.shows(key, count=1)


def is_right(row: Row) -> bool:
    """Whether one of the alternatives of a row holds."""
    return any(holds(row, one) for one in (row.expects, *row.expects.split("|")))


def wrong(rows: list[Row]) -> list[str]:
    """The rows that were not understood, with what was answered."""
    answers = {
        row: [Card(row.user, reply).text() for reply in row.user.bot.feishu.replies(row.message.message_id)]
        for row in rows
        if not is_right(row)
    }
    return [f"{row.situation}\t{row.text}\t{row.expects}: {texts}" for row, texts in answers.items()]


def test_every_row_of_the_table_is_answered_as_it_says(said: list[Row]) -> None:
    """Prompts, follow-ups, commands in words, questions, thanks and small talk, in direct chats and in groups."""
    assert wrong(said) == []


def test_nothing_is_paid_where_no_image_is_wanted(said: list[Row]) -> None:
    """Whatever else the bot makes of it, a row that names no image costs nothing."""
    free = [row for row in said if re.search(r"(?:^|\|)(?:image|again) ?", row.expects) is None]
    assert [row.text for row in free if images_of(row.message, row.user.bot)] == []


def test_what_is_said_while_an_image_waits(tmp_path: Path) -> None:
    """Of what is said then, only what asks for a further image is paid later."""
    gate = Gate()
    with bot_with_paused_glm(gate, tmp_path, SETTINGS) as bot:
        rows = []
        for situation, text, expects in read_rows("utterances.tsv"):
            if situation == "waiting":
                user = bot.new_user()
                user.ask_without_waiting(TOWER)
                rows.append(Row(situation, text, expects, user, user.send(text)))
        handled = {row.message.message_id for row in rows}
        shown = select(requests.c.dedup_key).where(
            or_(requests.c.ended_at.is_not(None), requests.c.answer_id.is_not(None))
        )

        def answered() -> set[str]:
            with bot.app.database.read() as connection:
                return set(connection.scalars(shown))

        wait_for(lambda: handled <= answered(), describe=lambda: handled - answered())
        assert wrong(rows) == []
