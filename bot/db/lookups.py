"""Stored requests as messages, commands, card actions and their answers find them, and small changes to them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, RowMapping, case, exists, or_, select, update

from bot.db.database import Database
from bot.db.leases import change_rows
from bot.db.requests import find_request, reopen
from bot.db.tables import Kind, NewRequest, generations, read_content, requests, sent_messages
from bot.models import Language, State

RECENT = 1_800.0
"""Seconds after its end for which a result is what its sender talks about without replying to it."""
_LONGEST_WAIT = 86_400.0
"""Seconds before that in which such a result was asked for."""

DOUBLED = {"press": 3.0, "message": 10.0}
"""Seconds within which the same press, and the same text of one person in one chat, count once."""

_R, _G = requests.c, generations.c
_NEWEST_FIRST = _R.accepted_at.desc()
_HAS_PROMPT = (_R.kind == "images", _R.raw_prompt != "")
"""The conditions of a request of images whose message was not recalled."""
_IS_MESSAGE = ~_R.dedup_key.contains(":")


def find_generation(connection: Connection, generation_id: str) -> RowMapping | None:
    return connection.execute(select(generations).where(_G.generation_id == generation_id)).mappings().first()


def known_keys(connection: Connection, dedup_keys: Collection[str]) -> set[str]:
    """Which requests are there; it stays true within a transaction of :meth:`Database.lock_admissions`."""
    return set(connection.scalars(select(_R.dedup_key).where(_R.dedup_key.in_(dedup_keys))))


def recalled_among(connection: Connection, message_ids: Collection[str]) -> set[str]:
    """Which of some messages were recalled."""
    recalled = _R.dedup_key.in_(message_ids), _R.hide_prompt, _R.prompt == ""
    return set(connection.scalars(select(_R.dedup_key).where(*recalled)))


def find_duplicates(connection: Connection, new: Sequence[NewRequest], *, at: float) -> dict[str, str]:
    """By the fingerprints of these requests, the one that was accepted within :data:`DOUBLED`.

    Images that failed or were cancelled may be asked for again at once, and so may a command that was answered.
    """
    seconds = {
        one.fingerprint: DOUBLED["press" if one.dedup_key.startswith("press:") else "message"]
        for one in new
        if one.fingerprint
    }
    if not seconds:
        return {}
    is_drawn = exists().where(_G.request_id == _R.request_id, _G.state.not_in((State.FAILED, State.CANCELLED)))
    statement = select(_R.fingerprint, _R.accepted_at, _R.request_id).where(
        _R.sender.in_({one.sender for one in new}),
        # Those that are accepted together follow each other by a little; a later time is from before the clock was set.
        _R.accepted_at.between(at - max(DOUBLED.values()), at + 1.0),
        _R.fingerprint.in_(seconds),
        case((_R.kind == "images", is_drawn), else_=_R.ended_at.is_(None)),
    )
    rows = connection.execute(statement.order_by(_R.accepted_at)).all()
    return {row.fingerprint: row.request_id for row in rows if at - row.accepted_at < seconds[row.fingerprint]}


def last_prompt(connection: Connection, *, sender: str, chat_id: str | None) -> RowMapping | None:
    """A sender's last request for images in a chat whose message was not recalled."""
    own = select(requests).where(_R.chat_id == chat_id, _R.sender == sender, *_HAS_PROMPT)
    return connection.execute(own.order_by(_NEWEST_FIRST).limit(1)).mappings().first()


def last_language(connection: Connection, *, sender: str) -> Language | None:
    """The language of a sender's last message."""
    messages = select(_R.language).where(_R.sender == sender, _IS_MESSAGE)
    return connection.scalar(messages.order_by(_NEWEST_FIRST).limit(1))


def was_answered(database: Database, *, chat_id: str, kind: Kind, seconds: float, sender: str) -> bool:
    """Whether a request of this kind came from a sender in a chat in the last ``seconds``."""
    own = select(_R.request_id).where(_R.chat_id == chat_id, _R.kind == kind, _R.sender == sender)
    # What was accepted before the clock was set back does not count for the length of the step.
    recent = own.where(_R.accepted_at > database.now - seconds, _R.accepted_at < database.now + seconds)
    with database.read() as connection:
        return connection.scalar(recent.limit(1)) is not None


def unfinished_requests(connection: Connection, *, sender: str) -> Sequence[Row[Any, Any]]:
    """The ids and chats of a sender's requests that have unfinished generations, oldest first."""
    unfinished = select(_G.request_id).where(_G.sender == sender, _G.ended_at.is_(None))
    own = select(_R.request_id, _R.chat_id).where(_R.request_id.in_(unfinished))
    return connection.execute(own.order_by(_R.accepted_at, _R.request_id)).all()


def image_request(
    connection: Connection,
    *,
    chat_id: str,
    presser: str,
    request_id: str | None = None,
    generation_id: str | None = None,
) -> Mapping[Any, Any] | None:
    """A request of images in a chat, by its id or by one of its images that was delivered.

    In their direct chat people reach what they asked for in other chats, too; its answer is for the direct chat.
    """
    which: Any = request_id
    if generation_id is not None:
        image = _G.generation_id == generation_id, _G.image_key.is_not(None)
        which = select(_G.request_id).where(*image).scalar_subquery()
    statement = select(requests).where(_R.request_id == which, _R.kind == "images")
    row = connection.execute(statement).mappings().first()
    if row is None or row["chat_id"] == chat_id:
        return row
    direct = select(_R.request_id).where(_R.chat_id == chat_id, _R.sender == presser, _R.chat_type == "p2p").limit(1)
    if row["sender"] != presser or connection.scalar(direct) is None:
        return None
    return {**row, "chat_id": chat_id, "chat_type": "p2p", "in_topic": False}


def chat_of_card(connection: Connection, *, card_id: str, chat_id: str, sender: str) -> Mapping[str, Any]:
    """Chat type and topic of a card that somebody pressed, which the press does not tell.

    They are those of the request that the card answers, else those of a message in the chat. Where nothing is known,
    others are assumed to read along.
    """
    in_chat = select(_R.chat_type, _R.in_topic).order_by(_NEWEST_FIRST).limit(1)
    near = or_(_R.chat_id == chat_id, _R.sender == sender)
    card = connection.execute(in_chat.where(near, _R.answer_id == card_id)).mappings().first()
    row = card or connection.execute(in_chat.where(_R.chat_id == chat_id, _IS_MESSAGE)).mappings().first()
    return {"chat_type": row["chat_type"] if row else "group", "in_topic": bool(card and card["in_topic"])}


def store_content(connection: Connection, request_id: str, content: Mapping[str, Any], **values: object) -> None:
    """Replaces the content of a request."""
    stored = {"content": json.dumps(content, ensure_ascii=False), **values}
    connection.execute(update(requests).where(_R.request_id == request_id).values(stored))


def change_language(connection: Connection, *, sender: str, language: Language) -> None:
    """Changes the language of a sender's requests that have not ended."""
    change_rows(connection, requests, (_R.sender == sender) & _R.ended_at.is_(None), {"language": language})


def store_file_key(connection: Connection, generation_id: str, file_key: str | None) -> None:
    """Stores Feishu's key of an uploaded original; ``None`` has it uploaded again the next time."""
    connection.execute(update(generations).where(_G.generation_id == generation_id).values(file_key=file_key))


def offer_of(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    """The prompt and the options that the card of a request offers to draw; empty where it offers nothing."""
    content = read_content(row)
    if content.get("name") == "confirm":
        return {"prompt": content["argument"], "options": content["options"]}
    offer: Mapping[str, Any] = content.get("offer", {})
    return offer


def settle_offer(database: Database, request_id: str, result: Literal["drawn", "declined"]) -> None:
    """Stores what became of an offer, and has its card shown without buttons; the first result stays."""
    with database.write() as connection:
        row = find_request(connection, request_id)
        # The message may have been recalled meanwhile.
        if row is not None and offer_of(row) and "result" not in (content := read_content(row)):
            store_content(connection, request_id, {**content, "result": result})
            reopen(connection, request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What a message refers to: a request of images whose message was not recalled, whether images of its sender wait.

    It is ``unreadable`` when it replies to an image or a file that a person sent, and ``unknown`` when it replies to a
    message that is neither the bot's nor was meant for it: that may be an image, too.
    """

    result: str | None
    waiting: bool
    unreadable: bool
    unknown: bool


def find_references(database: Database, *, chat_id: str, sender: str, messages: Sequence[str]) -> References:
    """What a message of ``sender`` in a chat refers to that replies to ``messages``, the nearest one first."""
    waiting = select(_G.generation_id).where(_G.sender == sender, _G.ended_at.is_(None)).limit(1)
    with database.read() as connection:
        shown_by = {message: _requests_shown_by(connection, message) for message in messages}
        found = [row for rows in shown_by.values() for row in rows]
        results = (
            row.request_id for row in found if row.kind == "images" and row.raw_prompt and row.chat_id == chat_id
        )
        return References(
            result=next(results, None) or _recent_result(database, connection, chat_id, sender),
            waiting=connection.scalar(waiting) is not None,
            unreadable=any(row.kind == "unreadable" and row.dedup_key in messages for row in found),
            unknown=bool(messages) and not shown_by[messages[0]],
        )


def _requests_shown_by(connection: Connection, message_id: str) -> Sequence[Row[Any, Any, Any, Any, Any]]:
    """The request that came with a message, or that was answered with it: with a card, an image or a text."""
    sent = select(sent_messages.c.request_id).where(sent_messages.c.message_id == message_id)
    is_its = or_(_R.answer_id == message_id, _R.dedup_key == message_id, _R.request_id.in_(sent))
    columns = select(_R.request_id, _R.dedup_key, _R.kind, _R.raw_prompt, _R.chat_id)
    return connection.execute(columns.where(is_its)).all()


def _recent_result(database: Database, connection: Connection, chat_id: str, sender: str) -> str | None:
    since = database.time(connection) - RECENT
    done = exists().where(_G.request_id == _R.request_id, _G.state == State.DONE, _G.ended_at > since)
    own = _R.sender == sender, _R.chat_id == chat_id, _R.accepted_at > since - _LONGEST_WAIT
    results = select(_R.request_id).where(*own, *_HAS_PROMPT, done)
    return connection.scalar(results.order_by(_NEWEST_FIRST).limit(1))
