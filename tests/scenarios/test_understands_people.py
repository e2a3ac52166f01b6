"""A row of each kind of the table of what people type, through the whole bot: what it answers, and what it pays for.

That every row is understood is the subject of the unit tests of the intents.
"""

from __future__ import annotations

import re

from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation, wait_for
from tests.unit.test_intents import rows

TOWER = "一座红色的塔"
TITLES = {
    "prices": "models.title",
    "cancel": "notice.cancelled.title",
    "ask": "question.title",
    "cannot_see": "notice.unreadable.title",
    "edit": "form.title",
}
SETTINGS = {"BOT_CHAT_CONFIRM": "ambiguous", "BOT_IMAGES_WATERMARK_DISCLAIMER_SIGNED": "true"}


def one_of_each_kind(*situations: str) -> dict[tuple[str, str], str]:
    """What is typed in these situations, by the situation and what it leads to, prompts left out."""
    found: dict[tuple[str, str], str] = {}
    for situation, text, expects in rows("utterances.tsv"):
        if situation in situations:
            found.setdefault((situation, re.sub(r"\b(image|edit)\b.*", r"\1", expects)), text)
    return found


def test_each_kind_of_message_is_answered_as_the_table_says(bot: BotUnderTest) -> None:
    """Prompts, follow-ups, commands in words, questions, thanks and small talk, in direct chats and in groups."""
    for (situation, expects), text in one_of_each_kind("dm", "group", "after", "reply").items():
        user = bot.new_user(kind="group" if situation == "group" else "p2p")
        quote = None
        if situation in ("after", "reply"):
            tower = user.ask(TOWER)
        if situation == "reply":
            user.ask("一片蓝色的海")
            quote = tower.message_id
        paid, message = len(bot.glm.paid), user.send(text, quote=quote)
        bot.wait_until_idle(message)
        assert is_right(user, message, expects), (situation, text, user.answers[-1:])
        images = re.search("(?:image|again)(?: n=([234]))?", expects)
        assert len(bot.glm.paid) - paid == (int(images[1] or 1) if images else 0), (situation, text)


def test_what_is_said_while_an_image_waits(held: BotUnderTest) -> None:
    for (_, expects), text in one_of_each_kind("waiting").items():
        user = held.new_user()
        user.ask_without_waiting(TOWER)
        message = user.send(text)
        wait_for(lambda: is_right(user, message, expects), describe=text)  # noqa: B023 - called in its own round


def is_right(user: Conversation, message: ChatMessage, expects: str) -> bool:
    """Whether the bot has done what one of the alternatives of a row says."""
    feishu = user.bot.feishu
    cards = [Card.of(reply, seen_by=user) for reply in feishu.replies(message.message_id)]
    if not cards:
        reactions = [one for one in feishu.state.reactions.values() if one.message_id == message.message_id]
        return "thanks" in expects.split("|") and [one.emoji_type for one in reactions] == ["THUMBSUP"]
    return len(cards) == 1 and any(is_answer(cards[0], *one.split(" ", 1)) for one in expects.split("|"))


def is_answer(card: Card, kind: str, rest: str = "") -> bool:
    """Whether a message of the bot is what one alternative says."""
    if kind in ("image", "again"):
        return card.color == "green"
    if rest == "original":
        return card.msg_type == "file"
    if kind == "cancel" and card.shows("command.nothing_to_cancel"):
        return True
    key = TITLES.get(rest or kind, f"{rest}.title")
    return key in CATALOGUE.keys and card.shows(key, count=1)
