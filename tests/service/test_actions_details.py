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
from bot.sandbox.glm.faults import IMAGE_FAULTS
from tests.scenarios.talking import Gate, bot_behind, first_answer_to
from tests.support.world import PATIENCE, QUICK, Talk, World, catalogue, colour, strings_in, uuid_of

WORDS = catalogue()


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bot for all faults; each meets a new person in a new chat."""
    with World(folder=tmp_path_factory.mktemp("bot"), patience=PATIENCE) as world:
        yield world


@pytest.fixture
def world(bot: World) -> Iterator[World]:
    """The bot, with no fault left armed by another test."""
    yield bot
    bot.feishu.faults.disarm()
    bot.glm.disarm()


def rest(talk: Talk, *, calls: int) -> list[str]:
    """Waits until at least so many calls were made and nothing is left to do; gives the calls' names."""
    talk.wait(lambda: len(talk.calls) >= calls and talk.world.idle)
    return [call.name for call in talk.calls]


def held_until(world: World) -> float:
    """The time, in seconds since 1970, up to which the limiter of all messages is booked out."""
    with world.bot.database.read() as connection:
        return connection.scalar(select(timers.c.next_at).where(timers.c.name == "second")) or 0.0


def test_the_gateways_limit_is_waited_out(world: World) -> None:
    """After 99991400 nobody is answered before the seconds of x-ogw-ratelimit-reset are over."""
    talk, other = world.somebody(), world.somebody()
    world.feishu.faults.arm("rate_gateway", on="reply")
    talk.say()
    # What was let out before the bot had read the refusal goes out all the same.
    talk.wait(lambda: talk.calls and held_until(world) >= talk.calls[0].at + 1.0)
    other.say()
    rest(talk, calls=7)
    refused, *later = [call for call in talk.calls if call.name == "reply"]
    assert len(later) == 2
    assert min(call.at for call in later) - refused.at >= 1.0
    assert uuid_of(refused) in {uuid_of(call) for call in later}


def test_many_messages_in_the_place_of_cards_keep_to_the_chats_limit(world: World) -> None:
    """Five pictures and two texts for one chat, since its cards are refused: none is over five a second, all come."""
    talk = world.somebody()
    world.feishu.faults.arm("feishu_230099", on="reply", times=2)
    talk.say("灯塔 /n 4")
    talk.say("帆船")
    talk.wait(lambda: len(talk.answers) == 7 and world.idle)
    assert Counter(answer.msg_type for answer in talk.answers) == {"image": 5, "text": 2}
    assert 230020 not in {call.code for call in talk.calls}


def test_a_chats_limit_is_waited_out_with_growing_waits(world: World) -> None:
    """230020 four times is met with four repetitions of one send, and one card in the end."""
    talk = world.somebody()
    world.feishu.faults.arm("rate_chat", on="reply", times=4)
    talk.say()
    assert rest(talk, calls=7) == ["reply"] * 5 + ["image", "patch"]
    assert len({uuid_of(call) for call in talk.calls if call.name == "reply"}) == 1
    assert len(talk.answers) == 1


def test_expired_tokens_cost_one_call_more(world: World) -> None:
    """When the token has ended, the call meets 99991663, one new token is fetched, and the call is made once more."""
    talk = world.somebody()
    world.feishu.expire_tokens()
    talk.say()
    assert rest(talk, calls=5) == ["reply", "token", "reply", "image", "patch"]


def test_a_token_refused_twice_waits(world: World) -> None:
    """A fresh token that is refused, too, is no reason for a third at once; the answer waits and is sent once."""
    talk = world.somebody()
    world.feishu.faults.arm("token_bad", on="reply", times=2)
    talk.say()
    assert rest(talk, calls=6) == ["reply", "token", "reply", "reply", "image", "patch"]
    assert len(talk.answers) == 1


def test_a_topic_that_is_gone_is_left(world: World) -> None:
    """In a topic the card is sent into its thread; when that is refused, outside it."""
    talk = world.somebody(kind="topic")
    world.feishu.faults.arm("no_topic_reply", on="reply")
    talk.say()
    rest(talk, calls=4)
    bodies = [json.loads(call.body) for call in talk.calls if call.name == "reply"]
    assert [body["reply_in_thread"] for body in bodies] == [True, False]


def test_without_the_message_the_card_goes_to_the_chat(world: World) -> None:
    """When the message was deleted, its card is sent to the same chat and quotes nothing."""
    talk = world.somebody()
    world.feishu.faults.arm("deleted", on="reply")
    talk.say()
    rest(talk, calls=4)
    (created,) = [call for call in talk.calls if call.name == "create"]
    assert created.path.endswith("receive_id_type=chat_id")
    assert json.loads(created.body)["receive_id"] == talk.chat_id
    assert [answer.parent_id for answer in talk.answers] == [None]


@pytest.mark.parametrize("text", ["/queue", "一座灯塔 /size 7:7"])
def test_a_command_or_a_fault_that_was_taken_back_is_not_answered(world: World, text: str) -> None:
    """When Feishu says that the message was recalled, its answer, which may repeat its words, is not sent at all."""
    talk = world.somebody(kind="group")
    world.feishu.faults.arm("recalled", on="reply")
    talk.say(text)
    assert rest(talk, calls=1) == ["reply"]


def test_a_new_reply_stands_under_the_message_and_the_old_card_says_so(world: World) -> None:
    """After a refused patch, image and text quote the prompt's message, and the old card is one line."""
    talk = world.somebody()
    world.feishu.faults.arm("patch_too_old", on="patch")
    said = talk.say()
    rest(talk, calls=6)
    assert {answer.parent_id for answer in talk.answers} == {said.message_id}
    assert [answer.msg_type for answer in talk.answers] == ["interactive", "image", "text"]
    assert WORDS.text("card.moved", "zh") in strings_in(talk.card)


def test_when_the_new_reply_is_refused_too_the_old_card_ends(tmp_path: Path) -> None:
    """Where neither the card nor a text may tell the result, the card becomes a line that says so and where to look."""
    gate = Gate()
    with bot_behind(gate, tmp_path) as world:
        talk = world.somebody()
        said = talk.say()
        first_answer_to(talk, said)
        for call in ("patch", "reply"):
            world.feishu.faults.arm("too_long", on=call, times=3 if call == "reply" else 1)
        gate.let()
        rest(talk, calls=5)
        assert [answer.msg_type for answer in talk.answers] == ["interactive"]
        assert colour(talk.answers[0]) == "grey"
        assert WORDS.text("notice.unshown.text", "zh") in strings_in(talk.card)


WIRE = ("hang", "trickle", "reset_before", "reset_after", "html_502", "empty_body", "truncated")


@pytest.mark.parametrize("fault", WIRE)
def test_a_broken_reply_is_sent_again_with_its_uuid(world: World, fault: str) -> None:
    """Whatever breaks a send, it is repeated with the same uuid and one card stands in the chat."""
    talk = world.somebody()
    world.feishu.faults.arm(fault, on="reply")
    said = talk.say()
    assert rest(talk, calls=4) == ["reply", "reply", "image", "patch"]
    assert len({uuid_of(call) for call in talk.calls if call.name == "reply"}) == 1
    assert [colour(answer) for answer in talk.answers] == ["green"]
    assert len(talk.posts(said)) == 1


@pytest.mark.parametrize("on", ["image", "patch"])
@pytest.mark.parametrize("fault", WIRE)
def test_a_broken_upload_or_patch_is_repeated(world: World, on: str, fault: str) -> None:
    """Whatever breaks an upload or a patch, it is repeated, and nothing is paid again."""
    talk = world.somebody()
    world.feishu.faults.arm(fault, on=on)
    said = talk.say()
    assert sorted(rest(talk, calls=4)) == sorted(["reply", "image", "patch", on])
    assert [colour(answer) for answer in talk.answers] == ["green"]
    assert len(talk.posts(said)) == 1


DOWNLOADS = sorted(IMAGE_FAULTS)


@pytest.mark.parametrize("fault", DOWNLOADS)
def test_a_download_from_a_fresh_link_is_retried(world: World, fault: str) -> None:
    """Whatever the image host answers at first, the image that was paid for comes, and is not paid for again."""
    talk = world.somebody()
    before = len(world.glm.downloads)
    world.glm.arm(fault)
    said = talk.say()
    talk.wait_for_end(said)
    assert len(world.glm.downloads) - before == 2
    assert len(talk.posts(said)) == 1
    assert [colour(answer) for answer in talk.answers] == ["green"]
    assert world.glm.strays == []


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        ("image_403", 1),
        ("image_404", 1),
        ("image_redirect", 1),
        ("image_530", 2),
        ("image_half", 2),
        ("image_reset", 2),
    ],
)
def test_a_download_from_an_old_link(tmp_path: Path, fault: str, attempts: int) -> None:
    """Later than two minutes after the paid call only transient errors are retried; the card has the link."""
    with World(folder=tmp_path, pace=replace(QUICK, fresh_link=0.0)) as world:
        talk = world.somebody()
        world.glm.arm(fault, times=10)
        said = talk.say()
        talk.wait_for_end(said)
        assert len(world.glm.downloads) == attempts
        assert len(talk.posts(said)) == 1
        words = "\n".join(strings_in(talk.card))
        assert WORDS.text("failure.download", "zh") in words
        assert WORDS.text("failure.download", "en") in words
        assert "ufileos.com" in words
        assert world.glm.strays == []


def test_the_age_of_a_link_survives_a_restart(tmp_path: Path) -> None:
    """A bot that starts a while after the paid call counts the time in between."""
    with World(folder=tmp_path, pace=replace(QUICK, download_wait=600.0, download_longest=600.0)) as world:
        talk = world.somebody()
        world.glm.arm("image_404", times=10)
        said = talk.say()
        talk.wait(lambda: world.glm.downloads)
        world.stop()
        with closing(sqlite3.connect(tmp_path / "bot.db")) as database:
            database.execute("UPDATE generations SET called_at = called_at - 130")
            database.commit()
        world.start()
        talk.wait_for_end(said)
        assert len(world.glm.downloads) == 2
        assert WORDS.text("failure.download", "en") in strings_in(talk.card)


def test_an_upload_that_stays_away_is_told_with_the_link(world: World) -> None:
    """When the upload fails for longer than it may, the card gives the reason and the link."""
    talk = world.somebody()
    world.feishu.faults.arm("html_502", on="image", times=None)
    said = talk.say()
    talk.wait_for_end(said)
    words = "\n".join(strings_in(talk.card))
    assert WORDS.text("failure.feishu", "zh") in words
    assert "ufileos.com" in words
    assert len(talk.posts(said)) == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [(99991672, "op_from=openapi"), (230006, "code=230006"), (99991403, "next month"), (99991401, "白名单")],
)
def test_what_only_the_admin_can_mend_stands_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, code: int, said: str
) -> None:
    """The code, its fix, and the page on which it is mended are logged once; the chat's words are not."""
    talk = world.somebody()
    world.feishu.faults.arm(f"feishu_{code}", on="reply")
    with caplog.at_level(logging.WARNING, logger="bot"):
        message = talk.say()
        rest(talk, calls=1)
    lines = [record.getMessage() for record in caplog.records if f"code={code}" in record.getMessage()]
    assert len(lines) == 1
    assert said in lines[0]
    assert json.loads(message.content)["text"] not in caplog.text
