"""The one place that wires objects: settings in, a bot that can serve and work out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import httpx
from flask import Flask

from bot.background import Background
from bot.chat.cards.cards import Cards
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore
from bot.db.key_value import KeyValueStore, PseudonymousIds
from bot.db.leases import Leases, worker_alive
from bot.db.migrate import migrate
from bot.db.outages import Outages
from bot.db.preferences import Preferences
from bot.db.requests import RequestStore
from bot.errors import DatabaseUnavailable
from bot.feishu.client import FeishuClient
from bot.feishu.fixes import describe, suggest_fix
from bot.glm.client import Downloader, GlmClient, call_seconds
from bot.observability import Observability
from bot.platform_clock import PlatformClock
from bot.service.bot_identity import BotIdentity
from bot.service.card_actions import CardActionHandler
from bot.service.commands import Commands
from bot.service.event_handler import EventHandler
from bot.service.quotas import Limits
from bot.service.requests import RequestService
from bot.settings import Settings
from bot.timings import BillingPeriods, Timings
from bot.web.health import create_application
from bot.web.verification import Verifier
from bot.web.webhook import pushed_event_handler, webhook
from bot.worker.card_publisher import CardPublisher
from bot.worker.generation_steps import Workflow
from bot.worker.image_cache import ImageCache, OriginalUploader
from bot.worker.instrumented_client import InstrumentedImageClient
from bot.worker.queue_positions import QueueReader
from bot.worker.request_renderer import RequestRenderer
from bot.worker.worker import Repositories, Worker

log = logging.getLogger(__name__)

TOKEN_EVERY = 3_600.0
TOKEN_RETRY = 300.0
"""Seconds between two checks that there is a token of Feishu's, and the longest wait after a failed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What lies between the bot and the world; the sandbox and the tests put their own in, in code alone.

    ``glm`` and ``pictures`` are the transports of the paid call and of the download, ``None`` for the real network.
    ``clock`` gives the time in seconds since 1970.
    """

    glm: httpx.BaseTransport | None = None
    pictures: httpx.BaseTransport | None = None
    feishu: httpx.BaseTransport | None = None
    clock: Callable[[], float] = time.time
    pace: Timings = field(default_factory=Timings)


class Bot:
    """The wired bot: ``web`` takes events, ``worker`` does the work; either runs without the other.

    Args:
        settings: the settings.
        outside: see :class:`Overrides`.

    Raises:
        StoreUnavailable: the database does not answer.
        SettingsError: the catalogues or styles are faulty.
    """

    def __init__(self, settings: Settings, *, outside: Overrides | None = None) -> None:
        self._settings = settings
        self._outside = outside = outside or Overrides()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._platform_clock = PlatformClock(outside.clock)
        self._words = Messages.load(settings.config_dir)
        self._styles = Styles.load(settings.config_dir)
        self._url = read_url(settings.url)
        self.database = Database(self._url, clock=outside.clock)
        migrate(self.database)
        periods = BillingPeriods(zone=settings.team.zone, clock=outside.clock)
        self._watching = Observability(self.database, settings=settings, periods=periods, pace=outside.pace)
        self.background = Background(stopping=self._stopping, on_crash=self._watching.metrics.task_crashed)
        self._feishu = FeishuClient(
            domain=settings.domain,
            app_id=settings.app_id,
            app_secret=settings.app_secret.get_secret_value(),
            transport=outside.feishu,
            clock=outside.clock,
            on_call=self._watching.feishu_called,
            on_date=self._platform_clock.learn,
        )
        self._requests = RequestStore(self.database)
        self._preferences = Preferences(self.database, defaults=settings.images.defaults)
        self._limits = Limits(numbers=settings.limits, prices=settings.prices.by_model(), periods=periods)
        self._kept = KeyValueStore(self.database)
        self._outages = Outages(
            self.database,
            domain=settings.domain,
            pace=outside.pace,
            on_begin=lambda: self._admins.tell("feishu"),
            on_end=self._wake.set,
        )
        self._identity = BotIdentity(app_id=settings.app_id, ask=self._ask_who, kept=self._kept)
        self._closers: list[Callable[[], None]] = [self._feishu.close, self.database.close]
        reception = self._create_reception()
        self._admins = self._watching.create_admins(reception, wake=self._wake)
        self._inbox = self._create_inbox(reception)
        self.worker: Worker | None = None

    def learn_identity(self) -> None:
        """Learns who the bot is before anything else, where Feishu is known to be there.

        Raises:
            FeishuError: Feishu does not tell.
        """
        self._identity.learn()

    def start(self, *, work: bool = True) -> None:
        """Learns who the bot is and, with ``work``, begins to take up what is due."""
        self.background.start("identity", self._identity.learn, once=True)
        # Any answer tells the platform's time, by which the age of events is judged.
        self.background.start("feishu-token", self._feishu.fetch_token, every=TOKEN_EVERY, longest_retry=TOKEN_RETRY)
        self._watching.start_upkeep(self.background, self._admins)
        if work:
            self.worker = self._create_worker()
            self.worker.start()
            self._watching.start_regular(self.background, self._admins, feishu=self._feishu, stopping=self._stopping)
            if not self.database.is_sqlite:
                # Imported here, because SQLite, which is the default, starts sooner without a PostgreSQL driver.
                from bot.worker.listener import Listener  # noqa: PLC0415

                listener = Listener(self._url, wake=self._wake)
                self._closers.insert(0, listener.close)
                self.background.start("listener", listener.listen)

    def close(self) -> None:
        """Takes nothing new up, ends what is under way, and closes every connection."""
        self._stopping.set()
        if self.worker is not None:
            self.worker.drain()
        self.background.close()
        self._watching.finish_upkeep(self.background, self._admins)
        for close in self._closers:
            close()

    @cached_property
    def web(self) -> Flask:
        """The door for what the platform posts, and what the process answers to whoever watches it."""
        settings = self._settings
        verifier = Verifier(
            app_id=settings.app_id,
            encrypt_key=settings.encrypt_key.get_secret_value() or None,
            verification_token=settings.verification_token.get_secret_value() or None,
            clock=self._platform_clock.now,
        )
        web = self.create_status()
        on_answer = self._watching.metrics.event_answered
        web.register_blueprint(webhook(verifier=verifier, handle=self._inbox.take, on_answer=on_answer))
        return web

    @cached_property
    def pushes(self) -> Callable[[bytes], Mapping[str, object] | None]:
        """Handles what the platform pushes over the long connection."""
        return pushed_event_handler(
            app_id=self._settings.app_id,
            handle=self._inbox.take,
            clock=self._platform_clock.now,
            on_answer=self._watching.metrics.event_answered,
        )

    def create_status(self, *, down: Callable[[], str | None] = lambda: None) -> Flask:
        """The routes for health and metrics; ``down`` gives one more reason not to be ready, or ``None``."""
        status = create_application()
        self._watching.add_routes(status, unready=lambda: self._unready() or down())
        return status

    def _create_reception(self) -> RequestService:
        settings = self._settings
        may_drop_watermark = settings.images.watermark_disclaimer_signed
        return RequestService(
            self.database,
            limits=self._limits,
            preferences=self._preferences,
            commands=Commands(
                self.database,
                preferences=self._preferences,
                admins=frozenset(settings.team.admins),
                styles=self._styles,
                may_drop_watermark=may_drop_watermark,
            ),
            styles=self._styles,
            may_drop_watermark=may_drop_watermark,
            log_prompts=settings.log.prompts,
            on_received=self._watching.metrics.request_received,
        )

    def _create_inbox(self, reception: RequestService) -> EventHandler:
        team = self._settings.team
        return EventHandler(
            self.database,
            reception=reception,
            presses=CardActionHandler(
                self.database, reception=reception, words=self._words, admins=frozenset(team.admins)
            ),
            identity=self._identity,
            allows=team.allows,
            greetings=self._settings.welcome.kinds,
            wake=self._wake,
        )

    def _create_worker(self) -> Worker:
        settings, pace = self._settings, self._outside.pace
        leases = Leases(self.database, folder=settings.data_dir / "workers", seconds=pace.lease)
        maker = GlmClient(
            api_key=settings.api_key.get_secret_value(),
            transport=self._outside.glm,
            on_date=self._platform_clock.learn_first,
        )
        source = Downloader(transport=self._outside.pictures)
        self._closers[:0] = [maker.close, source.close]
        slots = settings.slots.by_model()
        line = QueueReader(self.database, slots=slots)
        originals = ImageCache(
            settings.data_dir / "originals",
            days=settings.originals.days,
            largest=settings.originals.megabytes * 1024 * 1024,
            clock=self._outside.clock,
        )
        generations = GenerationStore(self.database)
        workflow = Workflow(
            store=generations,
            maker=InstrumentedImageClient(maker, on_call=self._watching.metrics.glm_called),
            source=source,
            target=self._feishu,
            originals=originals,
            outages=self._outages,
            user_ids=PseudonymousIds(self._kept),
            leases=leases,
            pace=pace,
            stopping=self._stopping,
        )
        files = OriginalUploader(
            database=self.database, cache=originals, downloader=source, feishu=self._feishu, outages=self._outages
        )
        return Worker(
            database=self.database,
            stores=Repositories(requests=self._requests, generations=generations),
            leases=leases,
            workflow=workflow,
            answering=self._create_answering(leases, line=line, files=files),
            line=line,
            originals=originals,
            slots=slots,
            call_seconds=call_seconds,
            pace=pace,
            wake=self._wake,
            stopping=self._stopping,
            background=self.background,
        )

    def _create_answering(self, leases: Leases, *, line: QueueReader, files: OriginalUploader) -> CardPublisher:
        prices = self._settings.prices.by_model()
        cards = Cards(
            words=self._words,
            styles=self._styles,
            zone=self._settings.team.zone,
            buttons=self._settings.cards.buttons,
            prices=prices,
            defaults=self._settings.images.defaults,
        )
        renderer = RequestRenderer(
            database=self.database,
            cards=cards,
            reports=self._watching.reports,
            queue=line,
            limits=self._limits,
            preferences=self._preferences,
            prices=prices,
        )
        return CardPublisher(
            store=self._requests,
            feishu=self._feishu,
            cards=cards,
            renderer=renderer,
            originals=files,
            leases=leases,
            outages=self._outages,
            timings=self._outside.pace,
            clock=self._outside.clock,
            on_end=self._watching.metrics.ended,
        )

    def _unready(self) -> str | None:
        away = "the database does not answer"
        try:
            alive = worker_alive(self.database, within=self._outside.pace.silence)
            outages = self._outages.current()
        except DatabaseUnavailable:
            return away
        # A database that can only be read keeps every worker from showing itself.
        silent = away if self.background.database_away else "no worker has shown itself lately"
        reasons = [
            None if alive else silent,
            *(f"Feishu refuses {one.call}: {one.reason}; what to do: {one.fix}" for one in outages),
            self._unknown(),
            self.background.problem,
            self._platform_clock.problem,
        ]
        return "; ".join(filter(None, reasons)) or None

    def _ask_who(self) -> tuple[str, str]:
        info = self._feishu.bot_info()
        return info.open_id, info.name

    def _unknown(self) -> str | None:
        """Why the bot's own id is not known, ``None`` when it is."""
        if self._identity.open_id is not None:
            return None
        unknown, refusal = "the bot's own id has not been learnt from Feishu yet", self._identity.refusal
        if refusal is None:
            return unknown
        return f"{unknown}: {describe(refusal)}; what to do: {suggest_fix(refusal, domain=self._settings.domain)}"
