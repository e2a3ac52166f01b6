"""Requests: accepted once, claimed while what the chat shows is behind what is stored, cancelled, ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from bot.db.database import Database
from bot.db.leases import change_rows, claim_row, is_free, lock_rows, update_owned
from bot.db.tables import (
    RECALLED,
    NewRequest,
    Request,
    generations,
    read_content,
    requests,
    sent_messages,
    view_of_generation,
)
from bot.db.timers import SendRateLimiter, is_held
from bot.models import GenerationView, State, fields_of

MOST_PATCHES = 6
"""How often a card is patched in all: a basic Feishu plan allows 10,000 to 50,000 calls a month."""

HELD_UP = 900.0
"""Seconds for which a request that could not be answered keeps the younger ones of its chat waiting."""

BETWEEN = 1e-6
"""Seconds between requests accepted together, as the answers in a chat are sent in the order of acceptance."""

REMEMBERED = 1_000
"""How many recalls of unknown messages are remembered."""

DELIVERED_AGAIN = 8 * 3_600.0
"""Seconds within which Feishu may still deliver a message that was not acknowledged."""

PATCHABLE = 14 * 86_400.0
"""Seconds for which Feishu lets a card be changed."""

_R, _G = requests.c, generations.c
_OLDER = requests.alias("older")
_IS_BEHIND = and_(_R.published_version < _R.desired_version, _R.ended_at.is_(None))
_UNSENT = (
    _R.answer_id.is_(None),
    _R.delivery_mode == "card",
    _R.owner.is_(None),
    _R.ended_at.is_(None),
    # After an attempt the answer may be in the chat; the next one finds it by its uuid and changes it.
    _R.attempts == 0,
    _R.stalled_attempts == 0,
)
"""The conditions that nobody has begun to send an answer."""
_LISTS = ("queue", "history", "cancel")
"""The commands whose answers may list prompts."""
_QUOTES = ("form", "retype", "confirm", "duplicate")
"""The commands whose answers hold words of the message."""


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


def _row(new: NewRequest, *, at: float) -> dict[str, Any]:
    return fields_of(new) | {"content": json.dumps(new.content, ensure_ascii=False), "accepted_at": at}


def find_request(connection: Connection, request_id: str) -> RowMapping | None:
    return connection.execute(select(requests).where(_R.request_id == request_id)).mappings().first()


def generations_of(connection: Connection, request_id: str) -> Sequence[RowMapping]:
    """The generations of a request, in their order."""
    own = select(generations).where(_G.request_id == request_id)
    return connection.execute(own.order_by(_G.index_in_request)).mappings().all()


@dataclass(frozen=True)
class RequestStore:
    """What a worker reads and writes of requests; each method is one transaction.

    Those that take a claimed request raise ``LeaseLost`` when it is no longer ``owner``'s.
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
        with self.database.read() as connection:
            due = connection.scalars(self._due, {"originals": originals, "limit": limit}).all()
            return list(due[: SendRateLimiter(self.database).messages_left(connection)]) if due else []

    @cached_property
    def _due(self) -> Select[str]:
        # Each poll executes it, which takes less time than to build it.
        now = self.database.now
        blocked = exists().where(
            _OLDER.c.chat_id == _R.chat_id,
            _OLDER.c.answer_id.is_(None),
            _OLDER.c.delivery_mode == "card",
            _OLDER.c.kind != "original",
            _OLDER.c.ended_at.is_(None),
            _OLDER.c.accepted_at < _R.accepted_at,
            _OLDER.c.accepted_at > now - HELD_UP,
        )
        chat = func.coalesce(_R.chat_id, _R.sender)
        number_in_chat = func.row_number().over(partition_by=chat, order_by=_R.accepted_at)
        statement = select(_R.request_id).where(
            _IS_BEHIND,
            (_R.kind == "original") == bindparam("originals", type_=Boolean),
            _R.due_at <= now,
            is_free(self.database, requests),
            ~is_held(self.database),
            or_(_R.answer_id.is_not(None), _R.delivery_mode != "card", ~blocked),
        )
        return statement.order_by(number_in_chat, _R.accepted_at).limit(bindparam("limit", type_=Integer))

    def claim(self, request_id: str, *, lease: float) -> Request | None:
        """Claims a request; ``None`` when another worker was faster or nothing is left to show."""
        with self.database.write(step="requests.claim") as connection:
            row = claim_row(self.database, connection, requests, request_id, _IS_BEHIND, owner=self.owner, lease=lease)
        return Request.of_row(row) if row is not None else None

    def read(self, request_id: str) -> tuple[Request, tuple[GenerationView, ...]]:
        """A request and its generations, in one consistent state."""
        with self.database.read() as connection:
            request = connection.execute(select(requests).where(_R.request_id == request_id)).mappings().one()
            rows, now = generations_of(connection, request_id), self.database.time(connection)
        return Request.of_row(request), tuple(view_of_generation(row, now=now) for row in rows)

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
        unpaid = and_(_G.request_id == request.request_id, _G.state == State.WAITING)
        now = self.database.now
        with self.database.write(step="requests.give_up") as connection:
            change_rows(connection, generations, unpaid, {"state": State.CANCELLED, "ended_at": now})
            ended = {"owner": None, "outcome": outcome, "ended_at": now}
            update_owned(connection, requests, request.request_id, self.owner, ended)

    def reopen(self, request_id: str) -> None:
        """Marks that what the chat shows may be older than what is stored, even where the request has ended."""
        with self.database.write(step="requests.reopen") as connection:
            reopen(connection, request_id)

    def sent(self, request_id: str) -> dict[str, str]:
        """The messages that were sent for a request beside its card, by step."""
        sent = sent_messages.c
        statement = select(sent.step, sent.message_id).where(sent.request_id == request_id)
        with self.database.read() as connection:
            return dict(connection.execute(statement).all())

    def record_send(self, request: Request, step: str, message_id: str) -> None:
        """Stores that a step's message was sent; ``message_id`` is empty where it was rejected for good."""
        row = {"request_id": request.request_id, "step": step, "message_id": message_id}
        with self.database.write(step="requests.record_send") as connection:
            update_owned(connection, requests, request.request_id, self.owner, {"owner": self.owner})
            connection.execute(self.database.insert(sent_messages).values(row).on_conflict_do_nothing())

    def _update(self, step: str, request: Request, **values: object) -> None:
        with self.database.write(step=f"requests.{step}") as connection:
            update_owned(connection, requests, request.request_id, self.owner, values)


def reopen(connection: Connection, request_id: str, *conditions: ColumnElement[bool], **values: object) -> None:
    """Marks that what the chat shows of a request is behind, even where it has ended; see :func:`mark_dirty`."""
    behind = {"desired_version": _R.desired_version + 1, "ended_at": None, **values}
    connection.execute(update(requests).where(_R.request_id == request_id, *conditions).values(behind))


def mark_dirty(connection: Connection, request_ids: Collection[str], *, unless_state: str | None = None) -> None:
    """Marks that what the chat shows of these requests is behind.

    With ``unless_state`` only those whose card does not have this state, and can be patched for it: one patch an image
    is kept back.
    """
    behind = update(requests).where(_R.ended_at.is_(None)).values(desired_version=_R.desired_version + 1)
    if unless_state is not None:
        unfinished = select(func.count()).where(_G.request_id == _R.request_id, _G.ended_at.is_(None))
        patchable = _R.patch_count + unfinished.scalar_subquery() < MOST_PATCHES
        behind = behind.where(_R.card_state.is_distinct_from(unless_state), patchable)
    # In the order of their keys; see ``leases``.
    for request_id in sorted(request_ids):
        connection.execute(behind.where(_R.request_id == request_id))


def cancel(database: Database, connection: Connection, request_ids: Collection[str]) -> Sequence[RowMapping]:
    """Cancels the unfinished generations of requests; gives them.

    A call under way keeps its slot until the platform is done, and stays charged.
    """
    go_on = and_(_G.request_id.in_(request_ids), _G.ended_at.is_(None))
    cancelled = change_rows(connection, generations, go_on, {"state": State.CANCELLED, "ended_at": database.now})
    if cancelled:
        mark_dirty(connection, {row["request_id"] for row in cancelled})
        database.notify_workers(connection)
    return cancelled


def cancel_recalled(database: Database, message_id: str, *, remembered: int = REMEMBERED) -> int:
    """Cancels what a recalled message asked for and erases its text; gives how many generations were cancelled.

    The same goes for what repeats or edits its prompt. An answer that nobody has begun to send is not sent; every
    card that shows the text, or is on its way, is shown again without it. A call under way has been given the prompt.

    Feishu promises no order, and delivers again what was not acknowledged: where the recall comes first, it is
    remembered as a request that has ended, so that its message is a repetition and nothing is made or said. In
    a group the recalls of everybody's messages come, and nothing tells which of these were for the bot: so only the
    last ``remembered`` of such recalls are kept, and none for longer than its message may still come.
    """
    recalled = or_(_R.dedup_key == message_id, _R.source == message_id)
    with database.write(step="cancellation.cancel_recalled") as connection:
        # After any acceptance of this message, or of a copy of its prompt, that is under way.
        at = database.lock_admissions(connection)
        unknown = NewRequest(dedup_key=message_id, chat_id=None, chat_type="p2p", sender="", content={"name": RECALLED})
        insert = database.insert(requests).on_conflict_do_nothing(index_elements=["dedup_key"])
        is_new = connection.scalar(insert.returning(_R.request_id), _row(unknown, at=at)) is not None
        rows = connection.execute(select(requests).where(recalled)).mappings().all()
        ids = [row["request_id"] for row in rows]
        lock_rows(connection, generations, _G.request_id.in_(ids))
        showing = [row for row in rows if _shows_text(row)]
        locked = lock_rows(connection, requests, or_(recalled, _listing(showing, at=at)))
        count = len(cancel(database, connection, ids))
        if not all(row["hide_prompt"] and not row["prompt"] for row in rows):
            for row in locked:
                _erase(connection, row)
        connection.execute(update(requests).where(recalled, *_UNSENT).values(ended_at=at, outcome=RECALLED))
        if is_new:
            of_unknown = and_(_R.sender == "", _R.outcome == RECALLED)
            newest_first = select(_R.request_id).where(of_unknown).order_by(_R.accepted_at.desc())
            surplus = or_(_R.accepted_at < at - DELIVERED_AGAIN, _R.request_id.in_(newest_first.offset(remembered)))
            connection.execute(delete(requests).where(of_unknown, surplus))
    return count


def _command(row: RowMapping) -> str | None:
    return read_content(row).get("name") if row["kind"] == "command" else None


def _shows_text(row: RowMapping) -> bool:
    """Whether the answer to a request shows text of the message that it is about."""
    return row["kind"] in ("images", "rejected") or _command(row) in _QUOTES


def _listing(rows: Sequence[RowMapping], *, at: float) -> ColumnElement[bool]:
    """The condition of answers that may list the prompts of requests: ``/queue``, ``/history`` and ``/cancel``."""
    chats, people = {row["chat_id"] for row in rows}, {row["sender"] for row in rows}
    return and_(
        _R.kind == "command",
        or_(*(_R.content.startswith(f'{{"name": "{name}"') for name in _LISTS)),
        or_(_R.chat_id.in_(chats), _R.sender.in_(people)),
        _R.accepted_at > max(at - PATCHABLE, min((row["accepted_at"] for row in rows), default=at)),
    )


def _erase(connection: Connection, row: RowMapping) -> None:
    """Erases a request's text, and has its answer shown again where there is one that shows text."""
    values: dict[str, Any] = {"prompt": "", "raw_prompt": "", "hide_prompt": True, "fingerprint": None}
    if row["kind"] == "images":
        content = read_content(row)
        values["content"] = json.dumps({name: content[name] for name in content if name not in ("typed", "recognized")})
    elif _shows_text(row):
        values |= {"kind": "command", "content": json.dumps({"name": RECALLED})}
    given_up = row["ended_at"] is not None and row["answer_id"] is None and row["delivery_mode"] == "card"
    if (_shows_text(row) or _command(row) in _LISTS) and not given_up:
        values |= {"desired_version": _R.desired_version + 1, "ended_at": None}
    connection.execute(update(requests).where(_R.request_id == row["request_id"]).values(values))
