"""Delivery failures by action: what is called again, what is paid, and what the sender sees.

Which code leads to which action is the subject of the unit tests of the codes; here each action has one or two.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from sqlalchemy import select, update

from bot.db.requests import HELD_UP
from bot.db.tables import generations, requests, timers
from bot.db.timers import SendRateLimiter, current_outages
from bot.errors import FOR_ADMINS
from bot.sandbox.faults import FAULTS
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.state import ChatMessage
from tests.conftest import ENGINES
from tests.support.databases import postgres_database
from tests.support.dsl import (
    CATALOGUE,
    QUICK,
    BotUnderTest,
    Conversation,
    Gate,
    all_strings,
    around,
    bot_with_paused_glm,
    header_color,
    plain_text,
    uuid_of,
    wait_for,
)


class Row(NamedTuple):
    """When Feishu refuses the call ``on`` so many ``times`` with ``code``: the calls that are made, and what is seen.

    ``first`` is the fault of a reply that leads to this call.
    """

    on: str
    code: int
    calls: str
    sees: str
    first: str = ""
    paid: int = 1
    kind: str = "p2p"
    times: int = 1


RATE, TOKEN, APP, NOBODY, BUG = 230020, 99991663, 99991672, 230002, 230001
WORDS, GONE, RECALLED, NO_TOPIC, BAD_CARD = 230028, 230110, 230011, 230019, 230099
IN_CARD, WITHOUT, APART = "picture in the card", "picture in the card, no prompt", "picture and text"
POINTING = "picture and text, a card that points there"
UNQUOTED, REFUSED = "feishu_231003", "card_bad"

TABLE = (
    # The first answer, which is the card that says "generating". Nothing is paid when it cannot be shown.
    Row("reply", RATE, "card, card, upload, patch", IN_CARD),
    Row("reply", RATE, "card, card, card, card, card, upload, patch", IN_CARD, times=4),
    Row("reply", APP, "card, card, upload, patch", IN_CARD),
    Row("reply", TOKEN, "card, token, card, upload, patch", IN_CARD),
    Row("reply", TOKEN, "card, token, card, card, upload, patch", IN_CARD, times=2),
    Row("reply", GONE, "card, new card, upload, patch", IN_CARD),
    Row("reply", NO_TOPIC, "card in topic, card, upload, patch", IN_CARD, kind="topic"),
    Row("reply", WORDS, "card, card, upload, patch", WITHOUT),
    Row("reply", BAD_CARD, "card, upload, image, text", APART),
    Row("reply", RECALLED, "card, new card, upload, patch", WITHOUT),
    Row("reply", NOBODY, "card", "nothing", paid=0),
    Row("reply", BUG, "card", "nothing", paid=0),
    # The first answer where there is no message to quote any more; the words of one that was taken back stay out.
    Row("create", RATE, "card, new card, new card, upload, patch", IN_CARD, UNQUOTED),
    Row("create", APP, "card, new card, new card, upload, patch", IN_CARD, UNQUOTED),
    Row("create", TOKEN, "card, new card, token, new card, upload, patch", IN_CARD, UNQUOTED),
    Row("create", WORDS, "card, new card, new card, upload, patch", WITHOUT, UNQUOTED),
    Row("create", BAD_CARD, "card, new card, upload, new image, new text", APART, UNQUOTED),
    Row("create", NOBODY, "card, new card", "nothing", UNQUOTED, paid=0),
    Row("create", GONE, "card, new card", "nothing", UNQUOTED, paid=0),
    Row("create", NO_TOPIC, "card, new card", "nothing", UNQUOTED, paid=0),
    # The picture as a message of its own, after a refused card. Where it cannot be sent, the text has the link.
    Row("reply", RATE, "card, upload, image, image, text", APART, REFUSED),
    Row("reply", APP, "card, upload, image, image, text", APART, REFUSED),
    Row("reply", TOKEN, "card, upload, image, token, image, text", APART, REFUSED),
    Row("reply", GONE, "card, upload, image, new image, new text", APART, REFUSED),
    Row("reply", NO_TOPIC, "card in topic, upload, image in topic, image, text", APART, REFUSED, kind="topic"),
    Row("reply", NOBODY, "card, upload, image, text", "text with the link", REFUSED),
    Row("reply", BAD_CARD, "card, upload, image, text", "text with the link", REFUSED),
    # The result. A card that cannot be changed any more is followed by a new reply, to which it points.
    Row("patch", RATE, "card, upload, patch, patch", IN_CARD),
    Row("patch", APP, "card, upload, patch, patch", IN_CARD),
    Row("patch", TOKEN, "card, upload, patch, token, patch", IN_CARD),
    Row("patch", 230031, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", GONE, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", BUG, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", WORDS, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", NOBODY, "card, upload, patch", "a card that generates"),
    # The upload. A picture that is refused is made smaller once; else the card shows its link.
    Row("image", RATE, "card, upload, upload, patch", IN_CARD),
    Row("image", APP, "card, upload, upload, patch", IN_CARD),
    Row("image", TOKEN, "card, upload, token, upload, patch", IN_CARD),
    Row("image", 234006, "card, upload, upload, patch", "picture in the card, made smaller"),
    Row("image", BUG, "card, upload, patch", "the link and the reason"),
)
"""What to do: https://open.feishu.cn/document/server-docs/im-v1/message/reply and the pages of the other calls."""

ORIGINALS = (
    # The upload of the original as a file.
    Row("file", RATE, "upload, upload, file", "the file"),
    Row("file", TOKEN, "upload, token, upload, file", "the file"),
    Row("file", 234006, "upload, card", "notice.original_refused.text"),
    # The file as a message.
    Row("reply", APP, "upload, file, file", "the file"),
    Row("reply", GONE, "upload, file, new file", "the file"),
    Row("reply", NOBODY, "upload, file, card", "notice.original_refused.text"),
    # Feishu's own copy of the picture, when neither the data folder nor the link has it.
    Row("own_image", RATE, "own_image, own_image, upload, file", "the file"),
    Row("own_image", TOKEN, "own_image, token, own_image, upload, file", "the file"),
    Row("own_image", 234003, "own_image, card", "notice.original_gone.text"),
)
"""When somebody presses the button that sends the original; ``sees`` is a sentence where no file comes."""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.first}-{row.on}-{row.code}-{row.times}")
def test_a_refusal_has_its_action(bot: BotUnderTest, row: Row) -> None:
    user = bot.new_user(kind=row.kind)
    if row.first:
        bot.feishu.faults.arm(row.first, on="reply")
    bot.feishu.faults.arm(f"feishu_{row.code}", on=row.on, times=row.times)
    said = user.send()
    user.wait_for_calls(len(row.calls.split(", ")))
    assert (", ".join(map(name, user.calls)), seen(user, said)) == (row.calls, row.sees)
    assert len(user.posts(said)) == row.paid
    assert not bot.feishu.faults.armed
    sends = {(name(call).removesuffix(" in topic"), uuid_of(call)) for call in user.calls if uuid_of(call)}
    assert len(sends) == len({uuid for _, uuid in sends}) == len({step for step, _ in sends})


@pytest.mark.parametrize("row", ORIGINALS, ids=lambda row: f"{row.on}-{row.code}")
def test_a_refusal_has_its_action_for_an_original(bot: BotUnderTest, user: Conversation, row: Row) -> None:
    card = user.ask()
    if row.on == "own_image":
        for path in (bot.folder / "originals").iterdir():
            path.unlink()
        bot.glm.arm("image_403", times=2)
    bot.feishu.faults.arm(f"feishu_{row.code}", on=row.on)
    before, calls = len(user.calls), row.calls.split(", ")
    card.press_for_toast("original")
    user.wait_for_calls(before + len(calls))
    assert [name(call) for call in user.calls[before:]] == calls
    sent = user.answers[-1]
    said = "the file" if sent.msg_type == "file" else CATALOGUE.text(row.sees, "zh")
    assert row.sees == said or said in all_strings(json.loads(sent.content))


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
    if kinds == ["text"]:
        return "text with the link" if "ufileos.com" in user.answers[0].content else "text"
    if "text" not in kinds:
        return card_seen(user, said) if kinds else "nothing"
    assert kinds[-2:] == ["image", "text"]
    if kinds == ["image", "text"]:
        return APART
    assert {answer.parent_id for answer in user.answers} == {said.message_id}
    assert user.answers[0].color == "grey"
    user.answers[0].assert_shows("card.moved")
    return POINTING


def card_seen(user: Conversation, said: ChatMessage) -> str:
    (card,) = user.answers
    words = list(all_strings(json.loads(card.content)))
    match header_color(card):
        case "wathet":
            return "a card that generates"
        case "red":
            return "the link and the reason" if any("ufileos.com" in word for word in words) else "the reason"
    picture = "picture in the card" if set(words) & user.bot.feishu.uploads.keys() else "no picture"
    if not any(plain_text(said) in word for word in words):
        return f"{picture}, no prompt"
    return f"{picture}, made smaller" if CATALOGUE.text("note.shrunk", "zh") in words else picture


def held_until(bot: BotUnderTest) -> float:
    """The time, in seconds since 1970, up to which the limiter of all messages is booked out."""
    with bot.app.database.read() as connection:
        return connection.scalar(select(timers.c.next_at).where(timers.c.name == "second")) or 0.0


def test_the_gateways_limit_is_waited_out(bot: BotUnderTest) -> None:
    user, other = bot.new_user(), bot.new_user()
    bot.feishu.faults.arm("rate_gateway", on="reply")
    user.send()
    # What was let out before the bot had read the refusal goes out all the same.
    wait_for(lambda: user.calls and held_until(bot) >= user.calls[0].at + 1.0)
    other.send()
    user.wait_for_calls(7)
    refused, *later = [call for call in user.calls if call.name == "reply"]
    assert len(later) == 2
    assert min(call.at for call in later) - refused.at >= 1.0
    assert uuid_of(refused) in {uuid_of(call) for call in later}


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


def test_when_the_new_reply_is_refused_too_the_old_card_ends(tmp_path: Path) -> None:
    """Where neither the card nor a text may tell the result, the card becomes a line that says so and where to look."""
    gate = Gate()
    with bot_with_paused_glm(gate, tmp_path) as bot:
        user = bot.new_user()
        user.ask_without_waiting()
        for call, times in (("patch", 1), ("reply", 3)):
            bot.feishu.faults.arm("too_long", on=call, times=times)
        gate.release()
        user.wait_for_calls(5)
        (card,) = user.answers
        assert card.color == "grey"
        card.assert_shows("notice.unshown.text")


@pytest.mark.parametrize("on", ["reply", "image", "patch"])
@pytest.mark.parametrize("fault", ["hang", "trickle", "reset_after", "html_502", "truncated"])
def test_a_broken_call_is_repeated(bot: BotUnderTest, user: Conversation, on: str, fault: str) -> None:
    bot.feishu.faults.arm(fault, on=on)
    said = user.send()
    assert sorted(user.wait_for_calls(4)) == sorted(["reply", "image", "patch", on])
    assert len({uuid_of(call) for call in user.calls if call.name == "reply"}) == 1
    assert [answer.color for answer in user.answers] == ["green"]
    assert len(user.posts(said)) == 1


DOWNLOADS = sorted(one.own for one in FAULTS.values() if one.side == "glm" and "download" in one.calls)


@pytest.mark.parametrize("fault", DOWNLOADS)
def test_a_download_from_a_fresh_link_is_retried(bot: BotUnderTest, user: Conversation, fault: str) -> None:
    before = len(bot.glm.downloads)
    bot.glm.arm(fault)
    assert user.ask(said := user.send()).color == "green"
    assert (len(bot.glm.downloads) - before, len(user.posts(said))) == (2, 1)


OLD = {"image_403": 1, "image_redirect": 1, "image_530": 2, "image_half": 2}
"""How often a download from an old link is tried."""


@pytest.mark.parametrize("fault", OLD)
def test_a_download_from_an_old_link(tmp_path: Path, fault: str) -> None:
    """Later than two minutes after the paid call only transient errors are retried; the card has the link."""
    with BotUnderTest(folder=tmp_path, pace=replace(QUICK, download=replace(QUICK.download, fresh=0.0))) as bot:
        user = bot.new_user()
        bot.glm.arm(fault, times=10)
        card = user.ask(said := user.send())
        assert (len(bot.glm.downloads), len(user.posts(said))) == (OLD[fault], 1)
        card.assert_shows("failure.download")
        assert "ufileos.com" in card.content
        assert bot.glm.strays == []


def test_the_age_of_a_link_survives_a_restart(tmp_path: Path) -> None:
    pace = replace(QUICK, download=replace(QUICK.download, first_wait=600.0, longest_wait=600.0))
    with BotUnderTest(folder=tmp_path, pace=pace) as bot:
        user = bot.new_user()
        bot.glm.arm("image_404", times=10)
        said = user.send()
        wait_for(lambda: bot.glm.downloads)
        bot.stop()
        with closing(sqlite3.connect(tmp_path / "bot.db")) as database:
            database.execute("UPDATE generations SET called_at = called_at - 130")
            database.commit()
        bot.start()
        user.ask(said).assert_shows("failure.download")
        assert len(bot.glm.downloads) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [(99991672, "op_from=openapi"), (230006, "code=230006"), (99991403, "next month"), (99991401, "白名单")],
)
def test_what_only_the_admin_can_mend_stands_in_the_log(
    bot: BotUnderTest, user: Conversation, caplog: pytest.LogCaptureFixture, code: int, said: str
) -> None:
    """The code, its fix, and the page on which it is mended are logged once; the chat's words are not."""
    bot.feishu.faults.arm(f"feishu_{code}", on="reply")
    with caplog.at_level(logging.WARNING, logger="bot"):
        message = user.send()
        user.wait_for_calls(1)
    lines = [record.getMessage() for record in caplog.records if f"code={code}" in record.getMessage()]
    assert len(lines) == 1
    assert said in lines[0]
    assert json.loads(message.content)["text"] not in caplog.text


@pytest.fixture(scope="module")
def impatient_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """A bot that tries an upload for a fifth of a second."""
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), pace=replace(QUICK, upload_in_all=0.2)) as bot:
        yield bot


@pytest.mark.parametrize(
    ("fault", "key", "free"),
    [
        ("feishu_234001", "failure.upload", True),
        ("feishu_234006", "failure.image_too_large", False),
        ("feishu_99992402", "failure.upload_barred", True),
        ("feishu_2200", "failure.feishu", True),
        ("html_502", "failure.feishu", True),
    ],
)
def test_a_refused_upload_says_why_and_what_to_do(
    impatient_bot: BotUnderTest, fault: str, key: str, *, free: bool
) -> None:
    """The card has the sentence of the refusal, the platform's words, the link, and a free retry where it may help."""
    bot, user = impatient_bot, impatient_bot.new_user()
    bot.feishu.faults.arm(fault, on="image", times=None)
    card = user.ask(said := user.send())
    bot.disarm()
    assert card.color == "red"
    card.assert_shows(key)
    card.assert_shows("advice.ask_admin_linked" if key in FOR_ADMINS else f"{key}.advice")
    card.assert_shows("button.link")
    card.assert_shows("button.edit")
    assert (card.shows("button.resume"), card.shows("button.retry")) == (free, False)
    assert "ufileos.com" in "".join(all_strings(json.loads(card.content)))
    if fault in FAULTS:
        assert f"{FAULTS[fault].code} {FAULTS[fault].text}" in card.text().split("\n")
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
    with bot.app.database.write() as connection:
        connection.execute(update(timers).values(next_at=0.0))
        for table in (requests, generations):
            connection.execute(update(table).values(due_at=0.0))


def make_older(bot: BotUnderTest, message: ChatMessage, *, seconds: float) -> None:
    with bot.app.database.write() as connection:
        older = requests.c.accepted_at - seconds
        connection.execute(update(requests).where(requests.c.dedup_key == message.message_id).values(accepted_at=older))


def test_without_calls_left_nothing_is_sent(slow_bot: BotUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """Six prompts while the month's calls are used up: one call, one line in the log; all are answered afterwards."""
    users = [slow_bot.new_user() for _ in range(6)]
    slow_bot.feishu.faults.arm("quota", times=None)
    with caplog.at_level(logging.WARNING, logger="bot"):
        said = [users[0].deliver()]
        wait_for(lambda: current_outages(slow_bot.app.database))
        said += [user.deliver() for user in users[1:]]
        assert refused(slow_bot, QUOTA) == ["reply"]
        wait_for(lambda: not_held(slow_bot))
        assert slow_bot.glm.calls == []
    assert sum(f"code={QUOTA}" in record.getMessage() for record in caplog.records) == 1
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
    with bot.app.database.read() as connection:
        return not any(
            connection.scalars(select(table.c.owner).where(table.c.owner.is_not(None))).all()
            for table in (requests, generations)
        )


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
    user.ask(said).assert_shows("notice.unshown.text")
    assert len(user.posts(said)) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_refused_is_not_sent_again_when_what_follows_has_to_wait(tmp_path: Path, engine: str) -> None:
    """An image or original whose chat is at its limit when the text after it is due is tried once."""
    crowded: list[str] = []

    def use_up(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        if crowded and (b"image_key" in (body := request.read()) or b"file_key" in body):
            limiter = SendRateLimiter(bot.app.database)
            while limiter.reserve(crowded[-1]) == 0:
                pass
        return inner.handle_request(request)

    with ExitStack() as stack:
        variables = {"DATABASE_URL": stack.enter_context(postgres_database())} if engine == "postgres" else {}
        bot = stack.enter_context(BotUnderTest(folder=tmp_path, variables=variables, wrap_feishu=around(use_up)))
        for code in (230019, 230055):
            user = bot.new_user()
            crowded.append(user.chat_id)
            bot.feishu.faults.arm("card_bad", on="reply")
            bot.feishu.faults.arm(f"feishu_{code}", on="reply")
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
