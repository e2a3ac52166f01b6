"""Whoever has waited is mentioned in one reply to the finished card, which itself notifies nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.db.tables import generations, requests
from tests.support.builders import change
from tests.support.dsl import CATALOGUE, BotUnderTest, Card, Conversation, Gate, wait_for


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def bot(gate: Gate, tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot that notifies after a minute."""
    variables = {"BOT_CARDS_NOTIFY_AFTER_SECONDS": "60"}
    with BotUnderTest(folder=tmp_path, variables=variables, wrap_glm=gate.around) as bot:
        yield bot
        gate.release(1000)


def ask_and_wait(bot: BotUnderTest, user: Conversation, *, seconds: float = 61.0, text: str = "") -> Card:
    """The card of a prompt that has waited for so long, while it is being generated."""
    card = user.ask_without_waiting(text)
    card.wait_to_show("state.generating")
    change(bot.app.database, update(requests).values(accepted_at=requests.c.accepted_at - seconds))
    return card


def notifications(user: Conversation) -> list[str]:
    texts = [str(json.loads(answer.content).get("text", "")) for answer in user.answers]
    return [text for text in texts if f'<at user_id="{user.person}">' in text]


@pytest.mark.parametrize("kind", ["p2p", "group", "topic"])
def test_whoever_waited_is_mentioned_once(bot: BotUnderTest, gate: Gate, kind: str) -> None:
    """One reply to the card, in its topic, says that the image is there, and costs one call; later changes none."""
    user = bot.new_user(kind=kind)
    card = ask_and_wait(bot, user)
    calls = len(user.calls)
    gate.release()
    bot.wait_until_idle()
    (text,) = notifications(user)
    assert text.endswith(f"</at> {CATALOGUE.text('notification.result', 'zh')}")
    assert bot.feishu.pings == [user.person]
    mention = user.answers[-1]
    assert (mention.parent_id, mention.thread_id) == (card.message_id, card.thread_id)
    assert [call.name for call in user.calls][calls:] == ["image", "patch", "reply"]


def test_a_failure_is_told_too(bot: BotUnderTest, user: Conversation, gate: Gate) -> None:
    """Whoever waited for nothing learns that, in the language of the prompt."""
    ask_and_wait(bot, user, text="a lighthouse at night")
    bot.glm.arm("glm_1301")
    gate.release()
    bot.wait_until_idle()
    (text,) = notifications(user)
    assert text.endswith(CATALOGUE.text("notification.failed", "en"))


def test_a_short_wait_a_cancellation_and_a_free_retry_notify_nobody(bot: BotUnderTest, gate: Gate) -> None:
    quick, cancelling, retrying = bot.new_user(), bot.new_user(), bot.new_user()
    ask_and_wait(bot, quick, seconds=50.0)
    gate.release()
    bot.wait_until_idle()
    card = ask_and_wait(bot, cancelling)
    card.press_for_toast("cancel")
    gate.release()
    bot.wait_until_idle()
    bot.glm.arm("image_404", times=1_000)
    gate.release()
    failed = retrying.ask("一座灯塔")
    bot.glm.disarm()
    for table in (requests, generations):
        change(bot.app.database, update(table).values(accepted_at=table.c.accepted_at - 3600))
    failed.press_for_toast("resume")
    wait_for(lambda: failed.reload().color == "green" and bot.idle)
    assert [notifications(user) for user in (quick, cancelling, retrying)] == [[], [], []]


@pytest.mark.parametrize("fault", ["reset_after", "rate_chat"])
def test_a_notification_whose_answer_is_lost_is_sent_once(
    bot: BotUnderTest, user: Conversation, gate: Gate, fault: str
) -> None:
    ask_and_wait(bot, user)
    bot.feishu.faults.arm(fault, on="reply")
    gate.release()
    bot.wait_until_idle()
    assert len(notifications(user)) == 1
    assert user.answers[0].color == "green"


def test_a_refused_notification_changes_nothing(bot: BotUnderTest, user: Conversation, gate: Gate) -> None:
    ask_and_wait(bot, user)
    bot.feishu.faults.arm("feishu_230028", on="reply", times=None)
    gate.release()
    bot.wait_until_idle()
    assert [answer.color for answer in user.answers] == ["green"]
    assert [call.name for call in user.calls].count("reply") == 2
