"""What the table of actions does not show: waits, uuids, broken connections, downloads, and the words in the log."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.db.tables import timers
from bot.sandbox.faults import FAULTS
from tests.support.dsl import (
    CALL_TIMEOUT,
    CATALOGUE,
    QUICK,
    BotUnderTest,
    Conversation,
    Gate,
    all_strings,
    bot_with_paused_glm,
    header_color,
    uuid_of,
    wait_for,
)


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for all faults; each meets a new person in a new chat."""
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), call_timeout=CALL_TIMEOUT) as bot:
        yield bot


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The bot, with no fault left armed by another test."""
    yield shared_bot
    shared_bot.feishu.faults.disarm()
    shared_bot.glm.disarm()


def rest(user: Conversation, *, calls: int) -> list[str]:
    """Waits until at least so many calls were made and nothing is left to do; gives the calls' names."""
    wait_for(lambda: len(user.calls) >= calls and user.bot.idle)
    return [call.name for call in user.calls]


def held_until(bot: BotUnderTest) -> float:
    """The time, in seconds since 1970, up to which the limiter of all messages is booked out."""
    with bot.app.database.read() as connection:
        return connection.scalar(select(timers.c.next_at).where(timers.c.name == "second")) or 0.0


def test_the_gateways_limit_is_waited_out(bot: BotUnderTest) -> None:
    """After 99991400 nobody is answered before the seconds of x-ogw-ratelimit-reset are over."""
    user, other = bot.new_user(), bot.new_user()
    bot.feishu.faults.arm("rate_gateway", on="reply")
    user.send()
    # What was let out before the bot had read the refusal goes out all the same.
    wait_for(lambda: user.calls and held_until(bot) >= user.calls[0].at + 1.0)
    other.send()
    rest(user, calls=7)
    refused, *later = [call for call in user.calls if call.name == "reply"]
    assert len(later) == 2
    assert min(call.at for call in later) - refused.at >= 1.0
    assert uuid_of(refused) in {uuid_of(call) for call in later}


def test_many_messages_in_the_place_of_cards_keep_to_the_chats_limit(bot: BotUnderTest) -> None:
    """Five pictures and two texts for one chat, since its cards are refused: none is over five a second, all come."""
    user = bot.new_user()
    bot.feishu.faults.arm("feishu_230099", on="reply", times=2)
    user.send("灯塔 /n 4")
    user.send("帆船")
    wait_for(lambda: len(user.answers) == 7 and bot.idle)
    assert Counter(answer.msg_type for answer in user.answers) == {"image": 5, "text": 2}
    assert 230020 not in {call.code for call in user.calls}


def test_a_chats_limit_is_waited_out_with_growing_waits(bot: BotUnderTest) -> None:
    """230020 four times is met with four repetitions of one send, and one card in the end."""
    user = bot.new_user()
    bot.feishu.faults.arm("rate_chat", on="reply", times=4)
    user.send()
    assert rest(user, calls=7) == ["reply"] * 5 + ["image", "patch"]
    assert len({uuid_of(call) for call in user.calls if call.name == "reply"}) == 1
    assert len(user.answers) == 1


def test_a_token_refused_twice_waits(bot: BotUnderTest) -> None:
    """A fresh token that is refused, too, is no reason for a third at once; the answer waits and is sent once."""
    user = bot.new_user()
    bot.feishu.faults.arm("token_bad", on="reply", times=2)
    user.send()
    assert rest(user, calls=6) == ["reply", "token", "reply", "reply", "image", "patch"]
    assert len(user.answers) == 1


def test_a_topic_that_is_gone_is_left(bot: BotUnderTest) -> None:
    """In a topic the card is sent into its thread; when that is refused, outside it."""
    user = bot.new_user(kind="topic")
    bot.feishu.faults.arm("no_topic_reply", on="reply")
    user.send()
    rest(user, calls=4)
    bodies = [json.loads(call.body) for call in user.calls if call.name == "reply"]
    assert [body["reply_in_thread"] for body in bodies] == [True, False]


def test_without_the_message_the_card_goes_to_the_chat(bot: BotUnderTest) -> None:
    """When the message was deleted, its card is sent to the same chat and quotes nothing."""
    user = bot.new_user()
    bot.feishu.faults.arm("deleted", on="reply")
    user.send()
    rest(user, calls=4)
    (created,) = [call for call in user.calls if call.name == "create"]
    assert created.path.endswith("receive_id_type=chat_id")
    assert json.loads(created.body)["receive_id"] == user.chat_id
    assert [answer.parent_id for answer in user.answers] == [None]


@pytest.mark.parametrize("text", ["/queue", "一座灯塔 /size 7:7"])
def test_a_command_or_a_fault_that_was_taken_back_is_not_answered(bot: BotUnderTest, text: str) -> None:
    """When Feishu says that the message was recalled, its answer, which may repeat its words, is not sent at all."""
    user = bot.new_user(kind="group")
    bot.feishu.faults.arm("recalled", on="reply")
    user.send(text)
    assert rest(user, calls=1) == ["reply"]


def test_a_new_reply_stands_under_the_message_and_the_old_card_says_so(bot: BotUnderTest) -> None:
    """After a refused patch, image and text quote the prompt's message, and the old card is one line."""
    user = bot.new_user()
    bot.feishu.faults.arm("patch_too_old", on="patch")
    said = user.send()
    rest(user, calls=6)
    assert {answer.parent_id for answer in user.answers} == {said.message_id}
    assert [answer.msg_type for answer in user.answers] == ["interactive", "image", "text"]
    assert CATALOGUE.text("card.moved", "zh") in all_strings(user.first_card)


def test_when_the_new_reply_is_refused_too_the_old_card_ends(tmp_path: Path) -> None:
    """Where neither the card nor a text may tell the result, the card becomes a line that says so and where to look."""
    gate = Gate()
    with bot_with_paused_glm(gate, tmp_path) as bot:
        user = bot.new_user()
        said = user.send()
        user.ask_without_waiting(said)
        for call in ("patch", "reply"):
            bot.feishu.faults.arm("too_long", on=call, times=3 if call == "reply" else 1)
        gate.release()
        rest(user, calls=5)
        assert [answer.msg_type for answer in user.answers] == ["interactive"]
        assert header_color(user.answers[0]) == "grey"
        assert CATALOGUE.text("notice.unshown.text", "zh") in all_strings(user.first_card)


@pytest.mark.parametrize("on", ["reply", "image", "patch"])
@pytest.mark.parametrize("fault", ["hang", "trickle", "reset_after", "html_502", "truncated"])
def test_a_broken_call_is_repeated(bot: BotUnderTest, on: str, fault: str) -> None:
    """It is repeated, a send with the same uuid, there is one card in the end, and nothing is paid again."""
    user = bot.new_user()
    bot.feishu.faults.arm(fault, on=on)
    said = user.send()
    assert sorted(rest(user, calls=4)) == sorted(["reply", "image", "patch", on])
    assert len({uuid_of(call) for call in user.calls if call.name == "reply"}) == 1
    assert [header_color(answer) for answer in user.answers] == ["green"]
    assert len(user.posts(said)) == 1


DOWNLOADS = sorted(one.own for one in FAULTS.values() if one.side == "glm" and "download" in one.calls)


@pytest.mark.parametrize("fault", DOWNLOADS)
def test_a_download_from_a_fresh_link_is_retried(bot: BotUnderTest, fault: str) -> None:
    """Whatever the image host answers at first, the image that was paid for comes, and is not paid for again."""
    user = bot.new_user()
    before = len(bot.glm.downloads)
    bot.glm.arm(fault)
    said = user.send()
    user.wait_for_end(said)
    assert len(bot.glm.downloads) - before == 2
    assert len(user.posts(said)) == 1
    assert [header_color(answer) for answer in user.answers] == ["green"]
    assert bot.glm.strays == []


OLD = {"image_403": 1, "image_redirect": 1, "image_530": 2, "image_half": 2}
"""How often a download from an old link is tried."""


@pytest.mark.parametrize("fault", OLD)
def test_a_download_from_an_old_link(tmp_path: Path, fault: str) -> None:
    """Later than two minutes after the paid call only transient errors are retried; the card has the link."""
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, download=replace(QUICK.download, fresh=0.0))) as bot:
        user = bot.new_user()
        bot.glm.arm(fault, times=10)
        said = user.send()
        user.wait_for_end(said)
        assert len(bot.glm.downloads) == OLD[fault]
        assert len(user.posts(said)) == 1
        words = "\n".join(all_strings(user.first_card))
        assert CATALOGUE.text("failure.download", "zh") in words
        assert CATALOGUE.text("failure.download", "en") in words
        assert "ufileos.com" in words
        assert bot.glm.strays == []


def test_the_age_of_a_link_survives_a_restart(tmp_path: Path) -> None:
    """A bot that starts a while after the paid call counts the time in between."""
    with BotUnderTest(
        folder=tmp_path, pace=replace(QUICK, download=replace(QUICK.download, first_wait=600.0, longest_wait=600.0))
    ) as bot:
        user = bot.new_user()
        bot.glm.arm("image_404", times=10)
        said = user.send()
        wait_for(lambda: bot.glm.downloads)
        bot.stop()
        with closing(sqlite3.connect(tmp_path / "bot.db")) as database:
            database.execute("UPDATE generations SET called_at = called_at - 130")
            database.commit()
        bot.start()
        user.wait_for_end(said)
        assert len(bot.glm.downloads) == 2
        assert CATALOGUE.text("failure.download", "en") in all_strings(user.first_card)


def test_an_upload_that_stays_away_is_told_with_the_link(tmp_path: Path) -> None:
    """When the upload fails for longer than it may, the card gives the reason and the link."""
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, upload_in_all=0.2)) as bot:
        user = bot.new_user()
        bot.feishu.faults.arm("html_502", on="image", times=None)
        said = user.send()
        user.wait_for_end(said)
    words = "\n".join(all_strings(user.first_card))
    assert CATALOGUE.text("failure.feishu", "zh") in words
    assert "ufileos.com" in words
    assert len(user.posts(said)) == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [(99991672, "op_from=openapi"), (230006, "code=230006"), (99991403, "next month"), (99991401, "白名单")],
)
def test_what_only_the_admin_can_mend_stands_in_the_log(
    bot: BotUnderTest, caplog: pytest.LogCaptureFixture, code: int, said: str
) -> None:
    """The code, its fix, and the page on which it is mended are logged once; the chat's words are not."""
    user = bot.new_user()
    bot.feishu.faults.arm(f"feishu_{code}", on="reply")
    with caplog.at_level(logging.WARNING, logger="bot"):
        message = user.send()
        rest(user, calls=1)
    lines = [record.getMessage() for record in caplog.records if f"code={code}" in record.getMessage()]
    assert len(lines) == 1
    assert said in lines[0]
    assert json.loads(message.content)["text"] not in caplog.text
