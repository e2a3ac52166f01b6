"""The requests in the database: accepted once, taken up while what the chat shows is behind, ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Double,
    Integer,
    RowMapping,
    Table,
    Text,
    and_,
    bindparam,
    case,
    func,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from bot.db import poll_queries as looks
from bot.db.database import Database
from bot.db.leases import checkpoint, is_free, step
from bot.db.locks import change_rows
from bot.db.row_models import Request, Way, picture_of_row
from bot.db.send_rate import SendRateLimiter
from bot.db.tables import generations, requests, sent_messages
from bot.models import GenerationView, State

MOST_PATCHES = 6
"""How often a card is patched in all: a basic Feishu plan allows 10,000 to 50,000 calls a month."""


class RequestStore:
    """What is read and written of requests.

    Each method is one transaction; those that write raise ``StoreUnavailable`` when the database does not answer, and
    those that name an ``owner`` raise ``LeaseLost`` when the request is no longer that owner's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limiter = SendRateLimiter(database)
        self._unshown = {originals: looks.unshown(database, originals=originals) for originals in (False, True)}
        self._claim = _claim(database)
        self._steps = _Steps.for_database(database)

    def unshown(self, *, limit: int, originals: bool = False) -> list[str]:
        """The ids of requests that are due to be shown, oldest first, as many as may go out now; see ``looks``."""
        with self._database.look() as connection:
            due = connection.scalars(self._unshown[originals], {"most": limit}).all()
            return list(due[: self._limiter.messages_left(connection)]) if due else []

    def claim(self, request_id: str, *, owner: str, lease: float) -> Request | None:
        """Takes a request up.

        Returns:
            The request, or ``None`` when somebody else was faster or nothing is left to show.
        """
        given = {"which": request_id, "by": owner, "seconds": lease}
        with self._database.change() as connection:
            row = connection.execute(self._claim, given).mappings().first()
        return Request.of_row(row) if row is not None else None

    def show_again(self, request_id: str) -> None:
        """Marks that what the chat shows may be older than what is stored, even where the request has ended."""
        with self._database.change() as connection:
            show_again(connection, request_id)

    def reserve(self, target: str) -> float:
        """Reserves one message to a chat, or one update of a message.

        Returns:
            0 when it may go out now; else the seconds to wait, and nothing is reserved.
        """
        with self._database.write() as connection:
            return self._limiter.reserve(connection, target)

    def hold(self, seconds: float) -> None:
        """Lets no message go out for so many seconds: the platform has said so."""
        with self._database.write() as connection:
            self._limiter.hold(connection, seconds=seconds)

    def read(self, request_id: str) -> tuple[Request, tuple[GenerationView, ...]]:
        """A request and its generations, in one consistent state."""
        with self._database.look() as connection:
            rows = connection.execute(_WITH_GENERATIONS, {"which": request_id}).mappings().all()
            now = self._database.time(connection)
        made = [_part(row, generations) for row in rows if row[generations.c.generation_id]]
        pictures = tuple(picture_of_row(row, now=now) for row in made)
        return Request.of_row(_part(rows[0], requests)), pictures

    def shown(
        self,
        request: Request,
        *,
        owner: str,
        card_state: str,
        last: bool,
        shown_position: str | None = None,
        answer_id: str | None = None,
    ) -> None:
        """Stores that the chat now shows the request as it was read.

        Args:
            request: the request as it was rendered; a later wish stays wanted.
            owner: who holds it; it is let go.
            card_state: what the card shows, such as ``queued``.
            last: whether nothing will change any more.
            shown_position: the place and wait that it tells, where it tells any.
            answer_id: the message id of the answer, when this was the first showing.
        """
        values: dict[str, object] = {
            "published_version": request.desired_version,
            "card_state": card_state,
            "shown_position": shown_position,
            "owner": None,
        }
        values |= {"attempts": 0, "stalled_attempts": 0, "due_at": 0.0, "patched": int(request.answer_id is not None)}
        if answer_id is not None:
            values["answer_id"] = answer_id
        if last:
            values |= {"outcome": card_state, "read_version": request.desired_version}
        statement = self._steps.last if last else self._steps.shown
        with self._database.change() as connection:
            checkpoint(connection, statement, request.request_id, owner, **values)

    def change(self, request: Request, *, owner: str, delivery_mode: Way | None = None, **values: object) -> None:
        """Stores how the request is to be answered from now on; the owner keeps it."""
        if delivery_mode is not None:
            values["delivery_mode"] = delivery_mode
        with self._database.change() as connection:
            checkpoint(connection, self._steps.change, request.request_id, owner, **values)

    def postpone(
        self, request: Request, *, owner: str, seconds: float, refused: bool = True, stalled_attempts: int = 0
    ) -> None:
        """Lets the request go and makes it due again after ``seconds``; only what was refused counts as an attempt."""
        given = {
            "owner": None,
            "seconds_away": seconds,
            "attempts": request.attempts + refused,
            "stalled_attempts": stalled_attempts,
        }
        with self._database.change() as connection:
            checkpoint(connection, self._steps.postpone, request.request_id, owner, **given)

    def give_up(self, request: Request, *, owner: str, outcome: str) -> None:
        """Ends a request that can't be answered; what of it has not been paid for is cancelled.

        A card that stands keeps what it says.
        """
        unpaid = and_(generations.c.request_id == request.request_id, generations.c.state == State.WAITING)
        with self._database.write() as connection:
            change_rows(connection, generations, unpaid, {"state": State.CANCELLED, "ended_at": self._database.now})
            checkpoint(connection, self._steps.end, request.request_id, owner, owner=None, outcome=outcome)

    def sent(self, request_id: str) -> dict[str, str]:
        """The messages that were sent for a request beside its card, by step."""
        statement = select(sent_messages.c.step, sent_messages.c.message_id).where(
            sent_messages.c.request_id == request_id
        )
        with self._database.read() as connection:
            return dict(connection.execute(statement).all())

    def record_send(self, request: Request, step: str, message_id: str, *, owner: str) -> None:
        """Stores that a step's message was sent; ``message_id`` is empty where it was refused for good."""
        with self._database.write() as connection:
            checkpoint(connection, self._steps.change, request.request_id, owner, owner=owner)
            connection.execute(
                self._database.insert(sent_messages)
                .values(request_id=request.request_id, step=step, message_id=message_id)
                .on_conflict_do_nothing()
            )


def show_again(connection: Connection, request_id: str) -> None:
    """Marks that what the chat shows of a request is behind, even where it has ended; see :func:`mark_dirty`."""
    connection.execute(
        update(requests)
        .where(requests.c.request_id == request_id)
        .values(desired_version=requests.c.desired_version + 1, ended_at=None)
    )


def mark_dirty(connection: Connection, request_ids: Collection[str], *, unless_state: str | None = None) -> None:
    """Marks that what the chat shows of these requests is behind, within the caller's transaction.

    With ``unless_state`` only those whose card does not have this face, and can be patched for it: one patch a picture
    is kept back.
    """
    # In the order of their keys; see ``locks``.
    given = [{"which": request_id} for request_id in sorted(request_ids)]
    if unless_state is not None:
        given = [{**one, "unless": unless_state} for one in given]
    if given:
        connection.execute(_WANT if unless_state is None else _WANT_UNLESS, given)


# Put together once, as the statements of ``looks`` are.
_WHICH = bindparam("which", type_=Text)
_WITH_GENERATIONS = (
    select(requests, generations)
    .outerjoin(generations, generations.c.request_id == requests.c.request_id)
    .where(requests.c.request_id == _WHICH)
    .order_by(generations.c.index_in_request)
)
_WANT = (
    update(requests)
    .where(requests.c.request_id == _WHICH, requests.c.ended_at.is_(None))
    .values(desired_version=requests.c.desired_version + 1)
)
_UNFINISHED = (
    select(func.count())
    .where(generations.c.request_id == requests.c.request_id, generations.c.ended_at.is_(None))
    .scalar_subquery()
)
_WANT_UNLESS = _WANT.where(
    requests.c.card_state.is_distinct_from(bindparam("unless", type_=Text)),
    requests.c.patch_count + _UNFINISHED < MOST_PATCHES,
)


def _part(row: RowMapping, table: Table) -> dict[str, Any]:
    """The columns of one table in a row of several."""
    return {column.name: row[column] for column in table.c}


def _claim(database: Database) -> ReturningUpdate[Any]:
    return (
        update(requests)
        .where(
            requests.c.request_id == _WHICH,
            requests.c.published_version < requests.c.desired_version,
            requests.c.ended_at.is_(None),
            is_free(database, requests),
        )
        .values(
            owner=bindparam("by", type_=Text),
            lease_until=database.now + bindparam("seconds", type_=Double),
            stalled_attempts=requests.c.stalled_attempts + 1,
        )
        .returning(requests)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """What stores the results of the steps; see :func:`bot.db.leases.step`."""

    shown: ReturningUpdate[Any]
    last: ReturningUpdate[Any]
    change: ReturningUpdate[Any]
    postpone: ReturningUpdate[Any]
    end: ReturningUpdate[Any]

    @classmethod
    def for_database(cls, database: Database) -> _Steps:
        """The steps for one database."""
        patch_count = requests.c.patch_count + bindparam("patched", type_=Integer)
        return cls(
            shown=step(requests, patch_count=patch_count),
            # What changed since the request was read, such as a recall, is still to be shown.
            last=step(
                requests,
                patch_count=patch_count,
                ended_at=case((requests.c.desired_version == bindparam("read_version", type_=Integer), database.now)),
            ),
            change=step(requests),
            postpone=step(requests, due_at=database.now + bindparam("seconds_away", type_=Double)),
            end=step(requests, ended_at=database.now),
        )
