"""Limits: pending and waiting images, images a day, the month's budgets, and requests a minute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bot.db.tables import NewRequest
from bot.db.usage import QuotaUsage, count_budgets, count_usage, yuan
from bot.errors import UserError
from bot.models import Quota, QuotaView
from bot.options import Options
from bot.settings import Budget, LimitSettings
from bot.timings import BillingPeriods


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Decides, in the transaction that accepts prompts, which of them may join the queue.

    A waiting generation is its own reservation, and gives it back by ending without an image, so the counts are right
    after any crash. ``prices`` are yuan an image, by model.
    """

    settings: LimitSettings
    prices: Mapping[str, float]
    periods: BillingPeriods
    budgets: Mapping[str, Budget] = field(default_factory=dict)  # by `open_id` or `chat_id`

    def count(self, connection: Connection, asked: Iterable[tuple[str, str | None]], *, at: float) -> QuotaUsage:
        pairs, periods, month = set(asked), self.periods, self.periods.month()
        senders = {sender for sender, _ in pairs}
        counts = count_usage(connection, senders, month=month, day_began=periods.day_began(), at=at)
        if limited := self.budgets.keys() & {who for pair in pairs for who in pair}:
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
        price = self.price(options)
        for images, money in self._months(counts, sender, new.chat_id):
            if images.most and images.used + more > images.most:
                return _error(f"limit.{images.name}", most=images.most)
            # What costs nothing needs no money.
            if price and money.most and round(money.used + price, 6) > money.most:
                return UserError(sentence=f"limit.{money.name}", values={"most": f"{money.most:g}"})
        return None

    def _months(self, counts: QuotaUsage, sender: str, chat_id: str | None) -> Iterator[tuple[Quota, Quota]]:
        """The team's month in images and in yuan, then those of the budgets that the sender and the chat have."""
        team = self.settings
        months = [("images", "yuan", counts.planned, team.images_per_month, team.yuan_per_month)]
        for name, who in (("budget_person", sender), ("budget_chat", chat_id)):
            if budget := self.budgets.get(who or ""):
                months.append((f"{name}_images", name, counts.budgets[budget.who], budget.images, budget.yuan))
        for images, money, used, most_images, most_yuan in months:
            spent = yuan(used, self.prices)
            yield Quota(name=images, used=used.total(), most=most_images), Quota(name=money, used=spent, most=most_yuan)

    def price(self, options: Options) -> float:
        """Yuan for all images of a request."""
        return self.prices.get(options.model, 0.0) * options.count

    def check_rate(self, counts: QuotaUsage, sender: str) -> UserError | None:
        """Why nothing more of a sender is answered in this minute; ``None`` when it is."""
        most = self.settings.per_minute
        return _error("limit.rate", most=most) if most and counts.recent[sender] >= most else None

    def quota(self, connection: Connection, sender: str, chat_id: str | None = None) -> QuotaView:
        counts, limits = self.count(connection, [(sender, chat_id)], at=self.periods.clock()), self.settings
        team, *budgets = self._months(counts, sender, chat_id)
        return QuotaView(
            own=(
                Quota(name="today", used=counts.today[sender], most=limits.per_day),
                Quota(name="pending", used=counts.pending[sender], most=limits.pending),
            ),
            budgets=tuple(one for images, money in budgets for one in (money, images) if one.most),
            team=team,
            resets_at=self.periods.day_ends(),
        )


def _error(sentence: str, **values: float) -> UserError:
    return UserError(sentence=sentence, values={name: str(value) for name, value in values.items()})
