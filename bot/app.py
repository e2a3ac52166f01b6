"""The composition root: wires every object of the bot, and is its WSGI factory (``flask --app bot.app run``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from flask import Flask, Response

from bot import logs
from bot.background import Background
from bot.chat.cards.elements import CardContext
from bot.chat.messages import Messages
from bot.chat.parsing.wording import Rules
from bot.chat.styles import Styles
from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore
from bot.db.key_value import Preferences, PseudonymousIds
from bot.db.leases import Leases, workers_alive
from bot.db.migrate import migrate
from bot.db.reports import BitableQueue, Reports
from bot.db.requests import RequestStore
from bot.db.retention import CLEAN_EVERY, delete_old_rows
from bot.db.tables import NewRequest
from bot.db.timers import Outages, PeriodicLock, SendRateLimiter, current_outages
from bot.db.usage import ApiUsageCounter
from bot.errors import DatabaseUnavailable, FeishuError, SettingsError
from bot.feishu.bitable import BitableClient
from bot.feishu.client import FeishuClient
from bot.feishu.error_codes import describe, suggest_fix
from bot.feishu.network import trusted
from bot.glm.client import Downloader, GlmClient
from bot.glm.transport import GuardedTransport, is_public
from bot.metrics import CONTENT_TYPE, Metrics
from bot.models import Command
from bot.service.card_actions import CardActionHandler
from bot.service.event_handler import BotIdentity, EventHandler
from bot.service.quotas import Limits
from bot.service.requests import RequestService
from bot.settings import Settings, load, require_settings
from bot.timings import BillingPeriods, PlatformClock, Timings
from bot.web.routes import EventEndpoint, create_status_app
from bot.web.verification import Verifier
from bot.worker.admin_alerts import AdminAlerts
from bot.worker.bitable_export import CHECK_EVERY as EXPORT_EVERY
from bot.worker.bitable_export import SHORTEST_WAIT, BitableExporter
from bot.worker.card_publisher import CardPublisher
from bot.worker.generation_steps import GenerationSteps
from bot.worker.image_cache import ImageCache, OriginalUploader
from bot.worker.request_renderer import QueueReader, RequestRenderer
from bot.worker.worker import Worker

if TYPE_CHECKING:
    from bot.feishu.long_connection import LongConnection

TOKEN_EVERY = 3_600.0  # seconds between two checks that there is a token of Feishu's, and the bot's own id
TOKEN_RETRY = 300.0  # seconds until the next try to get a token, at the most
LONG_STEP = 3_600.0  # seconds that one clean-up, or the export of a long backlog, may take


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application: takes events and stores them, and starts no thread.

    Another process does the work: ``worker`` on a shared PostgreSQL, or ``serve`` on the same SQLite file. Raises
    ``SettingsError`` and ``DatabaseUnavailable``.
    """
    if settings is None:
        settings = load(check_folder=text_errors)
        logs.configure(settings.log.level, form=settings.log.format, secrets=settings.secrets)
    require_settings(settings)
    return Bot(settings).web


class Bot:
    """The wired bot: ``web`` takes events, ``start`` begins the work; either runs without the other.

    ``glm`` is the transport of paid calls, ``images`` that of downloads and ``feishu`` that of Feishu's API, by default
    the network; ``clock`` gives seconds since 1970. Raises ``DatabaseUnavailable``, and ``SettingsError`` where the
    messages or styles are invalid.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        glm: httpx.BaseTransport | None = None,
        images: httpx.BaseTransport | None = None,
        feishu: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        timings: Timings | None = None,
    ) -> None:
        self._settings, self._clock, self._timings = settings, clock, timings or Timings()
        self._glm_transport, self._image_transport = glm, images
        self._prices, self._slots = settings.prices.by_model(), settings.slots.by_model()
        folder = settings.config_dir
        self._styles, self._rules = Styles.load(folder), Rules.load(folder)
        self._cards = CardContext(
            messages=Messages.load(folder),
            styles=self._styles,
            zone=settings.team.timezone,
            buttons=settings.cards.buttons,
            prices=self._prices,
            defaults=settings.images.defaults,
            alerts_admins=bool(settings.team.admins),
        )
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._platform_clock = PlatformClock(clock)
        self.database = database = Database(read_url(settings.url), clock=clock)
        migrate(database)
        self._preferences = Preferences(defaults=settings.images.defaults)
        self._periods = periods = BillingPeriods(zone=settings.team.timezone, clock=clock)
        self._calls = ApiUsageCounter(database=database, periods=periods)
        self._reports = Reports(database=database, prices=self._prices, periods=periods, calls=self._calls)
        self._metrics = Metrics(
            snapshot=partial(self._reports.snapshot, slots=self._slots, alive_within=self._timings.silence),
            budget=settings.limits.yuan_per_month,
            count_feishu_call=self._calls.count,
        )
        self.background = Background(stopping=self._stopping, on_crash=self._metrics.task_crashed)
        self._closing = ExitStack()
        self._closing.callback(database.close)
        self._build_service(feishu)
        self.worker: Worker | None = None
        self._connection: LongConnection | None = None

    def _build_service(self, transport: httpx.BaseTransport | None) -> None:
        """Wires what accepts events: the client of Feishu, and what stores requests."""
        settings, database, team = self._settings, self.database, self._settings.team
        outages = Outages(
            database=database,
            explain=self._explain,
            pace=self._timings,
            on_begin=lambda: self._alerts.alert("feishu"),
            on_end=self._wake.set,
        )
        self.feishu = FeishuClient(
            **settings.feishu_access,
            transport=transport,
            clock=self._clock,
            on_call=self._metrics.feishu_called,
            on_date=self._platform_clock.learn,
            guard=outages.guard,
        )
        self._closing.callback(self.feishu.close)
        self.identity = BotIdentity(feishu=self.feishu, database=database)
        budgets = {budget.who: budget for budget in settings.budgets}
        self._limits = Limits(settings=settings.limits, prices=self._prices, periods=self._periods, budgets=budgets)
        self._requests = requests = RequestService(
            database=database,
            limits=self._limits,
            preferences=self._preferences,
            styles=self._styles,
            admins=frozenset(team.admins),
            may_drop_watermark=settings.images.watermark_disclaimer_signed,
            log_prompts=settings.log.prompts,
            on_result=self._metrics.request_received,
        )
        events = EventHandler(
            requests=requests,
            card_actions=CardActionHandler(requests=requests, cards=self._cards),
            identity=self.identity,
            rules=self._rules,
            settings=settings,
            wake=self._wake,
        )
        self._endpoint = EventEndpoint(
            handle=events.handle, clock=self._platform_clock.now, on_answer=self._metrics.event_answered
        )

    @cached_property
    def _alerts(self) -> AdminAlerts:
        team = self._settings.team
        return AdminAlerts(
            requests=self._requests,
            chat=team.admin_chat,
            zone=team.timezone,
            wake=self._wake,
            usage=partial(self._reports.usage, self._settings.limits),
            folder=self._settings.data_dir,
        )

    @cached_property
    def web(self) -> Flask:
        """The routes for health and metrics, and the webhook unless there is a long connection."""
        app = self.create_status_app()
        if self._connection is None:
            verifier = Verifier(
                app_id=self._settings.app_id,
                encrypt_key=self._settings.encrypt_key.get_secret_value() or None,
                verification_token=self._settings.verification_token.get_secret_value() or None,
            )
            app.register_blueprint(self._endpoint.webhook(verifier))
        return app

    def create_status_app(self) -> Flask:
        return create_status_app(
            unready=self._not_ready,
            metrics=lambda: Response(self._metrics.text(), content_type=CONTENT_TYPE),
            token=self._settings.metrics_token.get_secret_value(),
        )

    def use_long_connection(self, *, on_end: Callable[[], None]) -> None:
        """Receives the events over a connection that ``start`` opens, instead of at the webhook of ``web``.

        ``on_end`` is called if Feishu refuses it for good; ``close`` then raises the ``FeishuError``.
        """
        # Imported here, as most commands do without the WebSocket.
        from bot.feishu.long_connection import LongConnection  # noqa: PLC0415

        handle = partial(self._endpoint.push, app_id=self._settings.app_id)
        self._connection = LongConnection(client=self.feishu, handle=handle, on_end=on_end)

    def use_secrets(self, settings: Settings) -> None:
        """Uses another API key and App Secret from now on; calls in progress go on with the old ones."""
        secrets = {"api_key": settings.api_key, "app_secret": settings.app_secret}
        self._settings = self._settings.model_copy(update=secrets)
        self.feishu.app_secret = settings.app_secret.get_secret_value()
        if self.worker is not None:
            self.worker.steps.glm.api_key = settings.api_key.get_secret_value()

    def greet(self, person: str) -> None:
        """Sends a person the welcome card with its examples, once; the worker does it."""
        new = NewRequest(dedup_key=f"greet:{person}", chat_id=None, chat_type="p2p", sender=person)
        self._requests.submit(new, Command(name="welcome"))

    def start(self, *, work: bool = True) -> None:
        """Starts the threads that every process needs and, with ``work``, those that do the work."""
        start = self.background.start
        start("identity", self.identity.fetch, every=TOKEN_EVERY)
        # Any answer carries the platform's time, by which the age of events is judged.
        start("feishu-token", self.feishu.token.get, every=TOKEN_EVERY, longest_retry=TOKEN_RETRY)
        upkeep = self._timings.upkeep
        start("api-usage", self._calls.store, every=upkeep, delay=upkeep)
        start("admin-alerts", self._alerts.check, every=upkeep, delay=upkeep)
        if self._connection is not None:
            self._connection.start()
        if not work:
            return
        self.worker = self._build_worker()
        self.worker.start()
        retention = partial(delete_old_rows, self.database, days=self._settings.retention.days, stopping=self._stopping)
        start("retention", retention, every=CLEAN_EVERY, hang_after=LONG_STEP)
        if self._settings.base.app_token:
            self._start_export()
        if not self.database.is_sqlite:
            # Imported here, because SQLite, which is the default, starts sooner without a PostgreSQL driver.
            from bot.worker.listener import Listener  # noqa: PLC0415

            listener = Listener(read_url(self._settings.url), wake=self._wake, every=self._timings.poll)
            self._closing.callback(listener.close)
            start("listener", listener.listen)

    def close(self) -> None:
        """Stops taking up work, finishes what is under way, and closes every connection."""
        self._stopping.set()
        # An exit stack runs every callback, the last one first, whichever raises.
        with self._closing as closing:
            closing.callback(self.background.attempt, "api-usage", self._calls.store)
            closing.callback(self.background.close)
            if self.worker is not None:
                closing.callback(self.worker.drain)
            if self._connection is not None:
                closing.callback(self._connection.close)

    def _build_platform_clients(self) -> tuple[GlmClient, Downloader]:
        network = self._settings.network
        glm = GlmClient(
            api_key=self._settings.api_key.get_secret_value(),
            transport=self._glm_transport or GuardedTransport(proxy=network.proxy),
        )
        images = self._image_transport or GuardedTransport(
            allows=is_public, proxy=network.proxy, tls=trusted(network.ca_file) if network.ca_file else None
        )
        downloader = Downloader(transport=images)
        self._closing.callback(glm.close)
        self._closing.callback(downloader.close)
        return glm, downloader

    def _build_worker(self) -> Worker:
        settings, timings = self._settings, self._timings
        leases = Leases(self.database, folder=settings.data_dir / "workers", seconds=timings.lease)
        glm, downloader = self._build_platform_clients()
        cache = ImageCache(
            settings.data_dir / "originals",
            days=settings.originals.days,
            largest=settings.originals.megabytes * 1024 * 1024,
            clock=self._clock,
        )
        steps = GenerationSteps(
            store=GenerationStore(self.database, leases.owner),
            glm=glm,
            downloader=downloader,
            feishu=self.feishu,
            cache=cache,
            user_ids=PseudonymousIds(self.database),
            leases=leases,
            timings=timings,
            stopping=self._stopping,
            on_call=self._metrics.glm_called,
        )
        publisher = CardPublisher(
            store=RequestStore(self.database, leases.owner),
            feishu=self.feishu,
            renderer=RequestRenderer(
                cards=self._cards,
                reports=self._reports,
                queue=QueueReader(database=self.database, slots=self._slots),
                limits=self._limits,
                preferences=self._preferences,
            ),
            originals=OriginalUploader(database=self.database, cache=cache, downloader=downloader, feishu=self.feishu),
            leases=leases,
            limiter=SendRateLimiter(self.database),
            timings=timings,
            notify_after=settings.cards.notify_after_seconds,
            clock=self._clock,
            on_end=self._metrics.ended,
        )
        return Worker(steps=steps, publisher=publisher, background=self.background, wake=self._wake)

    def _start_export(self) -> None:
        base = self._settings.base
        every = max(base.minutes * 60, SHORTEST_WAIT)
        add = BitableClient(self.feishu.call).add
        exporter = BitableExporter(
            queue=BitableQueue(self.database),
            lock=PeriodicLock(self.database, "base", seconds=self._timings.turn),
            add_records=partial(add, base.app_token, base.table_id),
            every=every,
            prices=self._prices,
            prompts=base.prompts,
            stopping=self._stopping,
            on_halt=lambda: self._alerts.alert("base"),
        )
        wait = min(every, EXPORT_EVERY)
        self.background.start("bitable-export", exporter.run_once, every=wait, delay=wait, hang_after=LONG_STEP)

    def _not_ready(self) -> str | None:
        away = "the database does not answer"
        try:
            alive = workers_alive(self.database, within=self._timings.silence)
            outages = current_outages(self.database)
            is_known = self.identity.open_id is not None
        except DatabaseUnavailable:
            return away
        unknown, refusal = "the bot's own id has not been fetched from Feishu yet", self.identity.error
        if refusal:
            unknown += ": {}; what to do: {}".format(*self._explain(refusal))
        # While the database can only be read, no worker can send its heartbeat.
        silent = away if self.background.database_away else "no recent worker heartbeat"
        reasons = [
            None if alive else silent,
            *(f"Feishu refuses {one.call}: {one.reason}; what to do: {one.fix}" for one in outages),
            None if is_known else unknown,
            self.background.problem,
            self._platform_clock.problem,
            self._connection.down if self._connection is not None else None,
        ]
        return "; ".join(filter(None, reasons)) or None

    def _explain(self, error: FeishuError) -> tuple[str, str]:
        return describe(error), suggest_fix(error, domain=self._settings.domain)


def text_errors(folder: Path) -> list[str]:
    errors: list[str] = []
    for kind in (Messages, Styles, Rules):
        try:
            kind.load(folder)
        except SettingsError as error:
            errors += error.faults
    return errors
