"""What the check says of the month's calls to Feishu."""

from __future__ import annotations

import time

import pytest

from bot.cli.check_calls import SMALLEST_PLAN, calls, found_by_the_bot
from bot.db.database import Database
from bot.db.outages import Outages
from bot.db.usage import ApiUsageCounter
from bot.errors import FeishuAction, FeishuError
from bot.settings import load
from bot.timings import BillingPeriods, Timings


@pytest.mark.parametrize(("count", "advised"), [(0, False), (7_999, False), (8_000, True), (12_345, True)])
def test_the_months_calls_are_told(database: Database, database_url: str, count: int, *, advised: bool) -> None:
    """The count stands in words on either engine; near the smallest plan's end comes advice, never a fault."""
    settings = load({"DATABASE_URL": database_url})
    counted = ApiUsageCounter(database, periods=BillingPeriods(zone=settings.team.zone, clock=time.time))
    for _ in range(count):
        counted.count("reply")
    counted.store()
    finding = calls(settings, readable=True)
    assert (finding.ok, finding.detail) == (True, f"{count:,}, up to a minute ago")
    assert (finding.fix is not None and f"{SMALLEST_PLAN:,}" in finding.fix) is advised


def test_without_a_database_they_are_not_known() -> None:
    """Where the database was not found, nobody looks again."""
    finding = calls(load({}), readable=False)
    assert (finding.ok, finding.detail) == (None, "not known without the database")


def test_a_database_without_the_table_does_not_end_the_check(empty_url: str) -> None:
    """One that does not tell is said to, and the check goes on."""
    finding = calls(load({"DATABASE_URL": empty_url}), readable=True)
    assert (finding.ok, finding.detail) == (None, "not known: the database does not tell")


def test_what_feishu_refuses_the_running_bot_is_told(database: Database, database_url: str) -> None:
    """Each kind of call that is refused has a line with Feishu's words and the fix; without an outage there is none."""
    settings = load({"DATABASE_URL": database_url})
    assert list(found_by_the_bot(settings, readable=True)) == []
    refusal = FeishuError("ip is denied", call="image", code=99991401, action=FeishuAction.APP_REFUSED, log_id="log-1")
    with (
        pytest.raises(FeishuError),
        Outages(database, domain=settings.domain, pace=Timings()).guard("image"),
    ):
        raise refusal
    (found,) = found_by_the_bot(settings, readable=True)
    assert (found.name, found.ok) == ("Refused: image", False)
    assert found.detail == "ip is denied (code 99991401, log id log-1)"
    assert "IP 白名单" in (found.fix or "")
