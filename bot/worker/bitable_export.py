"""Records of generations: in the Base log, to which one process at a time adds them, and in the CSV file of a month."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from bot.db.database import Database
from bot.db.reports import BitableQueue, ExportBatch, export_rows
from bot.db.timers import PeriodicLock
from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.bitable import MOST_RECORDS, NUMBER, PERSON, PROMPT, TIME
from bot.logs import get_logger
from bot.options import Options
from bot.timings import BillingPeriods, backoff_with_jitter

log = get_logger(__name__)

CHECK_EVERY = 60.0  # seconds between two checks whether it is this process's turn, at the most
SHORTEST_WAIT = 0.05  # seconds between two exports at the least
LONGEST_WAIT = 3_600.0  # seconds between two tries at the most
BETWEEN = 1.0  # seconds between two calls of one export; a table takes one write after the other
PERSON_REJECTED = 1254066  # somebody is not a person to the platform: of another organization, or gone
TOKEN_USED = frozenset({1254037, 1255006})  # the token cannot be used (again)
SUBMITTED = 1254608  # the same call was made just before; it is to be made again later
_MOST_SUBMITTED = 5  # how often that is answered before another token is taken
LONGEST_PROMPT = 10_000  # characters of a prompt in a record; a cell takes 100,000


@dataclass(kw_only=True)
class BitableExporter:
    """Adds what has ended to a table, in batches.

    Should the platform forget a token, which protects a call whose answer was lost, the records of that one call may be
    in the table twice. What was deleted before its turn came is not exported. ``prices`` are yuan an image, by model.
    """

    queue: BitableQueue
    lock: PeriodicLock
    add_records: Callable[..., None]  # adds a list of records, all or none; with the same `client_token` once
    every: float  # seconds between two exports; after a failure the waits double, up to an hour
    prices: Mapping[str, float]
    prompts: bool  # whether the prompts are exported
    stopping: threading.Event
    on_halt: Callable[[], None] = lambda: None  # called at each try when only a person can let it continue
    _failures: int = field(default=0, init=False)

    def run_once(self) -> int:
        """Exports all that is left, if it is this process's turn; returns how many records were added."""
        if not self.lock.take():
            return 0
        added = 0
        while (batch := self.queue.batch(most=MOST_RECORDS)) is not None:
            rows = self.queue.rows(batch)
            records = [record(row, prices=self.prices, people=batch.people, prompts=self.prompts) for row in rows]
            try:
                if records:
                    self.add_records(records, client_token=batch.token)
            except FeishuError as error:
                self._retry_later(batch, error)
                return added
            self.queue.done()
            added += len(records)
            self._failures = 0
            self.lock.end(self.lock.seconds)
            if len(batch.generation_ids) < MOST_RECORDS or self.stopping.wait(BETWEEN):
                break
        self.lock.end(self.every)
        if added:
            log.info("exported to Base", rows=added)
        return added

    def _retry_later(self, batch: ExportBatch, error: FeishuError) -> None:
        self._failures += 1
        wait = backoff_with_jitter(self.every, LONGEST_WAIT, self._failures)
        log.error("Base export failed", code=error.code, message=error.message, next_in=round(wait))
        if error.code == PERSON_REJECTED and batch.people:
            self.queue.renew(batch, people=False)
            wait = self.every
        elif error.code in TOKEN_USED or (error.code == SUBMITTED and self._failures >= _MOST_SUBMITTED):
            self.queue.renew(batch, people=batch.people)
        elif error.action is not FeishuAction.RETRY and not isinstance(error, FeishuUnreachable):
            self.on_halt()
        self.lock.end(wait)


def record(row: Row[Any], *, prices: Mapping[str, float], people: bool, prompts: bool) -> dict[str, object]:
    """The values of one generation, with its sender (``people``) and prompt where these are exported."""
    values: dict[str, object | None] = {
        NUMBER: row.generation_id,
        # Milliseconds since 1970.
        TIME: int(row.accepted_at * 1000),
        PERSON: [{"id": row.sender}] if people else None,
        "会话 Chat": row.chat_id,
        "模型 Model": row.model,
        "尺寸 Size": Options.from_stored(row.content).size,
        "结果 Result": row.state,
        "错误 Error": row.failure.code if row.failure else None,
        "费用 Yuan": round(row.calls_billed * prices.get(row.model, 0.0), 4),
        "耗时（秒） Seconds": None if row.call_seconds is None else round(row.call_seconds, 1),
        PROMPT: row.prompt[:LONGEST_PROMPT] if prompts else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def month_csv(database: Database, month: str, *, prices: Mapping[str, float], periods: BillingPeriods) -> bytes:
    """The records that the Base log has of a month, without prompts, one per line; with a BOM, which Excel needs."""
    since, until = periods.bounds(month)
    records = []
    for row in export_rows(database, since=since, until=until):
        at = f"{datetime.fromtimestamp(row.accepted_at, periods.zone):%Y-%m-%d %H:%M:%S}"
        known = record(row, prices=prices, people=True, prompts=False)
        records.append({**known, TIME: at, PERSON: row.sender})
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for one in records for name in one))
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode("utf-8-sig")
