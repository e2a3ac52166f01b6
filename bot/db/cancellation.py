"""Cancellation: waiting generations leave the queue at once; running ones end on the platform and are not shown."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, or_, select, update

from bot.db.database import Database
from bot.db.leases import change_rows, lock_rows
from bot.db.requests import insert_if_new, mark_dirty
from bot.db.tables import RECALLED, NewRequest, generations, requests
from bot.models import State

REMEMBERED = 1_000
"""How many recalls of unknown messages are remembered."""

DELIVERED_AGAIN = 8 * 3_600.0
"""Seconds within which Feishu may still deliver a message that was not acknowledged."""

PATCHABLE = 14 * 86_400.0
"""Seconds for which Feishu lets a card be changed."""

_R = requests.c
_LISTS = ("queue", "history", "cancel")
"""The commands whose answers may list prompts."""
_QUOTES = ("form", "retype", "confirm", "duplicate")
"""The commands whose answers hold words of the message."""
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


def cancel(database: Database, connection: Connection, request_ids: Collection[str]) -> Sequence[RowMapping]:
    """Cancels the unfinished generations of requests within the caller's transaction; gives them.

    A call under way keeps its slot until the platform is done, and stays charged.
    """
    go_on = and_(generations.c.request_id.in_(request_ids), generations.c.ended_at.is_(None))
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
        is_new = insert_if_new(database, connection, unknown, at=at)
        rows = connection.execute(select(requests).where(recalled)).mappings().all()
        ids = [row["request_id"] for row in rows]
        lock_rows(connection, generations, generations.c.request_id.in_(ids))
        showing = [row for row in rows if _shows_text(row)]
        locked = lock_rows(connection, requests, or_(recalled, _listing(showing, at=at)))
        count = len(cancel(database, connection, ids))
        if not all(row["hide_prompt"] and not row["prompt"] for row in rows):
            for row in locked:
                _erase(connection, row)
        connection.execute(update(requests).where(recalled, *_UNSENT).values(ended_at=at, outcome=RECALLED))
        if is_new:
            _forget_recalls(connection, before=at - DELIVERED_AGAIN, most=remembered)
    return count


def _forget_recalls(connection: Connection, *, before: float, most: int) -> None:
    """Deletes the recalls of unknown messages that came ``before`` a time, and all but the last ``most``."""
    recalls = and_(_R.sender == "", _R.outcome == RECALLED)
    newest_first = select(_R.request_id).where(recalls).order_by(_R.accepted_at.desc())
    surplus = or_(_R.accepted_at < before, _R.request_id.in_(newest_first.offset(most)))
    connection.execute(delete(requests).where(recalls, surplus))


def _command(row: RowMapping) -> str | None:
    name: str | None = json.loads(row["content"]).get("name") if row["kind"] == "command" else None
    return name


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
        content = json.loads(row["content"])
        values["content"] = json.dumps({name: content[name] for name in content if name not in ("typed", "recognized")})
    if row["kind"] == "rejected" or _command(row) in _QUOTES:
        values |= {"kind": "command", "content": json.dumps({"name": RECALLED})}
    given_up = row["ended_at"] is not None and row["answer_id"] is None and row["delivery_mode"] == "card"
    if (_shows_text(row) or _command(row) in _LISTS) and not given_up:
        values |= {"desired_version": _R.desired_version + 1, "ended_at": None}
    connection.execute(update(requests).where(_R.request_id == row["request_id"]).values(values))
