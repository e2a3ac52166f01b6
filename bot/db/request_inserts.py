"""Inserts of requests and of the generations that join the queue, within the caller's transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from bot.db.database import Database
from bot.db.row_models import NewRequest
from bot.db.tables import generations, requests
from bot.models import Language, fields_of

BETWEEN = 1e-6
"""Seconds between requests that are accepted at once, as the answers in a chat go by the time of acceptance."""


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
        if one.options is not None
        for index in range(one.options.count)
    ]
    if rows:
        connection.execute(database.insert(requests), rows)
    if images:
        connection.execute(database.insert(generations), images)


def insert_if_new(database: Database, connection: Connection, new: NewRequest, *, at: float) -> bool:
    """Inserts one request without generations; returns whether it was not known, in whatever process."""
    insert = database.insert(requests).on_conflict_do_nothing(index_elements=["dedup_key"])
    return connection.scalar(insert.returning(requests.c.request_id), _row(new, at=at)) is not None


def replace_content(connection: Connection, new: NewRequest) -> None:
    """Replaces kind and content of a request of this transaction."""
    values = {"kind": new.kind, "content": json.dumps(new.content, ensure_ascii=False)}
    connection.execute(update(requests).where(requests.c.request_id == new.request_id).values(values))


def is_known(connection: Connection, dedup_key: str) -> bool:
    """Whether there is such a request; it stays true within a transaction of :meth:`Database.enter`."""
    return connection.scalar(select(requests.c.request_id).where(requests.c.dedup_key == dedup_key)) is not None


def last_prompt(connection: Connection, *, sender: str, chat_id: str | None) -> RowMapping | None:
    """A sender's last request for images in a chat whose message was not recalled."""
    own = requests.c.chat_id == chat_id, requests.c.sender == sender
    images = select(requests).where(*own, requests.c.kind == "images", requests.c.raw_prompt != "")
    return connection.execute(images.order_by(requests.c.accepted_at.desc()).limit(1)).mappings().first()


def recalled_among(connection: Connection, message_ids: Collection[str]) -> set[str]:
    """Which of some messages were recalled."""
    if not message_ids:
        return set()
    recalled = requests.c.dedup_key.in_(message_ids), requests.c.hide_prompt, requests.c.prompt == ""
    return set(connection.scalars(select(requests.c.dedup_key).where(*recalled)))


def last_language(connection: Connection, *, sender: str) -> Language | None:
    """The language of a sender's last message; what answers anything else has a colon in its ``dedup_key``."""
    messages = requests.c.sender == sender, ~requests.c.dedup_key.contains(":")
    statement = select(requests.c.language).where(*messages).order_by(requests.c.accepted_at.desc()).limit(1)
    language: Language | None = connection.scalar(statement)
    return language


def _row(new: NewRequest, *, at: float) -> dict[str, Any]:
    row = fields_of(new) | {"content": json.dumps(new.content, ensure_ascii=False), "accepted_at": at}
    del row["options"]
    return row
