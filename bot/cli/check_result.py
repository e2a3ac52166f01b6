"""The result of a check, how a check is run, and how results are printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from bot.errors import DatabaseUnavailable, FeishuError
from bot.feishu.error_codes import describe, suggest_fix

_MARKS: dict[bool | None, tuple[str, str]] = {True: ("✓", "ok"), False: ("✗", "NO"), None: ("–", "--")}
"""The mark of a result, and that for a terminal that can print only ASCII."""


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


def run_check(name: str, check: Callable[[], Outcome], *, domain: str = "") -> CheckResult:
    """Runs a check; its error is its result. ``domain`` is Feishu's, for links."""
    try:
        return CheckResult(name, *check())
    except FeishuError as error:
        return CheckResult(name, ok=False, detail=describe(error), fix=suggest_fix(error, domain=domain))
    except (DatabaseUnavailable, SQLAlchemyError):
        return CheckResult(name, ok=None, detail="not known: the database does not answer")


def as_text(results: Sequence[CheckResult], *, ascii_only: bool = False) -> str:
    """The results for a terminal, one line each, and a summary."""
    lines = []
    for result in results:
        lines.append(f"{_MARKS[result.ok][ascii_only]} {result.name:<26} {result.detail}")
        if result.fix:
            lines.append(f"  {'->' if ascii_only else '→'} {result.fix}")
    failed = sum(result.ok is False for result in results)
    counted = f"{failed} check{'s' if failed > 1 else ''} failed, marked {_MARKS[False][ascii_only]}."
    return "\n".join([*lines, "", counted if failed else "All checks passed."])
