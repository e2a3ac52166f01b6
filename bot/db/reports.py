"""Reports over what is stored: the queue, a person's history, the month's statistics, the figures of the metrics."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, exists, func, or_, select, text

from bot.db.database import Database
from bot.db.key_value import is_paused
from bot.db.tables import generations, requests, workers
from bot.db.usage import ApiUsageCounter, feishu_calls, spent, yuan
from bot.models import ModelSnapshot, ModelStats, State, StateSnapshot, StatsView, Usage
from bot.settings import LimitSettings
from bot.timings import BillingPeriods

TOP_SENDERS = 5

_SIZE = {
    True: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    False: "SELECT pg_database_size(current_database())",
}


def history_rows(
    connection: Connection,
    *,
    sender: str,
    chat_id: str | None,
    since: float | None,
    until: float | None,
    words: Iterable[str],
    before: tuple[float, int],
    most: int,
) -> Sequence[RowMapping]:
    """The images that a sender got, newest first, with what their requests say.

    Those in one chat or everywhere, from ``since`` on and before ``until``, with these words. ``before`` is the time
    and the index in its request of the image that they are older than. Times in seconds since 1970.
    """
    made, asked = generations.c, requests.c
    at, index = before
    conditions = [
        made.sender == sender,
        made.state == State.DONE,
        made.image_key.is_not(None),
        # Those of recalled messages have none.
        asked.prompt != "",
        made.accepted_at <= at,
        or_(made.accepted_at < at, made.index_in_request > index),
        *(func.lower(asked.prompt).contains(word.lower(), autoescape=True) for word in words),
    ]
    if chat_id is not None:
        conditions.append(asked.chat_id == chat_id)
    if since is not None:
        conditions.append(made.accepted_at >= since)
    if until is not None:
        conditions.append(made.accepted_at < until)
    statement = (
        select(generations, asked.prompt, asked.content)
        .join(requests, asked.request_id == made.request_id)
        .where(*conditions)
        .order_by(made.accepted_at.desc(), made.index_in_request)
        .limit(most)
    )
    return connection.execute(statement).mappings().all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Reads reports; each method raises ``DatabaseUnavailable`` when the database does not answer.

    ``prices`` are yuan an image, by model.
    """

    database: Database
    prices: Mapping[str, float]
    periods: BillingPeriods
    calls: ApiUsageCounter

    def stats(self, named: str = "") -> StatsView:
        """The team's month: the one that a text names, or this one."""
        month = self.periods.read_month(named)
        columns = ("model", "sender", "state", "failure", "accepted_at", "call_seconds", "called_at", "calls_billed")
        statement = (
            select(*(generations.c[name] for name in columns), requests.c.chat_id, requests.c.chat_type)
            .join(requests, requests.c.request_id == generations.c.request_id)
            .where(generations.c.billing_month == month, generations.c.ended_at.is_not(None))
        )
        with self.database.read() as connection:
            images = spent(connection, month)
            rows = connection.execute(statement).all()
            paused = is_paused(connection)
            calls = feishu_calls(connection, month)
        done = [row for row in rows if row.state == State.DONE]
        in_chats = [row for row in rows if row.chat_id is not None]
        days = Counter(f"{datetime.fromtimestamp(row.accepted_at, self.periods.zone):%m-%d}" for row in done)
        outcomes = Counter(
            json.loads(row.failure)["sentence"] if row.state == State.FAILED and row.failure else str(row.state)
            for row in rows
        )
        models = tuple(
            ModelStats(
                model=model,
                images=count,
                yuan=yuan({model: count}, self.prices),
                generation_seconds=_median([row.call_seconds for row in rows if row.model == model]),
                waiting_seconds=_median(
                    [row.called_at and row.called_at - row.accepted_at for row in rows if row.model == model]
                ),
            )
            for model, count in sorted(images.items())
        )
        return StatsView(
            month=month,
            models=models,
            people=self._usage(rows, lambda row: (row.sender, "")),
            chats=self._usage(in_chats, lambda row: (row.sender if row.chat_type == "p2p" else "", row.chat_id)),
            days=tuple(sorted(days.items())),
            outcomes=dict(outcomes.most_common()),
            feishu_calls=self.calls.of_month() if month == self.periods.month() else calls,
            paused=paused,
        )

    def _usage(self, rows: Iterable[Any], key: Callable[[Any], tuple[str, str]]) -> tuple[Usage, ...]:
        """The people or chats with the highest cost, the highest first; a key is a person's and a chat's id."""
        billed, cost = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for row in rows:
            billed[key(row)] += row.calls_billed
            cost[key(row)] += row.calls_billed * self.prices.get(row.model, 0.0)
        highest = sorted(+billed, key=lambda one: (-cost[one], -billed[one]))[:TOP_SENDERS]
        return tuple(
            Usage(open_id=person, chat_id=chat, images=billed[person, chat], yuan=round(cost[person, chat], 6))
            for person, chat in highest
        )

    def usage(self, limits: LimitSettings) -> dict[str, tuple[float, float]]:
        """This month's images, yuan and calls to Feishu, each with its limit; 0 for none."""
        with self.database.read() as connection:
            images = spent(connection, self.periods.month())
        return {
            "images": (sum(images.values()), limits.images_per_month),
            "yuan": (round(yuan(images, self.prices), 2), limits.yuan_per_month),
            "calls": (self.calls.of_month(), limits.feishu_calls_per_month),
        }

    def snapshot(self, *, slots: Mapping[str, int], alive_within: float) -> StateSnapshot:
        """The present state over all processes.

        A worker counts as alive for ``alive_within`` seconds after its last heartbeat.
        """
        now, model = self.database.now, generations.c.model
        waiting = (
            select(model, func.count(), func.min(generations.c.accepted_at))
            .where(generations.c.ended_at.is_(None), generations.c.state == State.WAITING)
            .group_by(model)
        )
        taken = (
            select(model, func.count())
            .where(
                generations.c.slot_until.is_not(None), generations.c.slot_until > now, generations.c.lease_until > now
            )
            .group_by(model)
        )
        alive = select(func.count()).where(workers.c.seen_at.between(now - alive_within, now + alive_within))
        calls = self.calls.of_month()
        with self.database.read() as connection:
            time = self.database.time(connection)
            lengths: dict[str, tuple[int, float]] = {row[0]: (row[1], row[2]) for row in connection.execute(waiting)}
            slots_taken: dict[str, Any] = dict(connection.execute(taken).all())
            images = spent(connection, self.periods.month())
            return StateSnapshot(
                models={
                    name: ModelSnapshot(
                        waiting=lengths.get(name, (0, time))[0],
                        oldest_seconds=max(time - lengths.get(name, (0, time))[1], 0.0),
                        slots_taken=slots_taken.get(name, 0),
                        slots=count,
                    )
                    for name, count in slots.items()
                },
                workers=connection.scalar(alive) or 0,
                month_yuan=yuan(images, self.prices),
                month_images=sum(images.values()),
                month_feishu_calls=calls,
                database_bytes=connection.scalar(text(_SIZE[self.database.is_sqlite])) or 0,
            )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """A generation that failed: when, in seconds since 1970, the error code, the sentence and the platform's words."""

    ended_at: float
    code: str
    sentence: str = ""
    platform: str = ""
    blocked_by: str = ""
    """What answered in the platform's place, where the request was blocked on the way."""


def recent_failures(database: Database, *, seconds: float) -> tuple[float, float, list[FailureRecord]]:
    """The time, that of the last success (0 for none), and what failed since then or in the last ``seconds``."""
    ended_at = generations.c.ended_at
    done = select(ended_at).where(ended_at.is_not(None), generations.c.state == State.DONE)
    with database.read() as connection:
        now = database.time(connection)
        last_success = connection.scalar(done.order_by(ended_at.desc()).limit(1)) or 0.0
        failed = select(ended_at, generations.c.failure).where(
            generations.c.state == State.FAILED, ended_at > min(last_success, now - seconds)
        )
        rows = connection.execute(failed.order_by(ended_at)).all()
    failures = []
    for row in rows:
        failure = json.loads(row.failure) if row.failure else {}
        blocked_by = ""
        if failure.get("sentence") == "failure.blocked":
            values = failure["values"]
            blocked_by = f"HTTP {values.get('status')} {values.get('words', '')}".strip()
        record = FailureRecord(
            ended_at=row.ended_at,
            code=str(failure.get("code", "")),
            sentence=str(failure.get("sentence", "")),
            platform=failure.get("platform") or "",
            blocked_by=blocked_by,
        )
        failures.append(record)
    return now, last_success, failures


def unfinished(database: Database) -> tuple[Sequence[RowMapping], bool]:
    """The generations that have not ended, with chat and prompt, oldest first; and whether the bot is paused."""
    statement = (
        select(generations, requests.c.chat_id, requests.c.prompt)
        .join(requests, requests.c.request_id == generations.c.request_id)
        .where(generations.c.ended_at.is_(None))
        .order_by(requests.c.accepted_at, requests.c.request_id, generations.c.index_in_request)
    )
    with database.read() as connection:
        return connection.execute(statement).mappings().all(), is_paused(connection)


def is_idle(database: Database) -> bool:
    """Whether every request and generation has ended, so that no answer changes any more."""
    unfinished = (exists().where(table.c.ended_at.is_(None)) for table in (requests, generations))
    with database.read() as connection:
        return not any(connection.scalar(select(one)) for one in unfinished)
