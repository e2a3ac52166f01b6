"""What the soak sees of the bot's process and its data folder, and whether that stays within bounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HEADING = (
    f"{'seconds':>8}{'own MB':>9}{'PSS MB':>9}{'files':>7}{'threads':>9}{'db MB':>8}{'rows':>7}{'originals MB':>14}\n"
)

MOST_MORE_MEMORY = 8.0
"""Megabytes by which the median of the last quarter may be above that of the third."""

MOST_MORE_FILES = 16
MOST_MORE_DATABASE = 1.5
"""How many times as large as after the first third the database may be at the end."""

MOST_INTERVALS = 4
"""Intervals of the table whose messages the database may hold: two until they count as old, and one until a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there is at one moment; all sizes in megabytes (1,000,000 bytes)."""

    seconds: float
    own: float
    """Memory that is the process's alone, whoever else runs."""
    pss: float
    """With its share of the pages of libraries: that grows when other processes which had them mapped end."""
    files: int
    threads: int
    database: float
    """With what is not yet written back."""
    rows: int
    originals: float

    @classmethod
    def at(cls, pid: int, *, seconds: float, folder: Path, rows: int) -> Look:
        """Looks at a process and its data folder."""
        process = Path(f"/proc/{pid}")
        lines = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        sizes = {name: int(rest.split()[0]) * 1024 / 1e6 for name, rest in (line.split(":") for line in lines)}
        return cls(
            seconds=seconds,
            own=sizes["Anonymous"] + sizes["Swap"],
            pss=sizes["Pss"],
            files=len(list((process / "fd").iterdir())),
            threads=len(list((process / "task").iterdir())),
            database=_megabytes(folder.glob("bot.db*")),
            rows=rows,
            originals=_megabytes((folder / "originals").rglob("*.*")),
        )

    def line(self) -> str:
        """A line of the table."""
        first = f"{self.seconds:8.0f}{self.own:9.1f}{self.pss:9.1f}{self.files:7d}{self.threads:9d}"
        return f"{first}{self.database:8.2f}{self.rows:7d}{self.originals:14.1f}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One sentence of the verdict, and whether it is as it should be."""

    good: bool
    said: str


def bounds(looks: Sequence[Look], *, interval: int, originals: float) -> list[CheckResult]:
    """Whether memory, open files, database and pictures stayed within bounds.

    Args:
        looks: in their order, evenly in time; eight or more.
        interval: how many messages came between two lines of the table.
        originals: the setting's limit in megabytes.
    """
    half, quarter = len(looks) // 2, len(looks) // 4
    later = looks[half:]
    more = statistics.median(_of(looks[-quarter:], "own")) - statistics.median(_of(looks[half:-quarter], "own"))
    files, rows = looks[quarter].files, max(_of(looks, "rows"))
    third, end = looks[len(looks) // 3].database, max(_of(looks[-quarter:], "database"))
    kept = max(_of(looks, "originals"))
    slopes = f"own {slope(later, 'own'):+.1f} MB an hour, PSS {slope(later, 'pss'):+.1f}"
    return [
        CheckResult(
            good=more <= MOST_MORE_MEMORY,
            said=f"memory {later[0].own:.1f} -> {later[-1].own:.1f} MB over the second half ({slopes})",
        ),
        CheckResult(
            good=looks[-1].files <= files + MOST_MORE_FILES,
            said=f"open files {files} -> {looks[-1].files}, at most {max(_of(looks, 'files')):.0f}",
        ),
        CheckResult(
            good=end <= third * MOST_MORE_DATABASE and rows <= MOST_INTERVALS * interval,
            said=f"database {third:.2f} -> {end:.2f} MB, at most {rows:.0f} rows of {MOST_INTERVALS * interval}",
        ),
        CheckResult(good=kept <= originals * 1.1, said=f"originals at most {kept:.1f} of {originals:.0f} MB"),
    ]


def slope(looks: Sequence[Look], name: str) -> float:
    """By how much a figure grows an hour: the straight line with the least squares."""
    return statistics.linear_regression(_of(looks, "seconds"), _of(looks, name)).slope * 3600


def _of(looks: Sequence[Look], name: str) -> list[float]:
    return [float(getattr(look, name)) for look in looks]


def _megabytes(paths: Iterable[Path]) -> float:
    sizes = []
    for path in paths:
        # A file may go while one looks.
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sum(sizes) / 1e6
