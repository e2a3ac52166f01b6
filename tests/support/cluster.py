"""Several processes of the bot on one database: webs that accept, workers that work, both in one, or connected ones."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from ctypes import c_double
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, Self

import httpx

from bot import logs
from bot.app import Bot
from bot.run import run_until
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn, loopback
from bot.sandbox.http import shared_tls
from bot.settings import Settings, load
from bot.stopping import stop_event
from bot.timings import Timings
from bot.web.server import Server
from tests.support import warm
from tests.support.dsl import variables_for

Ahead = c_double

Role = Literal["web", "worker", "both", "connected"]

START_SECONDS = 30.0

NO_LIMITS = {
    "BOT_LIMITS_PER_MINUTE": "0",
    "BOT_LIMITS_PENDING": "0",
    "BOT_LIMITS_WAITING": "0",
    "BOT_LIMITS_PER_DAY": "0",
    "BOT_LIMITS_IMAGES_PER_MONTH": "0",
    "BOT_LIMITS_YUAN_PER_MONTH": "0",
}

PACE = Timings(
    lease=1.5,
    beat=0.25,
    poll=0.05,
    backoff=0.1,
    backoff_longest=0.3,
    resend=0.02,
    resend_longest=0.2,
    download_wait=0.01,
)
"""What takes seconds and minutes in production takes tenths here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """How a process is started; plain values.

    ``ahead`` is by how many seconds its clock is ahead of the machine's, in memory that the processes share.
    """

    role: Role
    variables: dict[str, str]
    glm: str
    pace: Timings
    ahead: Ahead | None = None


def run(plan: Draft, line: Connection) -> None:
    """Runs one process of the bot as the command line does, until SIGTERM; tells its port first, 0 for a worker's."""
    stopped = stop_event()
    logs.configure(os.environ.get("CLUSTER_LOG_LEVEL", "critical"))
    settings = load(plan.variables)
    glm = loopback(plan.glm)
    ahead = plan.ahead or Ahead()
    bot = Bot(settings, glm=glm, images=glm, timings=plan.pace, clock=lambda: time.time() + ahead.value)
    if plan.role == "worker":
        line.send(0)
        run_until(stopped, bot)
        return
    if plan.role == "connected":
        connect(stopped, bot, settings, line)
        return
    server = Server(bot.web, port=settings.port, bounds=settings.server)
    bot.fetch_identity()
    line.send(server.port)
    run_until(stopped, bot, server=server, work=plan.role == "both")


def connect(stopped: threading.Event, bot: Bot, settings: Settings, line: Connection) -> None:
    """Runs a bot over its long connection, as the command does."""
    # Imported here, as the other roles do without the WebSocket.
    from bot.feishu.long_connection import LongConnection

    secret = settings.app_secret.get_secret_value()
    connection = LongConnection(
        domain=settings.domain,
        app_id=settings.app_id,
        app_secret=secret,
        handle=bot.handle_pushed_event,
        on_end=stopped.set,
    )
    status = Server(bot.create_status_app(down=lambda: connection.down), port=settings.port, bounds=settings.server)
    bot.fetch_identity()
    line.send(status.port)
    run_until(stopped, bot, server=status, connection=connection)


class Node:
    """A process of the bot that can be killed, told to leave, and started again; a context manager.

    Raises:
        TimeoutError: it ended before it was ready; a database that is away does that.
    """

    def __init__(self, plan: Draft) -> None:
        self._plan = plan
        self._process: BaseProcess | None = None
        self.port = 0
        self.address = ""
        """Where it takes events."""
        self.start()

    def start(self) -> None:
        """Starts the process."""
        here, there = multiprocessing.Pipe(duplex=False)
        self._process = warm.start(run, self._plan, there)
        there.close()
        with here:
            try:
                if here.poll(START_SECONDS):
                    self.port = int(here.recv())
                    self._wait_to_serve()
                    return
            except EOFError:
                pass
        raise TimeoutError("the process was not ready in time")

    def _wait_to_serve(self) -> None:
        # A process that answers has said how it takes SIGTERM; one that only listens has not.
        if self.port:
            self.address = f"http://127.0.0.1:{self.port}"
            httpx.get(f"{self.address}/healthz", timeout=START_SECONDS, trust_env=False, verify=shared_tls())

    @property
    def process(self) -> BaseProcess:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """Ends the process with SIGKILL."""
        self.process.kill()
        self.process.join()

    def tell_to_leave(self) -> None:
        """Sends SIGTERM, and does not wait."""
        self.process.terminate()

    def wait(self, *, seconds: float) -> int | None:
        """Waits until the process has ended; gives its exit code, ``None`` when it runs on."""
        self.process.join(seconds)
        return self.process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Cluster:
    """Stand-ins on which any number of processes are started; a context manager that ends them all.

    Args:
        folder: each process has a data folder of its own in it, as on a host of its own.
        url: the database that they share.
        pace: the durations of the work.
    """

    def __init__(self, *, folder: Path, url: str, pace: Timings, glm: GlmStandIn, feishu: FeishuStandIn) -> None:
        self.feishu = feishu
        self.glm = glm
        self.url = url
        self._folder = folder
        self._pace = pace
        self._started: list[Node] = []

    def plan(self, role: Role, *, url: str | None = None) -> Draft:
        """How the next process is started; ``url`` is another way to the database."""
        folder = self._folder / f"host{len(self._started)}"
        database = {"DATABASE_URL": url or self.url}
        variables = {**variables_for(self.feishu, folder=folder), **NO_LIMITS, **database}
        return Draft(role=role, variables=variables, glm=self.glm.origin, pace=self._pace)

    def start(self, role: Role, *, url: str | None = None) -> Node:
        """Starts a process."""
        node = Node(self.plan(role, url=url))
        self._started.append(node)
        return node

    def push(self, message: ChatMessage, *, web: Node, seconds: float = 3.0) -> bool:
        """Pushes a message's event to a web, once; tells whether it was taken."""
        return self.post(message, web=web, seconds=seconds) == HTTPStatus.OK

    def post(self, message: ChatMessage, *, web: Node, seconds: float = 3.0) -> int | None:
        """Pushes a message's event to a web, once; gives the status, ``None`` where there was no answer."""
        body, headers = self.feishu.seal(self.feishu.event_of(message))
        try:
            return httpx.post(
                f"{web.address}/webhook/event",
                content=body,
                headers=headers,
                timeout=seconds,
                trust_env=False,
                verify=shared_tls(),
            ).status_code
        except httpx.HTTPError:
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for node in self._started:
            node.kill()
