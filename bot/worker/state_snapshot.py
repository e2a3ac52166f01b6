"""How things stand now, read from the database: the line, the slots, the month, the size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select, text

from bot.db.database import Database
from bot.db.tables import generations, workers
from bot.db.usage import ApiUsageCounter, spent, yuan
from bot.models import State
from bot.timings import BillingPeriods

_SIZE = {
    True: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    False: "SELECT pg_database_size(current_database())",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSnapshot:
    """One model: how many generations wait and the oldest of them for how many seconds, and slots."""

    waiting: int
    oldest_seconds: float
    slots_taken: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How things stand, over all processes; money in yuan, sizes in bytes."""

    models: Mapping[str, ModelSnapshot]
    workers: int
    month_yuan: float
    month_images: int
    month_feishu_calls: int
    database_bytes: int


class StateSnapshots:
    """Reads how things stand.

    Args:
        database: where everything is.
        slots: how many paid calls a model may have in flight.
        prices: yuan an image, by model.
        periods: the team's calendar.
        calls: the month's calls to Feishu.
        alive_within: seconds since its last beat within which a worker counts as alive.
    """

    def __init__(
        self,
        database: Database,
        *,
        slots: Mapping[str, int],
        prices: Mapping[str, float],
        periods: BillingPeriods,
        calls: ApiUsageCounter,
        alive_within: float,
    ) -> None:
        self._database = database
        self._slots = slots
        self._prices = prices
        self._periods = periods
        self._calls = calls
        self._alive_within = alive_within

    def read(self) -> Reading:
        """How things stand now.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        calls = self._calls.of_month()
        with self._database.read() as connection:
            now = connection.scalar(select(self._database.now)) or 0.0
            waiting = self._waiting(connection)
            taken = self._taken(connection)
            alive = select(func.count()).where(
                workers.c.seen_at.between(now - self._alive_within, now + self._alive_within)
            )
            images = spent(connection, self._periods.month())
            return Reading(
                models={
                    model: ModelSnapshot(
                        waiting=waiting.get(model, (0, now))[0],
                        oldest_seconds=max(now - waiting.get(model, (0, now))[1], 0.0),
                        slots_taken=taken.get(model, 0),
                        slots=slots,
                    )
                    for model, slots in self._slots.items()
                },
                workers=connection.scalar(alive) or 0,
                month_yuan=yuan(images, self._prices),
                month_images=sum(images.values()),
                month_feishu_calls=calls,
                database_bytes=connection.scalar(text(_SIZE[self._database.is_sqlite])) or 0,
            )

    def _waiting(self, connection: Connection) -> dict[str, tuple[int, float]]:
        """How many generations of a model wait, and when the oldest was accepted."""
        rows = connection.execute(
            select(generations.c.model, func.count(), func.min(generations.c.accepted_at))
            .where(generations.c.ended_at.is_(None), generations.c.state == State.WAITING)
            .group_by(generations.c.model)
        )
        return {model: (count, oldest) for model, count, oldest in rows}

    def _taken(self, connection: Connection) -> dict[str, int]:
        now = self._database.now
        rows = connection.execute(
            select(generations.c.model, func.count())
            .where(
                generations.c.slot_until.is_not(None),
                and_(generations.c.slot_until > now, generations.c.lease_until > now),
            )
            .group_by(generations.c.model)
        )
        return {row.model: row[1] for row in rows}
