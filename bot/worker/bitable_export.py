"""The Base log: a record of each generation that has ended, beside the work and never in its way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bot.db.bitable_queue import BitableQueue, ExportBatch
from bot.db.key_value import PeriodicLock
from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.bitable import MOST_RECORDS
from bot.logs import get_logger
from bot.timings import backoff_with_jitter
from bot.worker.bitable_rows import record

log = get_logger(__name__)

LOOK_EVERY = 60.0
"""Seconds between two looks whether it is this process's turn, at the most."""

SHORTEST_WAIT = 0.05
"""Seconds between two batches at the least."""

LONGEST_WAIT = 3_600.0
"""Seconds between two tries at the most."""

BETWEEN = 1.0
"""Seconds between two calls of one turn; a table takes one write after the other."""

PERSON_REFUSED = 1254066
"""Somebody is not a person to the platform: of another organisation, or gone."""

TOKEN_USED = frozenset({1254037, 1255006})
"""The token cannot be used (again)."""

SUBMITTED = 1254608
"""The same call was made just before; it is to be made again later."""

_PATIENCE = 5
"""How often that is heard before another token is taken."""


class RecordTable(Protocol):
    """Where the records go: one table of a Base."""

    def add(self, records: Sequence[Mapping[str, object]], *, client_token: str) -> None:
        """Adds records, all or none; with the same token once."""


class BitableExporter:
    """Sends what has ended to a table, in batches, one process at a time.

    Each generation is one record. Should the platform forget a token, which protects a call whose answer was lost,
    the records of that one call may stand there twice. What was deleted before its turn came is not recorded.

    Args:
        store: which generations are left.
        turn: lets one process at a time do it.
        table: where the records go.
        every: seconds between two batches; after a failure the waits double, up to an hour.
        prices: yuan an image, by model.
        prompts: whether the prompts are recorded.
        stopping: set when the process is about to leave.
        on_halt: called when only a person can let it go on, at each try.
    """

    def __init__(
        self,
        store: BitableQueue,
        *,
        turn: PeriodicLock,
        table: RecordTable,
        every: float,
        prices: Mapping[str, float],
        prompts: bool,
        stopping: threading.Event,
        on_halt: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._turn = turn
        self._table = table
        self._every = every
        self._prices = prices
        self._prompts = prompts
        self._stopping = stopping
        self._on_halt = on_halt
        self._failures = 0

    def look(self) -> int:
        """Sends all that is left, if it is this process's turn; gives how many records went.

        Raises:
            StoreUnavailable: the database does not answer; the batch goes again later.
        """
        if not self._turn.take():
            return 0
        sent = 0
        while (batch := self._store.batch(most=MOST_RECORDS)) is not None:
            try:
                sent += self._send(batch)
            except FeishuError as error:
                self._put_off(batch, error)
                return sent
            self._failures = 0
            self._turn.keep()
            if len(batch.generation_ids) < MOST_RECORDS or self._stopping.wait(BETWEEN):
                break
        self._turn.end(self._every)
        if sent:
            log.info("exported to Base", rows=sent)
        return sent

    def _send(self, batch: ExportBatch) -> int:
        records = [
            record(row, prices=self._prices, people=batch.people, prompts=self._prompts)
            for row in self._store.rows(batch)
        ]
        if records:
            self._table.add(records, client_token=batch.token)
        self._store.done()
        return len(records)

    def _put_off(self, batch: ExportBatch, error: FeishuError) -> None:
        self._failures += 1
        wait = backoff_with_jitter(self._every, LONGEST_WAIT, self._failures)
        log.error("Base export failed", code=error.code, message=error.message, next_in=round(wait))
        if error.code == PERSON_REFUSED and batch.people:
            self._store.renew(batch, people=False)
            wait = self._every
        elif error.code in TOKEN_USED or (error.code == SUBMITTED and self._failures >= _PATIENCE):
            self._store.renew(batch, people=batch.people)
        elif error.action is not FeishuAction.RETRY and not isinstance(error, FeishuUnreachable):
            self._on_halt()
        self._turn.end(wait)
