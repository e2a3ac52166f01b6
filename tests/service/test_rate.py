"""One person cannot keep the bot busy: what is answered a minute is bounded, and chats take turns."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import update

from bot.db.database import Database, read_url
from bot.db.requests import RequestStore, cancel_recalled
from bot.db.tables import requests
from bot.errors import UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.service.requests import SubmitResult
from bot.settings import LimitSettings
from tests.support.builders import UNLIMITED, Team, arrival, count_rows, reception_of
from tests.support.dsl import BotUnderTest, toast_text

MOST = 5
LIMITED = Team(limits=LimitSettings.model_validate({**UNLIMITED.model_dump(), "per_minute": MOST, "pending": 2}))
MIXED: tuple[ParsedMessage, ...] = (
    Command(name="help"),
    ImagePrompt(prompt="一只猫"),
    UserError(sentence="misread.size"),
)
"""A command, a prompt that is accepted or refused, and a faulty one."""


def send(
    database: Database, number: int, what: ParsedMessage, *, person: str = "ou_ann", chat: str = "oc_1"
) -> SubmitResult:
    """One message of somebody."""
    where = arrival(f"om_{person}_{number}", sender=person, chat=chat)
    return reception_of(database, LIMITED).submit(where, what)


def test_one_notice_and_then_silence(database: Database) -> None:
    """Of whatever a person sends, so much is answered a minute; then one notice, then nothing is stored."""
    outcomes = [send(database, number, MIXED[number % 3], chat=f"oc_{number}") for number in range(20)]
    assert [one.outcome for one in outcomes[MOST + 1 :]] == ["silenced"] * (20 - MOST - 1)
    notice = outcomes[MOST]
    assert notice.error is not None
    assert (notice.kind, notice.error.sentence) == ("too_fast", "limit.rate")
    assert count_rows(database) == MOST + 1
    assert send(database, 0, MIXED[0], person="ou_bob").outcome == "accepted"


def test_what_comes_again_does_not_count(database: Database) -> None:
    """A message that Feishu delivers again is known, before and after the rate was exceeded."""
    for _ in range(MOST * 2):
        send(database, 0, MIXED[0])
    for number in range(1, MOST):
        assert send(database, number, MIXED[0]).outcome == "accepted"
    assert send(database, MOST, MIXED[0]).kind == "too_fast"
    assert [send(database, number, MIXED[0]).outcome for number in range(MOST + 1)] == ["repeated"] * (MOST + 1)


def test_after_a_minute_everything_is_answered_again(database: Database) -> None:
    """What was sent more than a minute ago is no longer counted, nor is its notice."""
    for number in range(MOST + 2):
        send(database, number, MIXED[0])
    with database.write() as connection:
        connection.execute(update(requests).values(accepted_at=requests.c.accepted_at - 61))
    outcomes = [send(database, 100 + number, MIXED[0]) for number in range(MOST + 2)]
    assert [one.outcome for one in outcomes] == ["accepted"] * MOST + ["rejected", "silenced"]


def test_the_rate_is_one_for_all_processes(database_url: str) -> None:
    """Messages that come to several processes at once are counted together, whatever they ask."""
    processes = [Database(read_url(database_url)) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(send, processes[number % 3], number, MIXED[number % 3]) for number in range(30)]
        outcomes = [one.result() for one in sent]
    kinds = Counter("silenced" if one.outcome == "silenced" else one.kind for one in outcomes)
    assert (kinds["too_fast"], kinds["silenced"]) == (1, 30 - MOST - 1)
    assert count_rows(processes[0]) == MOST + 1
    for process in processes:
        process.close()


def test_a_flood_leads_to_few_calls(tmp_path: Path) -> None:
    """Prompts at the daily limit, commands and the menu, over a restart: a handful of calls to Feishu in all."""
    variables = {"BOT_LIMITS_PER_MINUTE": str(MOST), "BOT_LIMITS_PER_DAY": "1"}
    with BotUnderTest(folder=tmp_path, variables=variables) as bot:
        user = bot.new_user()
        user.wait_for_end(user.send())
        for number in range(20):
            user.send("/help" if number % 2 else "")
            bot.feishu.press_menu("start", by=user.person)
            if number == 10:
                bot.wait_until_idle(user.send("/id"))
                bot.stop()
                bot.start()
        bot.wait_until_idle(user.send("/id"))
        bot.wait_until_idle()
        sent = [one for one in bot.feishu.messages if one.sender == bot.feishu.app_id]
        assert len(sent) == MOST + 1
        assert len(bot.glm.calls) == 1


def test_presses_over_the_rate_get_a_toast(tmp_path: Path) -> None:
    """A press that is not carried out says so in its own answer, and nothing is sent, made or stored."""
    with BotUnderTest(folder=tmp_path, variables={"BOT_LIMITS_PER_MINUTE": "2"}) as bot:
        user = bot.new_user()
        user.wait_for_end(user.send())
        (card,) = user.answers
        card.press("again")
        for action in ("again", "edit", "original", "again"):
            assert card.press_for_toast(action) == toast_text("limit.rate", most=2)
        assert user.new_answers(2) == []
        assert (len(bot.glm.calls), count_rows(bot.app.database)) == (2, 2)


def test_chats_take_turns(database: Database) -> None:
    """What one chat has to be shown does not keep the others waiting, however much older it is."""
    store = RequestStore(database, "me")
    for number in range(30):
        reception_of(database).submit(arrival(f"om_{number}", chat="oc_busy"), ImagePrompt(prompt="一只猫"))
    with database.write() as connection:
        connection.execute(update(requests).values(answer_id=requests.c.dedup_key))
    later = [
        reception_of(database).submit(arrival(f"om_{chat}", chat=chat), ImagePrompt(prompt="一只猫")).request_id
        for chat in ("oc_1", "oc_2")
    ]
    assert store.due_requests(limit=16)[1:3] == later


def test_a_recall_is_no_message(database: Database) -> None:
    """Recalls are neither counted nor held up."""
    for number in range(MOST * 2):
        cancel_recalled(database, f"om_gone_{number}")
    assert send(database, 1, MIXED[0]).outcome == "accepted"
