"""How much memory the bot's process tree takes, idle and at work: ``python -m tests.benchmarks.memory``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.sandbox.http import wait_until
from tests.benchmarks.figures import Figure, arguments, report
from tests.benchmarks.running import RunningBot, kinds

MODEL = "cogview-4"
IN_FLIGHT = 20
WAITING = 200
PEOPLE = 55
BUSY = {"BOT_SLOTS_COGVIEW": str(IN_FLIGHT), "BOT_LIMITS_WAITING": "0", "BOT_LIMITS_PENDING": "0"}


def children(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text(encoding="ascii").split():
            found += children(int(child))
    return found


def megabytes(pid: int) -> float:
    """The proportional set size of a process tree in megabytes (1,000,000 bytes)."""
    kilobytes = 0
    for one in children(pid):
        facts = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii").splitlines()
        kilobytes += sum(int(line.split()[1]) for line in facts if line.startswith("Pss:"))
    return kilobytes * 1024 / 1_000_000


def look(kind: str, *, delivered: int) -> tuple[float, float]:
    """Megabytes idle, and with 20 calls under way and 200 waiting, after so many pictures were delivered."""
    with RunningBot(kind, seconds=3.0, variables=BUSY, concurrency={MODEL: IN_FLIGHT}) as bot:
        idle = megabytes(bot.pid)
        people = bot.people(PEOPLE)
        for number in range(delivered + IN_FLIGHT + WAITING):
            bot.say(people[number % PEOPLE], f"一只橘猫，第 {number} 张 /model {MODEL}")
        bot.wait("any", delivered + WAITING // 2, seconds=60)
        wait_until(lambda: len(bot.glm.paid) >= delivered and bot.glm.working == IN_FLIGHT, seconds=60)
        return idle, megabytes(bot.pid)


def measure(*, quick: bool) -> list[Figure]:
    """On each database."""
    figures = []
    for kind in kinds():
        idle, busy = look(kind, delivered=20 if quick else 60)
        figures.append(Figure(what=f"{kind}: idle", value=idle, unit="MB", most=120.0))
        what = f"{kind}: {IN_FLIGHT} calls under way, {WAITING} waiting"
        figures.append(Figure(what=what, value=busy, unit="MB", most=180.0))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("memory", measure(quick=given.quick))


if __name__ == "__main__":
    raise SystemExit(main())
