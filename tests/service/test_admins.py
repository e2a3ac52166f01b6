"""Messages to the admins: one a cause and day to each, and nobody's answer waits for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from bot.db.database import NOW as CLOCK
from bot.db.database import Database
from bot.db.tables import generations, requests
from bot.models import Failure, State
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.worker.admin_alerts import HOUR, AdminAlerts, nearly_full, silent_since
from tests.support.builders import Team, accept, change, reception_of
from tests.support.dsl import CATALOGUE, LANGUAGES, QUICK, REDELIVERY, BotUnderTest, all_strings, wait_for

NOW = 10_000_000.0
ABSENT = "ou_nobody"
BLOCKED = "网站防火墙 您的请求已被拦截 Access denied by the firewall"  # what a firewall's page says


def failed(*ends: tuple[float, str]) -> list[tuple[float, Failure]]:
    """Generations that failed, each so many minutes ago with a code."""
    return [(NOW - minutes * 60, Failure(code=code, sentence="")) for minutes, code in ends]


SILENCE: list[tuple[list[tuple[float, Failure]], float | None, float | None]] = [
    # Nothing, and one failure alone, however old it is and however long its prompt had waited.
    (failed(), None, None),
    (failed((90, "server_error")), None, None),
    # Several: the first has to be an hour old, and the last one not.
    (failed((59, "server_error"), (5, "TIMEOUT")), None, None),
    (failed((60, "server_error"), (5, "TIMEOUT")), None, 5),
    (failed((600, "server_error"), (60, "server_error")), None, None),
    # A success before all of it changes nothing; one between begins anew.
    (failed((90, "server_error"), (5, "TIMEOUT")), 95, 5),
    (failed((90, "server_error"), (5, "TIMEOUT")), 30, None),
    (failed((150, "server_error"), (70, "server_error"), (5, "TIMEOUT")), 100, 5),
    (failed((90, "server_error"), (5, "TIMEOUT")), 1, None),
    # What a prompt's own content was the reason for neither begins a silence nor goes on with it.
    (failed((90, "content_filter_violation"), (30, "server_error"), (5, "server_error")), None, None),
    (failed((90, "server_error"), (5, "content_filter_violation")), None, None),
]
"""Failures, and how many minutes ago the last success was and a silence was seen."""


def test_when_nothing_succeeds() -> None:
    """It is silent when the first failure since the last success is an hour old, and a later one is not."""
    for failures, success, seen in SILENCE:
        last_success = 0.0 if success is None else NOW - success * 60
        expected = None if seen is None else NOW - seen * 60
        assert silent_since(failures, last_success=last_success, now=NOW) == expected, failures


@pytest.mark.parametrize(
    ("fault", "key", "values"),
    [
        ("glm_1113", "notice.admin_balance.text", {}),
        ("gbk_451", "notice.admin_blocked.text", {"details": f"HTTP 451 {BLOCKED}"}),
    ],
)
def test_each_admin_gets_one_message_a_cause(tmp_path: Path, fault: str, key: str, values: dict[str, str]) -> None:
    """Three failed prompts make one message to each admin, in both languages, and the people get their cards.

    An admin whom Feishu does not know is in nobody's way.
    """
    feishu = FeishuStandIn(delivery=REDELIVERY)
    admins = [feishu.state.add_person(name).open_id for name in ("管理甲", "管理乙")]
    chats = {feishu.state.direct_chat(admin).chat_id for admin in admins}
    variables, pace = {"BOT_TEAM_ADMINS": ",".join([ABSENT, *admins])}, replace(QUICK, upkeep=0.05)

    def told() -> list[ChatMessage]:
        return [message for message in feishu.messages if message.chat_id in chats]

    with BotUnderTest(folder=tmp_path, pace=pace, feishu=feishu, variables=variables) as bot:
        bot.glm.arm(fault, times=3)
        for _ in range(3):
            assert bot.new_user().ask().color == "red"
        wait_for(lambda: len(told()) >= 2 and bot.idle)
        bot.stop()
        bot.start()
        bot.new_user().ask()
        with bot.app.database.read() as connection:
            outcome = connection.scalar(select(requests.c.outcome).where(requests.c.sender == ABSENT))
    assert str(outcome).startswith("feishu_")
    assert len({message.chat_id for message in told()}) == len(told()) == 2
    for message in told():
        shown = list(all_strings(json.loads(message.content)))
        assert {CATALOGUE.text(key, language, **values) for language in LANGUAGES} <= set(shown)


def look(database: Database, usage: Mapping[str, tuple[float, float]] | None = None, *, chat: str = "") -> list[str]:
    """The origins of the messages that are left after a look by a process that has just started."""
    AdminAlerts(
        requests=reception_of(database, Team(admins=frozenset({"ou_a"}))),
        chat=chat,
        zone=UTC,
        wake=threading.Event(),
        usage=lambda: usage or {},
    ).check()
    with database.read() as connection:
        return [origin for origin in connection.scalars(select(requests.c.dedup_key)) if origin.startswith("admin:")]


def end(database: Database, origin: str, *, ago: float, code: str | None) -> None:
    """Lets a prompt succeed, or fail with a code, so many seconds ago."""
    accept(database, origin)
    failure = Failure(code=code or "", sentence="failure.server")
    how = {"state": State.FAILED, "failure": failure} if code else {"state": State.DONE}
    of_request = select(requests.c.request_id).where(requests.c.dedup_key == origin).scalar_subquery()
    change(
        database,
        update(generations).where(generations.c.request_id == of_request).values(ended_at=CLOCK - ago, **how),
    )


ENDS: list[tuple[list[tuple[float, str | None]], list[str]]] = [
    ([(5, "insufficient_balance")], ["balance"]),
    ([(5, "authentication_error")], ["key"]),
    ([(5, "MISSING_API_KEY")], ["key"]),
    ([(61, "insufficient_balance")], []),
    ([(5, "server_error")], []),
    # An image of another model came after it.
    ([(5, "insufficient_balance"), (4, None)], ["balance"]),
]
"""How prompts ended so many minutes ago, and what is told of the account."""


def test_what_is_wrong_with_the_account(database: Database) -> None:
    for ends, told in ENDS:
        for number, (minutes, code) in enumerate(ends):
            end(database, f"om_{number}", ago=minutes * 60, code=code)
        assert [origin.split(":")[1] for origin in look(database)] == told, ends
        change(database, delete(generations), delete(requests))


def test_silence_is_told_once_over_all_processes(database: Database) -> None:
    """With no image for half a day between two failures the admins are told, and not where one came between them."""
    end(database, "om_old", ago=14 * HOUR, code=None)
    end(database, "om_1", ago=12 * HOUR, code="server_error")
    end(database, "om_between", ago=6 * HOUR, code=None)
    end(database, "om_2", ago=60, code="server_error")
    assert look(database) == []
    change(database, delete(requests).where(requests.c.dedup_key == "om_between"))
    for _ in range(2):
        assert [origin.split(":")[1] for origin in look(database)] == ["silent"]


def test_processes_that_look_at_once_leave_one_message(database: Database) -> None:
    end(database, "om_1", ago=60, code="insufficient_balance")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, [database] * 8))
    assert [origin.split(":")[1] for origin in look(database)] == ["balance"]


def test_the_shares_of_a_month_are_told_once_each(database: Database) -> None:
    """At 80 % and at 100 % of each allowance, and never where there is none."""
    month = f"{datetime.now(UTC):%Y-%m}"
    for used, reached in ((799, []), (800, ["80"]), (999, ["80"]), (1000, ["100", "80"]), (1300, ["100", "80"])):
        usage = {"images": (used, 1000), "yuan": (used / 100, 10.0), "calls": (used, 0)}
        told = look(database, usage, chat="oc_admins")
        causes = [f"admin:{name}:{month}:{share}:oc_admins" for name in ("images", "yuan") for share in reached]
        assert sorted(told) == causes


def test_the_budget_is_told_in_the_admins_chat(tmp_path: Path) -> None:
    """After four of five images of the month the chat reads how many, in both languages; nobody reads it twice."""
    feishu = FeishuStandIn(delivery=REDELIVERY)
    variables = {"BOT_TEAM_ADMIN_CHAT": "oc_group", "BOT_LIMITS_IMAGES_PER_MONTH": "5"}
    with BotUnderTest(folder=tmp_path, feishu=feishu, pace=replace(QUICK, upkeep=0.05), variables=variables) as bot:
        for _ in range(4):
            bot.new_user().ask()

        def told() -> list[str]:
            cards = [one for one in feishu.messages if one.chat_id == "oc_group" and one.sender == feishu.app_id]
            return ["\n".join(all_strings(json.loads(card.content))) for card in cards]

        wait_for(lambda: told() and bot.idle)
        (words,) = told()
        for language in LANGUAGES:
            assert CATALOGUE.text("notice.admin_images.text", language, details="80% (4/5)") in words


def test_a_disk_is_nearly_full() -> None:
    """With less than a twentieth free, and less than 2 GiB: in GiB, a small and a large disk."""
    for total, free, full in ((10, 0.4, True), (10, 0.6, False), (1000, 1.9, True), (1000, 2.1, False)):
        assert nearly_full(total * 1024**3, int(free * 1024**3)) is full
