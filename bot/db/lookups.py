"""Stored requests as commands, card actions and their answers look them up."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, and_, or_, select, update

from bot.db.database import Database
from bot.db.leases import change_rows
from bot.db.rows import Kind
from bot.db.tables import generations, requests
from bot.models import Language, State


def find_request(connection: Connection, request_id: str) -> RowMapping | None:
    """A request."""
    return connection.execute(select(requests).where(requests.c.request_id == request_id)).mappings().first()


def prompts_of(connection: Connection, request_ids: Collection[str]) -> Sequence[str]:
    """The prompts of requests, oldest first."""
    named = select(requests.c.prompt).where(requests.c.request_id.in_(request_ids))
    return connection.scalars(named.order_by(requests.c.accepted_at, requests.c.request_id)).all()


def image_request(
    connection: Connection, *, chat_id: str, request_id: str | None = None, generation_id: str | None = None
) -> RowMapping | None:
    """A request of images in a chat, by its id or by one of its images that was delivered."""
    if generation_id is not None:
        image = generations.c.generation_id == generation_id, generations.c.image_key.is_not(None)
        which: Any = select(generations.c.request_id).where(*image).scalar_subquery()
    else:
        which = request_id
    statement = select(requests).where(
        requests.c.request_id == which, requests.c.chat_id == chat_id, requests.c.kind == "images"
    )
    return connection.execute(statement).mappings().first()


def generation_states(connection: Connection, request_id: str) -> set[State]:
    """The states of a request's generations."""
    states = connection.scalars(select(generations.c.state).where(generations.c.request_id == request_id))
    return {State(state) for state in states}


def chat_of_card(connection: Connection, *, card_id: str, chat_id: str, sender: str) -> Mapping[str, Any]:
    """Chat type and topic of a card that somebody pressed, which the press does not tell.

    They are those of the request that the card answers, else those of a message in the chat. Where nothing is known,
    others are assumed to read along.
    """
    in_chat = select(requests.c.chat_type, requests.c.in_topic).order_by(requests.c.accepted_at.desc()).limit(1)
    near = or_(requests.c.chat_id == chat_id, requests.c.sender == sender)
    card = connection.execute(in_chat.where(near, requests.c.answer_id == card_id)).mappings().first()
    message = in_chat.where(requests.c.chat_id == chat_id, ~requests.c.dedup_key.contains(":"))
    row = card or connection.execute(message).mappings().first()
    return {"chat_type": row["chat_type"] if row else "group", "in_topic": bool(card and card["in_topic"])}


def unfinished_requests(connection: Connection, *, sender: str) -> Sequence[Row[Any, Any, Any]]:
    """The requests of a sender that have unfinished generations, oldest first: id, prompt and chat."""
    columns = (requests.c.request_id, requests.c.prompt, requests.c.chat_id)
    statement = (
        select(*columns)
        .join(generations, generations.c.request_id == requests.c.request_id)
        .where(generations.c.ended_at.is_(None), generations.c.sender == sender)
        .group_by(*columns, requests.c.accepted_at)
        .order_by(requests.c.accepted_at, requests.c.request_id)
    )
    return connection.execute(statement).all()


def store_content(connection: Connection, request_id: str, content: Mapping[str, Any]) -> None:
    """Replaces the content of a request."""
    stored = json.dumps(content, ensure_ascii=False)
    connection.execute(update(requests).where(requests.c.request_id == request_id).values(content=stored))


def change_language(connection: Connection, *, sender: str, language: Language) -> None:
    """Changes the language of a sender's requests that have not ended."""
    own = and_(requests.c.sender == sender, requests.c.ended_at.is_(None))
    change_rows(connection, requests, own, {"language": language})


def original_of(connection: Connection, generation_id: str) -> Row[Any, Any, Any, Any] | None:
    """Where the original of an image can be had: ``file_key``, ``cache_name``, ``url`` and ``image_key``."""
    columns = (generations.c.file_key, generations.c.cache_name, generations.c.url, generations.c.image_key)
    return connection.execute(select(*columns).where(generations.c.generation_id == generation_id)).first()


def store_file_key(connection: Connection, generation_id: str, file_key: str | None) -> None:
    """Stores Feishu's key of an uploaded original; ``None`` has it uploaded again the next time."""
    which = generations.c.generation_id == generation_id
    connection.execute(update(generations).where(which).values(file_key=file_key))


def was_answered(database: Database, *, chat_id: str, kind: Kind, seconds: float, sender: str | None = None) -> bool:
    """Whether a request of this kind came from a chat, or from a sender in it, in the last ``seconds``."""
    recent = select(requests.c.request_id).where(
        requests.c.chat_id == chat_id,
        requests.c.kind == kind,
        requests.c.accepted_at > database.now - seconds,
        # What was accepted before the clock was set back does not count for the length of the step.
        requests.c.accepted_at < database.now + seconds,
    )
    if sender is not None:
        recent = recent.where(requests.c.sender == sender)
    with database.read() as connection:
        return connection.execute(recent.limit(1)).first() is not None
