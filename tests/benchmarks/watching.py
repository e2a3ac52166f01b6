"""What Linux tells of a process: its processor time, its memory, how often its threads woke."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text(encoding="ascii").split():
            found += children(int(child))
    return found


def processor_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used, its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def megabytes(pid: int) -> float:
    """The proportional set size of a process tree in megabytes (1,000,000 bytes): shared pages are counted by share."""
    kilobytes = 0
    for one in children(pid):
        facts = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii").splitlines()
        kilobytes += sum(int(line.split()[1]) for line in facts if line.startswith("Pss:"))
    return kilobytes * 1024 / 1_000_000


def wakes(pid: int) -> dict[str, int]:
    """How often each thread of a process gave the processor up and was woken again, by its number."""
    counts = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        facts = dict(
            line.split(":", 1) for line in (thread / "status").read_text(encoding="utf-8").splitlines() if ":" in line
        )
        counts[thread.name] = int(facts["voluntary_ctxt_switches"])
    return counts
