"""What the bot costs while nobody asks for anything: ``python -m tests.benchmarks.idle``."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from tests.benchmarks.figures import Figure, arguments, report
from tests.benchmarks.running import RunningBot, kinds
from tests.benchmarks.watching import processor_seconds, wakes

SETTLE = 6.0
"""Seconds after the start that are not looked at: the first beat and the first clean-up lie in them."""


def look(kind: str, *, seconds: float) -> tuple[float, float, str]:
    """The share of a core in per cent, and the wake-ups a second of the thread that wakes most often, with its name."""
    quiet = threading.Event()
    with RunningBot(kind, seconds=1.0) as bot:
        quiet.wait(SETTLE)
        before, used, began = wakes(bot.pid), processor_seconds(bot.pid), time.monotonic()
        quiet.wait(seconds)
        passed = time.monotonic() - began
        share = 100 * (processor_seconds(bot.pid) - used) / passed
        rates = {name: (count - before.get(name, 0)) / passed for name, count in wakes(bot.pid).items()}
    busiest = max(rates, key=lambda name: rates[name])
    return share, rates[busiest], f"of the thread {busiest.split(' ', 1)[1]}; all together {sum(rates.values()):.1f}"


def measure(*, quick: bool) -> list[Figure]:
    """The bot with its defaults, on each database."""
    figures = []
    for kind in kinds():
        share, rate, name = look(kind, seconds=6.0 if quick else 20.0)
        figures.append(Figure(what=f"{kind}: a core", value=share, unit="%", most=1.0))
        figures.append(Figure(what=f"{kind}: wake-ups", value=rate, unit="a second", beside=name))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("idle", measure(quick=given.quick), keep=given.keep)


if __name__ == "__main__":
    raise SystemExit(main())
