"""Delivery failures by action: what is called again, what is paid, and what the sender sees.

Which code leads to which action is the subject of the unit tests of the codes; here each action has one or two.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from sqlalchemy import select, union_all, update

from bot.db.requests import HELD_UP
from bot.db.tables import generations, requests, timers
from bot.db.timers import SendRateLimiter, current_outages
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.state import ChatMessage
from tests.support.builders import change
from tests.support.dsl import (
    QUICK,
    BotUnderTest,
    Card,
    Conversation,
    all_strings,
    around,
    plain_text,
    uuid_of,
    wait_for,
)


class Row(NamedTuple):
    """When the call ``on`` meets ``fault`` so many ``times``: the calls that are made, and what is seen.

    ``first`` is the fault of a reply that leads to this call.
    """

    on: str
    fault: str
    calls: str
    sees: str
    first: str = ""
    paid: int = 1
    kind: str = "p2p"
    times: int = 1


RATE, TOKEN, APP, BUG = "feishu_230020", "feishu_99991663", "feishu_99991672", "feishu_230001"
NOBODY, WORDS, BAD_CARD = "feishu_230002", "feishu_230028", "feishu_230099"
GONE, RECALLED, NO_TOPIC, UNQUOTED = "feishu_230110", "feishu_230011", "feishu_230019", "feishu_231003"
LOST = "reset_after"  # the call is carried out, and its answer does not come

IN_CARD, WITHOUT, APART = "picture in the card", "picture in the card, no prompt", "picture and text"
SMALLER, POINTING = "picture in the card, made smaller", "picture and text, a card that points there"

TABLE = (
    # The first answer, which is the card that says "generating". Nothing is paid when it cannot be shown.
    Row("reply", RATE, "card, card, card, card, card, upload, patch", IN_CARD, times=4),
    Row("reply", LOST, "card, card, upload, patch", IN_CARD),
    Row("reply", TOKEN, "card, token, card, upload, patch", IN_CARD),
    Row("reply", GONE, "card, new card, upload, patch", IN_CARD),
    Row("reply", NO_TOPIC, "card in topic, card, upload, patch", IN_CARD, kind="topic"),
    Row("reply", WORDS, "card, card, upload, patch", WITHOUT),
    Row("reply", BAD_CARD, "card, upload, image, text", APART),
    Row("reply", RECALLED, "card, new card, upload, patch", WITHOUT),
    Row("reply", NOBODY, "card", "nothing", paid=0),
    Row("reply", BUG, "card", "nothing", paid=0),
    # The first answer where there is no message to quote any more; the words of one that was taken back stay out.
    Row("create", WORDS, "card, new card, new card, upload, patch", WITHOUT, UNQUOTED),
    Row("create", BAD_CARD, "card, new card, upload, new image, new text", APART, UNQUOTED),
    Row("create", NOBODY, "card, new card", "nothing", UNQUOTED, paid=0),
    Row("create", GONE, "card, new card", "nothing", UNQUOTED, paid=0),
    Row("create", NO_TOPIC, "card, new card", "nothing", UNQUOTED, paid=0),
    # The picture as a message of its own, after a refused card. Where it cannot be sent, the text has the link.
    Row("reply", RATE, "card, upload, image, image, text", APART, BAD_CARD),
    Row("reply", GONE, "card, upload, image, new image, new text", APART, BAD_CARD),
    Row("reply", NO_TOPIC, "card in topic, upload, image in topic, image, text", APART, BAD_CARD, kind="topic"),
    Row("reply", NOBODY, "card, upload, image, text", "text with the link", BAD_CARD),
    Row("reply", BAD_CARD, "card, upload, image, text", "text with the link", BAD_CARD),
    # The result. A card that cannot be changed any more is followed by a new reply, to which it points.
    Row("patch", RATE, "card, upload, patch, patch", IN_CARD),
    Row("patch", LOST, "card, upload, patch, patch", IN_CARD),
    Row("patch", "feishu_230031", "card, upload, patch, image, text, patch", POINTING),
    Row("patch", GONE, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", BUG, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", WORDS, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", NOBODY, "card, upload, patch", "a card that generates"),
    # The upload. A picture that is refused is made smaller once; else the card shows its link.
    Row("image", RATE, "card, upload, upload, patch", IN_CARD),
    Row("image", LOST, "card, upload, upload, patch", IN_CARD),
    Row("image", "feishu_234006", "card, upload, upload, patch", SMALLER),
    Row("image", BUG, "card, upload, patch", "the link and the reason"),
)
"""What to do: https://open.feishu.cn/document/server-docs/im-v1/message/reply and the pages of the other calls."""

ORIGINALS = {
    ("file", RATE): "upload, upload, file",
    ("file", "feishu_234006"): "upload, card",
    ("file", "image_unauth"): "upload, upload, file",
    ("reply", APP): "upload, file, file",
    ("reply", GONE): "upload, file, new file",
    # Feishu's own copy of the picture, when neither the data folder nor the link has it.
    ("own_image", RATE): "own_image, own_image, upload, file",
}
"""The calls after somebody has pressed the button that sends the original."""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.first}-{row.on}-{row.fault}-{row.times}")
def test_a_refusal_has_its_action(bot: BotUnderTest, row: Row) -> None:
    user = bot.new_user(kind=row.kind)
    if row.first:
        bot.feishu.faults.arm(row.first, on="reply")
    bot.feishu.faults.arm(row.fault, on=row.on, times=row.times)
    said = user.send()
    user.wait_for_calls(len(row.calls.split(", ")))
    assert (", ".join(map(name, user.calls)), seen(user, said)) == (row.calls, row.sees)
    assert len(user.posts(said)) == row.paid
    assert not bot.feishu.faults.armed
    sends = {(name(call).removesuffix(" in topic"), uuid_of(call)) for call in user.calls if uuid_of(call)}
    assert len(sends) == len({uuid for _, uuid in sends}) == len({step for step, _ in sends})


@pytest.mark.parametrize(("on", "fault"), ORIGINALS)
def test_a_refusal_has_its_action_for_an_original(bot: BotUnderTest, user: Conversation, on: str, fault: str) -> None:
    card = user.ask()
    if on == "own_image":
        for path in (bot.folder / "originals").iterdir():
            path.unlink()
        bot.glm.arm("image_403", times=2)
    bot.feishu.faults.arm(fault, on=on)
    before, calls = len(user.calls), ORIGINALS[on, fault].split(", ")
    card.press_for_toast("original")
    user.wait_for_calls(before + len(calls))
    assert [name(call) for call in user.calls[before:]] == calls
    if calls[-1] == "card":
        user.answers[-1].assert_shows("notice.original_refused.text")
    else:
        assert user.answers[-1].msg_type == "file"


def name(call: ApiCall) -> str:
    """What a call is named in the table: the kind of a reply, ``new`` and the kind of a message that quotes nothing."""
    if call.name not in ("reply", "create"):
        return {"image": "upload", "file": "upload"}.get(call.name, call.name)
    body = json.loads(call.body)
    kind = body["msg_type"].replace("interactive", "card")
    if call.name == "create":
        assert call.path.endswith("receive_id_type=chat_id")
        return f"new {kind}"
    return f"{kind} in topic" if body["reply_in_thread"] else kind


def seen(user: Conversation, said: ChatMessage) -> str:
    kinds = [one.msg_type for one in user.answers]
    match kinds:
        case []:
            return "nothing"
        case ["interactive"]:
            return card_seen(user.answers[0], said)
        case ["text"]:
            assert "ufileos.com" in user.answers[0].content
            return "text with the link"
        case ["image", "text"]:
            return APART
    assert kinds == ["interactive", "image", "text"]
    assert {answer.parent_id for answer in user.answers} == {said.message_id}
    assert user.answers[0].color == "grey"
    user.answers[0].assert_shows("card.moved")
    return POINTING


def card_seen(card: Card, said: ChatMessage) -> str:
    if card.color == "wathet":
        return "a card that generates"
    if card.color == "red":
        assert "ufileos.com" in card.content
        return "the link and the reason"
    words = list(all_strings(json.loads(card.content)))
    assert set(words) & card.conversation.bot.feishu.uploads.keys()
    if not any(plain_text(said) in word for word in words):
        return WITHOUT
    return SMALLER if card.shows("note.shrunk") else IN_CARD


def test_many_messages_in_the_place_of_cards_keep_to_the_chats_limit(bot: BotUnderTest, user: Conversation) -> None:
    """Five pictures and two texts for one chat, since its cards are refused: none is over five a second, all come."""
    bot.feishu.faults.arm("feishu_230099", on="reply", times=2)
    user.send("灯塔 /n 4")
    user.send("帆船")
    wait_for(lambda: len(user.answers) == 7 and bot.idle)
    assert Counter(answer.msg_type for answer in user.answers) == {"image": 5, "text": 2}
    assert 230020 not in {call.code for call in user.calls}


@pytest.mark.parametrize("text", ["/queue", "一座灯塔 /size 7:7"])
def test_a_command_or_a_fault_that_was_taken_back_is_not_answered(bot: BotUnderTest, text: str) -> None:
    """When Feishu says that the message was recalled, its answer, which may repeat its words, is not sent at all."""
    user = bot.new_user(kind="group")
    bot.feishu.faults.arm("recalled", on="reply")
    user.send(text)
    assert user.wait_for_calls(1) == ["reply"]


def test_the_age_of_a_link_survives_a_restart(tmp_path: Path) -> None:
    pace = replace(QUICK, download=replace(QUICK.download, first_wait=600.0, longest_wait=600.0))
    with BotUnderTest(folder=tmp_path, pace=pace) as bot:
        user = bot.new_user()
        bot.glm.arm("image_404", times=10)
        said = user.send()
        wait_for(lambda: bot.glm.downloads)
        change(bot.app.database, update(generations).values(called_at=generations.c.called_at - 130))
        bot.stop()
        bot.start()
        user.ask(said).assert_shows("failure.download")
        assert len(bot.glm.downloads) == 2


REFUSED_UPLOADS = {
    234001: ("failure.upload", True),
    234006: ("failure.image_too_large", False),
    99992402: ("failure.upload_barred", True),
    2200: ("failure.feishu", True),
}
"""The sentence of each refusal, and whether the upload may be tried again for free."""


def test_a_refused_upload_says_why_and_what_to_do(tmp_path: Path) -> None:
    """The card has the sentence of the refusal, its code, the link, and a free retry where it may help."""
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, upload_in_all=0.2)) as bot:
        for code, (key, free) in REFUSED_UPLOADS.items():
            user = bot.new_user()
            bot.feishu.faults.arm(f"feishu_{code}", on="image", times=None)
            card = user.ask(said := user.send())
            bot.disarm()
            card.assert_shows(key, "button.link")
            assert (card.color, card.shows("button.resume")) == ("red", free)
            assert "ufileos.com" in card.content
            assert str(code) in card.text()
            assert len(user.posts(said)) == 1


QUOTA = 99991403


@pytest.fixture
def slow_bot(tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot that tries every forty minutes while Feishu refuses the app, and leaves a chat room between its tries."""
    with BotUnderTest(
        folder=tmp_path, pace=replace(QUICK, resend=2_400.0, probe_longest=2_400.0, resend_longest=0.3)
    ) as bot:
        yield bot


def refused(bot: BotUnderTest, code: int) -> list[str]:
    return [call.name for call in bot.feishu.calls if call.code == code]


def an_hour_later(bot: BotUnderTest) -> None:
    due = [update(table).values(due_at=0.0) for table in (requests, generations)]
    change(bot.app.database, update(timers).values(next_at=0.0), *due)


def make_older(bot: BotUnderTest, message: ChatMessage, *, seconds: float) -> None:
    older = update(requests).values(accepted_at=requests.c.accepted_at - seconds)
    change(bot.app.database, older.where(requests.c.dedup_key == message.message_id))


def test_without_calls_left_nothing_is_sent(slow_bot: BotUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """Six prompts while the month's calls are used up: one call, one line in the log; all are answered afterwards.

    The line tells what to do.
    """
    users = [slow_bot.new_user() for _ in range(6)]
    slow_bot.feishu.faults.arm("quota", times=None)
    with caplog.at_level(logging.WARNING, logger="bot"):
        said = [users[0].deliver()]
        wait_for(lambda: current_outages(slow_bot.app.database))
        said += [user.deliver() for user in users[1:]]
        assert refused(slow_bot, QUOTA) == ["reply"]
        wait_for(lambda: not_held(slow_bot))
        assert slow_bot.glm.calls == []
    (line,) = [one.getMessage() for one in caplog.records if f"code={QUOTA}" in one.getMessage()]
    assert "next month" in line
    slow_bot.feishu.faults.disarm()
    an_hour_later(slow_bot)
    for user, message in zip(users, said, strict=True):
        user.wait_for_end(message)
    assert refused(slow_bot, QUOTA) == ["reply"]


@pytest.mark.parametrize("on", ["image", "patch"])
def test_a_paid_picture_waits_for_the_next_months_calls(slow_bot: BotUnderTest, on: str) -> None:
    user = slow_bot.new_user()
    slow_bot.feishu.faults.arm("quota", on=on, times=None)
    said = user.send()
    for times in (1, 2, 3):
        wait_for(lambda times=times: len(refused(slow_bot, QUOTA)) == times and not_held(slow_bot))  # type: ignore[misc]
        make_older(slow_bot, said, seconds=4 * QUICK.resend_in_all)
        an_hour_later(slow_bot)
    wait_for(lambda: len(refused(slow_bot, QUOTA)) == 4)
    slow_bot.feishu.faults.disarm()
    wait_for(lambda: not_held(slow_bot))
    an_hour_later(slow_bot)
    user.assert_one_image(said)


def not_held(bot: BotUnderTest) -> bool:
    held = [select(table.c.owner).where(table.c.owner.is_not(None)) for table in (requests, generations)]
    with bot.app.database.read() as connection:
        return connection.scalar(union_all(*held).limit(1)) is None


def test_one_refused_message_does_not_silence_its_chat(slow_bot: BotUnderTest) -> None:
    """While the first of two messages is refused again and again, the second waits a quarter of an hour and no more."""
    user = slow_bot.new_user()
    slow_bot.feishu.faults.arm("feishu_230049", on="reply", times=None)
    first = user.deliver()
    wait_for(lambda: len(refused(slow_bot, 230049)) >= 3)
    second = user.deliver()
    before = len(refused(slow_bot, 230049))
    wait_for(lambda: len(refused(slow_bot, 230049)) >= before + 2)
    assert replied_to(slow_bot) == {first.message_id}
    make_older(slow_bot, first, seconds=HELD_UP)
    wait_for(lambda: replied_to(slow_bot) == {first.message_id, second.message_id})
    slow_bot.feishu.faults.disarm()
    for message in (first, second):
        user.wait_for_end(message)


def replied_to(bot: BotUnderTest) -> set[str]:
    return {call.path.split("/")[-2] for call in bot.feishu.calls_named("reply")}


def test_an_answer_of_yesterday_is_not_given(slow_bot: BotUnderTest) -> None:
    user = slow_bot.new_user()
    slow_bot.feishu.faults.arm("html_502", on="reply", times=None)
    said = user.deliver()
    wait_for(lambda: replied_to(slow_bot) == {said.message_id})
    make_older(slow_bot, said, seconds=QUICK.resend_in_all)
    slow_bot.wait_until_idle()
    slow_bot.feishu.faults.disarm()
    later = user.send()
    user.wait_for_end(later)
    assert [answer.parent_id for answer in user.answers] == [later.message_id]
    assert user.posts(said) == []


def test_the_last_word_on_a_card_waits_for_the_next_months_calls(slow_bot: BotUnderTest) -> None:
    slow_bot.glm.seconds = 0.5
    user = slow_bot.new_user()
    said = user.send()
    wait_for(lambda: user.answers)
    slow_bot.feishu.faults.arm("patch_too_old", on="patch")
    slow_bot.feishu.faults.arm("not_in_group", on="reply", times=None)
    slow_bot.feishu.faults.arm("quota", on="patch")
    wait_for(lambda: refused(slow_bot, QUOTA) and not_held(slow_bot))
    an_hour_later(slow_bot)
    card = user.ask(said)
    card.assert_shows("notice.unshown.text")
    assert (card.color, len(user.posts(said))) == ("grey", 1)


def test_what_was_refused_is_not_sent_again_when_what_follows_has_to_wait(tmp_path: Path) -> None:
    """An image or original whose chat is at its limit when the text after it is due is tried once."""
    crowded: list[str] = []

    def use_up(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        if crowded and (b"image_key" in (body := request.read()) or b"file_key" in body):
            limiter = SendRateLimiter(bot.app.database)
            while limiter.reserve(crowded[-1]) == 0:
                pass
        return inner.handle_request(request)

    with BotUnderTest(folder=tmp_path, wrap_feishu=around(use_up)) as bot:
        for fault in (NO_TOPIC, "feishu_230055"):
            user = bot.new_user()
            crowded.append(user.chat_id)
            bot.feishu.faults.arm(BAD_CARD, on="reply")
            bot.feishu.faults.arm(fault, on="reply")
            user.send()
            wait_for(lambda user=user: user.answers and bot.idle)  # type: ignore[misc]
            assert [answer.msg_type for answer in user.answers] == ["text"]
            assert [tries(user, kind) for kind in ("image", "text")] == [1, 1]
        crowded.clear()
        user = bot.new_user()
        card = user.ask()
        crowded.append(user.chat_id)
        bot.feishu.faults.arm("feishu_230055", on="reply")
        card.press_for_toast("original")
        wait_for(lambda: len(user.answers) == 2 and bot.idle)
        assert [call.name for call in user.calls].count("file") == tries(user, "file") == 1


def tries(user: Conversation, kind: str) -> int:
    return sum(call.name == "reply" and json.loads(call.body)["msg_type"] == kind for call in user.calls)
