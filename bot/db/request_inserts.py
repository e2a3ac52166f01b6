"""The rows of what is accepted: requests, and their generations that join the line."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Text, bindparam, select, update

from bot.db.database import Database
from bot.db.row_models import NewRequest
from bot.db.tables import generations, requests
from bot.models import Language, State, fields_of
from bot.options import Options

BETWEEN = 1e-6
"""Seconds between what is accepted at once, as the answers in a chat go by the time of acceptance."""


def new_request_id() -> str:
    """An id that no request has had."""
    return f"r{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A request to be stored; with ``options`` it joins the line."""

    request_id: str
    new: NewRequest
    options: Options | None = None


class RequestInserter:
    """Writes what is accepted, within the caller's transaction."""

    def __init__(self, database: Database) -> None:
        # Put together once, as the statements of ``looks`` are.
        self._add_requests = database.insert(requests)
        self._add_unless_known = self._add_requests.on_conflict_do_nothing(index_elements=["dedup_key"]).returning(
            requests.c.request_id
        )
        self._add_generations = database.insert(generations)

    def add(self, connection: Connection, accepted: Sequence[NewRow], *, at: float, month: str = "") -> None:
        """Stores requests whose origins are not known, and their generations.

        Args:
            connection: the transaction.
            accepted: the requests in their order.
            at: the time of acceptance in seconds since 1970.
            month: whose budget the generations count in, such as ``2026-11``; not needed where there are none.
        """
        times = [at + BETWEEN * number for number in range(len(accepted))]
        if accepted:
            rows = [_request(one, at=time) for one, time in zip(accepted, times, strict=True)]
            connection.execute(self._add_requests, rows)
        images = [
            row for one, time in zip(accepted, times, strict=True) for row in _generations(one, at=time, month=month)
        ]
        if images:
            connection.execute(self._add_generations, images)

    def insert_if_new(self, connection: Connection, accepted: NewRow, *, at: float) -> bool:
        """Stores one request without generations; tells whether it was not known, in whatever process."""
        return connection.scalar(self._add_unless_known, _request(accepted, at=at)) is not None

    def change(self, connection: Connection, request_id: str, new: NewRequest) -> None:
        """Stores that a request of this transaction is answered otherwise than it was first taken for."""
        values = {"kind": new.kind, "content": _written(new)}
        connection.execute(update(requests).where(requests.c.request_id == request_id).values(values))


def is_known(connection: Connection, origin: str) -> bool:
    """Whether there is a request of this origin; it stays true within a transaction of :meth:`Database.enter`."""
    return connection.scalar(_KNOWN, {"which": origin}) is not None


def last_asked(connection: Connection, *, sender: str, chat_id: str | None) -> RowMapping | None:
    """A person's last request for images in a chat whose message was not recalled."""
    return connection.execute(_LAST, {"who": sender, "where": chat_id}).mappings().first()


def recalled_among(connection: Connection, origins: Collection[str]) -> set[str]:
    """Which of some messages were recalled."""
    return set(
        connection.scalars(
            select(requests.c.dedup_key).where(
                requests.c.dedup_key.in_(origins), requests.c.hide_prompt, requests.c.prompt == ""
            )
        )
        if origins
        else ()
    )


def last_language(connection: Connection, *, sender: str) -> Language | None:
    """The language of a person's last message."""
    language: Language | None = connection.scalar(_LANGUAGE, {"who": sender})
    return language


_KNOWN = select(requests.c.request_id).where(requests.c.dedup_key == bindparam("which", type_=Text))

_LAST = (
    select(requests)
    .where(
        requests.c.chat_id == bindparam("where", type_=Text),
        requests.c.sender == bindparam("who", type_=Text),
        requests.c.kind == "images",
        requests.c.raw_prompt != "",
    )
    .order_by(requests.c.accepted_at.desc())
    .limit(1)
)

_LANGUAGE = (
    select(requests.c.language)
    # What answers anything else than a message has a colon in its origin.
    .where(requests.c.sender == bindparam("who", type_=Text), ~requests.c.dedup_key.contains(":"))
    .order_by(requests.c.accepted_at.desc())
    .limit(1)
)


def _request(accepted: NewRow, *, at: float) -> dict[str, Any]:
    return fields_of(accepted.new) | {
        "request_id": accepted.request_id,
        "content": _written(accepted.new),
        "accepted_at": at,
        "delivery_mode": "card",
        "hide_prompt": False,
        "desired_version": 1,
        "published_version": 0,
        "lease_until": 0.0,
        "due_at": 0.0,
        "attempts": 0,
        "stalled_attempts": 0,
        "patch_count": 0,
    }


def _written(new: NewRequest) -> str:
    return json.dumps(new.content, ensure_ascii=False)


def _generations(accepted: NewRow, *, at: float, month: str) -> list[dict[str, Any]]:
    options = accepted.options
    if options is None:
        return []
    return [
        {
            "generation_id": f"g{secrets.token_hex(12)}",
            "request_id": accepted.request_id,
            "index_in_request": place,
            "sender": accepted.new.sender,
            "model": options.model,
            "state": State.WAITING,
            "accepted_at": at,
            "lease_until": 0.0,
            "due_at": 0.0,
            "stalled_attempts": 0,
            "calls_made": 0,
            "calls_billed": 0,
            "billing_month": month,
            "repeated": False,
            "backoff_count": 0,
            "reencoded": False,
        }
        for place in range(options.count)
    ]
