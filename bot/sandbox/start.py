"""The sandbox: the whole bot, started together with its stand-ins; the only file here that knows the bot."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select

from bot import logs
from bot.app import Bot, Outside
from bot.generation.making.pace import Pace
from bot.generation.store.database import Database, read_url
from bot.generation.store.tables import generations, requests
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn, loopback
from bot.settings import load
from bot.web.server import Server

FAKE_KEY = "sandbox.not-a-real-key"
GLM_SECONDS = 3.0
"""How long a picture takes here; the platform takes 20 to 50 s."""

START_SECONDS = 30.0
ADMIN = "ou_lin"
"""Who may use the admin's commands in the sandbox: the person whom one speaks as at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a bot is started against stand-ins; plain values, so that it can be handed to another process.

    ``glm`` is the origin of the GLM stand-in, ``None`` for the real platform. It is handed over in code: no variable
    and no flag of the bot leads its key anywhere but to the platform.
    """

    variables: Mapping[str, str]
    glm: str | None
    pace: Pace = field(default_factory=Pace)
    log_level: str = "error"


def create(plan: Plan) -> tuple[Bot, Server]:
    """The bot of a plan, listening but not yet serving."""
    settings = load({"BOT_SERVER_HOST": "127.0.0.1", "PORT": "0", "ZHIPU_API_KEY": FAKE_KEY, **plan.variables})
    outside = Outside(pace=plan.pace)
    if plan.glm is not None:
        outside = replace(outside, glm=loopback(plan.glm), pictures=loopback(plan.glm))
    bot = Bot(settings, outside=outside)
    return bot, Server(bot.web, port=settings.port, bounds=settings.server)


def run(plan: Plan, port: Connection) -> None:
    """Runs the bot of a plan in this process until SIGTERM, and tells its port first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.set_up(plan.log_level)
    bot, server = create(plan)
    bot.learn_identity()
    bot.start()
    port.send(server.port)
    server.run()
    bot.close()


class BotProcess:
    """The bot in a process of its own, which can be killed as a crash would."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._process: BaseProcess | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid if self._process else None

    def start(self) -> int:
        """Starts the process; gives the port on which the bot listens.

        Raises:
            TimeoutError: it did not begin to listen.
        """
        # A fork would copy the stand-ins' threads and locks in whatever state they are.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=run, args=(self._plan, there), daemon=True)
        self._process.start()
        there.close()
        try:
            if here.poll(START_SECONDS):
                return int(here.recv())
        except EOFError:
            pass
        raise TimeoutError("the bot's process did not begin to listen")

    def kill(self) -> None:
        """Ends the process with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def stop(self) -> None:
        """Ends the process with SIGTERM and waits."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()


class Sandbox:
    """The stand-ins and the bot on loopback, as one context manager.

    Args:
        folder: the data folder of the bot.
        feishu: the stand-in of Feishu; one with its defaults when ``None``.
        glm: the stand-in of the GLM API.
        pace: the durations of the work.
        variables: further settings as environment variables.
        apart: whether the bot runs in a process of its own, so that it can be killed.
        real_key: a key of the GLM platform, for real pictures; Feishu stays local.
    """

    def __init__(
        self,
        *,
        folder: Path,
        feishu: FeishuStandIn | None = None,
        glm: GlmStandIn | None = None,
        pace: Pace | None = None,
        variables: Mapping[str, str] | None = None,
        apart: bool = False,
        real_key: str | None = None,
        log_level: str = "error",
    ) -> None:
        self.feishu = feishu or FeishuStandIn()
        self.glm = glm or GlmStandIn(seconds=GLM_SECONDS)
        self._folder = folder
        self._pace = pace or Pace()
        self._variables = dict(variables or {})
        self._apart = apart
        self.real_glm = real_key is not None
        if real_key is not None:
            self._variables["ZHIPU_API_KEY"] = real_key
        self._log_level = log_level
        self._stand_ins = ExitStack()
        self._process: BotProcess | None = None
        self._own: tuple[Bot, Server] | None = None
        self._watched: Database | None = None

    def __enter__(self) -> Self:
        self._stand_ins.enter_context(self.feishu)
        self._stand_ins.enter_context(self.glm)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._watched is not None:
            self._watched.close()
        self._stand_ins.close()

    @property
    def plan(self) -> Plan:
        """How the bot is started against these stand-ins."""
        variables = {
            "FEISHU_APP_ID": self.feishu.app_id,
            "FEISHU_APP_SECRET": self.feishu.app_secret,
            "FEISHU_ENCRYPT_KEY": self.feishu.encrypt_key,
            "FEISHU_VERIFICATION_TOKEN": self.feishu.verification_token,
            "FEISHU_DOMAIN": self.feishu.origin,
            "BOT_DATA_DIR": str(self._folder),
            "BOT_TEAM_ADMINS": ADMIN,
            **self._variables,
        }
        glm = None if self.real_glm else self.glm.origin
        return Plan(variables=variables, glm=glm, pace=self._pace, log_level=self._log_level)

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
        """Starts the bot, and tells Feishu's stand-in where it listens."""
        if self._apart:
            self._process = BotProcess(self.plan)
            port = self._process.start()
        else:
            self._own = create(self.plan)
            bot, server = self._own
            server.start()
            bot.learn_identity()
            bot.start()
            port = server.port
        self.feishu.webhook_url = f"http://127.0.0.1:{port}/webhook/event"

    def stop(self) -> None:
        """Stops the bot as SIGTERM does: what is under way ends, nothing new begins."""
        if self._process is not None:
            self._process.stop()
        if self._own is not None:
            bot, server = self._own
            server.close()
            bot.close()
            self._own = None

    def kill(self) -> None:
        """Ends the bot's process with SIGKILL; only where it runs apart."""
        if self._process is None:
            raise RuntimeError("only a bot in a process of its own can be killed")
        self._process.kill()

    def queue(self) -> list[dict[str, Any]]:
        """The waiting and running generations, for whoever watches."""
        if self._watched is None:
            self._watched = Database(read_url(load({**self.plan.variables}).url), connections=1)
        statement = (
            select(generations, requests.c.prompt)
            .join(requests, requests.c.request_id == generations.c.request_id)
            .where(generations.c.ended_at.is_(None))
            .order_by(generations.c.accepted_at, generations.c.place)
        )
        shown = ("generation_id", "request_id", "sender", "prompt", "state", "model")
        with self._watched.read() as connection:
            return [{name: row[name] for name in shown} for row in connection.execute(statement).mappings()]
