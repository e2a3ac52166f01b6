"""A bot in a process of its own between two stand-ins, on a fresh database."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import psycopg

from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import CONCURRENCY, GlmStandIn
from bot.sandbox.http import wait_until
from tests.benchmarks.serving import GLM
from tests.support.databases import SERVER, postgres_database

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
FAKE_KEY = "benchmark.not-a-real-key"
_OWN = ("FEISHU_", "BOT_", "ZHIPU_", "DATABASE_URL", "PORT", "PYTHONDONTWRITEBYTECODE")


def kinds() -> list[str]:
    """The databases that there are to measure with."""
    with suppress(psycopg.OperationalError), psycopg.connect(f"{SERVER}/postgres", connect_timeout=3):
        return ["SQLite", "PostgreSQL"]
    print(f"no PostgreSQL at {SERVER}: SQLite alone", file=sys.stderr)  # noqa: T201 - a report
    return ["SQLite"]


@contextmanager
def fresh_database(kind: str) -> Iterator[dict[str, str]]:
    """The variables that lead the bot to an empty database; the default, SQLite, needs none."""
    if kind == "SQLite":
        yield {}
    else:
        with postgres_database() as url:
            yield {"DATABASE_URL": url}


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of a bot, and with ``variables``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def settings_for(feishu: FeishuStandIn, *, folder: Path) -> dict[str, str]:
    """The settings with which ``serve`` works against a stand-in; everything else is the default."""
    return {
        "FEISHU_APP_ID": feishu.app_id,
        "FEISHU_APP_SECRET": feishu.app_secret,
        "FEISHU_ENCRYPT_KEY": feishu.encrypt_key,
        "FEISHU_VERIFICATION_TOKEN": feishu.verification_token,
        "FEISHU_DOMAIN": feishu.origin,
        "ZHIPU_API_KEY": FAKE_KEY,
        "BOT_DATA_DIR": str(folder / "data"),
        "BOT_SERVER_HOST": "127.0.0.1",
        "PORT": "0",
    }


class RunningBot:
    """The stand-ins, here, and the bot, in a process of its own; a context manager.

    Args:
        kind: the database.
        seconds: how long a picture takes.
        variables: settings other than the defaults.
        concurrency: how many calls a model the GLM stand-in works on at once; more are refused.
    """

    def __init__(
        self,
        kind: str,
        *,
        seconds: float,
        variables: Mapping[str, str] | None = None,
        concurrency: Mapping[str, int] | None = None,
    ) -> None:
        self._kind = kind
        self._variables = dict(variables or {})
        self.feishu = FeishuStandIn(delivery=RetrySchedule(answer_seconds=10.0))
        self.glm = GlmStandIn(seconds=seconds, concurrency=concurrency or CONCURRENCY)
        self.variables: dict[str, str] = {}
        self._running = self._run()

    def __enter__(self) -> Self:
        self._running.__enter__()
        return self

    def __exit__(self, *facts: object) -> None:
        self._running.__exit__(None, None, None)

    @contextmanager
    def _run(self) -> Iterator[None]:
        with (
            TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder,
            fresh_database(self._kind) as database,
            self.feishu,
            self.glm,
        ):
            self.variables = {**settings_for(self.feishu, folder=Path(folder)), **database, **self._variables}
            env = environment({**self.variables, GLM: self.glm.origin})
            command = [sys.executable, "-m", "tests.benchmarks.serving"]
            self.process = subprocess.Popen(
                command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            try:
                assert self.process.stdout is not None
                self.port = int(self.process.stdout.readline())
                wait_ready(self.port)
                self.feishu.webhook_url = f"http://127.0.0.1:{self.port}/webhook/event"
                yield
            finally:
                self.process.kill()
                self.process.wait()
                if self.process.stdout is not None:
                    self.process.stdout.close()

    @property
    def pid(self) -> int:
        """The id of the bot's process."""
        return self.process.pid

    def people(self, count: int) -> list[tuple[str, str]]:
        """So many people, each with the conversation with the bot: open ids and chat ids."""
        world = self.feishu.state
        people = [world.add_person(f"某人{number}") for number in range(count)]
        return [(one.open_id, world.add_chat("p2p", name=one.name, members=[one.open_id]).chat_id) for one in people]

    def say(self, person: tuple[str, str], text: str) -> ChatMessage:
        """Somebody writes to the bot; the event follows in the background."""
        return self.feishu.say(sender=person[0], chat_id=person[1], text=text)

    def wait(self, condition: str, count: int, *, seconds: float) -> None:
        """Waits until so many cards have come that show ``condition``: ``any`` or ``result``.

        Raises:
            TimeoutError: they have not.
        """
        if not wait_until(lambda: self.cards(condition) >= count, seconds=seconds, every=0.05):
            raise TimeoutError(f"{self.cards(condition)} of {count} cards in {seconds:.0f} s")

    def cards(self, condition: str) -> int:
        """How many cards the bot has sent, or how many of them show a picture."""
        mine = [one for one in self.feishu.messages if one.sender == self.feishu.app_id]
        return len(mine) if condition == "any" else sum('"green"' in one.content for one in mine)


def wait_ready(port: int) -> None:
    """Waits until ``/readyz`` says 200.

    Raises:
        TimeoutError: it does not.
    """
    if not wait_until(lambda: _ready(port), seconds=START_SECONDS, every=0.005):
        raise TimeoutError("the bot did not become ready")


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
