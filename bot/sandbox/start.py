"""The sandbox: the whole bot, started together with its stand-ins; the only module here that imports the bot."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from bot import logs
from bot.app import Bot
from bot.background import StopEvent
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.db.database import Database, read_url
from bot.db.generations import read_queue
from bot.db.reports import is_idle, unfinished
from bot.dotenv import read_dotenv
from bot.models import State
from bot.run import run_until
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn, loopback
from bot.sandbox.page.server import Unable
from bot.settings import Settings, load
from bot.web.server import Server

FAKE_KEY = "sandbox.not-a-real-key"
GLM_SECONDS = 3.0  # how long an image takes here; the platform takes 20 to 50 s

ADMIN = "ou_lin"  # the admin: the user as whom one speaks at first

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BotConfig:
    """How a bot is started against stand-ins; plain values, so that it can be passed to another process.

    ``glm`` is the origin of the GLM stand-in, ``None`` for the real platform; no variable or flag of the bot sends its
    key anywhere else. ``connect`` uses the long connection, and greets the admin.
    """

    variables: Mapping[str, str]
    glm: str | None
    connect: bool = False
    log_level: str = "error"

    def settings(self) -> Settings:
        return load({"BOT_SERVER_HOST": "127.0.0.1", "PORT": "0", "ZHIPU_API_KEY": FAKE_KEY, **self.variables})


def run(config: BotConfig, port: Connection) -> None:
    """Runs a bot in this process until SIGTERM, and sends its port first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = StopEvent()
    logs.configure(config.log_level)
    settings = config.settings()
    glm = None if config.glm is None else loopback(config.glm)
    with closing(Bot(settings, glm=glm, images=glm)) as bot:
        if config.connect:
            bot.use_long_connection(on_end=stopped.set)
            bot.greet(ADMIN)
        server = Server(bot.web, port=settings.port, bounds=settings.server)
        bot.identity.fetch()
        port.send(server.port)
        run_until(stopped, bot, server=server)


def start_process(config: BotConfig) -> tuple[BaseProcess, int]:
    """Runs a bot in a new process and returns the port on which it listens; raises ``Unable`` if it does not."""
    # A fork would copy the stand-ins' threads and locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(config, there), daemon=True)
    process.start()
    there.close()
    with suppress(EOFError):
        if here.poll(_START_SECONDS):
            return process, int(here.recv())
    process.kill()
    process.join()
    raise Unable("the bot's process did not begin to listen", sentence="not_started")


@dataclass(kw_only=True, eq=False)
class Sandbox:
    """The stand-ins on loopback and the bot in a process beside them, as one context manager.

    Entering it raises ``SettingsError`` when the settings cannot be used. ``folder`` is the data folder of the bot.
    ``BOT_`` variables of ``environment`` apply here too, but for the data folder and the server. With a ``real_key`` of
    the GLM platform images are real. With ``dotenv``, the file that ``setup`` writes, ``start`` starts the bot over the
    long connection with the variables in the file; entering starts the stand-ins alone.
    """

    folder: Path
    feishu: FeishuStandIn = field(default_factory=FeishuStandIn)
    glm: GlmStandIn = field(default_factory=lambda: GlmStandIn(seconds=GLM_SECONDS))
    environment: Mapping[str, str] = field(default_factory=dict)
    real_key: str | None = None
    dotenv: Path | None = None
    log_level: str = "error"

    def __post_init__(self) -> None:
        self.real_glm = self.real_key is not None
        variables = {
            name: value
            for name, value in self.environment.items()
            if name.startswith("BOT_") and name != "BOT_DATA_DIR" and not name.startswith("BOT_SERVER_")
        }
        variables |= {
            "ZHIPU_API_KEY": self.real_key or FAKE_KEY,
            "BOT_DATA_DIR": str(self.folder),
            "BOT_TEAM_ADMINS": ADMIN,
            "FEISHU_APP_ID": self.feishu.app_id,
            "FEISHU_APP_SECRET": self.feishu.app_secret,
            "FEISHU_ENCRYPT_KEY": self.feishu.encrypt_key,
            "FEISHU_VERIFICATION_TOKEN": self.feishu.verification_token,
            "FEISHU_DOMAIN": self.feishu.origin,
        }
        self._config = BotConfig(
            variables=variables,
            glm=None if self.real_glm else self.glm.origin,
            connect=self.dotenv is not None,
            log_level=self.log_level,
        )
        self._stack = ExitStack()
        self._switching = threading.Lock()
        self._process: BaseProcess | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.feishu)
            stack.enter_context(self.glm)
            # In this process, so that an error in the settings reaches the terminal.
            settings = self._config.settings()
            Messages.load(settings.config_dir)
            Styles.load(settings.config_dir)
            self._database = Database(read_url(settings.url), connections=1)
            stack.callback(self._database.close)
            if self.dotenv is None:
                self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # Images that cost nothing are not waited for.
        if self._process is not None and self.real_glm:
            self._process.terminate()
            self._process.join()
        self.kill()
        self._stack.close()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def idle(self) -> bool:
        """Whether every request and generation has ended, so that no answer changes any more."""
        return is_idle(self._database)

    def queue(self) -> list[dict[str, Any]]:
        """The running, then the waiting generations, model by model in their order.

        One that waits also has ``ahead``: how many of its model come before it, the running ones included.
        """
        shown = ("generation_id", "request_id", "sender", "prompt", "state", "model")
        rows = [{name: getattr(row, name) for name in shown} for row in unfinished(self._database)[0]]
        waiting = {row["generation_id"]: row for row in rows if row["state"] == State.WAITING}
        listed = [row for row in rows if row["state"] != State.WAITING]
        for model in sorted({row["model"] for row in waiting.values()}):
            queue = read_queue(self._database, model)
            in_order = (one for one in queue.waiting if one.generation_id in waiting)
            listed += [{**waiting[one.generation_id], "ahead": queue.running + one.turn - 1} for one in in_order]
        return listed

    def start(self) -> None:
        """Starts the bot, and sets the request URL of Feishu's stand-in; raises ``Unable``."""
        with self._switching:
            if self.running:
                raise Unable("the bot runs", sentence="runs_already")
            variables = {**self._config.variables, **(read_dotenv(self.dotenv) if self.dotenv else {})}
            self._process, port = start_process(replace(self._config, variables=variables))
            self.feishu.webhook_url = f"http://127.0.0.1:{port}/webhook/event"

    def kill(self) -> None:
        """Ends the bot's process as a crash would."""
        with self._switching:
            if self._process is not None:
                self._process.kill()
                self._process.join()
