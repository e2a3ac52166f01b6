"""Cancelling: what waits leaves the line at once, what runs is finished by the platform and not shown."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, select
from sqlalchemy.sql.dml import ReturningInsert

from bot.generation.store.database import Database
from bot.generation.store.locks import change_rows
from bot.generation.store.requests import want_showing
from bot.generation.store.tables import generations, requests
from bot.models import State


def cancel(database: Database, connection: Connection, request_ids: Collection[str]) -> int:
    """Cancels the unfinished generations of requests within the caller's transaction; gives how many.

    A call under way keeps its slot until the platform is done, and stays charged.
    """
    go_on = and_(generations.c.request_id.in_(request_ids), generations.c.ended_at.is_(None))
    cancelled = change_rows(connection, generations, go_on, {"state": State.CANCELLED, "ended_at": database.now})
    if cancelled:
        want_showing(connection, {row["request_id"] for row in cancelled})
        database.announce(connection)
    return len(cancelled)


def cancel_recalled(database: Database, message_id: str) -> int:
    """Cancels what the message of a recall asked for; gives how many generations.

    Feishu promises no order, and delivers again what was not acknowledged: where the recall comes first, it is
    remembered as a request that has ended, so that its message is a repetition and nothing is made or said.
    """
    with database.write() as connection:
        if connection.scalar(_remember_recall(database, message_id)):
            return 0
        request_id = connection.scalar(select(requests.c.request_id).where(requests.c.origin == message_id))
        return cancel(database, connection, [request_id]) if request_id else 0


def _remember_recall(database: Database, message_id: str) -> ReturningInsert[tuple[str]]:
    """Inserts the request in place of the message's own, unless that is there; returns its id where it was not."""
    row = {
        "kind": "command",
        "content": json.dumps({"name": "recalled"}),
        "outcome": "recalled",
        "chat_type": "p2p",
        "language": "zh",
        "way": "card",
        **dict.fromkeys(("sender", "prompt", "asked"), ""),
        **dict.fromkeys(("wanted", "shown", "patches", "attempts", "takeups"), 0),
        **dict.fromkeys(("lease_until", "due_at"), 0.0),
        **dict.fromkeys(("accepted_at", "ended_at"), database.now),
        **dict.fromkeys(("in_topic", "hide_prompt"), False),
    }
    return (
        database.insert(requests)
        .values(request_id=f"r{secrets.token_hex(12)}", origin=message_id, **row)
        .on_conflict_do_nothing(index_elements=["origin"])
        .returning(requests.c.request_id)
    )


def unfinished(connection: Connection, *, sender: str) -> Sequence[Row[Any, Any, Any]]:
    """The requests of a person that still have unfinished generations, oldest first: id, prompt and chat."""
    columns = (requests.c.request_id, requests.c.prompt, requests.c.chat_id)
    statement = (
        select(*columns)
        .join(generations, generations.c.request_id == requests.c.request_id)
        .where(generations.c.ended_at.is_(None), generations.c.sender == sender)
        .group_by(*columns, requests.c.accepted_at)
        .order_by(requests.c.accepted_at, requests.c.request_id)
    )
    return connection.execute(statement).all()
