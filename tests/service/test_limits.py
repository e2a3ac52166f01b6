"""Limits in a real database: exact under concurrency and over processes, and given back only for what costs nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore, recover_lost_calls
from bot.db.requests import cancel, cancel_recalled
from bot.db.tables import Generation, generations, key_value, requests
from bot.db.timers import CHAT, MINUTE, SECOND, SendRateLimiter, is_model_held, pause_model
from bot.errors import DatabaseUnavailable, UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.service.requests import SubmitResult
from bot.settings import Budget, LimitSettings
from bot.worker import generation_steps as steps
from tests.support.builders import (
    LEASE,
    UNLIMITED,
    Team,
    accept,
    arrival,
    change,
    claimed,
    count_rows,
    limits_of,
    make,
    reception_of,
)
from tests.support.dsl import BotUnderTest, toast_text

ZONE = ZoneInfo("Asia/Shanghai")


def team(**limits: float) -> Team:
    return Team(limits=LimitSettings.model_validate({**UNLIMITED.model_dump(), **limits}))


def team_at(month: int, day: int, hour: int = 0, minute: int = 0) -> Team:
    """A team without limits at a time of 2026."""
    return Team(clock=lambda: datetime(2026, month, day, hour, minute, tzinfo=ZONE).timestamp())


def used(database: Database, limits: Team, *names: str) -> list[float]:
    """What one person and the team have used of the limits with these names."""
    with database.read() as connection:
        view = limits_of(limits).quota(connection, "ou_ann")
    found = {one.name: one.used for one in (*view.own, *view.team)}
    return [found[name] for name in names]


def ask(database: Database, number: int, **how: Any) -> str:
    """What becomes of a prompt: ``accepted``, or the sentence with which it is refused."""
    result = accept(database, f"om_{number}", **how)
    return result.error.sentence if result.error else result.outcome


@pytest.mark.parametrize(
    ("limit", "most", "sentence"),
    [
        ("pending", 2, "limit.pending"),
        ("per_day", 2, "limit.day"),
        ("waiting", 2, "limit.waiting"),
        ("images_per_month", 2, "limit.images"),
        ("yuan_per_month", 0.2, "limit.yuan"),
    ],
)
def test_over_a_limit_a_prompt_is_refused_with_its_sentence(
    database: Database, limit: str, most: float, sentence: str
) -> None:
    limits = team(**{limit: most})
    assert [ask(database, number, team=limits) for number in range(3)] == ["accepted", "accepted", sentence]
    assert used(database, team(), "pending") == [2]


def test_what_was_not_called_for_is_given_back_to_the_day(database: Database) -> None:
    limits = team(per_day=2)
    waiting = accept(database, "om_1", team=limits)
    assert [ask(database, number, team=limits) for number in (2, 3)] == ["accepted", "limit.day"]
    with database.write() as connection:
        cancel(connection, [str(waiting.request_id)])
    cancel_recalled(database, "om_2")
    assert used(database, limits, "today") == [0]


def fail(database: Database, generation: Generation, *, billed: bool = True) -> None:
    GenerationStore(database, "me").fail(generation, steps.STUCK, billed=billed)


def cancel_running(database: Database, generation: Generation) -> None:
    with database.write() as connection:
        cancel(connection, [generation.request_id])
    make(database, generation)


def recall_running(database: Database, generation: Generation) -> None:
    cancel_recalled(database, generation.dedup_key)
    fail(database, generation)


def fail_to_deliver(database: Database, generation: Generation) -> None:
    store = GenerationStore(database, "me")
    make(database, generation)
    assert store.claim_made(generation.generation_id, lease=LEASE)
    store.fail(generation, steps.STUCK)


def push_back(database: Database, generation: Generation) -> None:
    GenerationStore(database, "me").push_back(generation, seconds=0)


def lose(database: Database, _: Generation) -> None:
    change(database, update(generations).values(lease_until=0.0))
    recover_lost_calls(database, failure=steps.REPEATED_UNKNOWN)


def repeat(database: Database, generation: Generation) -> None:
    lose(database, generation)
    make(database, claimed(database))


FATES: dict[str, tuple[Callable[[Database, Generation], None], int]] = {
    "cancelled during its call": (cancel_running, 1),
    "recalled during its call": (recall_running, 1),
    "failed and perhaps billed": (fail, 1),
    "refused before any work": (partial(fail, billed=False), 0),
    "refused for the platform's limits": (push_back, 1),
    "made and not delivered": (fail_to_deliver, 1),
    # From the crash on, so that nobody else is given what the second call will cost.
    "lost in a crash": (lose, 2),
    "lost and repeated": (repeat, 2),
}
"""What becomes of a call, and how many images it counts as."""


@pytest.mark.parametrize("fate", FATES)
def test_what_may_be_billed_counts_for_person_and_team(database: Database, fate: str) -> None:
    """Nobody can spend more of the team's month in a day than their daily limit, whatever becomes of the images."""
    act, counted = FATES[fate]
    limits = team(per_day=3, images_per_month=4)
    assert ask(database, 1, team=limits) == "accepted"
    act(database, claimed(database))
    assert used(database, limits, "today", "images") == [counted, counted]
    outcomes = [ask(database, number, team=limits) for number in range(2, 6 - counted)]
    assert outcomes == [*["accepted"] * (3 - counted), "limit.day"]
    assert [ask(database, number, sender="ou_bob", team=limits) for number in (8, 9)] == ["accepted", "limit.images"]


@pytest.mark.parametrize("kind", ["person", "chat"])
@pytest.mark.parametrize(("limit", "unit"), [({"images": 2}, "_images"), ({"yuan": 0.2}, "")])
def test_a_budget_of_a_person_or_a_chat(database: Database, kind: str, limit: dict[str, float], unit: str) -> None:
    """What fits a month's budget is accepted and the next refused, and nobody and nowhere else is concerned."""
    who, sender, chat = {"person": ("ou_ann", "ou_bob", "oc_1"), "chat": ("oc_1", "ou_ann", "oc_2")}[kind]
    limits = replace(team(), budgets={who: Budget.model_validate({"who": who, **limit})})
    here = partial(ask, database, chat="oc_1", team=limits)
    assert here(1) == "accepted"
    fail(database, claimed(database))
    refusal = f"limit.budget_{kind}{unit}"
    assert [here(2), here(3)] == ["accepted", refusal]
    assert here(4, model="cogview-3-flash") == (refusal if unit else "accepted")
    assert ask(database, 5, sender=sender, chat=chat, team=limits) == "accepted"
    with database.read() as connection:
        (view,) = limits_of(limits).quota(connection, "ou_ann", "oc_1").budgets
    assert (view.name, round(view.used, 2)) == (f"budget_{kind}{unit}", 2 if unit else 0.2)


def test_what_costs_nothing_needs_no_money(database: Database) -> None:
    """With more spent than the budget now allows, a model without a price is drawn and one with a price is not."""
    assert [ask(database, number) for number in range(2)] == ["accepted"] * 2
    limits = team(yuan_per_month=0.1)
    assert ask(database, 3, team=limits) == "limit.yuan"
    assert ask(database, 4, model="cogview-3-flash", team=limits) == "accepted"


def test_a_prompt_that_waits_over_the_end_of_a_month(database: Database) -> None:
    """Accepted in November and called for in December, an image costs November's budget alone."""
    november, december = team_at(11, 30), team_at(12, 1)
    accept(database, "om_1", team=november)
    # Before its call it is reserved in whichever month it is then.
    assert [used(database, month, "images") for month in (november, december)] == [[1], [1]]
    claimed(database)
    assert [used(database, month, "images") for month in (november, december)] == [[1], [0]]


def test_the_days_end_is_midnight_of_the_teams_zone(database: Database) -> None:
    late = limits_of(team_at(11, 23, 23, 59))
    with database.read() as connection:
        resets_at = late.quota(connection, "ou_ann").resets_at
    assert resets_at == datetime(2026, 11, 24, tzinfo=ZONE).timestamp()
    assert late.periods.month() == "2026-11"


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
    """Sends a message, and again where the database was not free in time, as Feishu does."""
    where = arrival(f"om_{person}_{number}", sender=person, chat=chat)
    while True:
        with suppress(DatabaseUnavailable):
            return reception_of(database, LIMITED).submit(where, what)


def test_one_notice_and_then_silence(database: Database) -> None:
    """Of whatever a person sends, so much is answered a minute; then one notice, then nothing is stored.

    A recall is no message, others have a minute of their own, and in the next one everything is answered again.
    """
    for number in range(MOST * 2):
        cancel_recalled(database, f"om_gone_{number}")
    before = count_rows(database)
    outcomes = [send(database, number, MIXED[number % 3], chat=f"oc_{number}") for number in range(20)]
    assert [one.outcome for one in outcomes[MOST + 1 :]] == ["silenced"] * (20 - MOST - 1)
    notice = outcomes[MOST]
    assert notice.error is not None
    assert (notice.kind, notice.error.sentence) == ("too_fast", "limit.rate")
    assert count_rows(database) == before + MOST + 1
    assert send(database, 0, MIXED[0], person="ou_bob").outcome == "accepted"
    change(database, update(requests).values(accepted_at=requests.c.accepted_at - 61))
    outcomes = [send(database, 100 + number, MIXED[0]) for number in range(MOST + 2)]
    assert [one.outcome for one in outcomes] == ["accepted"] * MOST + ["rejected", "silenced"]


def test_what_comes_again_does_not_count(database: Database) -> None:
    """A message that Feishu delivers again is known, before and after the rate was exceeded."""
    for _ in range(MOST * 2):
        send(database, 0, MIXED[0])
    for number in range(1, MOST):
        assert send(database, number, MIXED[0]).outcome == "accepted"
    assert send(database, MOST, MIXED[0]).kind == "too_fast"
    assert [send(database, number, MIXED[0]).outcome for number in range(MOST + 1)] == ["repeated"] * (MOST + 1)


def test_the_rate_is_one_for_all_processes(database_url: str) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(12) as pool:
        processes = [stack.enter_context(closing(Database(read_url(database_url)))) for _ in range(3)]
        sent = [pool.submit(send, processes[number % 3], number, MIXED[number % 3]) for number in range(30)]
        outcomes = [one.result() for one in sent]
        kinds = Counter("silenced" if one.outcome == "silenced" else one.kind for one in outcomes)
        assert (kinds["too_fast"], kinds["silenced"]) == (1, 30 - MOST - 1)
        assert count_rows(processes[0]) == MOST + 1


def test_a_flood_leads_to_few_calls(tmp_path: Path) -> None:
    """Prompts at the daily limit, commands and the menu, over a restart: a handful of calls to Feishu in all.

    Presses over the rate get a toast.
    """
    variables = {"BOT_LIMITS_PER_MINUTE": str(MOST), "BOT_LIMITS_PER_DAY": "1"}
    with BotUnderTest(folder=tmp_path, variables=variables) as bot:
        user = bot.new_user()
        user.wait_for_end(user.send())
        for number in range(10):
            user.send("/help" if number % 2 else "")
            bot.feishu.press_menu("start", by=user.person)
            if number == 5:
                bot.wait_until_idle(user.send("/id"))
                bot.stop()
                bot.start()
        bot.wait_until_idle(user.send("/id"))
        for action in ("again", "edit", "original"):
            assert user.answers[0].press_for_toast(action) == toast_text("limit.rate", most=MOST)
        bot.wait_until_idle()
        sent = [one for one in bot.feishu.messages if one.sender == bot.feishu.app_id]
        assert len(sent) == MOST + 1
        assert len(bot.glm.calls) == 1


CAT = ImagePrompt(prompt="一只猫")


def test_a_limit_is_exact_within_a_group(database: Database) -> None:
    """Of twelve prompts at the same moment as many are accepted as there is room for, and each is answered."""
    reception, start = reception_of(database, team(images_per_month=5)), threading.Barrier(12)

    def ask_at_once(number: int) -> str:
        start.wait()
        return reception.submit(arrival(f"om_{number}", sender=f"ou_{number}", chat=f"oc_{number}"), CAT).outcome

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(ask_at_once, range(12)))
    assert (outcomes.count("accepted"), outcomes.count("rejected")) == (5, 7)
    assert count_rows(database) == 12


def test_an_error_tells_nothing_of_what_was_typed(database: Database) -> None:
    twice = [{"name": "twice", "value": "一只猫"}] * 2
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        connection.execute(insert(key_value), twice)
    assert "一只猫" not in str(caught.value)


WAITING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""
"""How many transactions of a database wait for another one."""


def test_burst_and_rate_together_stay_within_the_platforms_limit() -> None:
    for allowance, seconds, allowed in ((CHAT, 1, 5), (SECOND, 1, 50), (MINUTE, 60, 1000)):
        assert allowance.burst + allowance.rate * seconds <= allowed


def test_a_new_chat_gets_a_burst_however_many_send_at_once(database: Database) -> None:
    start = threading.Barrier(6)

    def send_at_once(_: int) -> float:
        start.wait()
        return SendRateLimiter(database).reserve("oc_new")

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(send_at_once, range(6)))
    # On a slow machine further ones have become due meanwhile.
    due_since = int((time.monotonic() - began) * CHAT.rate)
    assert CHAT.burst <= waits.count(0.0) <= CHAT.burst + due_since
    assert SendRateLimiter(database).reserve("oc_other") == 0.0


def test_a_wait_that_the_platform_names_holds_every_message(database: Database) -> None:
    """A shorter word does not end a longer one."""
    limiter = SendRateLimiter(database)
    for named, held in ((1.0, 1.0), (52.0, 52.0), (30.0, 52.0), (3_600.0, 3_600.0)):
        limiter.hold(named)
        assert held - 10.0 < limiter.reserve("oc_1") <= held


def test_a_busy_model_is_not_called_sooner_than_was_said(database: Database) -> None:
    """A shorter wait after a longer one, as of a second call under way, does not shorten it."""
    for seconds in (60.0, -1.0):
        with database.write() as connection:
            pause_model(connection, "glm-image", seconds=seconds)
    with database.read() as connection:
        assert connection.scalar(select(is_model_held(literal("glm-image"))))
