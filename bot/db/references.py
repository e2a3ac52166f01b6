"""What a message may refer to: an earlier result in its chat, and the sender's images that are not finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ScalarSelect, exists, or_, select

from bot.db.database import Database
from bot.db.tables import generations, requests, sent_messages
from bot.models import State

RECENT = 1_800.0
"""Seconds after its end for which a result is what its sender talks about without replying to it."""
_LONGEST_WAIT = 86_400.0
"""Seconds before that in which such a result was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What a message refers to; ``result`` is a request of images whose message was not recalled."""

    result: str | None
    waiting: bool
    unreadable: bool
    """Whether it replies to an image or a file that a person sent."""


def find_references(database: Database, *, chat_id: str, sender: str, messages: Sequence[str]) -> References:
    """What a message of ``sender`` in a chat refers to that replies to ``messages``, the nearest one first."""
    waiting = exists().where(generations.c.sender == sender, generations.c.ended_at.is_(None))
    unreadable = exists().where(requests.c.dedup_key.in_(messages), requests.c.kind == "unreadable")
    found = [_result_of(chat_id, message) for message in messages]
    with database.read() as connection:
        now = database.time(connection)
        results = [*found, _recent_result(chat_id, sender, now=now)]
        columns = [result.label(f"result{number}") for number, result in enumerate(results)]
        row = connection.execute(select(waiting.label("waiting"), unreadable.label("unreadable"), *columns)).one()
    result = next((one for one in row[2:] if one is not None), None)
    return References(result=result, waiting=bool(row.waiting), unreadable=bool(row.unreadable))


def delivered_image(database: Database, request_id: str) -> str | None:
    """The first image of a request that is in the chat."""
    images = generations.c.request_id == request_id, generations.c.image_key.is_not(None)
    statement = select(generations.c.generation_id).where(*images).order_by(generations.c.index_in_request).limit(1)
    with database.read() as connection:
        image: str | None = connection.scalar(statement)
    return image


def _result_of(chat_id: str, message_id: str) -> ScalarSelect[str]:
    """The request that a message shows, as a card, an image or a text, or that it asked for."""
    sent = select(sent_messages.c.request_id).where(sent_messages.c.message_id == message_id)
    shown = or_(requests.c.answer_id == message_id, requests.c.dedup_key == message_id, requests.c.request_id.in_(sent))
    images = requests.c.kind == "images", requests.c.raw_prompt != "", requests.c.chat_id == chat_id
    return select(requests.c.request_id).where(shown, *images).limit(1).scalar_subquery()


def _recent_result(chat_id: str, sender: str, *, now: float) -> ScalarSelect[str]:
    own = requests.c.sender == sender, requests.c.accepted_at > now - RECENT - _LONGEST_WAIT
    images = requests.c.kind == "images", requests.c.raw_prompt != "", requests.c.chat_id == chat_id
    finished = exists().where(
        generations.c.request_id == requests.c.request_id,
        generations.c.state == State.DONE,
        generations.c.ended_at > now - RECENT,
    )
    statement = select(requests.c.request_id).where(*own, *images, finished)
    return statement.order_by(requests.c.accepted_at.desc()).limit(1).scalar_subquery()
