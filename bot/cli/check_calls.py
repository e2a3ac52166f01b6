"""What the check says of calls to Feishu: how many this month, and which ones Feishu refuses a running bot."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.cli.check_result import CheckResult
from bot.db.database import Database, read_url
from bot.db.key_value import KeyValueStore
from bot.db.outages import Outage, current
from bot.db.usage import feishu_calls
from bot.errors import DatabaseUnavailable
from bot.service.bot_identity import namesake_key
from bot.settings import Settings
from bot.timings import BillingPeriods

SMALLEST_PLAN = 10_000
"""Calls a month of the smallest plan; others have more:
https://open.feishu.cn/document/platform-notices/platform-updates-/custom-app-api-call-limit"""

NEAR = 0.8
"""The share of it from which on the check gives advice."""

NAME = "Feishu calls this month"


def calls(settings: Settings, *, readable: bool) -> CheckResult:
    """The calls of this month that every process of the bot has counted; it changes nothing.

    Args:
        settings: the settings.
        readable: whether the database was found to be there and to have its tables.
    """
    if not readable:
        return CheckResult(name=NAME, ok=None, detail="not known without the database")
    try:
        count = _count(read_url(settings.url), settings)
    except (ArgumentError, DatabaseUnavailable, SQLAlchemyError):
        return CheckResult(name=NAME, ok=None, detail="not known: the database does not tell")
    detail = f"{count:,}, up to a minute ago"
    if count < NEAR * SMALLEST_PLAN:
        return CheckResult(name=NAME, ok=True, detail=detail)
    advice = f"the smallest plan ends at {SMALLEST_PLAN:,}: see in Feishu's admin console what yours allows"
    return CheckResult(name=NAME, ok=True, detail=detail, fix=advice)


def found_by_the_bot(settings: Settings, *, readable: bool) -> Iterator[CheckResult]:
    """What the bot's processes have found: each kind of call that Feishu refuses, and mentions of another bot.

    Args:
        settings: the settings.
        readable: whether the database was found to be there and to have its tables.
    """
    if not readable:
        return
    try:
        found, namesake = _found(read_url(settings.url), settings.app_id)
    except (ArgumentError, DatabaseUnavailable, SQLAlchemyError):
        return
    for one in found:
        yield CheckResult(name=f"Refused: {one.call}", ok=False, detail=one.reason, fix=one.fix)
    if namesake is not None:
        detail = f"somebody else was mentioned under the bot's name: {namesake}"
        fix = (
            "when people cannot reach the bot in groups: remove an older bot of that name from the group and add this "
            "one, and compare FEISHU_APP_ID with the app whose bot it is"
        )
        yield CheckResult(name="Mentions", ok=False, detail=detail, fix=fix)


def _found(url: URL, app_id: str) -> tuple[list[Outage], str | None]:
    store = Database(url, connections=1)
    try:
        with store.read() as connection:
            outages = current(store, connection)
        return outages, KeyValueStore(store).get(namesake_key(app_id))
    finally:
        store.close()


def _count(url: URL, settings: Settings) -> int:
    month = BillingPeriods(zone=settings.team.zone, clock=time.time).month()
    store = Database(url, connections=1)
    try:
        with store.read() as connection:
            return feishu_calls(connection, month)
    finally:
        store.close()
