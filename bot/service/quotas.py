"""Limits: pending and waiting images, images a day, the month's budget, and requests a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.db.usage import QuotaUsage, count_images, yuan
from bot.errors import UserError
from bot.options import Options
from bot.settings import LimitSettings
from bot.timings import BillingPeriods
from bot.view_models import QuotaView


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Decides, in the transaction that accepts prompts, which of them may join the queue.

    Nothing is counted apart as reserved: a waiting generation is its own reservation, and gives it back by ending
    without an image. So the counts are right after any crash. ``prices`` are yuan an image, by model.
    """

    settings: LimitSettings
    prices: Mapping[str, float]
    periods: BillingPeriods

    def check(self, counts: QuotaUsage, *, sender: str, options: Options) -> UserError | None:
        """Why a prompt may not join the queue; ``None`` when it may."""
        if counts.paused:
            return UserError(sentence="limit.paused")
        limits, more = self.settings, options.count
        for name, used, most in (
            ("pending", counts.pending[sender], limits.pending),
            ("day", counts.today[sender], limits.per_day),
            ("waiting", counts.waiting.total(), limits.waiting),
        ):
            if most and used + more > most:
                sentence = f"limit.{name}" if used >= most else f"limit.{name}_some"
                return _error(sentence, used=used, most=most, count=more)
        planned = counts.planned.copy()
        planned[options.model] += more
        if limits.images_per_month and planned.total() > limits.images_per_month:
            return _error("limit.images", most=limits.images_per_month)
        costs = self.prices.get(options.model, 0.0) > 0
        if costs and limits.yuan_per_month and round(yuan(planned, self.prices), 6) > limits.yuan_per_month:
            return UserError(sentence="limit.yuan", values={"most": f"{limits.yuan_per_month:g}"})
        return None

    def price(self, options: Options) -> float:
        """Yuan for all images of a request."""
        return self.prices.get(options.model, 0.0) * options.count

    def check_rate(self, counts: QuotaUsage, sender: str) -> UserError | None:
        """Why nothing more of a sender is answered in this minute; ``None`` when it is."""
        most = self.settings.per_minute
        return _error("limit.rate", most=most) if most and counts.recent[sender] >= most else None

    def quota(self, connection: Connection, sender: str) -> QuotaView:
        """What a sender and the team have used, and their limits."""
        periods = self.periods
        month, day_began, at = periods.month(), periods.day_began(), periods.clock()
        counts = count_images(connection, [sender], month=month, day_began=day_began, at=at)
        return QuotaView(
            today=counts.today[sender],
            per_day=self.settings.per_day,
            resets_at=periods.day_ends(),
            pending=counts.pending[sender],
            pending_most=self.settings.pending,
            team_images=counts.planned.total(),
            team_images_most=self.settings.images_per_month,
            team_yuan=yuan(counts.planned, self.prices),
            team_yuan_most=self.settings.yuan_per_month,
        )


def _error(sentence: str, **values: int) -> UserError:
    return UserError(sentence=sentence, values={name: str(value) for name, value in values.items()})
