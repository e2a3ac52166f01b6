"""Leaks under a steady load with 2 % faults: ``python -m tests.benchmarks.soak [--minutes 20 | --quick]``.

In the end every message has exactly one final reply, and memory, open files and rows have stopped growing.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Table, func, select, true, update

from bot.db.database import Database, read_url
from bot.db.retention import DAY, Retention
from bot.db.tables import generations, last_served, requests, timers
from bot.sandbox.faults import FAULTS as ALL
from bot.sandbox.faults import arm
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.http import wait_until
from bot.settings import load
from tests.benchmarks.running import RunningBot
from tests.support.bot_process import NO_LIMITS
from tests.support.dsl import FINAL_COLORS, header_color

MESSAGES_PER_SECOND = 5
FAULT_RATE = 0.02
SAMPLES = 48
DRAIN_SECONDS = 120.0
MEMORY_GROWTH = 8.0
"""Megabytes by which the median of the last quarter may exceed that of the third."""

FILE_GROWTH = 16
VARIABLES = {**NO_LIMITS, "BOT_IMAGES_MODEL": "cogview-3-flash", "BOT_IMAGES_SIZE": "512x512"}
SLOW = {"glm_hang", "glm_trickle", "image_hang", "image_slow"}
WIRE = ("reset_before", "reset_after", "html_502", "empty_body", "truncated")
FAULTS = (
    *((name, "any") for name, fault in ALL.items() if fault.side == "glm" and name not in SLOW),
    *((f"feishu_{name}", call) for name in WIRE for call in ("token", "reply", "image", "patch")),
    *(("rate_gateway", call) for call in ("reply", "image", "patch")),
)
"""Faults after which one final reply is possible, without those that take the clients' timeouts of minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The bot's process at one moment: its own memory in megabytes, open files and stored requests."""

    memory: float
    files: int
    rows: int


class Soak:
    """People who each write one message to a running bot."""

    def __init__(self, bot: RunningBot) -> None:
        self.bot = bot
        self.sent: list[ChatMessage] = []
        self.faults = 0
        self._database = Database(read_url(load(bot.variables).url), connections=1)
        self._random = random.Random(0)  # noqa: S311 - the same faults on every run
        self._retention = Retention(self._database, days=30, stopping=threading.Event())

    def send(self) -> None:
        """Sends a new person's message, sometimes after arming a fault for whichever call comes next."""
        if self._random.random() < FAULT_RATE:
            name, call = self._random.choice(FAULTS)
            if call == "token":
                self.bot.feishu.expire_tokens()
            arm(name, feishu=self.bot.feishu.faults, glm=self.bot.glm.faults, on=call)
            self.faults += 1
        self.sent.append(self.bot.say(self.bot.people(1)[0], f"一只橘猫，第 {len(self.sent)} 只"))

    def clean_up(self, *, seconds: float) -> None:
        """Deletes what ended so many seconds ago, with the bot's own retention."""
        with self._database.write() as connection:
            for table in (generations, requests):
                old = table.c.ended_at < self._database.now - seconds
                connection.execute(update(table).where(old).values(ended_at=table.c.ended_at - 60 * DAY))
            connection.execute(update(last_served).values(posted_at=last_served.c.called_at - 60 * DAY))
            connection.execute(update(timers).where(timers.c.name == "clean-up").values(next_at=0.0))
        self._retention.clean()

    def unfinished(self) -> int:
        """The number of requests and generations that have not ended."""
        return self._rows(requests, unfinished=True) + self._rows(generations, unfinished=True)

    def sample(self) -> Sample:
        """Measures now."""
        process = Path(f"/proc/{self.bot.pid}")
        lines = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        sizes = {name: int(rest.split()[0]) * 1024 / 1e6 for name, rest in (line.split(":") for line in lines)}
        files = len(list((process / "fd").iterdir()))
        return Sample(memory=sizes["Anonymous"] + sizes["Swap"], files=files, rows=self._rows(requests))

    def _rows(self, table: Table, *, unfinished: bool = False) -> int:
        condition = table.c.ended_at.is_(None) if unfinished else true()
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(table).where(condition)) or 0

    def problems(self, samples: Sequence[Sample]) -> list[str]:
        """What is wrong at the end."""
        replies: dict[str | None, list[str | None]] = defaultdict(list)
        for message in self.bot.feishu.messages:
            replies[message.parent_id].append(header_color(message))
        sent = [(one.message_id, replies[one.message_id]) for one in self.sent]
        found = [f"replies to {name}: {seen}" for name, seen in sent if len(seen) != 1 or seen[0] not in FINAL_COLORS]
        third, last = samples[SAMPLES // 2 : -SAMPLES // 4], samples[-SAMPLES // 4 :]
        growth = statistics.median(one.memory for one in last) - statistics.median(one.memory for one in third)
        files = last[-1].files - samples[SAMPLES // 4].files
        rows, most = max(one.rows for one in samples), len(self.sent) // 4 + 50
        print(f"memory {growth:+.1f} MB, files {files:+d}, at most {rows} rows, {self.faults} faults")  # noqa: T201
        found += [f"memory grew by {growth:.1f} MB"] if growth > MEMORY_GROWTH else []
        found += [f"{files} more open files"] if files > FILE_GROWTH else []
        found += [f"{rows} of at most {most} rows"] if rows > most else []
        return found + ([f"{self.unfinished()} rows have not ended"] if self.unfinished() else [])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the load; the exit code is 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--quick", action="store_true", help="one minute")
    given = parser.parse_args(argv)
    seconds = 60 if given.quick else given.minutes * 60
    samples = []
    with RunningBot("SQLite", seconds=0.3, variables=VARIABLES) as bot:
        soak = Soak(bot)
        began = time.monotonic()
        for number in range(total := int(seconds * MESSAGES_PER_SECOND)):
            time.sleep(max(0.0, began + number / MESSAGES_PER_SECOND - time.monotonic()))
            soak.send()
            if number % max(1, total // SAMPLES) == 0:
                samples.append(soak.sample())
                soak.clean_up(seconds=seconds / 8)
        wait_until(lambda: not soak.unfinished(), seconds=DRAIN_SECONDS, every=0.5)
        samples.append(soak.sample())
        found = soak.problems(samples)
    print("\n".join(found) or "no leak, one final reply to each message")  # noqa: T201 - a report
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
