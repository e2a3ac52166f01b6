"""The wiring of what watches the bot: its figures, the month's calls, its routes, its messages to the admins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from flask import Flask

from bot.background import Background
from bot.chat.parsing.events import EVENT_TYPES
from bot.db.bitable_queue import BitableQueue
from bot.db.database import Database
from bot.db.periodic_lock import PeriodicLock
from bot.db.reports import Reports
from bot.db.retention import LOOK_EVERY as CLEAN_EVERY
from bot.db.retention import Retention
from bot.db.usage import ApiUsageCounter
from bot.feishu.bitable import BitableClient, BitableTable
from bot.feishu.client import FeishuClient
from bot.metrics import CONTENT_TYPE, Metrics
from bot.service.requests import RequestService
from bot.settings import Settings
from bot.timings import BillingPeriods, Timings
from bot.web.health import health, metrics
from bot.worker.admin_alerts import AdminAlerts
from bot.worker.bitable_export import LOOK_EVERY as EXPORT_EVERY
from bot.worker.bitable_export import SHORTEST_WAIT, BitableExporter

LONG_STEP = 3_600.0
"""Seconds that one clean-up, or the export of a long backlog, may take."""


class Observability:
    """What counts and what looks, for one process.

    ``metrics`` are its figures, ``calls`` the month's calls to Feishu.
    """

    def __init__(self, database: Database, *, settings: Settings, periods: BillingPeriods, pace: Timings) -> None:
        self._database = database
        self._settings = settings
        self._pace = pace
        self.calls = ApiUsageCounter(database, periods=periods)
        self.reports = Reports(database=database, prices=settings.prices.by_model(), periods=periods, calls=self.calls)
        self.metrics = Metrics(
            stands=partial(self.reports.snapshot, slots=settings.slots.by_model(), alive_within=pace.silence),
            budget=settings.limits.yuan_per_month,
            event_types=EVENT_TYPES,
        )

    def feishu_called(self, name: str, seconds: float, code: int | None) -> None:
        """A call to Feishu has ended; see :data:`bot.feishu.http.OnCall`."""
        self.calls.count(name)
        self.metrics.feishu_called(name, seconds, code)

    def add_routes(self, web: Flask, *, unready: Callable[[], str | None]) -> None:
        """Adds the routes for whoever watches the process: its health and, with a token, its figures."""
        token = self._settings.metrics_token.get_secret_value()
        web.register_blueprint(health(unready=unready))
        web.register_blueprint(metrics(token=token, text=self.metrics.text, content_type=CONTENT_TYPE))

    def create_admins(self, reception: RequestService, *, wake: threading.Event) -> AdminAlerts:
        """What tells the admins, for all that has something to tell them."""
        team = self._settings.team
        return AdminAlerts(self._database, reception=reception, people=team.admins, zone=team.zone, wake=wake)

    def start_upkeep(self, background: Background, admins: AdminAlerts) -> None:
        """Stores the counts of calls and sends the admins their messages, now and then."""
        for name, step in self._upkeep(admins).items():
            background.start(name, step, every=self._pace.upkeep, delay=self._pace.upkeep)

    def finish_upkeep(self, background: Background, admins: AdminAlerts) -> None:
        """Does the same a last time."""
        for name, step in self._upkeep(admins).items():
            background.attempt(name, step)

    def _upkeep(self, admins: AdminAlerts) -> dict[str, Callable[[], None]]:
        return {"api-usage": self.calls.store, "admin-alerts": admins.look}

    def start_regular(
        self, background: Background, admins: AdminAlerts, *, feishu: FeishuClient, stopping: threading.Event
    ) -> None:
        """What one process does for all: it forgets what is old and, where a Base is named, records what has ended."""
        retention = Retention(self._database, days=self._settings.retention.days, stopping=stopping)
        background.start("retention", retention.clean, every=CLEAN_EVERY, hang_after=LONG_STEP)
        base = self._settings.base
        if not base.on:
            return
        every = max(base.minutes * 60, SHORTEST_WAIT)
        recording = BitableExporter(
            BitableQueue(self._database),
            turn=PeriodicLock(self._database, "base", seconds=self._pace.turn),
            table=BitableTable(bases=BitableClient(feishu.call), app_token=base.app_token, table_id=base.table_id),
            every=every,
            prices=self._settings.prices.by_model(),
            prompts=base.prompts,
            stopping=stopping,
            on_halt=lambda: admins.tell("base"),
        )
        wait = min(every, EXPORT_EVERY)
        background.start("bitable-export", recording.look, every=wait, delay=wait, hang_after=LONG_STEP)
