"""Requests: accepted once, claimed while what the chat shows is behind what is stored, ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select, update

from bot.db.database import Database
from bot.db.leases import change_rows, is_free, update_owned
from bot.db.tables import NewRequest, Request, generations, requests, sent_messages, view_of_generation
from bot.db.timers import SendRateLimiter, is_held
from bot.models import GenerationView, State, fields_of

MOST_PATCHES = 6
"""How often a card is patched in all: a basic Feishu plan allows 10,000 to 50,000 calls a month."""

HELD_UP = 900.0
"""Seconds for which a request that could not be answered keeps the younger ones of its chat waiting."""

BETWEEN = 1e-6
"""Seconds between requests accepted together, as the answers in a chat are sent in the order of acceptance."""

_R = requests.c


def insert_requests(
    database: Database, connection: Connection, new: Sequence[NewRequest], *, at: float, month: str = ""
) -> None:
    """Inserts requests whose ``dedup_key`` is not known, in their order, and their generations.

    ``at`` is the time of acceptance in seconds since 1970, ``month`` the billing month of the generations.
    """
    rows = [_row(one, at=at + BETWEEN * number) for number, one in enumerate(new)]
    images = [
        {
            "generation_id": f"g{secrets.token_hex(12)}",
            "request_id": one.request_id,
            "index_in_request": index,
            "sender": one.sender,
            "model": one.options.model,
            "accepted_at": row["accepted_at"],
            "billing_month": month,
        }
        for one, row in zip(new, rows, strict=True)
        if one.kind == "images"
        for index in range(one.options.count)
    ]
    if rows:
        connection.execute(database.insert(requests), rows)
    if images:
        connection.execute(database.insert(generations), images)


def insert_if_new(database: Database, connection: Connection, new: NewRequest, *, at: float) -> bool:
    """Inserts one request without generations; returns whether it was not known, in whatever process."""
    insert = database.insert(requests).on_conflict_do_nothing(index_elements=["dedup_key"])
    return connection.scalar(insert.returning(_R.request_id), _row(new, at=at)) is not None


def _row(new: NewRequest, *, at: float) -> dict[str, Any]:
    return fields_of(new) | {"content": json.dumps(new.content, ensure_ascii=False), "accepted_at": at}


@dataclass(frozen=True, slots=True)
class RequestStore:
    """Reads and writes requests.

    Each method is one transaction and raises ``DatabaseUnavailable`` when the database does not answer; those that take
    a claimed request raise ``LeaseLost`` when it is no longer ``owner``'s.
    """

    database: Database
    owner: str

    def due_requests(self, *, limit: int, originals: bool = False) -> list[str]:
        """The ids of requests that are due to be shown, as many as may be sent now.

        First the oldest one of each chat, then the next of each, and so on. In one chat a first answer is due only
        when every older request there has been answered, so that answers keep the order of the messages even after an
        outage. One that Feishu goes on rejecting holds the chat up for :data:`HELD_UP` seconds. While Feishu rejects
        the app itself, none is due between two probes. Originals are files that are uploaded first: nothing else waits
        for them, and they are asked for apart.
        """
        older, now = requests.alias("older"), self.database.now
        blocked = exists().where(
            older.c.chat_id == _R.chat_id,
            older.c.answer_id.is_(None),
            older.c.delivery_mode == "card",
            older.c.kind != "original",
            older.c.ended_at.is_(None),
            older.c.accepted_at < _R.accepted_at,
            older.c.accepted_at > now - HELD_UP,
        )
        chat = func.coalesce(_R.chat_id, _R.sender)
        number_in_chat = func.row_number().over(partition_by=chat, order_by=_R.accepted_at)
        statement = (
            select(_R.request_id)
            .where(
                _is_behind(),
                _R.kind == "original" if originals else _R.kind != "original",
                _R.due_at <= now,
                is_free(self.database, requests),
                ~is_held(self.database),
                or_(_R.answer_id.is_not(None), _R.delivery_mode != "card", ~blocked),
            )
            .order_by(number_in_chat, _R.accepted_at)
            .limit(limit)
        )
        with self.database.read() as connection:
            due = connection.scalars(statement).all()
            return list(due[: SendRateLimiter(self.database).messages_left(connection)]) if due else []

    def claim(self, request_id: str, *, lease: float) -> Request | None:
        """Claims a request; ``None`` when another worker was faster or nothing is left to show."""
        claim = (
            update(requests)
            .where(_R.request_id == request_id, _is_behind(), is_free(self.database, requests))
            .values(owner=self.owner, lease_until=self.database.now + lease, stalled_attempts=_R.stalled_attempts + 1)
            .returning(requests)
        )
        with self.database.write(step="requests.claim") as connection:
            row = connection.execute(claim).mappings().first()
        return Request.of_row(row) if row is not None else None

    def read(self, request_id: str) -> tuple[Request, tuple[GenerationView, ...]]:
        """A request and its generations, in one consistent state."""
        own = select(generations).where(generations.c.request_id == request_id)
        with self.database.read() as connection:
            request = connection.execute(select(requests).where(_R.request_id == request_id)).mappings().one()
            made = connection.execute(own.order_by(generations.c.index_in_request)).mappings().all()
            now = self.database.time(connection)
        return Request.of_row(request), tuple(view_of_generation(row, now=now) for row in made)

    def mark_published(
        self,
        request: Request,
        *,
        card_state: str,
        last: bool,
        shown_position: str | None = None,
        answer_id: str | None = None,
    ) -> None:
        """Stores that the chat now shows the request as it was read, and releases it; later changes remain to be shown.

        It shows ``card_state``, such as ``queued``, and a queue position, if any; ``last`` if nothing will change any
        more. ``answer_id`` is the message id of the answer when this was the first time.
        """
        values: dict[str, object] = {
            "published_version": request.desired_version,
            "card_state": card_state,
            "shown_position": shown_position,
            "patch_count": _R.patch_count + int(request.answer_id is not None),
            **dict.fromkeys(("attempts", "stalled_attempts", "due_at"), 0),
            "owner": None,
        }
        if answer_id is not None:
            values["answer_id"] = answer_id
        if last:
            # What changed since the request was read, such as a recall, is still to be shown.
            unchanged = _R.desired_version == request.desired_version
            values |= {"outcome": card_state, "ended_at": case((unchanged, self.database.now))}
        self._update("mark_published", request, **values)

    def change(self, request: Request, **values: object) -> None:
        """Stores how the request is to be answered from now on; the owner keeps it."""
        self._update("change", request, **values)

    def postpone(self, request: Request, *, seconds: float, refused: bool = True, stalled_attempts: int = 0) -> None:
        """Releases the request and makes it due again after ``seconds``; only a rejection counts as an attempt."""
        due_at, attempts = self.database.now + seconds, request.attempts + refused
        values = {"due_at": due_at, "attempts": attempts, "stalled_attempts": stalled_attempts}
        self._update("postpone", request, owner=None, **values)

    def give_up(self, request: Request, *, outcome: str) -> None:
        """Ends a request that cannot be answered; generations that have not been paid for are cancelled.

        A card that is in the chat keeps what it says.
        """
        unpaid = and_(generations.c.request_id == request.request_id, generations.c.state == State.WAITING)
        now = self.database.now
        with self.database.write(step="requests.give_up") as connection:
            change_rows(connection, generations, unpaid, {"state": State.CANCELLED, "ended_at": now})
            ended = {"owner": None, "outcome": outcome, "ended_at": now}
            update_owned(connection, requests, request.request_id, self.owner, ended)

    def reopen(self, request_id: str) -> None:
        """Marks that what the chat shows may be older than what is stored, even where the request has ended."""
        with self.database.write(step="requests.reopen") as connection:
            reopen(connection, request_id)

    def reserve(self, target: str) -> float:
        """See :meth:`SendRateLimiter.reserve`."""
        with self.database.write(step="requests.reserve") as connection:
            return SendRateLimiter(self.database).reserve(connection, target)

    def hold(self, seconds: float) -> None:
        """Lets no message be sent for so many seconds: the platform has said so."""
        with self.database.write(step="requests.hold") as connection:
            SendRateLimiter(self.database).hold(connection, seconds=seconds)

    def sent(self, request_id: str) -> dict[str, str]:
        """The messages that were sent for a request beside its card, by step."""
        sent = sent_messages.c
        statement = select(sent.step, sent.message_id).where(sent.request_id == request_id)
        with self.database.read() as connection:
            return dict(connection.execute(statement).all())

    def record_send(self, request: Request, step: str, message_id: str) -> None:
        """Stores that a step's message was sent; ``message_id`` is empty where it was rejected for good."""
        row = self.database.insert(sent_messages).values(
            request_id=request.request_id, step=step, message_id=message_id
        )
        with self.database.write(step="requests.record_send") as connection:
            update_owned(connection, requests, request.request_id, self.owner, {"owner": self.owner})
            connection.execute(row.on_conflict_do_nothing())

    def _update(self, name: str, request: Request, **values: object) -> None:
        with self.database.write(step=f"requests.{name}") as connection:
            update_owned(connection, requests, request.request_id, self.owner, values)


def reopen(connection: Connection, request_id: str, **values: object) -> None:
    """Marks that what the chat shows of a request is behind, even where it has ended; see :func:`mark_dirty`."""
    behind = {"desired_version": _R.desired_version + 1, "ended_at": None, **values}
    connection.execute(update(requests).where(_R.request_id == request_id).values(behind))


def offer_kept(connection: Connection, request_id: str) -> None:
    """Has the card of a cancelled request shown again, as its image has come; not where its message was recalled."""
    shown = _R.request_id == request_id, _R.answer_id.is_not(None), _R.raw_prompt != ""
    behind = {"desired_version": _R.desired_version + 1, "ended_at": None}
    connection.execute(update(requests).where(*shown).values(behind))


def mark_dirty(connection: Connection, request_ids: Collection[str], *, unless_state: str | None = None) -> None:
    """Marks that what the chat shows of these requests is behind, within the caller's transaction.

    With ``unless_state`` only those whose card does not have this state, and can be patched for it: one patch an image
    is kept back.
    """
    behind = update(requests).where(_R.ended_at.is_(None)).values(desired_version=_R.desired_version + 1)
    if unless_state is not None:
        of_request = generations.c.request_id == _R.request_id
        unfinished = select(func.count()).where(of_request, generations.c.ended_at.is_(None))
        patchable = _R.patch_count + unfinished.scalar_subquery() < MOST_PATCHES
        behind = behind.where(_R.card_state.is_distinct_from(unless_state), patchable)
    # In the order of their keys; see ``leases``.
    for request_id in sorted(request_ids):
        connection.execute(behind.where(_R.request_id == request_id))


def _is_behind() -> ColumnElement[bool]:
    return and_(_R.published_version < _R.desired_version, _R.ended_at.is_(None))
