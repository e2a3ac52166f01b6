"""Generations: waiting for a slot, called, paid for, delivered, ended; and the recovery of calls of dead processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.db.database import NOW, Database, insert_if_new, lock_claims, notify_workers, read_time, upsert
from bot.db.key_value import IS_PAUSED
from bot.db.leases import LONGEST_CALL, change_rows, claim_row, holds_slot, is_free, lock_rows, update_owned
from bot.db.requests import generations_of, mark_dirty, reopen
from bot.db.tables import (
    NOTIFICATION,
    UNFINISHED,
    WAITS,
    G,
    Generation,
    R,
    generations,
    last_served,
    read_row,
    requests,
    sent_messages,
    view_of_generation,
)
from bot.db.timers import IS_UPLOAD_HELD, is_model_held, pause_model
from bot.db.usage import add_usage
from bot.models import Failure, GeneratedImage, State
from bot.options import Options

UNLIMITED_SLOTS = 1_000_000
MEASURED = 20  # calls that are read for the estimate of the wait

_IS_MADE = G.state == State.MADE
_BEGUN = sa.or_(G.repeated, G.backoff_count > 0)
_SERVED = sa.and_(last_served.c.sender == G.sender, last_served.c.model == G.model)
_ARRIVAL = G.accepted_at, G.index_in_request
_IS_BEGUN = sa.case((_BEGUN, 1), else_=0)
_LAST_SERVED = sa.func.coalesce(last_served.c.called_at, 0.0)
_MODEL = sa.bindparam("model", type_=sa.Text)
_FAIR_ORDER = (
    -_IS_BEGUN,
    sa.func.row_number().over(partition_by=(G.sender, _BEGUN), order_by=_ARRIVAL),
    # Who is served for a call that was begun is served again after everybody else.
    sa.case((_BEGUN, 0), else_=sa.func.sum(_IS_BEGUN).over(partition_by=G.sender)),
    _LAST_SERVED,
    sa.func.first_value(G.accepted_at).over(partition_by=G.sender, order_by=(_BEGUN.desc(), *_ARRIVAL)),
    *_ARRIVAL,
)
"""The order in which the generations of one model get slots if nobody else comes.

Those whose call was begun before come first: lost by a crash, or rejected for the platform's limits. Within each group
senders take turns: first the one who was served least recently, or never, each with their oldest generation.
"""
_WAITING = (
    sa.select(G.generation_id, G.request_id, G.due_at, *(one.label(None) for one in _FAIR_ORDER))
    .outerjoin(last_served, _SERVED)
    .where(WAITS, G.model == _MODEL)
    .subquery()
)
_GENERATION, _REQUEST, _DUE, *_FAIR = _WAITING.c
_TURNS = sa.select(_GENERATION, _REQUEST, _DUE, sa.func.row_number().over(order_by=_FAIR).label("turn")).subquery()
_OTHERS = generations.alias("others").c


def in_flight(model: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """How many calls of a model hold a slot; one that was cancelled holds it until the platform is done."""
    return sa.select(sa.func.count()).where(_OTHERS.model == model, holds_slot(_OTHERS)).scalar_subquery()


def _is_claimable(*, model: sa.ColumnElement[str], slots: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """The condition that the paid call of a generation of ``model`` may be made now.

    It waits and is due, its card is in the chat (nothing is paid that could not be shown), nothing holds up the queue,
    and one of the slots is free: of as many fewer as calls are rejected for the platform's limits, but one at least.
    """
    rejected = sa.select(sa.func.count()).where(
        _OTHERS.ended_at.is_(None),
        _OTHERS.model == model,
        _OTHERS.state.in_((State.WAITING, State.GENERATING)),
        _OTHERS.backoff_count > 0,
    )
    asked = requests.alias("asked").c
    shown = sa.or_(asked.answer_id.is_not(None), asked.delivery_mode == "messages")
    return sa.and_(
        WAITS,
        G.due_at <= NOW,
        sa.exists().where(asked.request_id == G.request_id, shown),
        ~is_model_held(model),
        sa.or_(in_flight(model) == 0, in_flight(model) + rejected.scalar_subquery() < slots),
    )


# Built once, as each poll or card executes them.
_OPEN_WORK = (
    sa.select(G.state, G.model).where(UNFINISHED, sa.or_(G.state != State.GENERATING, G.lease_until < NOW)).distinct()
)
_FACTS = sa.select(in_flight(_MODEL), NOW, IS_PAUSED, is_model_held(_MODEL))
_MEASURED = (
    sa.select(G.call_seconds)
    .where(G.model == _MODEL, G.call_seconds.is_not(None))
    .order_by(G.ended_at.desc())
    .limit(MEASURED)
)
_NEXT = (
    sa.select(G.generation_id, R.content)
    .join(requests, R.request_id == G.request_id)
    .outerjoin(last_served, _SERVED)
    .where(G.model == _MODEL, _is_claimable(model=_MODEL, slots=sa.bindparam("slots", type_=sa.Integer)))
    # The first one of the fair order, without what orders those behind it.
    .order_by(_IS_BEGUN.desc(), _LAST_SERVED, *_ARRIVAL)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class GenerationStore:
    """What a worker reads and writes of generations; each method is one transaction.

    Those that take a claimed generation raise ``LeaseLost`` when it is no longer ``owner``'s.
    """

    database: Database
    owner: str

    def open_work(self) -> Mapping[str, Sequence[str]]:
        """By state, the models of generations that wait, whose call was lost, or whose image is not delivered."""
        models = defaultdict[str, list[str]](list)
        with self.database.read() as connection:
            for state, model in connection.execute(_OPEN_WORK):
                models[state].append(model)
        return models

    def next_waiting(self, model: str, *, slots: int = UNLIMITED_SLOTS) -> tuple[str, Options] | None:
        """The generation that the next free slot of ``model`` goes to: its id and its options."""
        with self.database.read() as connection:
            row = connection.execute(_NEXT, {"model": model, "slots": slots}).first()
        return (row.generation_id, Options.from_stored(row.content)) if row else None

    def claim_slot(self, generation_id: str, *, lease: float, slots: int, deadline: float) -> Generation | None:
        """Takes a slot for a waiting generation: the committed intent to make one paid call.

        So many ``slots`` of its model may be in flight over all processes; after ``deadline`` seconds the call frees
        its slot whatever became of it. ``None`` when it may no longer be called.
        """
        # The read that found it may be older than a pause, a back-off, or another worker's call.
        is_claimable = _is_claimable(model=G.model, slots=sa.literal(slots))
        claim = sa.update(generations).where(G.generation_id == generation_id, is_claimable)
        claim = claim.values(
            state=State.GENERATING,
            owner=self.owner,
            lease_until=NOW + lease,
            calls_made=G.calls_made + 1,
            calls_billed=G.calls_billed + 1,
            called_at=NOW,
            slot_until=NOW + deadline,
        )
        with self.database.write(step="generations.claim_slot") as connection:
            lock_claims(connection)
            row = connection.execute(claim.returning(generations)).first()
            if row is None:
                connection.rollback()
                return None
            add_usage(connection, month=row.billing_month, name=row.model, count=1)
            upsert(connection, last_served, sender=row.sender, model=row.model, called_at=NOW)
            if row.backoff_count == 0:
                # A card that says "trying again" need not be patched at each of the tries.
                mark_dirty(connection, [row.request_id], unless_state="generating")
            return _with_request(connection, row)

    def claimed_slot(self, generation_id: str) -> Generation | None:
        """What became of a claim whose commit was not acknowledged: the generation if it was made."""
        with self.database.write(step="generations.claimed_slot") as connection:
            # Locked by its id alone: a commit that is under way hides what it has changed, but not its lock.
            (row,) = lock_rows(connection, generations, G.generation_id == generation_id)
            mine = row.owner == self.owner and row.state == State.GENERATING
            return _with_request(connection, row) if mine else None

    def undo_claim(self, generation: Generation) -> None:
        """Takes back the charge of a claim whose call was not sent; one that is still this owner's waits again."""
        unsent = sa.update(generations).where(G.generation_id == generation.generation_id)
        unsent = unsent.values(calls_made=G.calls_made - 1, calls_billed=G.calls_billed - 1)
        mine = unsent.where(G.owner == self.owner, G.state == State.GENERATING)
        back = mine.values(owner=None, slot_until=None, state=State.WAITING)
        with self.database.write(step="generations.undo_claim") as connection:
            if connection.execute(back.returning(G.owner)).first() is None:
                # Another worker took it over, and believed that a call had been sent.
                connection.execute(unsent.values(repeated=generation.repeated))
            add_usage(connection, month=generation.billing_month, name=generation.model, count=-1)

    def made(self, generation: Generation, image: GeneratedImage, *, link_expires_at: float | None) -> bool:
        """Stores the image's URL, which frees the slot, and releases the generation to be delivered.

        Returns whether it is to be delivered; one that was cancelled meanwhile is offered by its card.
        """
        # The clock may have been set meanwhile.
        bounds = (G.called_at > NOW, 0.0), (G.called_at < NOW - LONGEST_CALL, LONGEST_CALL)
        values = {
            "state": _unless_cancelled(State.MADE),
            "call_seconds": sa.case(*bounds, else_=NOW - G.called_at),
            "url": image.url,
            "platform_request_id": image.request_id,
            "platform_created_at": image.created,
            "link_expires_at": link_expires_at,
            "findings": image.findings,
            **dict.fromkeys(("owner", "slot_until", "backoff_since")),
            **dict.fromkeys(("stalled_attempts", "backoff_count"), 0),
        }
        with self.database.write(step="generations.made") as connection:
            state = self._update_in(connection, generation, **values)
            if state == State.CANCELLED:
                # Its card shows that the image has come, unless its message was recalled.
                reopen(connection, generation.request_id, R.answer_id.is_not(None), R.raw_prompt != "")
        return state == State.MADE

    def push_back(self, generation: Generation, *, seconds: float) -> None:
        """Puts a generation back into the queue that was rejected before any work; its model waits for ``seconds``."""
        values = {"state": _unless_cancelled(State.WAITING), "slot_until": None, **_backoff(seconds)}
        with self.database.write(step="generations.push_back") as connection:
            self._update_in(connection, generation, 1, **values)
            pause_model(connection, generation.model, seconds=seconds)
            mark_dirty(connection, [generation.request_id], unless_state="backing_off")

    def made_ids(self, *, limit: int) -> list[str]:
        """The ids of generations whose image is paid for and not delivered, and that nobody works on, oldest first."""
        uploadable = sa.or_(G.cache_name.is_(None), ~IS_UPLOAD_HELD)
        made = UNFINISHED, _IS_MADE, G.due_at <= NOW, uploadable, is_free(generations)
        oldest = sa.select(G.generation_id).where(*made).order_by(G.accepted_at).limit(limit)
        with self.database.read() as connection:
            return list(connection.scalars(oldest))

    def claim_made(self, generation_id: str, *, lease: float) -> Generation | None:
        """Claims a generation that is paid for; ``None`` when another worker was faster."""
        with self.database.write(step="generations.claim_made") as connection:
            row = claim_row(connection, generations, generation_id, _IS_MADE, owner=self.owner, lease=lease)
            return None if row is None else _with_request(connection, row)

    def keep(self, generation: Generation, **values: object) -> None:
        self._update("keep", generation, **values)

    def postpone(self, generation: Generation, *, seconds: float, delays: int | None = None) -> None:
        """Releases a generation and makes it due again after ``seconds``, which is no stalled attempt.

        With ``delays``, how often it was rejected, it waits for Feishu to accept the app: no back-off of its own.
        """
        outage = {} if delays is None else {"backoff_since": None, "backoff_count": delays}
        self._update("postpone", generation, **_backoff(seconds) | outage)

    def done(self, generation: Generation, **values: object) -> None:
        self._end("done", generation, state=_unless_cancelled(State.DONE), **values)

    def fail(self, generation: Generation, failure: Failure, *, billed: bool = True, **values: object) -> None:
        """Ends a generation with the reason that its card shows; a call that was not billed is taken off the budget."""
        values |= {"state": _unless_cancelled(State.FAILED), "failure": failure}
        self._end("fail", generation, 0 if billed else 1, **values)

    def _end(self, step: str, generation: Generation, unbilled: int = 0, /, **values: object) -> None:
        values |= {"slot_until": None, "owner": None, "ended_at": sa.func.coalesce(G.ended_at, NOW)}
        with self.database.write(step=f"generations.{step}") as connection:
            self._update_in(connection, generation, unbilled, **values)
            mark_dirty(connection, [generation.request_id])
            notify_workers(connection)

    def _update(self, step: str, generation: Generation, **values: object) -> None:
        with self.database.write(step=f"generations.{step}") as connection:
            self._update_in(connection, generation, stalled_attempts=0, **values)

    def _update_in(
        self, connection: sa.Connection, generation: Generation, unbilled: int = 0, /, **values: object
    ) -> str:
        """Stores the result of a step, and gives the new state; ``unbilled`` calls are taken off the budget."""
        if unbilled:
            values["calls_billed"] = G.calls_billed - unbilled
        state: str = update_owned(connection, G.state, generation.generation_id, self.owner, values)
        add_usage(connection, month=generation.billing_month, name=generation.model, count=-unbilled)
        return state


def _backoff(seconds: float) -> dict[str, object]:
    return {
        "owner": None,
        "due_at": NOW + seconds,
        "backoff_count": G.backoff_count + 1,
        "backoff_since": sa.func.coalesce(G.backoff_since, NOW),
    }


def _unless_cancelled(state: State) -> sa.ColumnElement[Any]:
    """``state`` for a generation that goes on; one that was cancelled meanwhile stays cancelled."""
    return sa.case((G.state == State.CANCELLED, State.CANCELLED), else_=state)


def _with_request(connection: sa.Connection, row: sa.Row[Any]) -> Generation:
    columns = sa.select(R.dedup_key, R.prompt, R.content, NOW)
    key, prompt, content, now = connection.execute(columns.where(R.request_id == row.request_id)).one()
    return read_row(
        Generation,
        row,
        dedup_key=key,
        prompt=prompt,
        options=Options.from_stored(content),
        delayed_for=now - (row.backoff_since or now),
        link_age=now - (row.called_at or now) - (row.call_seconds or 0.0),
    )


def find_generation(connection: sa.Connection, generation_id: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(generations).where(G.generation_id == generation_id)).first()


def store_file_key(connection: sa.Connection, generation_id: str, file_key: str | None) -> None:
    """Stores Feishu's key of an uploaded original; ``None`` has it uploaded again the next time."""
    connection.execute(sa.update(generations).where(G.generation_id == generation_id).values(file_key=file_key))


def recover_lost_calls(database: Database, *, failure: Failure, but_not: Sequence[str] = ()) -> int:
    """Puts generations back into the queue whose paid call no living process is making; returns how many.

    The outcome of that call is unknown. It is made once more, and the card says so; lost a second time, the generation
    fails with ``failure``. Both calls stay charged. ``but_not`` are those whose call this process is making, however
    late its lease is.
    """
    late = sa.and_(UNFINISHED, G.state == State.GENERATING, G.lease_until < NOW)
    lost = sa.and_(late, G.generation_id.not_in(but_not))
    with database.read() as connection:
        if connection.execute(sa.select(G.generation_id).where(lost).limit(1)).first() is None:
            return 0
    with database.write(step="generations.recover_lost_calls") as connection:
        values = {
            "state": sa.case((G.repeated, State.FAILED), else_=State.WAITING),
            "failure": sa.case((G.repeated, sa.literal(failure, G.failure.type))),
            "ended_at": sa.case((G.repeated, NOW)),
            "repeated": True,
            "due_at": 0.0,
            "owner": None,
            "slot_until": None,
        }
        rows = change_rows(connection, generations, lost, values)
        failed, again = [row for row in rows if row.repeated], [row for row in rows if not row.repeated]
        lock_rows(connection, requests, R.request_id.in_([row.request_id for row in rows]))
        mark_dirty(connection, [row.request_id for row in failed])
        mark_dirty(connection, [row.request_id for row in again], unless_state="generating")
    return len(rows)


def resume_images(connection: sa.Connection, request_id: str, *, kept: bool = False) -> int:
    """Lets the failed images of a request that were paid for go on at their download or upload; gives how many.

    With ``kept`` it is the cancelled ones whose call had begun. Nothing is charged.
    """
    rows, now = lock_rows(connection, generations, G.request_id == request_id), read_time(connection)
    views = [view_of_generation(row, now=now) for row in rows]
    found = [view.generation_id for view in views if (view.kept if kept else view.resumable)]
    if found:
        values: Mapping[str, Any] = {
            **dict.fromkeys(("failure", "ended_at", "owner", "backoff_since")),
            **dict.fromkeys(("stalled_attempts", "backoff_count", "due_at"), 0),
            "state": State.MADE,
        }
        connection.execute(sa.update(generations).where(G.generation_id.in_(found)).values(values))
        reopen(connection, request_id, outcome=None, attempts=0, stalled_attempts=0, due_at=0.0)
        # Whoever pressed a button is looking at the card, and is not notified of its end.
        insert_if_new(connection, sent_messages, request_id=request_id, step=NOTIFICATION, message_id="")
        notify_workers(connection)
    return len(found)


def is_free_to_repeat(connection: sa.Connection, request_id: str) -> bool:
    """Whether none of a request's images has arrived, and one that was paid for can still be had."""
    views = generations_of(connection, request_id)
    return all(view.state is State.FAILED for view in views) and any(view.resumable for view in views)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One model's queue at the time ``now``."""

    waiting: Sequence[sa.Row[Any]]  # generation_id, request_id, due_at and turn, counted from 1, in this order
    running: int
    now: float
    paused: bool  # by an admin
    held: bool  # whether no call may be made now
    measured: Sequence[float]  # the seconds of the last calls


def read_queue(database: Database, model: str, request_id: str | None = None) -> QueueState:
    """Reads a model's queue; where a request is named, only its own of what waits."""
    waiting = sa.select(_TURNS).order_by(_TURNS.c.turn)
    if request_id is not None:
        waiting = waiting.where(_TURNS.c.request_id == request_id)
    named = {"model": model}
    with database.read() as connection:
        rows = connection.execute(waiting, named).all()
        running, now, paused, held = connection.execute(_FACTS, named).one()
        measured = connection.scalars(_MEASURED, named).all()
    return QueueState(waiting=rows, running=running, now=now, paused=paused, held=held, measured=measured)


def queued_cards(database: Database) -> Sequence[sa.Row[Any, Any, Any, Any]]:
    """The cards that show a position and are not due anyway: model, request_id, shown_position and patch_count."""
    shown = R.card_state == "queued", R.published_version == R.desired_version, R.delivery_mode == "card"
    columns = sa.select(G.model, R.request_id, R.shown_position, R.patch_count)
    cards = columns.join(requests, R.request_id == G.request_id).where(WAITS, *shown).distinct()
    with database.read() as connection:
        return connection.execute(cards).all()
