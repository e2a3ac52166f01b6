"""Limits in a real database: exact under concurrency, and given back only for what cannot have been billed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bot.db.database import Database
from bot.db.generations import GenerationStore, recover_lost_calls
from bot.db.key_value import pause, resume
from bot.db.requests import cancel, cancel_recalled
from bot.db.tables import Generation
from bot.errors import NotConnected
from bot.settings import Budget, LimitSettings
from bot.worker import generation_steps as steps
from tests.support.builders import EXPIRED, LEASE, UNLIMITED, Team, accept, claimed, limits_of, make


def team(**limits: float) -> Team:
    """A team with these limits and no others."""
    return Team(limits=LimitSettings.model_validate({**UNLIMITED.model_dump(), **limits}))


def used(database: Database, limits: Team, *names: str) -> list[float]:
    """What one person and the team have used of the limits with these names."""
    with database.read() as connection:
        view = limits_of(limits).quota(connection, "ou_ann")
    found = {one.name: one.used for one in (*view.own, *view.team)}
    return [found[name] for name in names]


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"pending": 2}, "limit.pending"),
        ({"per_day": 2}, "limit.day"),
        ({"waiting": 2}, "limit.waiting"),
        ({"images_per_month": 2}, "limit.images"),
        ({"yuan_per_month": 0.2}, "limit.yuan"),
    ],
)
def test_over_a_limit_a_prompt_is_refused_with_its_sentence(
    database: Database, limits: dict[str, float], sentence: str
) -> None:
    """What fits is accepted, the next one is refused in words, and nothing waits for it."""
    for number in range(2):
        assert accept(database, f"om_{number}", team=team(**limits)).outcome == "accepted"
    refused = accept(database, "om_2", team=team(**limits))
    assert refused.outcome == "rejected"
    assert refused.error is not None
    assert refused.error.sentence == sentence
    assert used(database, team(), "pending") == [2]


def test_four_images_count_as_four(database: Database) -> None:
    """A message that asks for several images needs room for all of them."""
    assert accept(database, "om_1", count=4, team=team(pending=5)).outcome == "accepted"
    assert accept(database, "om_2", count=2, team=team(pending=5)).outcome == "rejected"
    assert accept(database, "om_3", count=1, team=team(pending=5)).outcome == "accepted"


def test_what_was_not_called_for_is_given_back_to_the_day(database: Database) -> None:
    """An image that was cancelled or recalled while it waited, or refused before any work, was never paid for."""
    limits = team(per_day=2)
    waiting = accept(database, "om_1", team=limits)
    accept(database, "om_2", team=limits)
    assert accept(database, "om_3", team=limits).outcome == "rejected"
    with database.write() as connection:
        cancel(database, connection, [str(waiting.request_id)])
    cancel_recalled(database, "om_2")
    assert used(database, limits, "today") == [0]
    accept(database, "om_4", team=limits)
    GenerationStore(database, "me").fail(claimed(database), steps.STUCK, billed=False)
    assert used(database, limits, "today") == [0]


def cancel_running(database: Database, generation: Generation) -> None:
    """Cancels while the platform is drawing; its picture comes all the same."""
    with database.write() as connection:
        cancel(database, connection, [generation.request_id])
    make(database, generation)


def recall_running(database: Database, generation: Generation) -> None:
    """Recalls the message while the platform is drawing, which then fails."""
    cancel_recalled(database, generation.dedup_key)
    fail_billed(database, generation)


def fail_billed(database: Database, generation: Generation) -> None:
    """The call fails in a way that may be billed."""
    GenerationStore(database, "me").fail(generation, steps.STUCK, billed=True)


def fail_to_deliver(database: Database, generation: Generation) -> None:
    """The picture is made and cannot be delivered."""
    store = GenerationStore(database, "me")
    make(database, generation)
    assert store.claim_made(generation.generation_id, lease=LEASE)
    store.fail(generation, steps.STUCK)


@pytest.mark.parametrize("spend", [cancel_running, recall_running, fail_billed, fail_to_deliver])
def test_what_may_be_billed_counts_for_the_person(
    database: Database, spend: Callable[[Database, Generation], None]
) -> None:
    """Nobody can spend more of the team's month in a day than their daily limit, whatever becomes of the images."""
    limits = team(per_day=3)
    for number in range(3):
        assert accept(database, f"om_{number}", team=limits).outcome == "accepted"
        spend(database, claimed(database))
        assert used(database, limits, "today", "images") == [number + 1, number + 1]
    assert accept(database, "om_more", team=limits).outcome == "rejected"
    assert accept(database, "om_other", sender="ou_bob", team=limits).outcome == "accepted"


@pytest.mark.parametrize("billed", [True, False])
def test_the_budget_counts_what_may_have_been_billed(database: Database, *, billed: bool) -> None:
    """A call that the platform refused before any work costs nothing; one that it may bill counts."""
    accept(database, "om_1")
    generation = claimed(database)
    assert used(database, team(), "images") == [1]
    GenerationStore(database, "me").fail(generation, steps.STUCK, billed=billed)
    assert used(database, team(), "images", "today") == [billed, billed]


def test_a_call_that_never_reached_the_platform_is_not_billed() -> None:
    """What the platform's own answers mean for the bill is tested with the answers."""
    assert not NotConnected("the platform could not be reached").may_be_billed


def test_a_repeated_call_counts_twice(database: Database) -> None:
    """When a crash hid the outcome of a call, both calls count, for the team and for the person."""
    accept(database, "om_1")
    claimed(database, lease=EXPIRED)
    recover_lost_calls(database, failure=steps.REPEATED_UNKNOWN)
    again = claimed(database)
    make(database, again)
    assert used(database, team(), "images") == [2]
    assert used(database, team(), "today") == [2]


def test_a_call_that_waits_to_be_repeated_is_reserved(database: Database) -> None:
    """From the crash on both calls are in the budget, so that nobody else is given what the second one will cost."""
    limits = team(images_per_month=2)
    accept(database, "om_1", team=limits)
    claimed(database, lease=EXPIRED)
    recover_lost_calls(database, failure=steps.REPEATED_UNKNOWN)
    assert used(database, limits, "images", "today") == [2, 2]
    assert accept(database, "om_2", team=limits).outcome == "rejected"
    claimed(database)
    assert used(database, limits, "images") == [2]


@pytest.mark.parametrize("kind", ["person", "chat"])
@pytest.mark.parametrize(("limit", "unit"), [({"images": 2}, "_images"), ({"yuan": 0.2}, "")])
def test_a_budget_of_a_person_or_a_chat(database: Database, kind: str, limit: dict[str, float], unit: str) -> None:
    """What fits a month's budget is accepted and the next refused, and nobody and nowhere else is concerned."""
    who = {"person": "ou_ann", "chat": "oc_1"}[kind]
    limits = replace(team(), budgets={who: Budget.model_validate({"who": who, **limit})})
    elsewhere = {"person": ("ou_bob", "oc_1"), "chat": ("ou_ann", "oc_2")}[kind]
    assert accept(database, "om_1", chat="oc_1", team=limits).outcome == "accepted"
    fail_billed(database, claimed(database))
    assert accept(database, "om_2", chat="oc_1", team=limits).outcome == "accepted"
    refused = accept(database, "om_3", chat="oc_1", team=limits).error
    assert refused is not None
    assert refused.sentence == f"limit.budget_{kind}{unit}"
    assert accept(database, "om_free", chat="oc_1", model="cogview-3-flash", team=limits).outcome == (
        "accepted" if unit == "" else "rejected"
    )
    sender, chat = elsewhere
    assert accept(database, "om_4", sender=sender, chat=chat, team=limits).outcome == "accepted"
    with database.read() as connection:
        (view,) = limits_of(limits).quota(connection, "ou_ann", "oc_1").budgets
    assert (view.name, round(view.used, 2)) == (f"budget_{kind}{unit}", 2 if unit else 0.2)


def test_a_budget_starts_anew_with_the_month(database: Database) -> None:
    """What was asked for last month does not count."""
    zone = ZoneInfo("Asia/Shanghai")
    budget = {"ou_ann": Budget(who="ou_ann", images=1)}
    months = [
        Team(limits=UNLIMITED, budgets=budget, clock=lambda day=day: datetime(2026, *day, tzinfo=zone).timestamp())  # type: ignore[misc]
        for day in ((11, 30), (12, 1))
    ]
    outcomes = [accept(database, f"om_{number}", team=months[0]).outcome for number in range(2)]
    assert [*outcomes, accept(database, "om_2", team=months[1]).outcome] == ["accepted", "rejected", "accepted"]


def test_what_costs_nothing_needs_no_money(database: Database) -> None:
    """With more spent than the budget now allows, a model without a price is drawn and one with a price is not."""
    for number in range(2):
        accept(database, f"om_{number}")
    limits = team(yuan_per_month=0.1)
    assert accept(database, "om_paid", team=limits).outcome == "rejected"
    assert accept(database, "om_free", model="cogview-3-flash", team=limits).outcome == "accepted"


@pytest.mark.parametrize(
    ("called", "november", "december"),
    [
        # Before its call a prompt of November is reserved in whichever month it is then.
        (False, 1, 1),
        # Its call, made in December, is charged to the month in which it was accepted.
        (True, 1, 0),
    ],
)
def test_a_prompt_that_waits_over_the_end_of_a_month(
    database: Database, november: int, december: int, *, called: bool
) -> None:
    """Accepted in November and not called for until December, an image costs November's budget alone."""
    zone = ZoneInfo("Asia/Shanghai")
    months = [
        Team(limits=UNLIMITED, clock=lambda day=day: datetime(2026, *day, tzinfo=zone).timestamp())  # type: ignore[misc]
        for day in ((11, 30), (12, 1))
    ]
    accept(database, "om_1", team=months[0])
    if called:
        claimed(database)
    assert [used(database, month, "images") for month in months] == [[november], [december]]


def test_a_call_refused_for_the_platforms_limits_costs_nothing(database: Database) -> None:
    """Waiting for a slot of the platform and asking again is one image in the budget."""
    accept(database, "om_1")
    generation = claimed(database)
    GenerationStore(database, "me").push_back(generation, seconds=0)
    assert used(database, team(), "images") == [1]


def test_the_days_end_is_midnight_of_the_teams_zone(database: Database) -> None:
    """A person's day begins and ends where the team lives, whatever the machine's zone."""
    zone = ZoneInfo("Asia/Shanghai")
    late = datetime(2026, 11, 23, 23, 59, tzinfo=zone).timestamp()
    clock = Team(limits=UNLIMITED, clock=lambda: late)
    with database.read() as connection:
        resets_at = limits_of(clock).quota(connection, "ou_ann").resets_at
    assert resets_at == datetime(2026, 11, 24, tzinfo=zone).timestamp()
    assert limits_of(clock).periods.month() == "2026-11"


def test_a_paused_bot_accepts_no_prompt(database: Database) -> None:
    """After /pause prompts are refused in words until /resume."""
    with database.write() as connection:
        assert pause(database, connection, by="ou_admin")
        assert not pause(database, connection, by="ou_admin")
    refused = accept(database, "om_1").error
    assert refused is not None
    assert refused.sentence == "limit.paused"
    with database.write() as connection:
        assert resume(connection)
    assert accept(database, "om_2").outcome == "accepted"
