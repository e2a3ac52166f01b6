"""What leaves the database: the rows of an export, and the batches of the Base log."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import RowMapping, delete, select, text, update

from bot.db.database import Database
from bot.db.tables import UNEXPORTED, generations, key_value, requests

CHUNK = 500
"""Rows that are held in memory."""

_BATCH = "base_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFilter:
    """Which generations: accepted from ``since`` on and before ``until``, in seconds since 1970, of one person."""

    since: float | None = None
    until: float | None = None
    sender: str | None = None


def export_rows(database: Database, wanted: ExportFilter) -> Iterator[RowMapping]:
    """The generations in the order in which they were accepted, with what their requests say.

    They are as they stood at one moment. As long as they are being read the database keeps that state, so a reader
    should not dawdle.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    made, asked = generations.c, requests.c
    columns = (generations, asked.dedup_key, asked.chat_id, asked.chat_type, asked.prompt, asked.content)
    statement = select(*columns).join(requests, asked.request_id == made.request_id)
    if wanted.since is not None:
        statement = statement.where(made.accepted_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(made.accepted_at < wanted.until)
    if wanted.sender is not None:
        statement = statement.where(made.sender == wanted.sender)
    ordered = statement.order_by(made.accepted_at, made.request_id, made.index_in_request)
    with database.read() as connection:
        if not database.is_sqlite:
            # A transaction that takes long would otherwise be ended.
            connection.execute(text("SET TRANSACTION READ ONLY"))
            for name, bound in (("idle_in_transaction_session", "60s"), ("lock", "30s"), ("statement", "0")):
                connection.execute(text(f"SET LOCAL {name}_timeout = '{bound}'"))
        yield from connection.execute(ordered, execution_options={"yield_per": CHUNK}).mappings()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportBatch:
    """Generations whose records go to the Base in one call.

    ``token`` makes the call idempotent: it stays the same however often the call is made. With ``people`` false the
    records name nobody, as the platform has refused a person among them.
    """

    token: str
    generation_ids: tuple[str, ...]
    people: bool = True


@dataclass(frozen=True, slots=True)
class BitableQueue:
    """Batches of generations that have ended, one at a time for all processes.

    A batch is stored before its first call and deleted after a good one, so that a call whose answer was lost is made
    again as it was. Each method is one transaction and raises ``DatabaseUnavailable`` when it cannot be reached.
    """

    database: Database

    def batch(self, *, most: int) -> ExportBatch | None:
        """The batch that is under way; where there is none, a new one of the oldest ``most`` that are left."""
        with self.database.write(step="bitable_queue.batch") as connection:
            stored = connection.scalar(select(key_value.c.value).where(key_value.c.name == _BATCH))
            if stored is not None:
                values = json.loads(stored)
                return ExportBatch(**{**values, "generation_ids": tuple(values["generation_ids"])})
            oldest = select(generations.c.generation_id).where(UNEXPORTED).order_by(generations.c.ended_at).limit(most)
            # What somebody is removing is left out, so that neither waits for the other.
            ids = tuple(connection.scalars(oldest.with_for_update(skip_locked=True)))
            if not ids:
                return None
            connection.execute(update(generations).where(generations.c.generation_id.in_(ids)).values(exported=True))
            new = ExportBatch(token=str(uuid.uuid4()), generation_ids=ids)
            connection.execute(self.database.insert(key_value).values(name=_BATCH, value=json.dumps(asdict(new))))
            return new

    def rows(self, batch: ExportBatch) -> Sequence[RowMapping]:
        """The generations of a batch that are still there, in its order, with what their requests say."""
        made, asked = generations.c, requests.c
        statement = select(generations, asked.chat_id, asked.prompt, asked.content).join(
            requests, asked.request_id == made.request_id
        )
        with self.database.read() as connection:
            rows = connection.execute(statement.where(made.generation_id.in_(batch.generation_ids))).mappings()
            found = {row["generation_id"]: row for row in rows}
        return [found[one] for one in batch.generation_ids if one in found]

    def renew(self, batch: ExportBatch, *, people: bool) -> ExportBatch:
        """Gives the batch another token: what was sent under the last one counts as not sent."""
        new = replace(batch, token=str(uuid.uuid4()), people=people)
        with self.database.write(step="bitable_queue.renew") as connection:
            connection.execute(
                update(key_value).where(key_value.c.name == _BATCH).values(value=json.dumps(asdict(new)))
            )
        return new

    def done(self) -> None:
        """Deletes the batch, whose records are in the Base."""
        with self.database.write(step="bitable_queue.done") as connection:
            connection.execute(delete(key_value).where(key_value.c.name == _BATCH))
