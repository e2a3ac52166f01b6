"""What the check says of calls to Feishu: how many this month, and which ones Feishu refuses a running bot."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.cli.findings import Finding
from bot.errors import StoreUnavailable
from bot.generation.intake.limits import Periods
from bot.generation.store.calls import calls_of
from bot.generation.store.database import Database, read_url
from bot.generation.store.outages import Outage, current
from bot.settings import Settings

SMALLEST_PLAN = 10_000
"""Calls a month of the smallest plan; others have more:
https://open.feishu.cn/document/platform-notices/platform-updates-/custom-app-api-call-limit"""

NEAR = 0.8
"""The share of it from which on the check gives advice."""

NAME = "Feishu calls this month"


def calls(settings: Settings, *, readable: bool) -> Finding:
    """The calls of this month that every process of the bot has counted; it changes nothing.

    Args:
        settings: the settings.
        readable: whether the database was found to be there and to have its tables.
    """
    if not readable:
        return Finding(name=NAME, ok=None, detail="not known without the database")
    try:
        count = _count(read_url(settings.url), settings)
    except (ArgumentError, StoreUnavailable, SQLAlchemyError):
        return Finding(name=NAME, ok=None, detail="not known: the database does not tell")
    detail = f"{count:,}, up to a minute ago"
    if count < NEAR * SMALLEST_PLAN:
        return Finding(name=NAME, ok=True, detail=detail)
    advice = f"the smallest plan ends at {SMALLEST_PLAN:,}: see in Feishu's admin console what yours allows"
    return Finding(name=NAME, ok=True, detail=detail, fix=advice)


def outages(settings: Settings, *, readable: bool) -> Iterator[Finding]:
    """A line for each kind of call that Feishu refuses the bot, as its processes have found.

    Args:
        settings: the settings.
        readable: whether the database was found to be there and to have its tables.
    """
    if not readable:
        return
    try:
        found = _outages(read_url(settings.url))
    except (ArgumentError, StoreUnavailable, SQLAlchemyError):
        return
    for one in found:
        yield Finding(name=f"Refused: {one.call}", ok=False, detail=one.reason, fix=one.fix)


def _outages(url: URL) -> list[Outage]:
    store = Database(url, connections=1)
    try:
        with store.read() as connection:
            return current(store, connection)
    finally:
        store.close()


def _count(url: URL, settings: Settings) -> int:
    month = Periods(zone=settings.team.zone, clock=time.time).month()
    store = Database(url, connections=1)
    try:
        with store.read() as connection:
            return calls_of(connection, month)
    finally:
        store.close()
