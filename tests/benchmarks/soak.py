"""Leaks under a steady load with 2 % faults, for 20 minutes; one minute with ``--quick``.

In the end every message has exactly one final reply, and memory, open files and rows have stopped growing.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update

from bot.db.database import NOW, Database, read_url
from bot.db.reports import is_idle
from bot.db.retention import DAY, delete_old_rows
from bot.db.tables import generations, last_served, requests
from bot.sandbox.faults import FAULTS as ALL
from bot.sandbox.faults import arm
from bot.sandbox.feishu.state import ChatMessage
from bot.settings import load
from tests.benchmarks.harness import Figure, RunningBot, megabytes, running_bot
from tests.support.bot_process import NO_LIMITS
from tests.support.builders import change, count_rows
from tests.support.dsl import FINAL_COLORS, header_color
from tests.support.waiting import wait_until

MESSAGES_PER_SECOND = 5
FAULT_RATE = 0.02
SAMPLES = 48
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


@dataclass(slots=True)
class Soak:
    """People who each write one message to a running bot."""

    bot: RunningBot
    database: Database
    sent: list[ChatMessage] = field(default_factory=list)
    random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - the same on every run

    def send(self) -> None:
        """Sends a new person's message, sometimes after arming a fault for whichever call comes next."""
        if self.random.random() < FAULT_RATE:
            name, call = self.random.choice(FAULTS)
            if call == "token":
                self.bot.feishu.expire_tokens()
            arm(name, feishu=self.bot.feishu.faults, glm=self.bot.glm.faults, on=call)
        self.sent.append(self.bot.say(self.bot.people(1)[0], f"一只橘猫，第 {len(self.sent)} 只"))

    def clean_up(self, *, seconds: float) -> None:
        """Deletes what ended so many seconds ago, with the bot's own retention."""
        for table in (generations, requests):
            old = update(table).where(table.c.ended_at < NOW - seconds)
            change(self.database, old.values(ended_at=table.c.ended_at - 60 * DAY))
        change(self.database, update(last_served).values(called_at=last_served.c.called_at - 60 * DAY))
        delete_old_rows(self.database, days=30, stopping=threading.Event())

    def sample(self) -> Sample:
        files = len(list(Path(f"/proc/{self.bot.pid}/fd").iterdir()))
        memory = megabytes(self.bot.pid, "Anonymous", "Swap")
        return Sample(memory=memory, files=files, rows=count_rows(self.database))

    def wrong_replies(self) -> int:
        """How many messages have no reply, several, or one that is not final."""
        replies: dict[str | None, list[str | None]] = defaultdict(list)
        for message in self.bot.feishu.messages:
            replies[message.parent_id].append(header_color(message))
        found = [replies[one.message_id] for one in self.sent]
        return sum(len(colors) != 1 or colors[0] not in FINAL_COLORS for colors in found)


def measure(*, quick: bool) -> list[Figure]:
    """Runs the load and compares its last quarter with the one before."""
    seconds = 60 if quick else 20 * 60
    samples = []
    with (
        running_bot(seconds=0.3, variables=VARIABLES) as bot,
        closing(Database(read_url(load(bot.variables).url), connections=1)) as database,
    ):
        soak = Soak(bot, database)
        began = time.monotonic()
        for number in range(total := seconds * MESSAGES_PER_SECOND):
            time.sleep(max(0.0, began + number / MESSAGES_PER_SECOND - time.monotonic()))
            soak.send()
            if number % (total // SAMPLES) == 0:
                samples.append(soak.sample())
                soak.clean_up(seconds=seconds / 8)
        idle = wait_until(lambda: is_idle(database), seconds=120, every=0.5)
        wrong, end = soak.wrong_replies(), soak.sample()
    third, last = samples[SAMPLES // 2 : -SAMPLES // 4], [*samples[-SAMPLES // 4 :], end]
    growth = statistics.median(one.memory for one in last) - statistics.median(one.memory for one in third)
    files, rows = end.files - samples[SAMPLES // 4].files, max(one.rows for one in samples)
    return [
        Figure(what="messages without exactly one final reply", value=wrong, unit="", most=0),
        Figure(what="work left unfinished (1: some)", value=not idle, unit="", most=0),
        Figure(what="growth of memory", value=growth, unit="MB", most=8.0),
        Figure(what="further open files", value=files, unit="", most=16),
        Figure(what="stored requests", value=rows, unit="", most=total // 4 + 50),
    ]
