"""Every row of the table of what people type, through the whole bot: what it answers, and what it pays for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, or_, select

from bot import sizes
from bot.db.tables import generations, requests
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, FeishuState, Limits
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.dsl import (
    CATALOGUE,
    QUICK,
    REDELIVERY,
    BotUnderTest,
    Card,
    Conversation,
    Gate,
    bot_with_paused_glm,
    wait_for,
)
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
BUSY = Limits(api_per_second=10_000, api_per_minute=10_000)
"""The platform would let a table of messages wait for the next minute."""


@dataclass(frozen=True)
class Row:
    """A row of the table, said by a person of its own."""

    situation: str
    text: str
    expects: str
    user: Conversation
    message: ChatMessage

    @property
    def cards(self) -> list[Card]:
        replies = self.user.bot.feishu.replies(self.message.message_id)
        return [Card.of(reply, seen_by=self.user) for reply in replies]

    @property
    def request(self) -> RowMapping:
        """What the bot has stored of the message."""
        own = requests.c.dedup_key == self.message.message_id
        with self.user.bot.app.database.read() as connection:
            return connection.execute(select(requests).where(own)).mappings().one()

    @property
    def images(self) -> int:
        """How many paid calls the message led to."""
        own = generations.c.request_id == self.request["request_id"]
        with self.user.bot.app.database.read() as connection:
            return sum(connection.scalars(select(generations.c.calls_made).where(own)))


def test_every_row_of_the_table_is_answered_as_it_says(tmp_path: Path) -> None:
    """Prompts, follow-ups, commands in words, questions, thanks and small talk, in direct chats and in groups.

    Every row but those that wait, said to one bot; a row that names no image costs nothing.
    """
    glm = GlmStandIn(seconds=0.02, concurrency={"glm-image": 20})
    feishu, pace = FeishuStandIn(FeishuState(limits=BUSY), delivery=REDELIVERY), replace(QUICK, poll=1.0)
    with BotUnderTest(folder=tmp_path, feishu=feishu, glm=glm, pace=pace, variables=SETTINGS) as bot:
        table = [row for row in read_rows("utterances.tsv") if row[0] != "waiting"]
        users = [bot.new_user(kind="group" if situation == "group" else "p2p") for situation, _, _ in table]
        kinds = dict(zip(users, (situation for situation, _, _ in table), strict=True))
        follow = [user for user, situation in kinds.items() if situation in ("after", "reply")]
        wait_for_answers(bot, [user.send(f"{TOWER} /size 1280x1280") for user in follow])
        towers = {user: user.answers[0].message_id for user in follow}
        replying = [user for user in follow if kinds[user] == "reply"]
        wait_for_answers(bot, [user.send("一片蓝色的海") for user in replying])
        paid = len(bot.glm.calls)
        quoted = {user: towers[user] for user in replying}
        rows = [
            Row(*row, user, user.send(row[1], quote=quoted.get(user))) for user, row in zip(users, table, strict=True)
        ]
        wait_for_answers(bot, [row.message for row in rows])
        assert wrong(rows) == []
        free = [row for row in rows if re.search(r"(?:^|\|)(?:image|again) ?", row.expects) is None]
        assert [row.text for row in free if row.images] == []
        assert len(bot.glm.calls) - paid == sum(row.images for row in rows)
        assert bot.violations() == []


def wait_for_answers(bot: BotUnderTest, messages: list[ChatMessage]) -> None:
    """Waits until the bot has taken all messages and nothing is left to do."""
    sent = {message.message_id for message in messages}

    def taken() -> bool:
        with bot.app.database.read() as connection:
            return sent <= set(connection.scalars(select(requests.c.dedup_key)))

    wait_for(lambda: taken() and bot.idle, timeout=240, describe="an answer to every message")


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
    kind, _, rest = expectation.partition(" ")
    images, cards = row.images, row.cards
    if kind in ("image", "again"):
        prompts, options = image_of(rest)
        right = has_options(row.request["content"], images, options)
        drawn = bare(row.request["raw_prompt"]) in ([TOWER] if kind == "again" else prompts)
        return images > 0 and right and drawn and [card.color for card in cards] == ["green"]
    if kind == "thanks":
        reactions = [one.message_id for one in row.user.bot.feishu.state.reactions.values()]
        return not images and not cards and reactions.count(row.message.message_id) == 1
    return not images and len(cards) == 1 and is_answer(cards[0], kind, rest)


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


def wrong(rows: list[Row]) -> list[str]:
    """The rows of whose alternatives none holds, with what was answered."""
    return [
        f"{row.situation}\t{row.text}\t{row.expects}: {[card.text() for card in row.cards]}"
        for row in rows
        if not any(holds(row, one) for one in (row.expects, *row.expects.split("|")))
    ]


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
        shown = or_(requests.c.ended_at.is_not(None), requests.c.answer_id.is_not(None))

        def answered() -> set[str]:
            with bot.app.database.read() as connection:
                return set(connection.scalars(select(requests.c.dedup_key).where(shown)))

        wait_for(lambda: handled <= answered(), describe=lambda: handled - answered())
        assert wrong(rows) == []
