"""The month's statistics: costs by person and chat, and the months that a text names."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from bot.db.database import Database
from bot.db.reports import Reports
from bot.db.tables import generations, requests
from bot.db.usage import ApiUsageCounter
from bot.models import Failure, State
from bot.timings import BillingPeriods
from tests.support.builders import accept, limits_of

PRICES = {"glm-image": 0.1, "cogview-4": 0.06}


def reports_of(database: Database) -> Reports:
    periods = limits_of().periods
    calls = ApiUsageCounter(database=database, periods=periods)
    return Reports(database=database, prices=PRICES, periods=periods, calls=calls)


def test_people_and_chats_are_listed_by_cost(database: Database) -> None:
    """The highest cost is first, a direct chat names its person, and what cost nothing is not listed."""
    accept(database, "om_1", sender="ou_ann", chat="oc_group", model="cogview-4", count=4)
    accept(database, "om_2", sender="ou_bob", chat="oc_group", count=2)
    accept(database, "om_3", sender="ou_bob", chat="oc_bob", count=1)
    accept(database, "om_4", sender="ou_cai", chat="oc_cai")
    with database.write() as connection:
        done = {"state": State.DONE, "ended_at": database.now, "calls_billed": 1}
        connection.execute(update(generations).where(generations.c.sender != "ou_cai").values(done))
        failure = Failure(code="insufficient_balance", sentence="failure.balance")
        failed = {"state": State.FAILED, "ended_at": database.now, "failure": failure}
        connection.execute(update(generations).where(generations.c.sender == "ou_cai").values(failed))
        connection.execute(update(requests).where(requests.c.chat_id == "oc_bob").values(chat_type="p2p"))
    stats = reports_of(database).stats()
    assert [(one.open_id, one.images, one.yuan) for one in stats.people] == [("ou_bob", 3, 0.3), ("ou_ann", 4, 0.24)]
    assert [(one.open_id, one.chat_id, one.yuan) for one in stats.chats] == [
        ("", "oc_group", 0.44),
        ("ou_bob", "oc_bob", 0.1),
    ]
    assert stats.outcomes == {"done": 7, "failure.balance": 1}
    assert reports_of(database).stats("2020-01").people == ()


@pytest.mark.parametrize(
    ("typed", "month"),
    [("", "2026-11"), ("2026-10", "2026-10"), ("2026年3月", "2026-03"), ("2026/1", "2026-01"), ("2026-13", "2026-11")],
)
def test_months_are_read(typed: str, month: str) -> None:
    """What names no month means this one."""
    clock = datetime(2026, 11, 30, 23, 59, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    periods = BillingPeriods(zone=ZoneInfo("Asia/Shanghai"), clock=lambda: clock)
    assert periods.read_month(typed) == month
    first, after = (datetime.fromtimestamp(at, ZoneInfo("Asia/Shanghai")) for at in periods.bounds(month))
    assert (f"{first:%Y-%m-%d %H:%M}", after.day, after.hour) == (f"{month}-01 00:00", 1, 0)
    assert first.astimezone(UTC).hour == 16
