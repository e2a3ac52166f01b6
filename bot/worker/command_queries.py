"""What commands show of the database: the line, the history, the month."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from bot.db.database import Database
from bot.db.key_value import is_paused
from bot.db.row_models import options_of
from bot.db.tables import generations, requests
from bot.db.usage import ApiUsageCounter, spent, yuan
from bot.models import State
from bot.timings import BillingPeriods
from bot.view_models import HistoryEntry, ModelStats, QueueEntry, QueueView, StatsView
from bot.worker.queue_positions import Line

HISTORY_LENGTH = 6
TOP_PEOPLE = 5


class CommandQueries:
    """Reads what the commands ``/queue``, ``/history`` and ``/stats`` show.

    Args:
        database: where everything is.
        line: the order of those who wait.
        prices: yuan an image, by model.
        periods: the team's calendar.
        calls: the month's calls to Feishu.
    """

    def __init__(
        self,
        database: Database,
        *,
        line: Line,
        prices: Mapping[str, float],
        periods: BillingPeriods,
        calls: ApiUsageCounter,
    ) -> None:
        self._database = database
        self._line = line
        self._prices = prices
        self._periods = periods
        self._calls = calls

    def queue(self, *, chat_id: str | None, person: str, private: bool) -> QueueView:
        """The running and waiting generations of a chat, and this person's own everywhere.

        ``private`` tells that only this person reads it.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                select(generations, requests.c.chat_id, requests.c.prompt)
                .join(requests, requests.c.request_id == generations.c.request_id)
                .where(generations.c.ended_at.is_(None))
                .order_by(requests.c.accepted_at, requests.c.request_id, generations.c.index_in_request)
            ).all()
            paused = is_paused(connection)
        own = list(dict.fromkeys(row.request_id for row in rows if row.sender == person))
        places = {
            request_id: place
            for model in {row.model for row in rows}
            for request_id, place in self._line.places(model).items()
        }
        seen = [
            (row, places.get(row.request_id) if row.state == State.WAITING else None)
            for row in rows
            if row.sender == person or row.chat_id == chat_id
        ]
        seen.sort(key=lambda one: -1 if one[1] is None else one[1].ahead)
        entries = tuple(
            QueueEntry(
                prompt=row.prompt,
                state=State(row.state),
                model=row.model,
                mine=row.sender == person,
                here=row.chat_id == chat_id,
                number=own.index(row.request_id) + 1 if row.sender == person else None,
                ahead=place.ahead if place else None,
                wait_seconds=place.wait_seconds if place and not place.paused else None,
            )
            for row, place in seen
        )
        return QueueView(entries=entries, elsewhere=len(rows) - len(seen), paused=paused, private=private)

    def history(self, *, chat_id: str | None, person: str) -> tuple[HistoryEntry, ...]:
        """The last pictures that a person got in a chat, newest first."""
        statement = (
            select(generations.c.request_id, generations.c.image_key, requests.c.prompt, requests.c.content)
            .join(requests, requests.c.request_id == generations.c.request_id)
            .where(
                generations.c.sender == person,
                requests.c.chat_id == chat_id,
                generations.c.state == State.DONE,
                generations.c.image_key.is_not(None),
                # Those of recalled messages have none.
                requests.c.prompt != "",
            )
            .order_by(generations.c.accepted_at.desc(), generations.c.index_in_request)
            .limit(HISTORY_LENGTH)
        )
        with self._database.read() as connection:
            return tuple(
                HistoryEntry(
                    request_id=row.request_id,
                    prompt=row.prompt,
                    image_key=row.image_key,
                    options=options_of(json.loads(row.content)),
                )
                for row in connection.execute(statement)
            )

    def stats(self) -> StatsView:
        """The team's month."""
        month = self._periods.month()
        with self._database.read() as connection:
            images = spent(connection, month)
            rows = connection.execute(
                select(
                    generations.c.model,
                    generations.c.sender,
                    generations.c.state,
                    generations.c.failure,
                    generations.c.accepted_at,
                    generations.c.call_seconds,
                    (generations.c.called_at - generations.c.accepted_at).label("waited"),
                ).where(generations.c.billing_month == month, generations.c.ended_at.is_not(None))
            ).all()
            paused = is_paused(connection)
        people = Counter(row.sender for row in rows if row.state == State.DONE)
        days = Counter(
            f"{datetime.fromtimestamp(row.accepted_at, self._periods.zone):%m-%d}"
            for row in rows
            if row.state == State.DONE
        )
        outcomes = Counter(
            json.loads(row.failure)["code"] if row.state == State.FAILED and row.failure else str(row.state)
            for row in rows
        )
        models = tuple(
            ModelStats(
                model=model,
                images=count,
                yuan=yuan({model: count}, self._prices),
                generation_seconds=_median([row.call_seconds for row in rows if row.model == model]),
                waiting_seconds=_median([row.waited for row in rows if row.model == model]),
            )
            for model, count in sorted(images.items())
        )
        return StatsView(
            month=month,
            models=models,
            people=tuple(people.most_common(TOP_PEOPLE)),
            days=tuple(sorted(days.items())),
            outcomes=dict(outcomes.most_common()),
            feishu_calls=self._calls.of_month(),
            paused=paused,
        )


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
