"""What the check found: a line each with a mark, and below it what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_MARKS: dict[bool | None, str] = {True: "✓", False: "✗", None: "–"}
_ASCII_MARKS: dict[bool | None, str] = {True: "ok", False: "NO", None: "--"}
_NAME_WIDTH = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One thing that was looked at.

    ``ok`` is ``None`` where nobody looked or nobody can tell. ``fix`` says what to do; a good finding may have one as
    well, which is advice. Neither text holds a secret.
    """

    name: str
    ok: bool | None
    detail: str
    fix: str | None = None


def as_text(findings: Sequence[CheckResult], *, ascii_only: bool = False) -> str:
    """The findings for a person, and how many are to be mended; ``ascii_only`` keeps the marks to ASCII."""
    marks = _ASCII_MARKS if ascii_only else _MARKS
    arrow = "->" if ascii_only else "→"
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.ok]} {finding.name:<{_NAME_WIDTH}} {finding.detail}")
        if finding.fix:
            lines.append(f"  {arrow} {finding.fix}")
    bad = sum(finding.ok is False for finding in findings)
    lines += ["", f"{bad} to mend, marked {marks[False]}." if bad else "Nothing to mend."]
    return "\n".join(lines)


def as_json(findings: Sequence[CheckResult], *, ascii_only: bool = False) -> str:
    """The findings as a JSON array of ``{name, ok, detail, fix}``."""
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=ascii_only, indent=2)
