"""The generations for who wants them in a file: read in one go, handed out one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import RowMapping, select, text

from bot.db.database import Database
from bot.db.tables import generations, requests

CHUNK = 500
"""Rows that are held in memory."""

_READ_ONLY = (
    "SET TRANSACTION READ ONLY",
    "SET LOCAL idle_in_transaction_session_timeout = '60s'",
    "SET LOCAL lock_timeout = '30s'",
    "SET LOCAL statement_timeout = 0",
)
"""What begins the transaction on PostgreSQL, where one that takes long would otherwise be ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFilter:
    """Which generations: accepted from ``since`` on and before ``until``, in seconds since 1970, of one person."""

    since: float | None = None
    until: float | None = None
    sender: str | None = None


def wanted_rows(database: Database, wanted: ExportFilter) -> Iterator[RowMapping]:
    """The generations in the order in which they were accepted, with what their requests say.

    They are as they stood at one moment. As long as they are being read the database keeps that state, so a reader
    should not dawdle.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    columns = (generations, requests.c.dedup_key, requests.c.chat_id, requests.c.chat_type)
    statement = select(*columns, requests.c.prompt, requests.c.content).join(
        requests, requests.c.request_id == generations.c.request_id
    )
    if wanted.since is not None:
        statement = statement.where(generations.c.accepted_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(generations.c.accepted_at < wanted.until)
    if wanted.sender is not None:
        statement = statement.where(generations.c.sender == wanted.sender)
    ordered = statement.order_by(generations.c.accepted_at, generations.c.request_id, generations.c.index_in_request)
    with database.read() as connection:
        if not database.is_sqlite:
            for setting in _READ_ONLY:
                connection.execute(text(setting))
        yield from connection.execute(ordered, execution_options={"yield_per": CHUNK}).mappings()
