"""The statements with which the worker looks for work, put together once for a database.

To put one of them together takes several times as long as the database needs to answer it, and each is executed at
every look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
)

from bot.db.database import Database
from bot.db.leases import is_free
from bot.db.outages import is_held, is_upload_held
from bot.db.rate_holds import held
from bot.db.tables import generations, last_served, requests
from bot.models import State

MODEL = bindparam("model", type_=Text)
"""The model that a statement is about; given when it is executed."""

SLOTS = bindparam("slots", type_=Integer)
"""How many calls of a model may be in flight; given when a statement is executed."""

OTHERS = generations.alias("others")
"""The generations beside the one that a statement is about."""

HELD_UP = 900.0
"""Seconds for which a request that could not be answered keeps the younger ones of its chat waiting."""

MOST = bindparam("most", type_=Integer)
"""How many rows are wanted; given when a statement is executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """What needs somebody: the models for which somebody waits, calls that nobody makes any more, paid pictures."""

    waiting: tuple[str, ...]
    lost: bool
    made: bool


def open_states(database: Database) -> Select[tuple[Any, ...]]:
    """The states and models of generations that go on, and whether the lease on one of them is over."""
    state, model = generations.c.state, generations.c.model
    late = (func.min(generations.c.lease_until) < database.now).label("late")
    return select(state, model, late).where(generations.c.ended_at.is_(None)).group_by(state, model)


def was_begun() -> ColumnElement[int]:
    """1 for a waiting generation whose call was begun before, which makes it the next one."""
    return case((or_(generations.c.repeated, generations.c.backoff_count > 0), 1), else_=0)


def next_waiting(database: Database) -> Select[tuple[Any, ...]]:
    """The generation of :data:`MODEL` that the next free one of :data:`SLOTS` goes to."""
    return (
        select(generations.c.generation_id, requests.c.content)
        .join(requests, requests.c.request_id == generations.c.request_id)
        .outerjoin(
            last_served, and_(last_served.c.sender == generations.c.sender, last_served.c.model == generations.c.model)
        )
        .where(generations.c.model == MODEL, may_be_called(database, model=MODEL))
        .order_by(
            was_begun().desc(),
            func.coalesce(last_served.c.called_at, 0.0),
            generations.c.accepted_at,
            generations.c.index_in_request,
        )
        .limit(1)
    )


def may_be_called(database: Database, *, model: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that the paid call of a generation of ``model`` may be made now.

    It waits and is due, its card stands in the chat, nothing keeps the line from moving, and one of :data:`SLOTS` is
    free. While the platform refuses some calls for its limits, there are that many slots fewer; one call at a time
    goes on trying.
    """
    asked = requests.alias("asked")
    running = in_flight(database, model=model)
    return and_(
        generations.c.ended_at.is_(None),
        generations.c.state == State.WAITING,
        generations.c.due_at <= database.now,
        exists().where(
            asked.c.request_id == generations.c.request_id,
            or_(asked.c.answer_id.is_not(None), asked.c.delivery_mode == "messages"),
        ),
        ~held(database, model),
        or_(running == 0, running + refused(model=model) < SLOTS),
    )


def in_flight(database: Database, *, model: ColumnElement[str] = MODEL) -> ScalarSelect[int]:
    """How many calls of a model hold a slot; one that was cancelled holds it until the platform is done."""
    return (
        select(func.count())
        .where(
            OTHERS.c.slot_until.is_not(None),
            OTHERS.c.model == model,
            OTHERS.c.slot_until > database.now,
            OTHERS.c.lease_until > database.now,
        )
        .scalar_subquery()
    )


def refused(*, model: ColumnElement[str]) -> ScalarSelect[int]:
    """How many open generations of a model the platform has refused for its limits and not yet let through."""
    return (
        select(func.count())
        .where(
            OTHERS.c.ended_at.is_(None),
            OTHERS.c.model == model,
            OTHERS.c.state.in_((State.WAITING, State.GENERATING)),
            OTHERS.c.backoff_count > 0,
        )
        .scalar_subquery()
    )


def made_ids(database: Database) -> Select[str]:
    """:data:`MOST` generations whose picture is paid for and not delivered, and that nobody works on, oldest first."""
    return (
        select(generations.c.generation_id)
        .where(
            generations.c.ended_at.is_(None),
            generations.c.state == State.MADE,
            generations.c.due_at <= database.now,
            or_(generations.c.cache_name.is_(None), ~is_upload_held(database)),
            is_free(database, generations),
        )
        .order_by(generations.c.accepted_at)
        .limit(MOST)
    )


def unshown(database: Database, *, originals: bool) -> Select[str]:
    """:data:`MOST` requests that are due to be shown: the oldest one of each chat, then the next of each, and so on.

    In one chat a first answer is due only when every older request there has been answered, so that answers keep the
    order of the messages even after an outage. One that Feishu goes on refusing holds the chat up for
    :data:`HELD_UP` seconds. While Feishu refuses the app itself, none is due between two probes. Originals are files
    that are uploaded first: nothing else waits for them.

    Args:
        database: where they are.
        originals: whether to look for originals, or for everything else.
    """
    older = requests.alias("older")
    blocked = exists().where(
        older.c.chat_id == requests.c.chat_id,
        older.c.answer_id.is_(None),
        older.c.delivery_mode == "card",
        older.c.kind != "original",
        older.c.ended_at.is_(None),
        older.c.accepted_at < requests.c.accepted_at,
        older.c.accepted_at > database.now - HELD_UP,
    )
    number_in_chat = func.row_number().over(
        partition_by=func.coalesce(requests.c.chat_id, requests.c.sender), order_by=requests.c.accepted_at
    )
    return (
        select(requests.c.request_id)
        .where(
            requests.c.published_version < requests.c.desired_version,
            requests.c.ended_at.is_(None),
            requests.c.kind == "original" if originals else requests.c.kind != "original",
            requests.c.due_at <= database.now,
            is_free(database, requests),
            ~is_held(database),
            or_(requests.c.answer_id.is_not(None), requests.c.delivery_mode != "card", ~blocked),
        )
        .order_by(number_in_chat, requests.c.accepted_at)
        .limit(MOST)
    )
