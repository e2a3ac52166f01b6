"""Figures of a benchmark: what was measured, in which unit, and what was to be reached."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement; ``most`` or ``least`` is what was to be reached, ``beside`` a comparison from the same run."""

    what: str
    value: float
    unit: str = "ms"
    most: float | None = None
    least: float | None = None
    beside: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target was reached; ``None`` where there is none."""
        if self.most is not None:
            return self.value <= self.most
        return None if self.least is None else self.value >= self.least

    @property
    def target(self) -> str:
        """The target in words."""
        if self.most is not None:
            return f"at most {self.most:g}"
        return "" if self.least is None else f"at least {self.least:g}"


def percentile(values: Iterable[float], share: float) -> float:
    """The value under or at which ``share`` (0 to 1) of the values lie: the nearest rank, never between two."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def milliseconds(seconds: Iterable[float]) -> list[float]:
    """Seconds as milliseconds."""
    return [1000 * one for one in seconds]


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The flags that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, in a few seconds")
    return parser


def report(name: str, figures: Sequence[Figure]) -> int:
    """Prints the table; gives the exit code."""
    width = max((len(figure.what) for figure in figures), default=0)
    print(f"\n{name:{width}} {'value':>9} {'':8} {'to reach':>12}  in the same run")  # noqa: T201 - a report
    for figure in figures:
        mark = {True: "+", False: "-", None: " "}[figure.reached]
        line = f"{figure.what:{width}} {short(figure.value):>9} {figure.unit:8} {figure.target:>12} {mark} "
        print((line + figure.beside).rstrip(), flush=True)  # noqa: T201 - likewise
    return 0


def short(value: float) -> str:
    """A value as it is told: three digits or so."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
