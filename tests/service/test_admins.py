"""Messages to the admins: one a cause and day to each, and nobody's answer waits for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
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
from tests.support.dsl import CATALOGUE, QUICK, REDELIVERY, BotUnderTest, all_strings, wait_for

NOW = 10_000_000.0
ABSENT = "ou_nobody"
ADMINS = ("管理甲", "管理乙")
BLOCKED = "网站防火墙 您的请求已被拦截 Access denied by the firewall"
"""What a firewall's page says."""


def failed(*ends: tuple[float, str]) -> list[tuple[float, Failure]]:
    """Generations that failed, each so many minutes ago with a code."""
    return [(NOW - minutes * 60, Failure(code=code, sentence="")) for minutes, code in ends]


@pytest.mark.parametrize(
    ("failures", "success", "seen"),
    [
        # Nothing, and one failure alone, however old it is and however long its prompt had waited.
        (failed(), None, None),
        (failed((5, "server_error")), None, None),
        (failed((60, "TIMEOUT")), None, None),
        (failed((90, "server_error")), None, None),
        # Several: the first has to be an hour old, and the last one not.
        (failed((59, "server_error"), (5, "TIMEOUT")), None, None),
        (failed((60, "server_error"), (5, "TIMEOUT")), None, 5),
        (failed((90, "server_error"), (30, "TIMEOUT"), (5, "TIMEOUT")), None, 5),
        (failed((150, "server_error"), (1, "server_error")), None, 1),
        (failed((600, "server_error"), (450, "server_error"), (300, "server_error")), None, None),
        (failed((600, "server_error"), (60, "server_error")), None, None),
        # A success before all of it changes nothing; one between begins anew.
        (failed((90, "server_error"), (5, "TIMEOUT")), 95, 5),
        (failed((90, "server_error"), (5, "TIMEOUT")), 30, None),
        (failed((150, "server_error"), (70, "server_error"), (5, "TIMEOUT")), 100, 5),
        (failed((90, "server_error"), (5, "TIMEOUT")), 1, None),
        # What a prompt's own content was the reason for neither begins a silence nor goes on with it.
        (failed((90, "content_filter_violation"), (5, "invalid_request")), None, None),
        (failed((90, "content_filter_violation"), (30, "server_error"), (5, "server_error")), None, None),
        (failed((90, "server_error"), (5, "content_filter_violation")), None, None),
    ],
)
def test_when_nothing_succeeds(
    failures: list[tuple[float, Failure]], success: float | None, seen: float | None
) -> None:
    """It is silent when the first failure since the last success is an hour old, and a later one is not."""
    last_success = 0.0 if success is None else NOW - success * 60
    expected = None if seen is None else NOW - seen * 60
    assert silent_since(failures, last_success=last_success, now=NOW) == expected


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot with two admins that exist and one whom Feishu does not know."""
    feishu = FeishuStandIn(delivery=REDELIVERY)
    people = [feishu.state.add_person(name).open_id for name in ADMINS]
    variables, pace = {"BOT_TEAM_ADMINS": ",".join([ABSENT, *people])}, replace(QUICK, upkeep=0.05)
    with BotUnderTest(folder=tmp_path, pace=pace, feishu=feishu, variables=variables) as bot:
        yield bot


def told(bot: BotUnderTest) -> list[ChatMessage]:
    admins = [person for person in bot.feishu.people if person.name in ADMINS]
    chats = {bot.feishu.state.direct_chat(person.open_id).chat_id for person in admins}
    return [message for message in bot.feishu.messages if message.chat_id in chats]


@pytest.mark.parametrize(
    ("fault", "key", "values"),
    [
        ("glm_1113", "notice.admin_balance.text", {}),
        ("glm_1002", "notice.admin_key.text", {}),
        ("glm_1309", "notice.admin_refused.text", {"details": "1309 您的套餐已到期，暂无法使用，可前往官网续订"}),
        ("gbk_451", "notice.admin_blocked.text", {"details": f"HTTP 451 {BLOCKED}"}),
    ],
)
def test_each_admin_gets_one_message_a_cause(bot: BotUnderTest, fault: str, key: str, values: dict[str, str]) -> None:
    """Three failed prompts make one message to each admin, in both languages, and the people get their cards."""
    bot.glm.arm(fault, times=3)
    for _ in range(3):
        assert bot.new_user().ask().color == "red"
    wait_for(lambda: len(told(bot)) >= 2 and bot.idle)
    bot.stop()
    bot.start()
    bot.new_user().ask()
    messages = told(bot)
    assert len({message.chat_id for message in messages}) == len(messages) == 2
    for message in messages:
        shown = list(all_strings(json.loads(message.content)))
        assert CATALOGUE.text(key, "zh", **values) in shown
        assert CATALOGUE.text(key, "en", **values) in shown


def test_an_admin_who_cannot_be_reached_is_in_nobodys_way(bot: BotUnderTest) -> None:
    bot.glm.arm("glm_1113")
    bot.new_user().ask()
    wait_for(lambda: len(told(bot)) == 2 and bot.idle)
    with bot.app.database.read() as connection:
        row = connection.execute(select(requests.c.outcome).where(requests.c.sender == ABSENT)).one()
    assert row.outcome.startswith("feishu_")


def look(database: Database, usage: dict[str, tuple[float, float]] | None = None, *, chat: str = "") -> list[str]:
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


@pytest.mark.parametrize(
    ("minutes", "code", "told"),
    [
        (5, "insufficient_balance", ["balance"]),
        (5, "authentication_error", ["key"]),
        (5, "MISSING_API_KEY", ["key"]),
        (61, "insufficient_balance", []),
        (5, "server_error", []),
    ],
)
def test_what_is_wrong_with_the_account(database: Database, minutes: float, code: str, told: list[str]) -> None:
    end(database, "om_1", ago=minutes * 60, code=code)
    assert [origin.split(":")[1] for origin in look(database)] == told


def test_silence_is_told_once_over_all_processes(database: Database) -> None:
    end(database, "om_1", ago=90, code="server_error")
    assert look(database) == []
    end(database, "om_2", ago=HOUR + 60, code="server_error")
    first = look(database)
    assert [origin.split(":")[1] for origin in first] == ["silent"]
    assert look(database) == first


def test_failures_far_apart_are_silence_until_an_image_comes(database: Database) -> None:
    """With no image for half a day between two failures the admins are told, and not where one came between them."""
    end(database, "om_old", ago=14 * HOUR, code=None)
    end(database, "om_1", ago=12 * HOUR, code="server_error")
    end(database, "om_between", ago=6 * HOUR, code=None)
    end(database, "om_2", ago=60, code="server_error")
    assert look(database) == []
    change(database, delete(requests).where(requests.c.dedup_key == "om_between"))
    assert [origin.split(":")[1] for origin in look(database)] == ["silent"]


def test_a_model_that_works_hides_no_fault_of_the_account(database: Database) -> None:
    """A balance that is used up is told though an image of another model came after it."""
    end(database, "om_1", ago=90, code="insufficient_balance")
    end(database, "om_2", ago=30, code=None)
    assert [origin.split(":")[1] for origin in look(database)] == ["balance"]


def test_processes_that_look_at_once_leave_one_message(database: Database) -> None:
    end(database, "om_1", ago=60, code="insufficient_balance")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, [database] * 8))
    assert [origin.split(":")[1] for origin in look(database)] == ["balance"]


@pytest.mark.parametrize(
    ("used", "limit", "reached"),
    [(799, 1000, []), (800, 1000, ["80"]), (999, 1000, ["80"]), (1000, 1000, ["100"]), (5000, 0, [])],
)
def test_the_share_of_a_month_is_told(database: Database, used: float, limit: float, reached: list[str]) -> None:
    """At 80 % and at 100 % of an allowance, and never where there is none."""
    month = f"{datetime.now(UTC):%Y-%m}"
    expected = [f"admin:calls:{month}:{share}:ou_a" for share in reached]
    for _ in range(2):
        assert look(database, {"calls": (used, limit)}) == expected


def test_both_shares_of_each_allowance_are_told_once_to_the_chat(database: Database) -> None:
    told: list[str] = []
    for used in (70, 85, 90, 100, 130):
        told = look(database, {"images": (used, 100), "yuan": (used / 10, 10.0)}, chat="oc_admins")
    shares = sorted(":".join(origin.split(":")[1:]) for origin in told)
    month = f"{datetime.now(UTC):%Y-%m}"
    assert shares == sorted(f"{cause}:{month}:{share}:oc_admins" for cause in ("images", "yuan") for share in (80, 100))


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
        for language in ("zh", "en"):
            assert CATALOGUE.text("notice.admin_images.text", language, details="80% (4/5)") in words


@pytest.mark.parametrize(
    ("total", "free", "full"), [(10, 0.4, True), (10, 0.6, False), (1000, 1.9, True), (1000, 2.1, False)]
)
def test_a_disk_is_nearly_full(*, total: float, free: float, full: bool) -> None:
    """With less than a twentieth free, and less than 2 GiB: in GiB, a small and a large disk."""
    assert nearly_full(int(total * 1024**3), int(free * 1024**3)) is full
