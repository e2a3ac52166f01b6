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
from contextlib import closing
from ctypes import c_double
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, Self

import httpx
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, Pool, event

from bot import logs
from bot.app import Bot
from bot.run import long_connection, run_until
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn, loopback
from bot.sandbox.http import shared_tls
from bot.settings import Settings, load
from bot.stopping import stop_event
from bot.timings import DownloadRetries, Timings
from bot.web.server import Server
from tests.support import forkserver
from tests.support.dsl import variables_for

Role = Literal["web", "worker", "both", "connected"]
Side = Literal["before", "after"]

START_SECONDS = 30.0

NO_LIMITS = {
    f"BOT_LIMITS_{name}": "0"
    for name in ("PER_MINUTE", "PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH", "YUAN_PER_MONTH")
}

PACE = Timings(
    lease=1.5,
    beat=0.25,
    poll=0.05,
    backoff=0.1,
    backoff_longest=0.3,
    resend=0.02,
    resend_longest=0.2,
    download=DownloadRetries(first_wait=0.01),
)
"""What takes seconds and minutes in production takes tenths here."""

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
    """How a process is started; plain values.

    ``ahead`` is by how many seconds its clock is ahead of the machine's, in memory that the processes share. With
    ``record`` it reports each step that it takes.
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

    def listening(self, port: int) -> None:
        """Reports the port of the running server; 0 for a worker."""
        with self._lock:
            self._pipe.send(port)

    def kill_at(self, step: Step, side: Side) -> None:
        """Sends the signal if this is the kill point."""
        kill = self._spec.kill
        if kill is not None and kill.step == step and kill.side == side:
            # To this thread: a process that is stopped as a whole may run on for a moment.
            signal.pthread_kill(threading.get_ident(), kill.signal)

    def watch_commits(self) -> None:
        """Counts every commit that is named as a step of a message's way, from now on.

        The connection goes back to its pool right after the commit, before anything else is done: that is the step's
        end.
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


@dataclass(frozen=True, slots=True)
class RecordingTransport(httpx.BaseTransport):
    """Sends requests, and counts each as a step."""

    inner: httpx.BaseTransport
    steps: StepRecorder

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request; a card, a picture, a text and a file are steps of their own."""
        path = _PICTURE.sub("/:picture", _ID.sub("/:id", request.url.path))
        is_message = path.endswith(("/messages", "/reply"))
        kind = f" {json.loads(request.read())['msg_type']}" if is_message else ""
        step = self.steps.before(f"{request.method} {path}{kind}")
        response = self.inner.handle_request(request)
        self.steps.kill_at(step, "after")
        return response

    def close(self) -> None:
        """Closes the connections."""
        self.inner.close()


def run(spec: ProcessSpec, pipe: Connection) -> None:
    """Runs a process of the bot as the command line does, until SIGTERM; reports its port as soon as it listens."""
    stopped = stop_event()
    logs.configure(os.environ.get("CLUSTER_LOG_LEVEL", "critical"))
    steps = StepRecorder(spec, pipe)
    glm: httpx.BaseTransport = loopback(spec.glm)
    feishu: httpx.BaseTransport | None = None
    if spec.kill is not None or spec.record:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        steps.watch_commits()
        glm = RecordingTransport(glm, steps)
        feishu = RecordingTransport(httpx.HTTPTransport(trust_env=False, verify=shared_tls()), steps)
    settings = load(spec.variables)
    ahead = spec.ahead or c_double()
    clock = lambda: time.time() + ahead.value  # noqa: E731
    with closing(Bot(settings, glm=glm, images=glm, feishu=feishu, timings=spec.pace, clock=clock)) as bot:
        if spec.role == "worker":
            steps.listening(0)
            run_until(stopped, bot)
            return
        if spec.role == "connected":
            _connect(stopped, bot, settings, steps)
            return
        server = Server(bot.web, port=settings.port, bounds=settings.server)
        bot.fetch_identity()
        steps.listening(server.port)
        run_until(stopped, bot, server=server, work=spec.role == "both")


def _connect(stopped: threading.Event, bot: Bot, settings: Settings, steps: StepRecorder) -> None:
    connection = long_connection(settings, bot, stopped)
    status = Server(bot.create_status_app(down=lambda: connection.down), port=settings.port, bounds=settings.server)
    bot.fetch_identity()
    steps.listening(status.port)
    run_until(stopped, bot, server=status, connection=connection)


class BotProcess:
    """A process of the bot, started when this is made; a context manager that ends it with SIGKILL.

    Raises:
        TimeoutError: it ended before it was ready, as it does without its database, and has no kill point.
    """

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self._pipe: Connection | None = None
        self._process: BaseProcess | None = None
        self._steps: list[Step] = []
        self.port, self._listening = 0, False
        self.start()

    def start(self) -> None:
        """Starts the process."""
        self.close_pipe()
        self.port, self._listening = 0, False
        self._pipe, there = multiprocessing.Pipe(duplex=False)
        self._process = forkserver.start(run, self._spec, there)
        there.close()
        self._receive(until_port=True)
        if self._spec.kill is not None:
            return
        if not self._listening:
            raise TimeoutError("the process was not ready in time")
        if self.port:
            # A process that answers has said how it takes SIGTERM; one that only listens has not.
            httpx.get(f"{self.address}/healthz", timeout=START_SECONDS, trust_env=False, verify=shared_tls())

    def _receive(self, *, until_port: bool) -> None:
        assert self._pipe is not None
        try:
            while self._pipe.poll(START_SECONDS if until_port else 0):
                received = self._pipe.recv()
                if isinstance(received, Step):
                    self._steps.append(received)
                    continue
                self.port, self._listening = int(received), True
                if until_port:
                    return
        except EOFError:
            return

    @property
    def process(self) -> BaseProcess:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        """Its id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def address(self) -> str:
        """The address of its server."""
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
        """Whether a signal holds it."""
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"

    @property
    def recorded(self) -> list[Step]:
        """The steps that it has reported."""
        self._receive(until_port=False)
        return self._steps

    def resume(self) -> None:
        """Lets a stopped process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Ends the process with SIGKILL."""
        self.process.kill()
        self.process.join()

    def terminate(self) -> None:
        """Sends SIGTERM, and does not wait."""
        self.process.terminate()

    def wait(self, *, seconds: float) -> int | None:
        """Waits until the process has ended; gives its exit code, ``None`` when it runs on."""
        self.process.join(seconds)
        return self.process.exitcode

    def close_pipe(self) -> None:
        """Closes this end of the pipe."""
        if self._pipe is not None:
            self._pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.close_pipe()


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
        self._started: list[BotProcess] = []

    def start(self, role: Role, *, url: str | None = None) -> BotProcess:
        """Starts a process; ``url`` is another way to the database."""
        folder = self._folder / f"host{len(self._started)}"
        variables = {**variables_for(self.feishu, folder=folder), **NO_LIMITS, "DATABASE_URL": url or self.url}
        process = BotProcess(ProcessSpec(role=role, variables=variables, glm=self.glm.origin, pace=self._pace))
        self._started.append(process)
        return process

    def push(self, message: ChatMessage, *, web: BotProcess, seconds: float = 3.0) -> bool:
        """Pushes a message's event to a web process, once; tells whether it was acknowledged."""
        return self.post(message, web=web, seconds=seconds) == HTTPStatus.OK

    def post(self, message: ChatMessage, *, web: BotProcess, seconds: float = 3.0) -> int | None:
        """Pushes a message's event to a web process, once; gives the status, ``None`` where there was no answer."""
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
        for process in self._started:
            process.kill()
