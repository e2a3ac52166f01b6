"""The sandbox: the whole bot, started together with its stand-ins; the only module here that imports the bot."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from sqlalchemy import exists, select

from bot import logs
from bot.app import Bot
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.db.database import Database, read_url
from bot.db.tables import generations, requests
from bot.models import State
from bot.run import run_until
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn, loopback
from bot.sandbox.page.control_panel import Unable
from bot.settings import Settings, load
from bot.stopping import stop_event
from bot.timings import Timings
from bot.web.server import Server
from bot.worker.queue_positions import QueueReader

FAKE_KEY = "sandbox.not-a-real-key"
GLM_SECONDS = 3.0
"""How long an image takes here; the platform takes 20 to 50 s."""

ADMIN = "ou_lin"
"""The admin: the user as whom one speaks at first."""

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BotConfig:
    """How a bot is started against stand-ins; plain values, so that it can be passed to another process.

    ``glm`` is the origin of the GLM stand-in, ``None`` for the real platform. It is passed in code: no variable and no
    flag of the bot sends its key anywhere but to the platform.
    """

    variables: Mapping[str, str]
    glm: str | None
    pace: Timings = field(default_factory=Timings)
    log_level: str = "error"

    def settings(self) -> Settings:
        """The settings; raises ``SettingsError``."""
        return load({"BOT_SERVER_HOST": "127.0.0.1", "PORT": "0", "ZHIPU_API_KEY": FAKE_KEY, **self.variables})

    def create(self) -> tuple[Bot, Server]:
        """The bot, listening but not yet serving."""
        settings = self.settings()
        glm = None if self.glm is None else loopback(self.glm)
        bot = Bot(settings, glm=glm, images=glm, timings=self.pace)
        return bot, Server(bot.web, port=settings.port, bounds=settings.server)


def run(config: BotConfig, port: Connection) -> None:
    """Runs a bot in this process until SIGTERM, and sends its port first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = stop_event()
    logs.configure(config.log_level)
    bot, server = config.create()
    bot.fetch_identity()
    port.send(server.port)
    run_until(stopped, bot, server=server)


class BotProcess:
    """A bot in a process of its own, which can be killed as a crash would."""

    def __init__(self, config: BotConfig) -> None:
        self._config = config
        self._process: BaseProcess | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid if self._process else None

    def start(self) -> int:
        """Starts the process; returns the port on which the bot listens.

        Raises:
            Unable: it did not begin to listen.
        """
        # A fork would copy the stand-ins' threads and locks in whatever state they are.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=run, args=(self._config, there), daemon=True)
        self._process.start()
        there.close()
        with suppress(EOFError):
            if here.poll(_START_SECONDS):
                return int(here.recv())
        self.end(signal.SIGKILL)
        raise Unable("the bot's process did not begin to listen", sentence="not_started")

    def end(self, number: signal.Signals) -> None:
        """Ends the process by SIGTERM or SIGKILL, and waits."""
        if self._process is not None:
            self._process.kill() if number == signal.SIGKILL else self._process.terminate()
            self._process.join()


class BotState:
    """The queue of a bot, read from its database; a context manager that closes it."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(read_url(settings.url), connections=1)
        self._line = QueueReader(self._database, slots=settings.slots.by_model())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @property
    def idle(self) -> bool:
        """Whether every request and generation has ended, so that no answer changes any more."""
        unfinished = (exists().where(table.c.ended_at.is_(None)) for table in (requests, generations))
        with self._database.read() as connection:
            return not any(connection.scalar(select(one)) for one in unfinished)

    def queue(self) -> list[dict[str, Any]]:
        """The running, then the waiting generations, model by model in their order; see ``Controls.queue``."""
        statement = (
            select(generations, requests.c.prompt)
            .join(requests, requests.c.request_id == generations.c.request_id)
            .where(generations.c.ended_at.is_(None))
            .order_by(generations.c.accepted_at, generations.c.index_in_request)
        )
        shown = ("generation_id", "request_id", "sender", "prompt", "state", "model")
        with self._database.read() as connection:
            rows = [{name: row[name] for name in shown} for row in connection.execute(statement).mappings()]
        waiting = {row["generation_id"]: row for row in rows if row["state"] == State.WAITING}
        running = Counter(row["model"] for row in rows if row["state"] == State.GENERATING)
        queue = [row for row in rows if row["state"] != State.WAITING]
        for model in sorted({row["model"] for row in waiting.values()}):
            turns = [one.generation_id for one in self._line.order(model) if one.generation_id in waiting]
            queue += [{**waiting[turn], "ahead": ahead} for ahead, turn in enumerate(turns, start=running[model])]
        return queue


class Sandbox:
    """The stand-ins and the bot on loopback, as one context manager.

    Args:
        folder: the data folder of the bot.
        feishu: the stand-in of Feishu; one with its defaults when ``None``.
        glm: the stand-in of the GLM API.
        pace: the durations of the work.
        environment: ``BOT_`` variables that apply here too: all but the data folder and the server.
        apart: whether the bot runs in a process of its own, so that it can be killed.
        real_key: a key of the GLM platform, for real images; Feishu stays local.
        log_level: what the bot logs: debug, info, warning or error.

    Raises:
        SettingsError: on entering, when the settings cannot be used.
    """

    def __init__(
        self,
        *,
        folder: Path,
        feishu: FeishuStandIn | None = None,
        glm: GlmStandIn | None = None,
        pace: Timings | None = None,
        environment: Mapping[str, str] | None = None,
        apart: bool = False,
        real_key: str | None = None,
        log_level: str = "error",
    ) -> None:
        self.feishu = feishu or FeishuStandIn()
        self.glm = glm or GlmStandIn(seconds=GLM_SECONDS)
        self._folder = folder
        self._pace = pace or Timings()
        self._environment = {
            name: value
            for name, value in (environment or {}).items()
            if name.startswith("BOT_") and name != "BOT_DATA_DIR" and not name.startswith("BOT_SERVER_")
        }
        self._apart = apart
        self.real_glm = real_key is not None
        self._key = real_key or FAKE_KEY
        self._log_level = log_level
        self._stand_ins = ExitStack()
        self._calls = ExitStack()
        self._switching = threading.Lock()
        self._process: BotProcess | None = None
        self._own: tuple[Bot, Server] | None = None
        self._state: BotState | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stand_ins:
            stand_ins.enter_context(self.feishu)
            calls = stand_ins.enter_context(ExitStack())
            calls.enter_context(self.glm)
            # In this process, so that an error in the settings reaches the terminal.
            settings = self.config.settings()
            Messages.load(settings.config_dir)
            Styles.load(settings.config_dir)
            self._state = stand_ins.enter_context(BotState(settings))
            self.start()
            self._calls, self._stand_ins = calls, stand_ins.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.real_glm:
            # The bot would wait for images that nobody sees.
            self._calls.close()
        self.stop()
        self._stand_ins.close()

    @property
    def config(self) -> BotConfig:
        """How the bot is started against these stand-ins."""
        variables = {
            **self._environment,
            "FEISHU_APP_ID": self.feishu.app_id,
            "FEISHU_APP_SECRET": self.feishu.app_secret,
            "FEISHU_ENCRYPT_KEY": self.feishu.encrypt_key,
            "FEISHU_VERIFICATION_TOKEN": self.feishu.verification_token,
            "FEISHU_DOMAIN": self.feishu.origin,
            "ZHIPU_API_KEY": self._key,
            "BOT_DATA_DIR": str(self._folder),
            "BOT_TEAM_ADMINS": ADMIN,
        }
        glm = None if self.real_glm else self.glm.origin
        return BotConfig(variables=variables, glm=glm, pace=self._pace, log_level=self._log_level)

    @property
    def running(self) -> bool:
        """Whether the bot runs."""
        return self._own is not None or (self._process is not None and self._process.running)

    @property
    def bot(self) -> Bot:
        """The bot, where it runs in this process."""
        if self._own is None:
            raise RuntimeError("the bot runs in a process of its own, or not at all")
        return self._own[0]

    def start(self) -> None:
        """Starts the bot, and sets the request URL of Feishu's stand-in.

        Raises:
            Unable: it runs, is being started or stopped at the moment, or did not begin to listen.
        """
        with self._alone():
            if self.running:
                raise Unable("the bot runs", sentence="runs_already")
            if self._apart:
                self._process = BotProcess(self.config)
                port = self._process.start()
            else:
                self._own = self.config.create()
                bot, server = self._own
                server.start()
                bot.fetch_identity()
                bot.start()
                port = server.port
            self.feishu.webhook_url = f"http://127.0.0.1:{port}/webhook/event"

    def stop(self) -> None:
        """Ends the bot: as SIGTERM does where it runs in this process or makes real images, else at once."""
        if self._process is not None:
            self._process.end(signal.SIGTERM if self.real_glm else signal.SIGKILL)
        if self._own is not None:
            bot, server = self._own
            server.close()
            bot.close()
            self._own = None

    def kill(self) -> None:
        """Ends the bot's process with SIGKILL.

        Raises:
            Unable: it is being started at the moment, or does not run apart.
        """
        with self._alone():
            if self._process is None:
                raise Unable("only a bot in a process of its own can be killed", sentence="not_apart")
            self._process.end(signal.SIGKILL)

    @property
    def idle(self) -> bool:
        """See :attr:`BotState.idle`."""
        return self._state is None or self._state.idle

    def queue(self) -> list[dict[str, Any]]:
        """See :meth:`BotState.queue`."""
        return self._state.queue() if self._state else []

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._switching.acquire(blocking=False):
            raise Unable("the bot is being started or stopped", sentence="being_switched")
        try:
            yield
        finally:
            self._switching.release()
