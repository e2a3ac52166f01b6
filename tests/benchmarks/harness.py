"""What the benchmarks share: figures, a bot in a process of its own between its stand-ins, and a load of messages."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.start import BotConfig, start_process
from tests.support.databases import SERVER, postgres_database, sqlite_database
from tests.support.dsl import variables_for, wait_for
from tests.support.waiting import wait_until

ACKNOWLEDGED_WITHIN = 3.0  # seconds after which Feishu sends an event again


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement; ``most`` is its bound."""

    what: str
    value: float
    unit: str = "ms"
    most: float | None = None

    @property
    def exceeded(self) -> bool:
        return self.most is not None and not self.value <= self.most

    def __str__(self) -> str:
        bound = "" if self.most is None else f"at most {self.most:g}{' EXCEEDED' if self.exceeded else ''}"
        return f"{self.what:58} {self.value:9.2f} {self.unit:6} {bound}".rstrip()


def percentile(values: Iterable[float], share: float) -> float:
    """The value under or at which ``share`` (0 to 1) of the values lie: the nearest rank, never between two."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def megabytes(pid: int, *kinds: str) -> float:
    """How much memory of these kinds, named as in ``smaps_rollup``, a process has, in megabytes (1,000,000 bytes)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in kinds) * 1024 / 1e6


def engines() -> list[str]:
    with suppress(psycopg.OperationalError), psycopg.connect(f"{SERVER}/postgres", connect_timeout=3):
        return ["SQLite", "PostgreSQL"]
    print(f"no PostgreSQL at {SERVER}: SQLite alone", file=sys.stderr)  # noqa: T201 - a report
    return ["SQLite"]


@contextmanager
def fresh_database(engine: str) -> Iterator[str]:
    """The URL of a database without a row."""
    if engine == "PostgreSQL":
        with postgres_database() as url:
            yield url
    else:
        with TemporaryDirectory(prefix="benchmark-") as folder:
            yield sqlite_database(Path(folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBot:
    """The stand-ins, here, and the bot, in a process of its own with its default durations."""

    feishu: FeishuStandIn
    glm: GlmStandIn
    pid: int
    port: int
    variables: Mapping[str, str]

    def people(self, count: int) -> list[tuple[str, str]]:
        """So many people, each with a chat of their own: open ids and chat ids."""
        state = self.feishu.state
        people = [state.add_person(f"某人{number}") for number in range(count)]
        return [(one.open_id, state.add_chat("p2p", name=one.name, members=[one.open_id]).chat_id) for one in people]

    def say(self, person: tuple[str, str], text: str) -> ChatMessage:
        """Somebody writes to the bot; the event follows in the background."""
        return self.feishu.say(sender=person[0], chat_id=person[1], text=text)

    def wait_for_results(self, count: int, *, seconds: float = 60.0) -> None:
        """Waits until so many cards show an image."""

        def results() -> int:
            return sum(one.sender == self.feishu.app_id and '"green"' in one.content for one in self.feishu.messages)

        wait_for(lambda: results() >= count, timeout=seconds, describe=lambda: f"{results()} of {count} results")

    def prompts(self, count: int) -> list[bytes]:
        """Signed and encrypted requests with a prompt each, of as many people, as they go over the connection."""
        found = []
        for open_id, chat_id in self.people(count):
            content = json.dumps({"text": "一只橘猫在窗台上看雪，水彩，柔和的光 /size 16:9"})
            message = self.feishu.state.add_message(chat_id, open_id, "text", content)
            body, headers = self.feishu.seal(self.feishu.event_of(message))
            lines = ["POST /webhook/event HTTP/1.1", "Host: bot", "Connection: close", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            found.append("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return found


@contextmanager
def running_bot(
    engine: str = "SQLite", *, seconds: float, variables: Mapping[str, str] | None = None
) -> Iterator[RunningBot]:
    """A bot that is ready; an image takes so many ``seconds``."""
    with (
        TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder,
        fresh_database(engine) as url,
        FeishuStandIn(delivery=RetrySchedule(answer_seconds=10.0)) as feishu,
        GlmStandIn(seconds=seconds) as glm,
    ):
        settings = {**variables_for(feishu, folder=Path(folder)), "DATABASE_URL": url, **(variables or {})}
        process, port = start_process(BotConfig(variables=settings, glm=glm.origin))
        try:
            wait_ready(port)
            feishu.webhook_url = f"http://127.0.0.1:{port}/webhook/event"
            yield RunningBot(feishu=feishu, glm=glm, pid=process.pid or 0, port=port, variables=settings)
        finally:
            process.kill()
            process.join()


def wait_ready(port: int) -> None:
    def is_ready() -> bool:
        with suppress(OSError), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    if not wait_until(is_ready, seconds=30, every=0.005):
        raise TimeoutError("the bot did not become ready")


def deliver(port: int, requests: Sequence[bytes], due: Sequence[float]) -> list[float | None]:
    """Sends each request when it is due, on a connection of its own, whether or not earlier ones are answered.

    It does so in a process of its own, which shares no lock with the stand-ins here. ``due`` is in seconds after the
    first; what is returned are the milliseconds from then until the 200, ``None`` where there was none in the time
    that Feishu waits.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_deliver, port, requests, due).result()


def _deliver(port: int, requests: Sequence[bytes], due: Sequence[float]) -> list[float | None]:
    async def send_all() -> list[float | None]:
        first = time.perf_counter() + 0.1
        return await asyncio.gather(
            *(_send(port, request, first + after) for request, after in zip(requests, due, strict=True))
        )

    return asyncio.run(send_all())


async def _send(port: int, request: bytes, due: float) -> float | None:
    await asyncio.sleep(max(due - time.perf_counter(), 0))
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                answer = await reader.read()
            finally:
                writer.close()
        if answer.startswith(b"HTTP/1.1 200"):
            return 1000 * (time.perf_counter() - due)
    return None
