"""Stored requests as messages, commands, card actions and their answers find them, and small changes to them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    ScalarSelect,
    case,
    exists,
    literal,
    or_,
    select,
    update,
)

from bot.db.database import Database
from bot.db.leases import change_rows
from bot.db.requests import reopen
from bot.db.tables import Kind, NewRequest, generations, read_content, requests, sent_messages
from bot.models import Language, State

RECENT = 1_800.0
"""Seconds after its end for which a result is what its sender talks about without replying to it."""
_LONGEST_WAIT = 86_400.0
"""Seconds before that in which such a result was asked for."""

DOUBLED = {"press": 3.0, "message": 10.0}
"""Seconds within which the same press, and the same text of one person in one chat, count once."""

_R, _G = requests.c, generations.c


def find_request(connection: Connection, request_id: str) -> RowMapping | None:
    return connection.execute(select(requests).where(_R.request_id == request_id)).mappings().first()


def known_keys(connection: Connection, dedup_keys: Collection[str]) -> set[str]:
    """Which requests are there; it stays true within a transaction of :meth:`Database.lock_admissions`."""
    return set(connection.scalars(select(_R.dedup_key).where(_R.dedup_key.in_(dedup_keys))))


def find_duplicates(connection: Connection, new: Sequence[NewRequest], *, at: float) -> dict[str, str]:
    """By the fingerprints of these requests, the one that was accepted within :data:`DOUBLED`.

    Images that failed or were cancelled may be asked for again at once, and so may a command that was answered.
    """
    fingerprints = {one.fingerprint: _window(one) for one in new if one.fingerprint}
    if not fingerprints:
        return {}
    is_drawn = exists().where(_G.request_id == _R.request_id, _G.state.not_in((State.FAILED, State.CANCELLED)))
    statement = select(_R.fingerprint, _R.accepted_at, _R.request_id).where(
        _R.sender.in_({one.sender for one in new}),
        # Those that are accepted together follow each other by a little; a later time is from before the clock was set.
        _R.accepted_at.between(at - max(DOUBLED.values()), at + 1.0),
        _R.fingerprint.in_(fingerprints),
        case((_R.kind == "images", is_drawn), else_=_R.ended_at.is_(None)),
    )
    rows = connection.execute(statement.order_by(_R.accepted_at)).all()
    return {row.fingerprint: row.request_id for row in rows if at - row.accepted_at < fingerprints[row.fingerprint]}


def _window(new: NewRequest) -> float:
    return DOUBLED["press" if new.dedup_key.startswith("press:") else "message"]


def recalled_among(connection: Connection, message_ids: Collection[str]) -> set[str]:
    """Which of some messages were recalled."""
    if not message_ids:
        return set()
    recalled = _R.dedup_key.in_(message_ids), _R.hide_prompt, _R.prompt == ""
    return set(connection.scalars(select(_R.dedup_key).where(*recalled)))


def last_prompt(connection: Connection, *, sender: str, chat_id: str | None) -> RowMapping | None:
    """A sender's last request for images in a chat whose message was not recalled."""
    own = _R.chat_id == chat_id, _R.sender == sender
    images = select(requests).where(*own, _R.kind == "images", _R.raw_prompt != "")
    return connection.execute(images.order_by(_R.accepted_at.desc()).limit(1)).mappings().first()


def last_language(connection: Connection, *, sender: str) -> Language | None:
    """The language of a sender's last message; what answers anything else has a colon in its ``dedup_key``."""
    messages = _R.sender == sender, ~_R.dedup_key.contains(":")
    statement = select(_R.language).where(*messages).order_by(_R.accepted_at.desc()).limit(1)
    language: Language | None = connection.scalar(statement)
    return language


def prompts_of(connection: Connection, request_ids: Collection[str]) -> Sequence[str]:
    """The prompts of requests, oldest first."""
    named = select(_R.prompt).where(_R.request_id.in_(request_ids))
    return connection.scalars(named.order_by(_R.accepted_at, _R.request_id)).all()


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


def command_request(connection: Connection, name: str, *, chat_id: str, request_id: str) -> RowMapping | None:
    """The request of a command in a chat."""
    row = find_request(connection, request_id)
    is_it = row is not None and row["chat_id"] == chat_id and row["kind"] == "command"
    return row if row is not None and is_it and read_content(row).get("name") == name else None


def generation_states(connection: Connection, request_id: str) -> set[State]:
    states = connection.scalars(select(_G.state).where(_G.request_id == request_id))
    return {State(state) for state in states}


def chat_of_card(connection: Connection, *, card_id: str, chat_id: str, sender: str) -> Mapping[str, Any]:
    """Chat type and topic of a card that somebody pressed, which the press does not tell.

    They are those of the request that the card answers, else those of a message in the chat. Where nothing is known,
    others are assumed to read along.
    """
    in_chat = select(_R.chat_type, _R.in_topic).order_by(_R.accepted_at.desc()).limit(1)
    near = or_(_R.chat_id == chat_id, _R.sender == sender)
    card = connection.execute(in_chat.where(near, _R.answer_id == card_id)).mappings().first()
    message = in_chat.where(_R.chat_id == chat_id, ~_R.dedup_key.contains(":"))
    row = card or connection.execute(message).mappings().first()
    return {"chat_type": row["chat_type"] if row else "group", "in_topic": bool(card and card["in_topic"])}


def unfinished_requests(connection: Connection, *, sender: str) -> Sequence[Row[Any, Any, Any]]:
    """The requests of a sender that have unfinished generations, oldest first: id, prompt and chat."""
    columns = (_R.request_id, _R.prompt, _R.chat_id)
    statement = (
        select(*columns)
        .join(generations, _G.request_id == _R.request_id)
        .where(_G.ended_at.is_(None), _G.sender == sender)
        .group_by(*columns, _R.accepted_at)
        .order_by(_R.accepted_at, _R.request_id)
    )
    return connection.execute(statement).all()


def was_answered(database: Database, *, chat_id: str, kind: Kind, seconds: float, sender: str) -> bool:
    """Whether a request of this kind came from a sender in a chat in the last ``seconds``."""
    now = database.now
    recent = select(_R.request_id).where(
        _R.chat_id == chat_id,
        _R.kind == kind,
        _R.sender == sender,
        # What was accepted before the clock was set back does not count for the length of the step.
        _R.accepted_at > now - seconds,
        _R.accepted_at < now + seconds,
    )
    with database.read() as connection:
        return connection.execute(recent.limit(1)).first() is not None


def store_content(connection: Connection, request_id: str, content: Mapping[str, Any], **values: object) -> None:
    """Replaces the content of a request."""
    stored = {"content": json.dumps(content, ensure_ascii=False), **values}
    connection.execute(update(requests).where(_R.request_id == request_id).values(stored))


def change_language(connection: Connection, *, sender: str, language: Language) -> None:
    """Changes the language of a sender's requests that have not ended."""
    change_rows(connection, requests, (_R.sender == sender) & _R.ended_at.is_(None), {"language": language})


def original_of(connection: Connection, generation_id: str) -> Row[Any, Any, Any, Any] | None:
    """Where the original of an image can be had: ``file_key``, ``cache_name``, ``url`` and ``image_key``."""
    columns = select(_G.file_key, _G.cache_name, _G.url, _G.image_key)
    return connection.execute(columns.where(_G.generation_id == generation_id)).first()


def store_file_key(connection: Connection, generation_id: str, file_key: str | None) -> None:
    """Stores Feishu's key of an uploaded original; ``None`` has it uploaded again the next time."""
    connection.execute(update(generations).where(_G.generation_id == generation_id).values(file_key=file_key))


def delivered_image(database: Database, request_id: str) -> str | None:
    """The first image of a request that is in the chat."""
    images = select(_G.generation_id).where(_G.request_id == request_id, _G.image_key.is_not(None))
    with database.read() as connection:
        image: str | None = connection.scalar(images.order_by(_G.index_in_request).limit(1))
    return image


# What a card offers to draw: words that may ask for an image, and prompts of which one option was wrong.


def offer_of(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    """The prompt and the options that the card of a request offers to draw; empty where it offers nothing."""
    content = read_content(row)
    if content.get("name") == "confirm":
        return {"prompt": content["argument"], "options": content["options"]}
    offer: Mapping[str, Any] = content.get("offer", {})
    return offer


def result_of(row: Mapping[Any, Any]) -> str | None:
    """What became of the offer: ``drawn`` or ``declined``."""
    result: str | None = read_content(row).get("result")
    return result


def find_offer(connection: Connection, *, chat_id: str, request_id: str) -> RowMapping | None:
    """The request whose card in a chat offers something, whether or not it was settled."""
    row = find_request(connection, request_id)
    return row if row is not None and row["chat_id"] == chat_id and offer_of(row) else None


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
    waiting = exists().where(_G.sender == sender, _G.ended_at.is_(None))
    unreadable = exists().where(_R.dedup_key.in_(messages), _R.kind == "unreadable")
    known = exists().where(_is_of(messages[0])) if messages else literal(value=False)
    found = [_result_of(chat_id, message) for message in messages]
    with database.read() as connection:
        results = [*found, _recent_result(chat_id, sender, now=database.time(connection))]
        columns = [result.label(f"result{number}") for number, result in enumerate(results)]
        facts = waiting.label("waiting"), unreadable.label("unreadable"), known.label("known")
        row = connection.execute(select(*facts, *columns)).one()
    found_result: str | None = next((one for one in tuple(row)[len(facts) :] if one is not None), None)
    return References(
        result=found_result,
        waiting=bool(row.waiting),
        unreadable=bool(row.unreadable),
        unknown=bool(messages) and not row.known,
    )


def _is_of(message_id: str) -> ColumnElement[bool]:
    """The condition of the request that came with a message, or that was answered with it."""
    sent = select(sent_messages.c.request_id).where(sent_messages.c.message_id == message_id)
    return or_(_R.answer_id == message_id, _R.dedup_key == message_id, _R.request_id.in_(sent))


def _result_of(chat_id: str, message_id: str) -> ScalarSelect[str]:
    """The request that a message shows, as a card, an image or a text, or that it asked for."""
    images = _R.kind == "images", _R.raw_prompt != "", _R.chat_id == chat_id
    return select(_R.request_id).where(_is_of(message_id), *images).limit(1).scalar_subquery()


def _recent_result(chat_id: str, sender: str, *, now: float) -> ScalarSelect[str]:
    own = _R.sender == sender, _R.accepted_at > now - RECENT - _LONGEST_WAIT
    images = _R.kind == "images", _R.raw_prompt != "", _R.chat_id == chat_id
    done = exists().where(_G.request_id == _R.request_id, _G.state == State.DONE, _G.ended_at > now - RECENT)
    statement = select(_R.request_id).where(*own, *images, done).order_by(_R.accepted_at.desc())
    return statement.limit(1).scalar_subquery()
