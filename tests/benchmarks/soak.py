"""The bot under a steady load with faults of every kind: ``python -m tests.benchmarks.soak``."""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select, update

from bot.db.database import Database, read_url
from bot.db.retention import DAY
from bot.db.tables import generations, paces, requests, served
from bot.sandbox.faults import arm
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.start import Draft
from bot.settings import load
from tests.benchmarks.soak_bot import serve
from tests.benchmarks.soak_faults import armed_faults
from tests.benchmarks.soak_looks import HEADING, CheckResult, Look, bounds
from tests.benchmarks.soak_outcomes import DOCUMENTED, ONE, outcomes
from tests.support.world import QUICK, variables_for

MESSAGES_A_SECOND = 5
FAULTS_A_MESSAGE = 0.02

LAST = 120.0
"""Seconds after the last message in which everything must have come to its end."""

FULL = 1200
"""Seconds of the whole soak."""

ORIGINALS = 20
"""Megabytes of pictures that the bot may keep here."""

VARIABLES = {
    **{f"BOT_LIMITS_{name}": "0" for name in ("PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH", "YUAN_PER_MONTH")},
    "BOT_IMAGES_MODEL": "cogview-3-flash",
    "BOT_IMAGES_SIZE": "512x512",
    "BOT_ORIGINALS_MEGABYTES": str(ORIGINALS),
}
AGAIN = RetrySchedule(ladder=(1.0, 2.0, 4.0, 8.0, 16.0))
LINES = 12
LOOKS_A_LINE = 10


class Soak:
    """The stand-ins, the people who write, and the bot's process."""

    def __init__(self, *, feishu: FeishuStandIn, glm: GlmStandIn, folder: Path) -> None:
        self._feishu = feishu
        self._glm = glm
        self._folder = folder
        variables = {**variables_for(feishu, folder=folder), **VARIABLES}
        plan = Draft(variables=variables, glm=glm.origin, pace=replace(QUICK, upload_in_all=5.0))
        self._chance = random.Random(0)  # noqa: S311 - the same on every run
        self._faults = armed_faults()
        self._refused: dict[str, ApiCall] = {}
        self._began = time.monotonic()
        self.said: list[ChatMessage] = []
        self.armed: Counter[str] = Counter()
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=serve, args=(plan, there), daemon=True)
        self._process.start()
        feishu.webhook_url = f"http://127.0.0.1:{here.recv()}/webhook/event"
        self._database = Database(read_url(load(variables).url), connections=1)

    def say(self) -> None:
        """One message of somebody new; now and then with a fault for whichever call that it fits comes next."""
        if self._chance.random() < FAULTS_A_MESSAGE:
            name = self._chance.choice(sorted(self._faults))
            call = self._chance.choice(self._faults[name])
            if call == "token":
                self._feishu.expire_tokens()
            arm(name, feishu=self._feishu, glm=self._glm, on=call)
            self.armed[f"{name} {call}"] += 1
        person = self._feishu.world.add_person("某人").open_id
        chat = self._feishu.world.add_chat("p2p", name="某处", members=[person]).chat_id
        self.said.append(self._feishu.say(chat_id=chat, sender=person, text=f"一只橘猫，第 {len(self.said)} 只"))

    def age(self, *, seconds: float) -> None:
        """Lets what ended so long ago have ended before the days for which it is kept, and makes a clean-up due."""
        with self._database.write() as connection:
            for table in (generations, requests):
                old = table.c.ended_at < self._database.now - seconds
                connection.execute(update(table).where(old).values(ended_at=table.c.ended_at - 60 * DAY))
            connection.execute(update(served).values(posted_at=served.c.posted_at - 60 * DAY))
            connection.execute(update(paces).where(paces.c.name == "clean-up").values(next_at=0.0))

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        with self._database.read() as connection:
            return not any(
                connection.scalar(select(func.count()).select_from(table).where(table.c.ended_at.is_(None)))
                for table in (requests, generations)
            )

    def look(self) -> Look:
        """Measures the bot's process and its data folder, and notes which calls were refused."""
        # The stand-in keeps the last five thousand calls only.
        self._refused |= {call.log_id: call for call in self._feishu.calls if call.fault or call.code}
        with self._database.read() as connection:
            rows = connection.scalar(select(func.count()).select_from(requests)) or 0
        seconds = time.monotonic() - self._began
        return Look.at(self._process.pid or 0, seconds=seconds, folder=self._folder, rows=rows)

    def outcomes(self) -> Counter[str]:
        """How many messages had how many replies, and why where it was not one."""
        return outcomes(
            self.said,
            messages=self._feishu.messages,
            app_id=self._feishu.app_id,
            refused=self._refused.values(),
        )

    def close(self) -> None:
        """Ends the bot's process."""
        self._process.terminate()
        self._process.join(20)
        self._database.close()


def load_steadily(soak: Soak, *, seconds: int, write: Callable[[str], object]) -> list[Look]:
    """Writes five messages a second, and looks ten times as often as it prints a line of the table."""
    every = max(1, seconds * MESSAGES_A_SECOND // LINES)
    looks = []
    began = time.monotonic()
    for number in range(seconds * MESSAGES_A_SECOND):
        time.sleep(max(0.0, began + number / MESSAGES_A_SECOND - time.monotonic()))
        if number % max(1, every // LOOKS_A_LINE) == 0:
            looks.append(soak.look())
        if number % every == 0:
            write(looks[-1].line())
            soak.age(seconds=2 * seconds / LINES)
        soak.say()
    ends_at = time.monotonic() + LAST
    while not soak.idle and time.monotonic() < ends_at:
        time.sleep(0.2)
    looks.append(soak.look())
    write(looks[-1].line())
    return looks


def judge(soak: Soak, looks: Sequence[Look]) -> list[CheckResult]:
    """What the verdict says."""
    counted = soak.outcomes()
    others = [f"{counted[outcome]} {outcome}" for outcome in DOCUMENTED[1:] if counted[outcome]]
    wrong = [f"{count} {outcome}" for outcome, count in counted.items() if outcome not in DOCUMENTED]
    replies = f"{counted[ONE]} of {len(soak.said)} messages had exactly one reply that came to its end"
    interval = len(soak.said) // LINES
    return [
        CheckResult(good=not wrong, said="; ".join([replies, *others, *wrong])),
        CheckResult(good=soak.idle, said="nothing was left undone" if soak.idle else "something was LEFT UNDONE"),
        *bounds(looks, interval=interval, originals=ORIGINALS),
    ]


def run(*, seconds: int, write: Callable[[str], object]) -> bool:
    """Soaks for so long and prints how it went; tells whether everything is as it should be."""
    with TemporaryDirectory() as folder, FeishuStandIn(delivery=AGAIN) as feishu, GlmStandIn(seconds=0.3) as glm:
        soak = Soak(feishu=feishu, glm=glm, folder=Path(folder))
        write(HEADING)
        looks = load_steadily(soak, seconds=seconds, write=write)
        findings = judge(soak, looks)
        write(f"{soak.armed.total()} faults of {len(soak.armed)} kinds\n")
        soak.close()
    good = all(finding.good for finding in findings)
    write(f"verdict: {'as it should be' if good else 'NOT as it should be'}\n")
    write("".join(f"  {'✓' if finding.good else '✗'} {finding.said}\n" for finding in findings))
    return good


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the options and runs."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    options.add_argument("--minutes", type=float, default=FULL / 60, help="for how long (20)")
    options.add_argument("--quick", action="store_true", help="one minute")
    given = options.parse_args(argv)
    return 0 if run(seconds=60 if given.quick else int(given.minutes * 60), write=_say) else 1


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
