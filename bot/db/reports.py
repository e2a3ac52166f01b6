"""What is read of many generations at once: reports, a person's history, exports, and the batches of the Base log."""

from __future__ import annotations

import json
import statistics
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.db.database import Database, read_time, upsert
from bot.db.key_value import VALUE, is_paused
from bot.db.leases import holds_slot, workers_alive
from bot.db.tables import UNEXPORTED, UNFINISHED, WAITS, G, R, generations, key_value, requests
from bot.db.usage import ApiUsageCounter, read_month, yuan
from bot.models import Failure, ModelStats, State, StatsView, Usage
from bot.settings import LimitSettings
from bot.timings import BillingPeriods

TOP_SENDERS = 5
CHUNK = 500  # rows of an export that are held in memory

_SIZE = {
    True: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    False: "SELECT pg_database_size(current_database())",
}
_BATCH = "base_batch"  # the name of the batch that is under way among the named values


def _with_requests(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Selects generations with what their requests say."""
    asked = (R.dedup_key, R.chat_id, R.chat_type, R.prompt, R.content)
    return sa.select(generations, *asked).join(requests, R.request_id == G.request_id).where(*conditions)


def history_rows(
    connection: sa.Connection,
    *,
    sender: str,
    chat_id: str | None,
    since: float,
    until: float,
    words: Iterable[str],
    before: tuple[float, int],
    most: int,
) -> Sequence[sa.Row[Any]]:
    """The images that a sender got, newest first, in one chat or everywhere, whose prompts have all these words.

    They are older than the image with this time of acceptance and index in its request (``before``).
    """
    at, index = before
    statement = _with_requests(
        G.sender == sender,
        G.state == State.DONE,
        G.image_key.is_not(None),
        # Those of recalled messages have none.
        R.prompt != "",
        G.accepted_at >= since,
        G.accepted_at < until,
        G.accepted_at <= at,
        sa.or_(G.accepted_at < at, G.index_in_request > index),
        *(sa.func.lower(R.prompt).contains(word.lower(), autoescape=True) for word in words),
        *((R.chat_id == chat_id,) if chat_id is not None else ()),
    )
    return connection.execute(statement.order_by(G.accepted_at.desc(), G.index_in_request).limit(most)).all()


def export_rows(database: Database, *, since: float, until: float, sender: str | None = None) -> Iterator[sa.Row[Any]]:
    """The generations in the order in which they were accepted, with what their requests say.

    They are as they stood at one moment, of all people or one ``sender``, accepted from ``since`` on and before
    ``until``, in seconds since 1970. While they are read the database keeps that state: a reader should not dawdle.
    """
    accepted = _with_requests(G.accepted_at >= since, G.accepted_at < until)
    statement = accepted if sender is None else accepted.where(G.sender == sender)
    ordered = statement.order_by(G.accepted_at, G.request_id, G.index_in_request)
    with database.read() as connection:
        if not database.is_sqlite:
            # A transaction that takes long would otherwise be ended.
            connection.execute(sa.text("SET TRANSACTION READ ONLY"))
            for name, bound in (("idle_in_transaction_session", "60s"), ("lock", "30s"), ("statement", "0")):
                connection.execute(sa.text(f"SET LOCAL {name}_timeout = '{bound}'"))
        yield from connection.execute(ordered, execution_options={"yield_per": CHUNK})


def unfinished(database: Database) -> tuple[Sequence[sa.Row[Any]], bool]:
    """The generations that have not ended, with chat and prompt, oldest first; and whether the bot is paused."""
    statement = _with_requests(UNFINISHED).order_by(R.accepted_at, R.request_id, G.index_in_request)
    with database.read() as connection:
        return connection.execute(statement).all(), is_paused(connection)


def is_idle(database: Database) -> bool:
    """Whether every request and generation has ended, so that no answer changes any more."""
    with database.read() as connection:
        return not any(connection.scalar(sa.select(sa.exists().where(one.ended_at.is_(None)))) for one in (R, G))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    database: Database
    prices: Mapping[str, float]  # yuan an image, by model
    periods: BillingPeriods
    calls: ApiUsageCounter

    def stats(self, named: str = "") -> StatsView:
        """The team's month: the one that a text names, or this one."""
        month = self.periods.read_month(named)
        # A month can have tens of thousands of images: neither their prompts nor their links are read.
        columns = (G.model, G.state, G.failure, G.accepted_at, G.called_at, G.call_seconds, G.calls_billed)
        ended = _with_requests(G.billing_month == month, G.ended_at.is_not(None))
        with self.database.read() as connection:
            (images, calls), paused = self._month(connection, month), is_paused(connection)
            rows = connection.execute(ended.with_only_columns(*columns, G.sender, R.chat_id, R.chat_type)).all()
        done = [row for row in rows if row.state == State.DONE]
        in_chats = [row for row in rows if row.chat_id is not None]
        days = Counter(f"{datetime.fromtimestamp(row.accepted_at, self.periods.zone):%m-%d}" for row in done)
        outcomes = Counter(
            row.failure.sentence if row.state == State.FAILED and row.failure else str(row.state) for row in rows
        )
        return StatsView(
            month=month,
            models=tuple(
                ModelStats(
                    model=model,
                    images=count,
                    yuan=yuan({model: count}, self.prices),
                    generation_seconds=_median(row.call_seconds for row in rows if row.model == model),
                    waiting_seconds=_median(
                        row.called_at and row.called_at - row.accepted_at for row in rows if row.model == model
                    ),
                )
                for model, count in sorted(images.items())
            ),
            people=self._usage(rows, lambda row: (row.sender, "")),
            chats=self._usage(in_chats, lambda row: (row.sender if row.chat_type == "p2p" else "", row.chat_id)),
            days=tuple(sorted(days.items())),
            outcomes=dict(outcomes.most_common()),
            feishu_calls=calls,
            paused=paused,
        )

    def _month(self, connection: sa.Connection, month: str) -> tuple[Counter[str], int]:
        """A month's images by model and calls to Feishu, with those of this process that are not stored yet."""
        images, calls = read_month(connection, month)
        return images, calls + (self.calls.unstored if month == self.periods.month() else 0)

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
            images, calls = self._month(connection, self.periods.month())
        return {
            "images": (sum(images.values()), limits.images_per_month),
            "yuan": (round(yuan(images, self.prices), 2), limits.yuan_per_month),
            "calls": (calls, limits.feishu_calls_per_month),
        }

    def snapshot(self, *, slots: Mapping[str, int], alive_within: float) -> dict[str, float | Mapping[str, float]]:
        """The state by the names of its gauges; a worker is alive for ``alive_within`` seconds after a heartbeat."""
        count = sa.func.count()
        waiting = sa.select(G.model, count, sa.func.min(G.accepted_at)).where(WAITS).group_by(G.model)
        taken = sa.select(G.model, count).where(holds_slot(G)).group_by(G.model)
        with self.database.read() as connection:
            time = read_time(connection)
            lengths = {model: (length, oldest) for model, length, oldest in connection.execute(waiting)}
            slots_taken: dict[str, int] = dict(connection.execute(taken).all())
            size = connection.scalar(sa.text(_SIZE[self.database.is_sqlite])) or 0
            images, calls = self._month(connection, self.periods.month())
        waiting_by_model = {model: lengths.get(model, (0, time)) for model in slots}
        return {
            "bot_database_bytes": size,
            "bot_workers": workers_alive(self.database, within=alive_within),
            "bot_month_yuan": yuan(images, self.prices),
            "bot_month_images": sum(images.values()),
            "bot_month_feishu_calls": calls,
            "bot_queue_length": {model: length for model, (length, _) in waiting_by_model.items()},
            "bot_queue_oldest_seconds": {
                model: max(time - oldest, 0.0) for model, (_, oldest) in waiting_by_model.items()
            },
            "bot_slots_in_use": {model: slots_taken.get(model, 0) for model in slots},
            "bot_slots": slots,
        }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def recent_failures(database: Database, *, seconds: float) -> tuple[float, float, list[tuple[float, Failure]]]:
    """The time, that of the last success (0 for none), and what failed since or in the last ``seconds``, in order."""
    done = sa.select(G.ended_at).where(G.ended_at.is_not(None), G.state == State.DONE)
    with database.read() as connection:
        now = read_time(connection)
        last_success = connection.scalar(done.order_by(G.ended_at.desc()).limit(1)) or 0.0
        since = min(last_success, now - seconds)
        failed = sa.select(G.ended_at, G.failure).where(G.state == State.FAILED, G.ended_at > since)
        rows = connection.execute(failed.order_by(G.ended_at)).all()
    return now, last_success, [(row.ended_at, row.failure) for row in rows if row.failure]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportBatch:
    """Generations whose records go to the Base in one call."""

    token: str  # makes the call idempotent: it stays the same however often the call is made
    generation_ids: Sequence[str]
    people: bool = True  # whether the records name people; false once the platform has refused one of them


@dataclass(frozen=True, slots=True)
class BitableQueue:
    """Batches of generations that have ended, one at a time for all processes.

    A batch is stored until its call is known to have passed, so that a call whose answer was lost is made again as it
    was.
    """

    database: Database

    def batch(self, *, most: int) -> ExportBatch | None:
        """The batch that is under way; where there is none, a new one of the oldest ``most`` that are left."""
        with self.database.write(step="bitable_queue.batch") as connection:
            if stored := connection.scalar(VALUE, {"name": _BATCH}):
                return ExportBatch(**json.loads(stored))
            oldest = sa.select(G.generation_id).where(UNEXPORTED).order_by(G.ended_at).limit(most)
            # What somebody is removing is left out, so that neither waits for the other.
            ids = list(connection.scalars(oldest.with_for_update(skip_locked=True)))
            if not ids:
                return None
            connection.execute(sa.update(generations).where(G.generation_id.in_(ids)).values(exported=True))
            return self._store(connection, ExportBatch(token=str(uuid.uuid4()), generation_ids=ids))

    def rows(self, batch: ExportBatch) -> Sequence[sa.Row[Any]]:
        """The generations of a batch that are still there, always in the same order, with what their requests say."""
        statement = _with_requests(G.generation_id.in_(batch.generation_ids)).order_by(G.ended_at, G.generation_id)
        with self.database.read() as connection:
            return connection.execute(statement).all()

    def renew(self, batch: ExportBatch, *, people: bool) -> ExportBatch:
        """Gives the batch another token: what was sent under the last one counts as not sent."""
        with self.database.write(step="bitable_queue.renew") as connection:
            return self._store(connection, replace(batch, token=str(uuid.uuid4()), people=people))

    def _store(self, connection: sa.Connection, batch: ExportBatch) -> ExportBatch:
        upsert(connection, key_value, name=_BATCH, value=json.dumps(asdict(batch)))
        return batch

    def done(self) -> None:
        with self.database.write(step="bitable_queue.done") as connection:
            connection.execute(sa.delete(key_value).where(key_value.c.name == _BATCH))
