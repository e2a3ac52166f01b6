"""Cancelling: what waits leaves the line at once, what runs is finished by the platform and not shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from bot.generation.store.accepting import Acceptances, Accepted, new_request_id
from bot.generation.store.database import Database
from bot.generation.store.locks import change_rows
from bot.generation.store.records import RECALLED, NewRequest
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
    """Cancels what a message asked for that was taken back, and keeps its words to itself; gives how many generations.

    An answer that nobody has begun to send is not sent; a card that stands, or is on its way, loses the prompt. Feishu
    promises no order, and delivers again what was not acknowledged: where the recall comes first, it is remembered as
    a request that has ended, so that its message is a repetition and nothing is made or said.
    """
    recalled = requests.c.origin == message_id
    unanswered = and_(
        recalled, requests.c.answer_id.is_(None), requests.c.owner.is_(None), requests.c.ended_at.is_(None)
    )
    with database.write() as connection:
        remembered = Accepted(request_id=new_request_id(), new=_recalled(message_id))
        # After any acceptance of this very message that is under way.
        at = database.enter(connection)
        Acceptances(database).add_unless_known(connection, remembered, at=at)
        count = cancel(database, connection, connection.scalars(select(requests.c.request_id).where(recalled)).all())
        connection.execute(update(requests).where(recalled).values(hide_prompt=True))
        connection.execute(update(requests).where(unanswered).values(ended_at=at, outcome=RECALLED))
    return count


def _recalled(message_id: str) -> NewRequest:
    """What stands in the place of a message that has not come yet."""
    return NewRequest(
        origin=message_id,
        kind="command",
        chat_id=None,
        chat_type="p2p",
        reply_to=None,
        in_topic=False,
        sender="",
        language="zh",
        content={"name": RECALLED},
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
