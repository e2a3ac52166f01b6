"""Limits: pending and waiting images, images a day, the month's budgets, and requests a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection

from bot.db.tables import NewRequest
from bot.db.usage import QuotaUsage, count_budgets, count_images, yuan
from bot.errors import UserError
from bot.options import Options
from bot.settings import Budget, LimitSettings
from bot.timings import BillingPeriods
from bot.view_models import BudgetView, QuotaView


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Decides, in the transaction that accepts prompts, which of them may join the queue.

    Nothing is counted apart as reserved: a waiting generation is its own reservation, and gives it back by ending
    without an image. So the counts are right after any crash. ``prices`` are yuan an image, by model.
    """

    settings: LimitSettings
    prices: Mapping[str, float]
    periods: BillingPeriods
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    """By ``open_id`` or ``chat_id``."""

    def count(self, connection: Connection, asked: Iterable[tuple[str, str | None]], *, at: float) -> QuotaUsage:
        """Counts for these senders, their chats and the team ``at`` a time, in seconds since 1970."""
        pairs, periods, month = set(asked), self.periods, self.periods.month()
        senders = {sender for sender, _ in pairs}
        counts = count_images(connection, senders, month=month, day_began=periods.day_began(), at=at)
        limited = {who for pair in pairs for who in pair if who is not None and who in self.budgets}
        counts.budgets.update(count_budgets(connection, limited, month=month, began=periods.month_began()))
        return counts

    def check(self, counts: QuotaUsage, new: NewRequest) -> UserError | None:
        """Why a prompt may not join the queue; ``None`` when it may."""
        if counts.paused:
            return UserError(sentence="limit.paused")
        sender, options = new.sender, new.options
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
        if self._costs_more(planned, options, limits.yuan_per_month):
            return UserError(sentence="limit.yuan", values={"most": f"{limits.yuan_per_month:g}"})
        return self._check_budget(counts, "person", sender, options) or self._check_budget(
            counts, "chat", new.chat_id, options
        )

    def _check_budget(self, counts: QuotaUsage, kind: str, who: str | None, options: Options) -> UserError | None:
        budget = self.budgets.get(who or "")
        if budget is None:
            return None
        planned = counts.budgets[budget.who].copy()
        planned[options.model] += options.count
        if budget.images and planned.total() > budget.images:
            return _error(f"limit.budget_{kind}_images", most=budget.images)
        if self._costs_more(planned, options, budget.yuan):
            return UserError(sentence=f"limit.budget_{kind}", values={"most": f"{budget.yuan:g}"})
        return None

    def _costs_more(self, planned: Mapping[str, int], options: Options, most: float) -> bool:
        """Whether so many images by model cost too much; what costs nothing needs no money."""
        costs = self.prices.get(options.model, 0.0) > 0
        return costs and most > 0 and round(yuan(planned, self.prices), 6) > most

    def price(self, options: Options) -> float:
        """Yuan for all images of a request."""
        return self.prices.get(options.model, 0.0) * options.count

    def check_rate(self, counts: QuotaUsage, sender: str) -> UserError | None:
        """Why nothing more of a sender is answered in this minute; ``None`` when it is."""
        most = self.settings.per_minute
        return _error("limit.rate", most=most) if most and counts.recent[sender] >= most else None

    def quota(self, connection: Connection, sender: str, chat_id: str | None = None) -> QuotaView:
        """What a sender, a chat and the team have used, and their limits."""
        counts = self.count(connection, [(sender, chat_id)], at=self.periods.clock())
        subjects: tuple[tuple[Literal["person", "chat"], str | None], ...] = (("person", sender), ("chat", chat_id))
        return QuotaView(
            today=counts.today[sender],
            per_day=self.settings.per_day,
            resets_at=self.periods.day_ends(),
            pending=counts.pending[sender],
            pending_most=self.settings.pending,
            team_images=counts.planned.total(),
            team_images_most=self.settings.images_per_month,
            team_yuan=yuan(counts.planned, self.prices),
            team_yuan_most=self.settings.yuan_per_month,
            budgets=tuple(
                self._budget_view(kind, budget, counts.budgets[budget.who])
                for kind, who in subjects
                if (budget := self.budgets.get(who or "")) is not None
            ),
        )

    def _budget_view(self, kind: Literal["person", "chat"], budget: Budget, used: Counter[str]) -> BudgetView:
        return BudgetView(
            subject=kind,
            yuan=yuan(used, self.prices),
            yuan_most=budget.yuan,
            images=used.total(),
            images_most=budget.images,
        )


def _error(sentence: str, **values: int) -> UserError:
    return UserError(sentence=sentence, values={name: str(value) for name, value in values.items()})
