"""Generations: waiting for a slot, called, paid for, delivered, ended; and the recovery of calls of dead processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    ScalarSelect,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from bot.db.database import Database
from bot.db.key_value import paused, set_timer, timer_runs
from bot.db.leases import LONGEST_CALL, is_free, lock_rows, update_owned
from bot.db.outages import is_upload_held
from bot.db.requests import mark_dirty
from bot.db.rows import Generation, is_resumable, options_of, write_failure, write_findings
from bot.db.tables import generations, last_served, requests
from bot.db.usage import charge
from bot.models import Failure, GeneratedImage, State
from bot.options import Options

UNLIMITED_SLOTS = 1_000_000

_G = generations.c
_OTHERS = generations.alias("others")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """What is to be done: models with waiting generations, lost calls, undelivered images."""

    waiting: tuple[str, ...]
    lost: bool
    made: bool


class GenerationStore:
    """Reads and writes generations.

    Each method is one transaction; those that write raise ``DatabaseUnavailable`` when the database does not answer,
    and those that name an ``owner`` raise ``LeaseLost`` when the generation is no longer that owner's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_work(self) -> PendingWork:
        """The work on generations that have not ended."""
        late = (func.min(_G.lease_until) < self._database.now).label("late")
        statement = select(_G.state, _G.model, late).where(_G.ended_at.is_(None)).group_by(_G.state, _G.model)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return PendingWork(
            waiting=tuple(row.model for row in rows if row.state == State.WAITING),
            lost=any(row.late for row in rows if row.state == State.GENERATING),
            made=any(row.state == State.MADE for row in rows),
        )

    def next_waiting(self, model: str, *, slots: int = UNLIMITED_SLOTS) -> tuple[str, Options] | None:
        """The generation that the next free slot of ``model`` goes to: its id and its options.

        One whose call was begun before, and lost by a crash or rejected for the platform's limits, comes first. Then
        the sender who was served least recently in this model, who was never served before all others, and of that
        sender the oldest.
        """
        begun = case((or_(_G.repeated, _G.backoff_count > 0), 1), else_=0)
        statement = (
            select(_G.generation_id, requests.c.content)
            .join(requests, requests.c.request_id == _G.request_id)
            .outerjoin(last_served, and_(last_served.c.sender == _G.sender, last_served.c.model == _G.model))
            .where(_G.model == model, is_claimable(self._database, model=literal(model), slots=slots))
            .order_by(begun.desc(), func.coalesce(last_served.c.called_at, 0.0), _G.accepted_at, _G.index_in_request)
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        return (row.generation_id, options_of(json.loads(row.content))) if row else None

    def claim_slot(
        self, generation_id: str, *, owner: str, lease: float, slots: int, deadline: float
    ) -> Generation | None:
        """Takes a slot for a waiting generation: the committed intent to make one paid call.

        Args:
            generation_id: which.
            owner: who makes the call.
            lease: seconds.
            slots: how many calls of its model may be in flight, over all processes.
            deadline: seconds after which the call frees its slot whatever became of it.

        Returns:
            The generation, or ``None`` when it may no longer be called: another worker was faster, no slot is free, or
            the queue is paused.
        """
        now = self._database.now
        claim = (
            update(generations)
            # The read that found it may be older than a pause, a back-off, or another worker's call.
            .where(_G.generation_id == generation_id, is_claimable(self._database, model=_G.model, slots=slots))
            .values(
                state=State.GENERATING,
                owner=owner,
                lease_until=now + lease,
                calls_made=_G.calls_made + 1,
                calls_billed=_G.calls_billed + 1,
                called_at=now,
                slot_until=now + deadline,
            )
            .returning(generations)
        )
        with self._database.write(step="generations.claim_slot") as connection:
            self._database.lock_claims(connection)
            row = connection.execute(claim).mappings().first()
            if row is None:
                connection.rollback()
                return None
            charge(self._database, connection, month=row["billing_month"], model=row["model"], images=1)
            served = self._database.insert(last_served).values(sender=row["sender"], model=row["model"], called_at=now)
            connection.execute(
                served.on_conflict_do_update(
                    index_elements=["sender", "model"], set_={"called_at": served.excluded.called_at}
                )
            )
            if row["backoff_count"] == 0:
                # A card that says "trying again" need not be patched at each of the tries.
                mark_dirty(connection, [row["request_id"]], unless_state="generating")
            return _with_request(connection, row)

    def made(self, generation: Generation, image: GeneratedImage, *, owner: str, link_expires_at: float | None) -> bool:
        """Stores the image's URL, which frees the slot, and releases the generation to be delivered.

        Returns:
            Whether it is to be delivered; one that was cancelled meanwhile is not.
        """
        now = self._database.now
        # The clock may have been set meanwhile.
        call_seconds = case(
            (_G.called_at > now, 0.0),
            (_G.called_at < now - LONGEST_CALL, LONGEST_CALL),
            else_=now - _G.called_at,
        )
        state = self._update(
            "made",
            generation,
            owner,
            state=_unless_cancelled(State.MADE),
            call_seconds=call_seconds,
            owner=None,
            slot_until=None,
            url=image.url,
            platform_request_id=image.request_id,
            platform_created_at=image.created,
            link_expires_at=link_expires_at,
            findings=write_findings(image.findings),
            stalled_attempts=0,
            backoff_since=None,
            backoff_count=0,
        )
        return state == State.MADE

    def claimed_slot(self, generation_id: str, *, owner: str) -> Generation | None:
        """The generation if ``owner`` has taken a slot for it and has not released it.

        Tells what became of a claim whose commit was not acknowledged; it waits for a commit that is under way.
        """
        with self._database.write(step="generations.claimed_slot") as connection:
            # Locked by its id alone: a commit that is under way hides what it has changed, but not its lock.
            (row,) = lock_rows(connection, generations, _G.generation_id == generation_id)
            mine = row["owner"] == owner and row["state"] == State.GENERATING
            return _with_request(connection, row) if mine else None

    def undo_claim(self, generation: Generation, *, owner: str) -> None:
        """Takes back the charge of a claim whose call was not sent; one that is still ``owner``'s waits again."""
        unsent = {"calls_made": _G.calls_made - 1, "calls_billed": _G.calls_billed - 1}
        which = _G.generation_id == generation.generation_id
        mine = and_(_G.owner == owner, _G.state == State.GENERATING)
        back = update(generations).where(which, mine).values(**unsent, owner=None, slot_until=None, state=State.WAITING)
        with self._database.write(step="generations.undo_claim") as connection:
            if connection.execute(back.returning(_G.owner)).first() is None:
                # Another worker took it over, and believed that a call had been sent.
                connection.execute(update(generations).where(which).values(**unsent, repeated=generation.repeated))
            charge(self._database, connection, month=generation.billing_month, model=generation.model, images=-1)

    def push_back(self, generation: Generation, *, owner: str, seconds: float) -> None:
        """Puts a generation back into the queue that the platform rejected before any work; due after ``seconds``.

        Until then nothing of its model is called: the others would be rejected as well.
        """
        values = {"state": _unless_cancelled(State.WAITING), "slot_until": None, "calls_billed": _G.calls_billed - 1}
        with self._database.write(step="generations.push_back") as connection:
            self._update_in(connection, generation, owner, **values, **self._backoff(seconds))
            charge(self._database, connection, month=generation.billing_month, model=generation.model, images=-1)
            pause_model(self._database, connection, generation.model, seconds=seconds)
            mark_dirty(connection, [generation.request_id], unless_state="backing_off")

    def delayed_for(self, generation: Generation) -> float:
        """Seconds since this generation's present step was first put off."""
        return self._seconds_since(generation, _G.backoff_since)

    def link_age(self, generation: Generation) -> float:
        """Seconds since the platform answered with this generation's link, by the clock of the database."""
        return self._seconds_since(generation, _G.called_at + _G.call_seconds)

    def _seconds_since(self, generation: Generation, time: ColumnElement[float | None]) -> float:
        statement = select(self._database.now - time).where(_G.generation_id == generation.generation_id)
        with self._database.read() as connection:
            return connection.scalar(statement) or 0.0

    def made_ids(self, *, limit: int) -> list[str]:
        """The ids of generations whose image is paid for and not delivered, and that nobody works on, oldest first."""
        statement = (
            select(_G.generation_id)
            .where(
                _G.ended_at.is_(None),
                _G.state == State.MADE,
                _G.due_at <= self._database.now,
                or_(_G.cache_name.is_(None), ~is_upload_held(self._database)),
                is_free(self._database, generations),
            )
            .order_by(_G.accepted_at)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.scalars(statement))

    def claim_made(self, generation_id: str, *, owner: str, lease: float) -> Generation | None:
        """Claims a generation that is paid for; ``None`` when another worker was faster."""
        claim = (
            update(generations)
            .where(_G.generation_id == generation_id, _G.state == State.MADE, is_free(self._database, generations))
            .values(owner=owner, lease_until=self._database.now + lease, stalled_attempts=_G.stalled_attempts + 1)
            .returning(generations)
        )
        with self._database.write(step="generations.claim_made") as connection:
            row = connection.execute(claim).mappings().first()
            if row is None:
                connection.rollback()
                return None
            return _with_request(connection, row)

    def keep(self, generation: Generation, *, owner: str, **values: object) -> None:
        """Stores the result of a step of the delivery; the owner goes on."""
        self._update("keep", generation, owner, stalled_attempts=0, **values)

    def postpone(self, generation: Generation, *, owner: str, seconds: float) -> None:
        """Releases a generation and makes it due again after ``seconds``, which is no stalled attempt."""
        self._update("postpone", generation, owner, stalled_attempts=0, **self._backoff(seconds))

    def hold(self, generation: Generation, *, owner: str, seconds: float, delays: int) -> None:
        """Releases a generation that waits for Feishu to accept the app's calls again, which is no back-off of its own.

        Args:
            generation: which.
            owner: who holds it.
            seconds: after which it is due again.
            delays: how often it has been rejected, which only makes the waits longer.
        """
        due_at = self._database.now + seconds
        values = {"stalled_attempts": 0, "backoff_since": None, "backoff_count": delays, "due_at": due_at}
        self._update("hold", generation, owner, owner=None, **values)

    def done(self, generation: Generation, *, owner: str, **values: object) -> None:
        """Ends a generation whose image Feishu has; ``values`` are the result of the last step."""
        self._end("done", generation, owner, end=State.DONE, back=0, **values)

    def fail(
        self, generation: Generation, failure: Failure, *, owner: str, billed: bool = True, **values: object
    ) -> None:
        """Ends a generation with the reason that its card shows; a call that was not billed is taken off the budget."""
        written = write_failure(failure)
        self._end("fail", generation, owner, end=State.FAILED, back=0 if billed else 1, failure=written, **values)

    def _end(self, name: str, generation: Generation, owner: str, *, end: State, back: int, **values: object) -> None:
        values |= {"calls_billed": _G.calls_billed - back, "slot_until": None, "state": _unless_cancelled(end)}
        ended_at = func.coalesce(_G.ended_at, self._database.now)
        with self._database.write(step=f"generations.{name}") as connection:
            self._update_in(connection, generation, owner, owner=None, ended_at=ended_at, **values)
            charge(self._database, connection, month=generation.billing_month, model=generation.model, images=-back)
            mark_dirty(connection, [generation.request_id])
            self._database.notify_workers(connection)

    def _backoff(self, seconds: float) -> dict[str, object]:
        return {
            "owner": None,
            "due_at": self._database.now + seconds,
            "backoff_count": _G.backoff_count + 1,
            "backoff_since": func.coalesce(_G.backoff_since, self._database.now),
        }

    def _update(self, name: str, generation: Generation, held_by: str, /, **values: object) -> State:
        with self._database.write(step=f"generations.{name}") as connection:
            return self._update_in(connection, generation, held_by, **values)

    def _update_in(self, connection: Connection, generation: Generation, held_by: str, /, **values: object) -> State:
        row = update_owned(connection, generations, generation.generation_id, held_by, values, returning=_G.state)
        return State(row)


def is_claimable(database: Database, *, model: ColumnElement[str], slots: int) -> ColumnElement[bool]:
    """The condition that the paid call of a generation of ``model`` may be made now.

    It waits and is due, its card is in the chat (nothing is paid that could not be shown), nothing holds up the queue,
    and one of the slots is free. While the platform rejects some calls for its limits, there are that many slots fewer;
    one call at a time goes on trying.
    """
    asked = requests.alias("asked")
    running = in_flight(database, model=model)
    rejected = (
        select(func.count())
        .where(
            _OTHERS.c.ended_at.is_(None),
            _OTHERS.c.model == model,
            _OTHERS.c.state.in_((State.WAITING, State.GENERATING)),
            _OTHERS.c.backoff_count > 0,
        )
        .scalar_subquery()
    )
    return and_(
        _G.ended_at.is_(None),
        _G.state == State.WAITING,
        _G.due_at <= database.now,
        exists().where(
            asked.c.request_id == _G.request_id,
            or_(asked.c.answer_id.is_not(None), asked.c.delivery_mode == "messages"),
        ),
        ~is_model_held(database, model),
        or_(running == 0, running + rejected < slots),
    )


def in_flight(database: Database, *, model: ColumnElement[str]) -> ScalarSelect[int]:
    """How many calls of a model hold a slot; one that was cancelled holds it until the platform is done."""
    return (
        select(func.count())
        .where(
            _OTHERS.c.slot_until.is_not(None),
            _OTHERS.c.model == model,
            _OTHERS.c.slot_until > database.now,
            _OTHERS.c.lease_until > database.now,
        )
        .scalar_subquery()
    )


def is_model_held(database: Database, model: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that no call of a model may be made now: the bot is paused, or the platform says it is busy."""
    return or_(paused(), timer_runs(database, literal("model:").concat(model)))


def pause_model(database: Database, connection: Connection, model: str, *, seconds: float) -> None:
    """Lets no call of a model be made for so many seconds, within the caller's transaction."""
    set_timer(database, connection, f"model:{model}", seconds=seconds)


def recover_lost_calls(database: Database, *, failure: Failure, but_not: Sequence[str] = ()) -> int:
    """Puts generations back into the queue whose paid call no living process is making.

    The outcome of that call is unknown. It is made once more, and the card says so; lost a second time, the generation
    fails. Both calls stay charged.

    Args:
        database: where the generations are.
        failure: the reason of one whose call was lost a second time.
        but_not: the ids of those whose call this process is making, however late its lease is.

    Returns:
        How many were found.
    """
    lost = and_(
        _G.ended_at.is_(None),
        _G.state == State.GENERATING,
        _G.lease_until < database.now,
        _G.generation_id.not_in(but_not),
    )
    with database.read() as connection:
        if connection.execute(select(_G.generation_id).where(lost).limit(1)).first() is None:
            return 0
    with database.write(step="generations.recover_lost_calls") as connection:
        rows = lock_rows(connection, generations, lost)
        failed = [row for row in rows if row["repeated"]]
        again = [row for row in rows if not row["repeated"]]
        end = {"state": State.FAILED, "failure": write_failure(failure), "ended_at": database.now}
        for some, values in ((failed, end), (again, {"state": State.WAITING, "repeated": True, "due_at": 0.0})):
            which = _G.generation_id.in_([row["generation_id"] for row in some])
            connection.execute(update(generations).where(which).values(**values, owner=None, slot_until=None))
        lock_rows(connection, requests, requests.c.request_id.in_([row["request_id"] for row in rows]))
        mark_dirty(connection, [row["request_id"] for row in failed])
        mark_dirty(connection, [row["request_id"] for row in again], unless_state="generating")
    return len(rows)


def resume_images(database: Database, connection: Connection, request_id: str) -> int:
    """Lets the failed images of a request that were paid for go on at their download or upload; gives how many.

    Nothing is charged. It is part of the caller's transaction.
    """
    rows = lock_rows(connection, generations, _G.request_id == request_id)
    now = database.time(connection)
    failed = [row["generation_id"] for row in rows if is_resumable(row, now=now)]
    if failed:
        values: Mapping[str, Any] = {
            **dict.fromkeys(("failure", "ended_at", "owner", "backoff_since")),
            **dict.fromkeys(("stalled_attempts", "backoff_count", "due_at"), 0),
            "state": State.MADE,
        }
        connection.execute(update(generations).where(_G.generation_id.in_(failed)).values(values))
        reopened = {"desired_version": requests.c.desired_version + 1, "ended_at": None, "outcome": None}
        connection.execute(
            update(requests)
            .where(requests.c.request_id == request_id)
            .values(**reopened, attempts=0, stalled_attempts=0, due_at=0.0)
        )
        database.notify_workers(connection)
    return len(failed)


def is_free_to_repeat(database: Database, connection: Connection, request_id: str) -> bool:
    """Whether none of a request's images has arrived, and one that was paid for can still be had."""
    rows = connection.execute(select(generations).where(_G.request_id == request_id)).mappings().all()
    now = database.time(connection)
    return all(row["state"] == State.FAILED for row in rows) and any(is_resumable(row, now=now) for row in rows)


def _unless_cancelled(state: State) -> ColumnElement[Any]:
    """``state`` for a generation that goes on; one that was cancelled meanwhile stays cancelled."""
    return case((_G.state == State.CANCELLED, State.CANCELLED), else_=state)


def _with_request(connection: Connection, row: RowMapping) -> Generation:
    asked = select(requests.c.dedup_key, requests.c.prompt, requests.c.content).where(
        requests.c.request_id == row["request_id"]
    )
    return Generation.of_row({**row, **connection.execute(asked).mappings().one()})
