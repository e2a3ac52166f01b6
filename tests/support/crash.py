"""A bot in a process of its own that is killed, or stopped, exactly at one step of its work."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import threading
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Literal, Self

import httpx
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, Pool, event

from bot import logs
from bot.app import Bot
from bot.run import run_until
from bot.sandbox.glm.stand_in import loopback
from bot.sandbox.http import shared_tls
from bot.settings import load
from bot.stopping import stop_event
from bot.timings import Timings
from bot.web.server import Server
from tests.support import warm

Side = Literal["before", "after"]

START_SECONDS = 30.0

_ID = re.compile(r"/(?:om|img|file)_[^/?]+")
_PICTURE = re.compile(r"/\w+_watermark\.png")


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One side effect of the work: which, and for the how-manieth time in a run, counted from 1."""

    name: str
    number: int

    def __str__(self) -> str:
        return self.name if self.number == 1 else f"{self.name} ({self.number})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """Where a process is hit, on which side of the step, and with which signal."""

    step: Step
    side: Side
    signal: int = signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a process is started; plain values. With ``tell`` it reports each step that it takes."""

    variables: dict[str, str]
    glm: str
    pace: Timings
    strike: Strike | None = None
    tell: bool = False


class Steps:
    """Counts the steps of this process, tells of them, and strikes where it is told to."""

    def __init__(self, start: Start, line: Connection) -> None:
        self._start = start
        self._line = line
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def before(self, name: str) -> Step:
        """A step is about to be taken."""
        with self._lock:
            self._counts[name] += 1
            step = Step(name, self._counts[name])
            if self._start.tell:
                self._line.send(step)
        self._strike(step, "before")
        return step

    def listening(self, port: int) -> None:
        """Tells that the bot takes events now."""
        with self._lock:
            self._line.send(port)

    def after(self, step: Step) -> None:
        """A step was taken, and nothing else has been done since."""
        self._strike(step, "after")

    def _strike(self, step: Step, side: Side) -> None:
        strike = self._start.strike
        if strike is not None and strike.step == step and strike.side == side:
            # To this thread: a process that is stopped as a whole may run on for a moment before all of it stands.
            signal.pthread_kill(threading.get_ident(), strike.signal)


class WatchedTransport(httpx.BaseTransport):
    """Sends requests, and counts each as a step."""

    def __init__(self, inner: httpx.BaseTransport, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request."""
        path = _PICTURE.sub("/:picture", _ID.sub("/:id", request.url.path))
        step = self._steps.before(f"{request.method} {path}{_kind(request)}")
        response = self._inner.handle_request(request)
        self._steps.after(step)
        return response

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()


def _kind(request: httpx.Request) -> str:
    """The kind of message that is sent: a card, a picture, a text and a file are steps of their own."""
    if not request.url.path.endswith(("/messages", "/reply")):
        return ""
    return f" {json.loads(request.read())['msg_type']}"


def watch_commits(steps: Steps) -> None:
    """Counts every commit that is named as a step of a message's way, from now on.

    The connection goes back to its pool right after the commit, before anything else is done: that is the step's end.
    """
    taken = threading.local()

    @event.listens_for(Engine, "commit")
    def before(connection: DatabaseConnection) -> None:
        name = connection.get_execution_options().get("step")
        taken.step = steps.before(f"commit {name}") if name else None

    @event.listens_for(Pool, "checkin")
    def after(*_: object) -> None:
        step, taken.step = getattr(taken, "step", None), None
        if step is not None:
            steps.after(step)


def run(start: Start, line: Connection) -> None:
    """Runs a bot until SIGTERM, and tells its port as soon as it listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = stop_event()
    logs.configure("critical")
    steps = Steps(start, line)
    watch_commits(steps)
    glm = WatchedTransport(loopback(start.glm), steps)
    feishu = WatchedTransport(httpx.HTTPTransport(trust_env=False, verify=shared_tls()), steps)
    settings = load(start.variables)
    bot = Bot(settings, glm=glm, images=glm, feishu=feishu, timings=start.pace)
    server = Server(bot.web, port=settings.port, bounds=settings.server)
    bot.fetch_identity()
    steps.listening(server.port)
    run_until(stopped, bot, server=server)


class Process:
    """A running bot; a context manager that ends it with SIGKILL when it still runs."""

    def __init__(self, start: Start) -> None:
        self.steps: list[Step] = []
        self.port: int | None = None
        self._line, there = multiprocessing.Pipe(duplex=False)
        self.process: BaseProcess = warm.start(run, start, there)
        there.close()
        self._listen(until_port=True)

    def _listen(self, *, until_port: bool) -> None:
        try:
            while self._line.poll(START_SECONDS if until_port else 0):
                told = self._line.recv()
                if isinstance(told, Step):
                    self.steps.append(told)
                    continue
                self.port = int(told)
                if until_port:
                    return
        except EOFError:
            return

    @property
    def webhook(self) -> str | None:
        """Where it takes events, or ``None`` when it ended before it listened."""
        return f"http://127.0.0.1:{self.port}/webhook/event" if self.port else None

    @property
    def alive(self) -> bool:
        """Whether it runs; a stopped process does."""
        return self.process.is_alive()

    @property
    def stopped(self) -> bool:
        """Whether a signal holds it."""
        pid = self.process.pid
        with open(f"/proc/{pid}/stat", encoding="ascii") as facts:  # noqa: PTH123 - no file of ours
            return facts.read().rpartition(")")[2].split()[0] == "T"

    def heard(self) -> list[Step]:
        """The steps that it has told of."""
        self._listen(until_port=False)
        return self.steps

    def go_on(self) -> None:
        """Lets a stopped process go on."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()
        self._line.close()
