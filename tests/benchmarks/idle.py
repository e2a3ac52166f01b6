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


def look(kind: str, *, seconds: float) -> tuple[float, float, float]:
    """The share of a core in per cent, and the wake-ups a second of the busiest thread and of all together."""
    quiet = threading.Event()
    with RunningBot(kind, seconds=1.0) as bot:
        quiet.wait(SETTLE)
        before, used, began = wakes(bot.pid), processor_seconds(bot.pid), time.monotonic()
        quiet.wait(seconds)
        passed = time.monotonic() - began
        share = 100 * (processor_seconds(bot.pid) - used) / passed
        rates = [(count - before.get(thread, 0)) / passed for thread, count in wakes(bot.pid).items()]
    return share, max(rates), sum(rates)


def measure(*, quick: bool) -> list[Figure]:
    """The bot with its defaults, on each database."""
    figures = []
    for kind in kinds():
        share, busiest, together = look(kind, seconds=6.0 if quick else 20.0)
        figures.append(Figure(what=f"{kind}: a core", value=share, unit="%", most=1.0))
        what, beside = f"{kind}: wake-ups of the busiest thread", f"all threads together: {together:.1f}"
        figures.append(Figure(what=what, value=busiest, unit="a second", most=1.0, beside=beside))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("idle", measure(quick=given.quick), keep=given.keep)


if __name__ == "__main__":
    raise SystemExit(main())
