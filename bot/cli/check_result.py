"""The results of checks, how a list of checks is run, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy.exc import SQLAlchemyError

from bot.errors import DatabaseUnavailable, FeishuError
from bot.feishu.error_codes import describe, suggest_fix

_MARKS: dict[bool | None, str] = {True: "✓", False: "✗", None: "–"}
_ASCII_MARKS: dict[bool | None, str] = {True: "ok", False: "NO", None: "--"}
_NAME_WIDTH = 26


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check; neither text holds a secret.

    ``ok`` is ``None`` where the check was skipped or cannot tell. A good result may have a ``fix`` too, as advice.
    """

    name: str
    ok: bool | None
    detail: str
    fix: str | None = None


Outcome = tuple[bool | None, str] | tuple[bool | None, str, str | None]
"""A result without its name."""

Check = tuple[str, Callable[[], Outcome | None]]
"""A check by its name; ``None`` leaves it out of the list."""


def run_checks(checks: Iterable[Check], *, domain: str = "") -> Iterator[CheckResult]:
    """Runs the checks; an error of one is its result. ``domain`` is Feishu's, for links."""
    for name, check in checks:
        try:
            outcome = check()
        except FeishuError as error:
            outcome = False, describe(error), suggest_fix(error, domain=domain)
        except (DatabaseUnavailable, SQLAlchemyError):
            outcome = None, "not known: the database does not answer"
        if outcome is not None:
            yield CheckResult(name, *outcome)


def as_text(results: Sequence[CheckResult], *, ascii_only: bool = False) -> str:
    """The results for a terminal, a line each, and a summary."""
    marks = _ASCII_MARKS if ascii_only else _MARKS
    arrow = "->" if ascii_only else "→"
    lines = []
    for result in results:
        lines.append(f"{marks[result.ok]} {result.name:<{_NAME_WIDTH}} {result.detail}")
        if result.fix:
            lines.append(f"  {arrow} {result.fix}")
    failed = sum(result.ok is False for result in results)
    summary = (
        f"{failed} check{'s' if failed > 1 else ''} failed, marked {marks[False]}." if failed else "All checks passed."
    )
    return "\n".join([*lines, "", summary])


def as_json(results: Sequence[CheckResult], *, ascii_only: bool = False) -> str:
    """The results as a JSON array of ``{name, ok, detail, fix}``."""
    return json.dumps([asdict(result) for result in results], ensure_ascii=ascii_only, indent=2)
