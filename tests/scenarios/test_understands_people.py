"""What people type without a slash, through the whole bot: in each situation a row of each kind of the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot import sizes
from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation, Gate, bot_with, bot_with_paused_glm
from tests.unit.test_intents import bare, image_of, rows

TOWER = "一座红色的塔"
TITLES = {"cancel": "notice.cancelled.title", "ask": "question.title", "cannot_see": "notice.unreadable.title"}
SETTINGS = {"BOT_CHAT_CONFIRM": "ambiguous", "BOT_IMAGES_WATERMARK_DISCLAIMER_SIGNED": "true"}


def table(*, waiting: bool) -> Iterator[tuple[str, str, str]]:
    """Of each situation the first row that expects something of another kind, or an image with other options."""
    seen = set()
    for situation, text, expects in rows("utterances.tsv"):
        kind, _, rest = expects.partition(" ")
        named = [option.partition("=")[0] for option in image_of(rest)[1]] if kind in ("image", "again") else []
        key = (situation, kind, *named)
        if key not in seen and (situation == "waiting") == waiting:
            seen.add(key)
            yield situation, text, expects


def say(bot: BotUnderTest, situation: str, text: str) -> tuple[Conversation, ChatMessage]:
    """Somebody new says the text of a row, after whatever the situation needs."""
    user = bot.new_user(kind="group" if situation == "group" else "p2p")
    quote = user.ask(TOWER).message_id if situation in ("after", "reply") else None
    if situation == "reply":
        user.ask("一片蓝色的海")
        return user, bot.feishu.say(chat_id=user.chat_id, sender=user.person, text=text, quote=quote)
    return user, user.send(text)


def is_drawn(paid: list[dict[str, Any]], prompts: list[str], options: dict[str, str]) -> bool:
    """Whether one of some prompts was drawn with these options, and with the default of every other."""
    model = options.get("model", "glm-image")
    expected = {
        "model": model,
        "size": sizes.resolve(model, options.get("size", "1280x1280")),
        "quality": options.get("quality", "hd"),
        "watermark_enabled": options.get("watermark") != "no",
    }
    right = [body for body in paid if expected.items() <= body.items()]
    # The words of a style follow the prompt.
    drawn = [bare(body["prompt"].partition("，")[0] if "style" in options else body["prompt"]) for body in right]
    return len(drawn) == len(paid) == int(options.get("n", 1)) and set(drawn) <= set(prompts)


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


def holds(user: Conversation, said: ChatMessage, expectation: str) -> bool:
    """Whether the bot has done what one expectation says."""
    kind, _, rest = expectation.partition(" ")
    cards = [Card(user, reply) for reply in user.bot.feishu.replies(said.message_id)]
    paid = user.paid_since(said)
    if kind in ("image", "again"):
        prompts, options = image_of(rest)
        prompts = [TOWER] if kind == "again" else prompts
        named = dict(option.split("=") for option in options)
        return [card.color for card in cards] == ["green"] and is_drawn(paid, prompts, named)
    if kind == "thanks":
        reactions = [one.message_id for one in user.bot.feishu.state.reactions.values()]
        return not (paid or cards) and reactions.count(said.message_id) == 1
    return not paid and len(cards) == 1 and is_answer(cards[0], kind, rest)


def wrong(user: Conversation, said: ChatMessage, expects: str) -> list[str]:
    """What was answered to a row, if that is none of its alternatives."""
    if any(holds(user, said, one) for one in (expects, *expects.split("|"))):
        return []
    return [f"{expects}: {[Card(user, one).text() for one in user.bot.feishu.replies(said.message_id)]}"]


def test_rows_of_each_kind_are_answered_as_the_table_says(tmp_path: Path) -> None:
    """Prompts, follow-ups, commands in words, questions, thanks and small talk, in direct chats and in groups."""
    found = []
    with bot_with(tmp_path, SETTINGS) as bot:
        for situation, text, expects in table(waiting=False):
            user, said = say(bot, situation, text)
            bot.wait_until_idle(said)
            found += [f"{situation} {text}: {answer}" for answer in wrong(user, said, expects)]
        assert bot.violations() == []
    assert found == []


def test_what_is_said_while_an_image_waits(tmp_path: Path) -> None:
    """The queue is shown, and the waiting image is cancelled."""
    found = []
    with bot_with_paused_glm(Gate(), tmp_path, SETTINGS) as bot:
        for _, text, expects in table(waiting=True):
            user = bot.new_user()
            user.ask_without_waiting(TOWER)
            said = user.send(text)
            user.ask_without_waiting(said)
            found += [f"{text}: {answer}" for answer in wrong(user, said, expects)]
    assert found == []
