"""The generations in the database: waiting for a slot, paid for, delivered, ended."""

from __future__ import annotations

import json

from sqlalchemy import Connection, RowMapping, Text, and_, bindparam, select, update

from bot.db import poll_queries as looks
from bot.db.database import Database
from bot.db.generation_statements import PreparedStatements
from bot.db.leases import checkpoint
from bot.db.locks import lock_rows
from bot.db.rate_holds import pause_model
from bot.db.requests import mark_dirty
from bot.db.row_models import Generation, is_resumable, options_of, write_failure, write_findings
from bot.db.tables import generations, requests
from bot.db.usage import charge
from bot.models import Failure, GeneratedImage, State
from bot.options import Options

MANY = 1_000_000
"""More slots than there ever are."""


class GenerationStore:
    """What is read and written of generations.

    Each method is one transaction; those that write raise ``StoreUnavailable`` when the database does not answer, and
    those that name an ``owner`` raise ``LeaseLost`` when the generation is no longer that owner's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open_states = looks.open_states(database)
        self._next_waiting = looks.next_waiting(database)
        self._made_ids = looks.made_ids(database)
        self._steps = PreparedStatements.for_database(database)

    def open_work(self) -> looks.PendingWork:
        """What of the generations that have not ended needs somebody, in short."""
        with self._database.look() as connection:
            rows = connection.execute(self._open_states).all()
        return looks.PendingWork(
            waiting=tuple(row.model for row in rows if row.state == State.WAITING),
            lost=any(row.late for row in rows if row.state == State.GENERATING),
            made=any(row.state == State.MADE for row in rows),
        )

    def next_waiting(self, model: str, *, slots: int = MANY) -> tuple[str, Options] | None:
        """The generation that the next free slot of ``model`` goes to: its id and what it is made with.

        One whose call was begun before, and hidden by a crash or refused for the platform's limits, comes first. Then
        the user who was served least recently in this model, who was never served before all others, and of that user
        the oldest. Only requests whose card stands in the chat are eligible: nothing is paid that could not be shown.
        While the bot is paused, the platform has said that this model is busy, or as many calls hold a slot as there
        are ``slots``, there is none.
        """
        with self._database.look() as connection:
            row = connection.execute(self._next_waiting, {"model": model, "slots": slots}).first()
        return (row.generation_id, options_of(json.loads(row.content))) if row else None

    def claim_slot(
        self, generation_id: str, *, owner: str, lease: float, slots: int, deadline: float
    ) -> Generation | None:
        """Takes a slot for a waiting generation: the committed intent to make one paid call.

        Args:
            generation_id: which.
            owner: who makes the call.
            lease: seconds.
            slots: how many calls of its model may be in flight, over all processes. While the platform refuses
                some of them for its limits, that many fewer, but never under one.
            deadline: seconds after which the call frees its slot whatever became of it.

        Returns:
            The generation, or ``None`` when it may no longer be called for: somebody else was faster, no slot is free,
            or the line has come to a halt.
        """
        given = {"which": generation_id, "by": owner, "lease": lease, "slots": slots, "deadline": deadline}
        with self._database.write() as connection:
            self._database.lock_claims(connection)
            row = connection.execute(self._steps.claim_slot, given).mappings().first()
            if row is None:
                connection.rollback()
                return None
            charge(self._database, connection, month=row["billing_month"], model=row["model"], images=1)
            connection.execute(self._steps.mark_served, {"sender": row["sender"], "model": row["model"]})
            if row["backoff_count"] == 0:
                # A card that says "trying again" need not be patched at each of the tries.
                mark_dirty(connection, [row["request_id"]], unless_state="generating")
            return _with_request(connection, row)

    def made(self, generation: Generation, image: GeneratedImage, *, owner: str, link_ends_at: float | None) -> bool:
        """Stores the image's URL, which frees the slot; the generation is released for whoever delivers it.

        Returns:
            Whether it is to be delivered; one that was cancelled meanwhile is not.
        """
        with self._database.change() as connection:
            row = checkpoint(
                connection,
                self._steps.made,
                generation.generation_id,
                owner,
                owner=None,
                slot_until=None,
                url=image.url,
                platform_request_id=image.request_id,
                platform_created_at=image.created,
                link_expires_at=link_ends_at,
                findings=write_findings(image.findings),
                stalled_attempts=0,
                backoff_since=None,
                backoff_count=0,
            )
            return bool(row.state == State.MADE)

    def claimed_slot(self, generation_id: str, *, owner: str) -> Generation | None:
        """The generation if ``owner`` has taken a slot for it and has not let it go.

        Tells what became of a claim whose commit was not acknowledged; it waits for a commit that is still under way.
        """
        with self._database.write() as connection:
            # Locked by its id alone: a commit that is still under way hides what it has changed, but not its lock.
            (row,) = lock_rows(connection, generations, generations.c.generation_id == generation_id)
            mine = row["owner"] == owner and row["state"] == State.GENERATING
            return _with_request(connection, row) if mine else None

    def undo_claim(self, generation: Generation, *, owner: str) -> None:
        """Takes back the charge of a claim whose call was not sent; one that is still ``owner``'s waits again."""
        unsent = {"calls_made": generations.c.calls_made - 1, "calls_billed": generations.c.calls_billed - 1}
        which = generations.c.generation_id == generation.generation_id
        mine = and_(generations.c.owner == owner, generations.c.state == State.GENERATING)
        with self._database.write() as connection:
            back = update(generations).where(which, mine).values(**unsent, owner=None, slot_until=None)
            row = connection.execute(back.values(state=State.WAITING).returning(generations.c.owner)).first()
            if row is None:
                # Whoever took it over believed that a call had been sent.
                connection.execute(update(generations).where(which).values(**unsent, repeated=generation.repeated))
            charge(self._database, connection, month=generation.billing_month, model=generation.model, images=-1)

    def push_back(self, generation: Generation, *, owner: str, seconds: float) -> None:
        """Puts a generation back in line that the platform refused before any work; due after ``seconds``.

        Until then nothing of its model is posted: the others would be refused as well.
        """
        with self._database.write() as connection:
            checkpoint(
                connection,
                self._steps.push_back,
                generation.generation_id,
                owner,
                slot_until=None,
                owner=None,
                seconds_away=seconds,
            )
            charge(self._database, connection, month=generation.billing_month, model=generation.model, images=-1)
            pause_model(self._database, connection, generation.model, seconds=seconds)
            mark_dirty(connection, [generation.request_id], unless_state="backing_off")

    def delayed_for(self, generation: Generation) -> float:
        """Seconds since this generation's present step was first put off."""
        since = select(self._database.now - generations.c.backoff_since).where(
            generations.c.generation_id == generation.generation_id
        )
        with self._database.look() as connection:
            return connection.scalar(since) or 0.0

    def link_age(self, generation: Generation) -> float:
        """Seconds since the platform answered with this generation's link, by the clock of the database."""
        answered_at = generations.c.called_at + generations.c.call_seconds
        age = select(self._database.now - answered_at).where(generations.c.generation_id == generation.generation_id)
        with self._database.look() as connection:
            return connection.scalar(age) or 0.0

    def made_ids(self, *, limit: int) -> list[str]:
        """The ids of generations whose picture is paid for and not delivered, and that nobody works on."""
        with self._database.look() as connection:
            return list(connection.scalars(self._made_ids, {"most": limit}))

    def claim_made(self, generation_id: str, *, owner: str, lease: float) -> Generation | None:
        """Takes up a generation that is paid for; ``None`` when somebody else was faster."""
        given = {"which": generation_id, "by": owner, "lease": lease}
        with self._database.write() as connection:
            row = connection.execute(self._steps.claim_made, given).mappings().first()
            if row is None:
                connection.rollback()
                return None
            return _with_request(connection, row)

    def keep(self, generation: Generation, *, owner: str, **values: object) -> None:
        """Stores the result of a step of the delivery; the owner goes on."""
        with self._database.change() as connection:
            checkpoint(connection, self._steps.keep, generation.generation_id, owner, stalled_attempts=0, **values)

    def postpone(self, generation: Generation, *, owner: str, seconds: float) -> None:
        """Lets a generation go and makes it due again after ``seconds``; such waiting is no taking up."""
        given = {"owner": None, "stalled_attempts": 0, "seconds_away": seconds}
        with self._database.change() as connection:
            checkpoint(connection, self._steps.postpone, generation.generation_id, owner, **given)

    def hold(self, generation: Generation, *, owner: str, seconds: float, delays: int) -> None:
        """Lets a generation go that waits for Feishu to take the app's calls again; that counts as no delay of its own.

        Args:
            generation: which.
            owner: who holds it.
            seconds: after which it is due again.
            delays: how often it has been refused, which only makes the waits longer.
        """
        given = {
            "owner": None,
            "stalled_attempts": 0,
            "backoff_since": None,
            "backoff_count": delays,
            "seconds_away": seconds,
        }
        with self._database.change() as connection:
            checkpoint(connection, self._steps.hold, generation.generation_id, owner, **given)

    def done(self, generation: Generation, *, owner: str, **values: object) -> None:
        """Ends a generation whose picture Feishu has; ``values`` are the result of the last step."""
        with self._database.write() as connection:
            self._end(connection, generation, owner=owner, end=State.DONE, back=0, **values)

    def fail(
        self,
        generation: Generation,
        failure: Failure,
        *,
        owner: str,
        billed: bool = True,
        **values: object,
    ) -> None:
        """Ends a generation with the reason that its card will tell.

        Args:
            generation: which.
            failure: the reason.
            owner: who holds it.
            billed: whether its call may have been billed; where not, the budget gets it back.
            values: further columns.
        """
        back, written = 0 if billed else 1, write_failure(failure)
        with self._database.write() as connection:
            self._end(connection, generation, owner=owner, end=State.FAILED, back=back, failure=written, **values)

    def _end(self, connection: Connection, generation: Generation, *, owner: str, back: int, **values: object) -> None:
        given = {"slot_until": None, "owner": None, "back": back, **values}
        checkpoint(connection, self._steps.end, generation.generation_id, owner, **given)
        charge(self._database, connection, month=generation.billing_month, model=generation.model, images=-back)
        mark_dirty(connection, [generation.request_id])
        self._database.announce(connection)


def resume_images(database: Database, connection: Connection, request_id: str) -> int:
    """Lets the failed images of a request that were paid for go on at their download or upload; gives how many.

    Nothing is charged. It is part of the caller's transaction.
    """
    rows = lock_rows(connection, generations, generations.c.request_id == request_id)
    now = database.time(connection)
    failed = [row["generation_id"] for row in rows if is_resumable(row, now=now)]
    if failed:
        connection.execute(update(generations).where(generations.c.generation_id.in_(failed)).values(_RESUMED))
        connection.execute(
            update(requests)
            .where(requests.c.request_id == request_id)
            .values(
                desired_version=requests.c.desired_version + 1,
                attempts=0,
                stalled_attempts=0,
                due_at=0.0,
                ended_at=None,
                outcome=None,
            )
        )
        database.announce(connection)
    return len(failed)


def is_free_to_repeat(database: Database, connection: Connection, request_id: str) -> bool:
    """Whether none of a request's images has arrived, and one that was paid for can still be had; see above."""
    rows = connection.execute(select(generations).where(generations.c.request_id == request_id)).mappings().all()
    now = database.time(connection)
    return all(row["state"] == State.FAILED for row in rows) and any(is_resumable(row, now=now) for row in rows)


_RESUMED = {
    **dict.fromkeys(("failure", "ended_at", "owner", "backoff_since")),
    **dict.fromkeys(("stalled_attempts", "backoff_count"), 0),
    "state": State.MADE,
    "due_at": 0.0,
}

_ASKED = select(requests.c.dedup_key, requests.c.prompt, requests.c.content).where(
    requests.c.request_id == bindparam("asked", type_=Text)
)


def _with_request(connection: Connection, row: RowMapping) -> Generation:
    asked = connection.execute(_ASKED, {"asked": row["request_id"]}).mappings().one()
    return Generation.of_row({**row, **asked})
