"""Which generations still have to go to the Base log: taken in batches, one batch at a time for all processes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import RowMapping, delete, select, update

from bot.db.database import Database
from bot.db.tables import UNEXPORTED, generations, key_value, requests

_NAME = "base_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportBatch:
    """Generations whose records go out in one call.

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
            stored = connection.scalar(select(key_value.c.value).where(key_value.c.name == _NAME))
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
            connection.execute(self.database.insert(key_value).values(name=_NAME, value=json.dumps(asdict(new))))
            return new

    def rows(self, batch: ExportBatch) -> Sequence[RowMapping]:
        """The generations of a batch that are still there, in its order, with what their requests say."""
        statement = (
            select(generations, requests.c.chat_id, requests.c.prompt, requests.c.content)
            .join(requests, requests.c.request_id == generations.c.request_id)
            .where(generations.c.generation_id.in_(batch.generation_ids))
        )
        with self.database.read() as connection:
            found = {row["generation_id"]: row for row in connection.execute(statement).mappings()}
        return [found[one] for one in batch.generation_ids if one in found]

    def renew(self, batch: ExportBatch, *, people: bool) -> ExportBatch:
        """Gives the batch another token: what was sent under the last one counts as not sent."""
        new = replace(batch, token=str(uuid.uuid4()), people=people)
        with self.database.write(step="bitable_queue.renew") as connection:
            connection.execute(update(key_value).where(key_value.c.name == _NAME).values(value=json.dumps(asdict(new))))
        return new

    def done(self) -> None:
        """Deletes the batch, whose records are in the Base."""
        with self.database.write(step="bitable_queue.done") as connection:
            connection.execute(delete(key_value).where(key_value.c.name == _NAME))
