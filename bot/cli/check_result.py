"""The result of a check, and how one is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from bot.errors import DatabaseUnavailable, FeishuError
from bot.feishu.error_codes import describe, suggest_fix


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
