"""What a person and the team may ask for: pending, waiting, images a day, budget a month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Connection

from bot.db.quota_counts import QuotaUsage, count
from bot.db.usage import yuan
from bot.errors import UserError
from bot.options import Options
from bot.timings import BillingPeriods
from bot.view_models import QuotaView


class LimitConfig(Protocol):
    """The limits of ``[limits]`` in ``bot.toml``; 0 is none."""

    @property
    def per_minute(self) -> int:
        """Messages and presses of a person that are answered a minute."""

    @property
    def pending(self) -> int:
        """Unfinished images a person."""

    @property
    def waiting(self) -> int:
        """Waiting images of everybody."""

    @property
    def per_day(self) -> int:
        """Images a person a day."""

    @property
    def images_per_month(self) -> int:
        """Images of the team a month."""

    @property
    def yuan_per_month(self) -> float:
        """Yuan of the team a month."""


class Limits:
    """Decides, inside the transaction that accepts prompts, which of them may join the line.

    What is reserved is never counted apart: a waiting generation is its own reservation, and gives it back by ending
    without an image. So the counts are right after any crash.

    Args:
        numbers: the limits.
        prices: yuan an image, by model.
        periods: the team's calendar.
    """

    def __init__(self, *, numbers: LimitConfig, prices: Mapping[str, float], periods: BillingPeriods) -> None:
        self._numbers = numbers
        self._prices = prices
        self.periods = periods

    def refusal(self, counts: QuotaUsage, *, sender: str, options: Options) -> UserError | None:
        """Why a prompt may not join the line; ``None`` when it may."""
        if counts.paused:
            return UserError(sentence="limit.paused")
        return (
            self._about_person(counts, sender, options.count)
            or self._about_line(counts, options.count)
            or self._about_budget(counts, options)
        )

    def too_fast(self, counts: QuotaUsage, sender: str) -> UserError | None:
        """Why nothing more of a person is answered in this minute; ``None`` when it is."""
        most = self._numbers.per_minute
        return _over("limit.rate", most=most) if most and counts.recent[sender] >= most else None

    def quota(self, connection: Connection, sender: str) -> QuotaView:
        """What a person and the team have used, and may."""
        counts = count(connection, [sender], month=self.periods.month(), day_began=self.periods.day_began())
        return QuotaView(
            today=counts.today[sender],
            per_day=self._numbers.per_day,
            resets_at=self.periods.day_ends(),
            pending=counts.pending[sender],
            pending_most=self._numbers.pending,
            team_images=counts.planned.total(),
            team_images_most=self._numbers.images_per_month,
            team_yuan=yuan(counts.planned, self._prices),
            team_yuan_most=self._numbers.yuan_per_month,
        )

    def _about_person(self, counts: QuotaUsage, sender: str, more: int) -> UserError | None:
        numbers, pending, today = self._numbers, counts.pending[sender], counts.today[sender]
        if numbers.pending and pending + more > numbers.pending:
            return _over("limit.pending", used=pending, most=numbers.pending, count=more)
        if numbers.per_day and today + more > numbers.per_day:
            return _over("limit.day", used=today, most=numbers.per_day, count=more)
        return None

    def _about_line(self, counts: QuotaUsage, more: int) -> UserError | None:
        most = self._numbers.waiting
        if most and counts.waiting.total() + more > most:
            return _over("limit.waiting", used=counts.waiting.total(), most=most, count=more)
        return None

    def _about_budget(self, counts: QuotaUsage, options: Options) -> UserError | None:
        planned = counts.planned.copy()
        planned[options.model] += options.count
        images, money = planned.total(), yuan(planned, self._prices)
        if self._numbers.images_per_month and images > self._numbers.images_per_month:
            return _over("limit.images", most=self._numbers.images_per_month)
        costs = self._prices.get(options.model, 0.0) > 0
        if costs and self._numbers.yuan_per_month and round(money, 6) > self._numbers.yuan_per_month:
            return UserError(sentence="limit.yuan", values={"most": f"{self._numbers.yuan_per_month:g}"})
        return None


def _over(sentence: str, **values: int) -> UserError:
    return UserError(sentence=sentence, values={name: str(value) for name, value in values.items()})
