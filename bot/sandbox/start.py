"""The sandbox: the whole bot, started together with its stand-ins; the only file here that knows the bot."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
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
from bot.sandbox.page.controls import Unable
from bot.sandbox.process import BotProcess
from bot.settings import Settings, load
from bot.stopping import stop_event
from bot.timings import Timings
from bot.web.server import Server
from bot.worker.queue_positions import QueueReader

FAKE_KEY = "sandbox.not-a-real-key"
GLM_SECONDS = 3.0
"""How long a picture takes here; the platform takes 20 to 50 s."""

ADMIN = "ou_lin"
"""Who may use the admin's commands in the sandbox: the person whom one speaks as at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """How a bot is started against stand-ins; plain values, so that it can be handed to another process.

    ``glm`` is the origin of the GLM stand-in, ``None`` for the real platform. It is handed over in code: no variable
    and no flag of the bot leads its key anywhere but to the platform.
    """

    variables: Mapping[str, str]
    glm: str | None
    pace: Timings = field(default_factory=Timings)
    log_level: str = "error"


def read(plan: Draft) -> Settings:
    """The settings of a plan.

    Raises:
        SettingsError: they cannot be used.
    """
    return load({"BOT_SERVER_HOST": "127.0.0.1", "PORT": "0", "ZHIPU_API_KEY": FAKE_KEY, **plan.variables})


def followed(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of an environment that hold in the sandbox, too: all but its data folder and its server."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith("BOT_") and name != "BOT_DATA_DIR" and not name.startswith("BOT_SERVER_")
    }


def create(plan: Draft) -> tuple[Bot, Server]:
    """The bot of a plan, listening but not yet serving."""
    settings = read(plan)
    glm = None if plan.glm is None else loopback(plan.glm)
    bot = Bot(settings, glm=glm, images=glm, timings=plan.pace)
    return bot, Server(bot.web, port=settings.port, bounds=settings.server)


def run(plan: Draft, port: Connection) -> None:
    """Runs the bot of a plan in this process until SIGTERM, and tells its port first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = stop_event()
    logs.configure(plan.log_level)
    bot, server = create(plan)
    bot.fetch_identity()
    port.send(server.port)
    run_until(stopped, bot, server=server)


class BotState:
    """The queue of a bot, read from its database by whoever stands beside it; a context manager that closes it."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(read_url(settings.url), connections=1)
        self._line = QueueReader(self._database, slots=settings.slots.by_model())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @property
    def idle(self) -> bool:
        """Whether every request and every generation has come to its end, so that no answer changes any more."""
        unfinished = (exists().where(table.c.ended_at.is_(None)) for table in (requests, generations))
        with self._database.read() as connection:
            return not any(connection.scalar(select(one)) for one in unfinished)

    def queue(self) -> list[dict[str, Any]]:
        """What is under way, then what waits, model by model in the order of the turns; see ``Controls.queue``."""
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
        environment: variables whose settings hold unless the stand-ins need others; see :func:`followed`.
        apart: whether the bot runs in a process of its own, so that it can be killed.
        real_key: a key of the GLM platform, for real pictures; Feishu stays local.
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
        self._followed = followed(environment or {})
        self._apart = apart
        self.real_glm = real_key is not None
        self._key = real_key or FAKE_KEY
        self._log_level = log_level
        self._stand_ins = ExitStack()
        self._calls = ExitStack()
        self._switching = threading.Lock()
        self._process: BotProcess[Draft] | None = None
        self._own: tuple[Bot, Server] | None = None
        self._watched: BotState | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stand_ins:
            stand_ins.enter_context(self.feishu)
            calls = stand_ins.enter_context(ExitStack())
            calls.enter_context(self.glm)
            # Here, not in the bot's own process, a fault in the settings can be told to who started the sandbox.
            settings = read(self.plan)
            Messages.load(settings.config_dir)
            Styles.load(settings.config_dir)
            self._watched = stand_ins.enter_context(BotState(settings))
            self.start()
            self._calls, self._stand_ins = calls, stand_ins.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.real_glm:
            # What the stand-in works on would be waited for, and nobody would see the picture.
            self._calls.close()
        self.stop()
        self._stand_ins.close()

    @property
    def plan(self) -> Draft:
        """How the bot is started against these stand-ins."""
        variables = {
            **self._followed,
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
        return Draft(variables=variables, glm=glm, pace=self._pace, log_level=self._log_level)

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
        """Starts the bot, and tells Feishu's stand-in where it listens.

        Raises:
            Unable: it runs, is being started or stopped at the moment, or did not begin to listen.
        """
        with self._alone():
            if self.running:
                raise Unable("the bot runs", sentence="runs_already")
            if self._apart:
                self._process = BotProcess(run, self.plan)
                port = self._process.start()
            else:
                self._own = create(self.plan)
                bot, server = self._own
                server.start()
                bot.fetch_identity()
                bot.start()
                port = server.port
            self.feishu.webhook_url = f"http://127.0.0.1:{port}/webhook/event"

    def stop(self) -> None:
        """Ends the bot: as SIGTERM does where it runs here or makes real pictures, else at once.

        Without real pictures nothing that a process of its own could bring to an end outlives the stand-ins.
        """
        if self._process is not None:
            self._process.stop() if self.real_glm else self._process.kill()
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
            self._process.kill()

    @property
    def idle(self) -> bool:
        """Whether the bot is done with all that was asked of it; see :attr:`BotState.idle`."""
        return self._watched is None or self._watched.idle

    def queue(self) -> list[dict[str, Any]]:
        """The running and the waiting generations; see :meth:`BotState.queue`."""
        return self._watched.queue() if self._watched else []

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._switching.acquire(blocking=False):
            raise Unable("the bot is being started or stopped", sentence="being_switched")
        try:
            yield
        finally:
            self._switching.release()
