"""The bot in processes of its own, which can be killed, stopped at one step of their work, and started again."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from ctypes import c_double
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, Self

import httpx
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, Pool, event, func, select, update

from bot import logs
from bot.app import Bot
from bot.background import StopEvent
from bot.db.database import Database, read_url
from bot.db.tables import FEISHU_CALLS, generations, monthly_usage, requests
from bot.run import run_until
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn, loopback
from bot.sandbox.http import shared_tls
from bot.settings import load
from bot.timings import DownloadRetries, Timings
from bot.web.server import Server
from tests.support import forkserver
from tests.support.dsl import DEADLINE, Around, header_color, posts_of, variables_for, wait_for

Role = Literal["web", "worker", "both", "connected"]
Side = Literal["before", "after"]

START_SECONDS = 30.0

NO_LIMITS = {
    f"BOT_LIMITS_{name}": "0"
    for name in ("PER_MINUTE", "PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH", "YUAN_PER_MONTH")
}

PACE = Timings(
    lease=30.0,
    beat=0.25,
    poll=0.05,
    backoff=0.1,
    backoff_longest=0.3,
    resend=0.02,
    resend_longest=0.2,
    download=DownloadRetries(first_wait=0.01),
)
"""What takes seconds and minutes in production takes tenths here, but for the lease: a slow process keeps its work."""

_ID = re.compile(r"/(?:om|img|file)_[^/?]+")
_PICTURE = re.compile(r"/\w+_watermark\.png")


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One side effect of the work, and its number among those of the same name in a run, counted from 1."""

    name: str
    number: int = 1

    def __str__(self) -> str:
        return self.name if self.number == 1 else f"{self.name} ({self.number})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KillPoint:
    """Where a process receives which signal."""

    step: Step
    side: Side
    signal: int = signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """How a process is started.

    With ``record`` it reports each step that it takes. ``ahead`` is by how many seconds its clock is ahead of the
    machine's, in memory that the processes share.
    """

    variables: dict[str, str]
    glm: str
    pace: Timings
    role: Role = "both"
    kill: KillPoint | None = None
    record: bool = False
    ahead: c_double | None = None


class StepRecorder:
    """Counts the steps of this process, reports them, and sends the signal of the kill point."""

    def __init__(self, spec: ProcessSpec, pipe: Connection) -> None:
        self._spec = spec
        self._pipe = pipe
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def before(self, name: str) -> Step:
        """A step is about to be taken."""
        with self._lock:
            self._counts[name] += 1
            step = Step(name, self._counts[name])
            if self._spec.record:
                self._pipe.send(step)
        self.kill_at(step, "before")
        return step

    def listening(self, port: int = 0) -> None:
        """Reports the port of the running server; 0 for a worker."""
        with self._lock:
            self._pipe.send(port)

    def kill_at(self, step: Step, side: Side) -> None:
        kill = self._spec.kill
        if kill is not None and kill.step == step and kill.side == side:
            # To this thread: a process that is stopped as a whole may run on for a moment.
            signal.pthread_kill(threading.get_ident(), kill.signal)

    def send(self, inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        """Sends a request as a step; those that send a card, an image, a text and a file are steps of their own."""
        path = _PICTURE.sub("/:picture", _ID.sub("/:id", request.url.path))
        is_message = path.endswith(("/messages", "/reply"))
        kind = f" {json.loads(request.read())['msg_type']}" if is_message else ""
        step = self.before(f"{request.method} {path}{kind}")
        response = inner.handle_request(request)
        self.kill_at(step, "after")
        return response

    def watch_commits(self) -> None:
        """Counts every commit that has the name of a step, from now on.

        The step ends when the connection goes back to its pool, right after the commit.
        """
        taken = threading.local()

        @event.listens_for(Engine, "commit")
        def before(connection: DatabaseConnection) -> None:
            name = connection.get_execution_options().get("step")
            taken.step = self.before(f"commit {name}") if name else None

        @event.listens_for(Pool, "checkin")
        def after(*_: object) -> None:
            step, taken.step = getattr(taken, "step", None), None
            if step is not None:
                self.kill_at(step, "after")


def run(spec: ProcessSpec, pipe: Connection) -> None:
    """Runs a process of the bot as the command line does, until SIGTERM; reports its port as soon as it listens."""
    stopped = StopEvent()
    logs.configure(os.environ.get("CLUSTER_LOG_LEVEL", "critical"))
    steps = StepRecorder(spec, pipe)
    glm: httpx.BaseTransport = loopback(spec.glm)
    feishu: httpx.BaseTransport | None = None
    if spec.kill is not None or spec.record:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        steps.watch_commits()
        glm = Around(glm, steps.send)
        feishu = Around(httpx.HTTPTransport(trust_env=False, verify=shared_tls()), steps.send)
    settings = load(spec.variables)
    ahead = spec.ahead or c_double()
    clock = lambda: time.time() + ahead.value  # noqa: E731
    with closing(Bot(settings, glm=glm, images=glm, feishu=feishu, timings=spec.pace, clock=clock)) as bot:
        if spec.role == "worker":
            steps.listening()
            run_until(stopped, bot)
            return
        if spec.role == "connected":
            bot.use_long_connection(on_end=stopped.set)
        server = Server(bot.web, port=settings.port, bounds=settings.server)
        bot.identity.fetch()
        steps.listening(server.port)
        run_until(stopped, bot, server=server, work=spec.role != "web")


class BotProcess:
    """A process of the bot, started when this is made; a context manager that kills it.

    Raises:
        TimeoutError: it ended before it was ready, as it does without its database, and has no kill point.
    """

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.start(kill=spec.kill)

    def start(self, *, kill: KillPoint | None = None) -> None:
        self.port, self._listening = 0, False
        self._steps: list[Step] = []
        self._pipe, there = multiprocessing.Pipe(duplex=False)
        self.process: BaseProcess = forkserver.start(run, replace(self.spec, kill=kill), there)
        there.close()
        self._receive(until_port=True)
        if kill is None and not self._listening:
            raise TimeoutError("the process was not ready in time")
        if kill is None and self.port:
            # A process that answers has installed its signal handlers; one that only listens may not have.
            httpx.get(f"{self.address}/healthz", timeout=START_SECONDS, trust_env=False, verify=shared_tls())

    def _receive(self, *, until_port: bool) -> None:
        with suppress(EOFError):
            while self._pipe.poll(START_SECONDS if until_port else 0):
                received = self._pipe.recv()
                if isinstance(received, Step):
                    self._steps.append(received)
                    continue
                self.port, self._listening = int(received), True
                if until_port:
                    return

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def webhook(self) -> str | None:
        """Where it takes events, or ``None`` when it ended before it listened."""
        return f"{self.address}/webhook/event" if self.port else None

    @property
    def alive(self) -> bool:
        """Whether it runs; a stopped process does."""
        return self.process.is_alive()

    @property
    def stopped(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"

    @property
    def recorded(self) -> list[Step]:
        """The steps that it has reported since it was started last."""
        self._receive(until_port=False)
        return self._steps

    def send(self, *signals: int) -> None:
        """Sends signals, one right after the other."""
        for number in signals:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def terminate(self) -> None:
        self.process.terminate()

    def wait(self, *, seconds: float = DEADLINE) -> int | None:
        """Waits until the process has ended; gives its exit code, ``None`` when it runs on."""
        self.process.join(seconds)
        return self.process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._pipe.close()


@dataclass(slots=True, kw_only=True)
class Cluster:
    """Stand-ins on which any number of processes are started; a context manager that kills them all.

    Each process has a data folder of its own in ``folder``, as on a host of its own, and all share the database
    ``url``.
    """

    folder: Path
    url: str
    feishu: FeishuStandIn
    glm: GlmStandIn
    pace: Timings = PACE
    record: bool = False
    processes: list[BotProcess] = field(default_factory=list)

    def start(self, role: Role, *, kill: KillPoint | None = None, **variables: str) -> BotProcess:
        """Starts a process, with further settings."""
        host = self.folder / f"host{len(self.processes)}"
        given = {**variables_for(self.feishu, folder=host), **NO_LIMITS, "DATABASE_URL": self.url, **variables}
        spec = ProcessSpec(
            role=role, variables=given, glm=self.glm.origin, pace=self.pace, kill=kill, record=self.record
        )
        self.processes.append(BotProcess(spec))
        return self.processes[-1]

    def serve(self, *, kill: KillPoint | None = None, **variables: str) -> BotProcess:
        """Starts a process that does everything and to which Feishu delivers from now on."""
        process = self.start("both", kill=kill, **variables)
        self.feishu.webhook_url = process.webhook
        return process

    def say(self, text: str = "一只橘猫", *, person: str = "lin") -> ChatMessage:
        """A message to the bot, in the person's chat with it."""
        return self.feishu.say(chat_id=f"oc_direct_{person}", sender=f"ou_{person}", text=text)

    def push(self, message: ChatMessage, *, web: BotProcess, seconds: float = 3.0) -> int | None:
        """Pushes a message's event to a process, once; gives the status, ``None`` where there was no answer."""
        body, headers = self.feishu.seal(self.feishu.event_of(message))
        try:
            return httpx.post(
                web.webhook or "", content=body, headers=headers, timeout=seconds, trust_env=False, verify=shared_tls()
            ).status_code
        except httpx.HTTPError:
            return None

    def colors(self, message: ChatMessage) -> list[str | None]:
        return [header_color(one) for one in self.feishu.replies(message.message_id)]

    def wait_for_answers(self, *messages: ChatMessage, color: str = "green") -> None:
        """Waits until each message has exactly one card, which has this color."""
        wait_for(
            lambda: all(self.colors(one) == [color] for one in messages),
            describe=lambda: [self.colors(one) for one in messages],
        )

    def calls(self, *messages: ChatMessage) -> list[int]:
        return [len(posts_of(self.glm, one)) for one in messages]

    def spent(self) -> int:
        counted = select(func.sum(monthly_usage.c.count)).where(monthly_usage.c.name != FEISHU_CALLS)
        with closing(Database(read_url(self.url))) as database, database.read() as connection:
            return int(connection.scalar(counted) or 0)

    def expire_leases(self, process: BotProcess) -> None:
        """Lets others take over at once what a process holds that is dead or cannot reach the database."""
        with closing(Database(read_url(self.url))) as database, database.write() as connection:
            for table in (requests, generations):
                own = table.c.owner.contains(f":{process.pid}:")
                connection.execute(update(table).where(own).values(lease_until=0.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.__exit__()
