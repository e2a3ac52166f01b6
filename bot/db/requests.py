"""Requests: accepted once, found, claimed while what the chat shows is behind what is stored, cancelled, ended."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from bot.db.database import NOW, Database, insert_if_new, lock_admissions, notify_workers
from bot.db.leases import change_rows, claim_row, is_free, lock_rows, update_owned
from bot.db.tables import (
    IS_BEHIND,
    RECALLED,
    UNFINISHED,
    WAITS,
    G,
    Kind,
    NewRequest,
    R,
    Request,
    generations,
    read_row,
    requests,
    sent_messages,
    view_of_generation,
)
from bot.db.timers import IS_HELD, messages_left
from bot.models import CardAction, ChatType, GenerationView, Language, State

MOST_PATCHES = 6  # of a card in all: a basic Feishu plan allows 10,000 to 50,000 calls a month

# Seconds:
HELD_UP = 900.0  # for which a request that could not be answered keeps the younger ones of its chat waiting
BETWEEN = 1e-6  # between requests accepted together, as a chat's answers are sent in the order of acceptance
PATCHABLE = 14 * 86_400.0  # for which Feishu lets a card be changed
RECENT = 1_800.0  # after its end for which a result is what its sender talks about without replying to it
_LONGEST_WAIT = 86_400.0  # before that in which such a result was asked for
DOUBLED = {"press": 3.0, "message": 10.0}  # for which a press, and a person's text in a chat, count once

_LISTS = ("queue", "history", "cancel")  # the commands whose answers may list prompts
_QUOTES = ("form", "retype", "confirm", "duplicate")  # the commands whose answers hold words of the message

_NEWEST_FIRST = R.accepted_at.desc()
_HAS_PROMPT = sa.and_(R.kind == "images", R.raw_prompt != "")  # and its message was not recalled
_IS_MESSAGE = ~R.dedup_key.contains(":")
_UNANSWERED = sa.and_(R.answer_id.is_(None), R.delivery_mode == "card", R.ended_at.is_(None))
# Nobody has begun to send an answer. After an attempt it may be in the chat; the next one finds it by its uuid.
_UNSENT = sa.and_(_UNANSWERED, R.owner.is_(None), R.attempts == 0, R.stalled_attempts == 0)

_OLDER = requests.alias("older").c
_BLOCKED = sa.exists().where(
    _OLDER.chat_id == R.chat_id,
    _OLDER.answer_id.is_(None),
    _OLDER.delivery_mode == "card",
    _OLDER.kind != "original",
    _OLDER.ended_at.is_(None),
    _OLDER.accepted_at < R.accepted_at,
    _OLDER.accepted_at > NOW - HELD_UP,
)
# Built once, as each message, card or poll executes them.
_REQUEST = sa.select(requests).where(R.request_id == sa.bindparam("request_id"))
_GENERATIONS = (
    sa.select(generations, NOW.label("now"))
    .where(G.request_id == sa.bindparam("request_id"))
    .order_by(G.index_in_request)
)
_KNOWN = sa.select(R.dedup_key, sa.and_(R.hide_prompt, R.prompt == "")).where(
    R.dedup_key.in_(sa.bindparam("keys", expanding=True))
)
_IS_DRAWN = sa.exists().where(G.request_id == R.request_id, G.state.not_in((State.FAILED, State.CANCELLED)))
_DUPLICATES = (
    sa.select(R.fingerprint, R.accepted_at, R.request_id)
    .where(
        R.sender.in_(sa.bindparam("senders", expanding=True)),
        R.accepted_at.between(sa.bindparam("since"), sa.bindparam("until")),
        R.fingerprint.in_(sa.bindparam("fingerprints", expanding=True)),
        sa.case((R.kind == "images", _IS_DRAWN), else_=R.ended_at.is_(None)),
    )
    .order_by(R.accepted_at)
)
_SENDER, _IN_CHAT = sa.bindparam("sender", type_=sa.Text), R.chat_id == sa.bindparam("chat_id")
# A subquery is executed once, so that an index can be searched for its result.
_LATELY = sa.select(NOW - RECENT).scalar_subquery()
_IS_RECENT = sa.exists().where(G.request_id == R.request_id, G.state == State.DONE, G.ended_at > _LATELY)
_RECENT_RESULT = (
    sa.select(R.request_id)
    .where(R.sender == _SENDER, _IN_CHAT, R.accepted_at > _LATELY - _LONGEST_WAIT, _HAS_PROMPT, _IS_RECENT)
    .order_by(_NEWEST_FIRST)
    .limit(1)
)
_SITUATION = sa.select(_RECENT_RESULT.scalar_subquery(), sa.exists().where(G.sender == _SENDER, UNFINISHED))
_CHAT = sa.func.coalesce(R.chat_id, R.sender)
_DUE = (
    sa.select(R.request_id)
    .where(
        IS_BEHIND,
        (R.kind == "original") == sa.bindparam("originals", type_=sa.Boolean),
        R.due_at <= NOW,
        is_free(requests),
        ~IS_HELD,
        sa.or_(R.answer_id.is_not(None), R.delivery_mode != "card", ~_BLOCKED),
    )
    .order_by(sa.func.row_number().over(partition_by=_CHAT, order_by=R.accepted_at), R.accepted_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def insert_requests(connection: sa.Connection, new: Sequence[NewRequest], *, at: float, month: str = "") -> None:
    """Inserts requests whose ``dedup_key`` is not known, in their order, and their generations.

    ``at`` is the time of acceptance in seconds since 1970, ``month`` the billing month of the generations.
    """
    rows = [{**vars(one), "accepted_at": at + BETWEEN * number} for number, one in enumerate(new)]
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
        if one.kind == "images"
        for index in range(one.options.count)
    ]
    if rows:
        connection.execute(sa.insert(requests), rows)
    if images:
        connection.execute(sa.insert(generations), images)


def find_request(connection: sa.Connection, request_id: str) -> Request | None:
    row = connection.execute(_REQUEST, {"request_id": request_id}).first()
    return None if row is None else read_row(Request, row)


def _first(connection: sa.Connection, statement: sa.Select[Any]) -> Request | None:
    row = connection.execute(statement.limit(1)).first()
    return None if row is None else read_row(Request, row)


def generations_of(connection: sa.Connection, request_id: str) -> tuple[GenerationView, ...]:
    """The generations of a request, in their order."""
    rows = connection.execute(_GENERATIONS, {"request_id": request_id})
    return tuple(view_of_generation(row, now=row.now) for row in rows)


@dataclass(frozen=True, slots=True)
class RequestStore:
    """What a worker reads and writes of requests; each method is one transaction.

    Those that take a claimed request raise ``LeaseLost`` when it is no longer ``owner``'s.
    """

    database: Database
    owner: str

    def due_requests(self, *, limit: int, originals: bool = False) -> list[str]:
        """The ids of requests that are due to be shown, as many as may be sent now.

        First the oldest one of each chat, then the next of each, and so on. In a chat a first answer waits until every
        older request was answered, or for :data:`HELD_UP` seconds: answers keep the order of the messages. While Feishu
        rejects the app itself, none is due between two probes. Nothing waits for originals, which are uploaded first
        and asked for apart.
        """
        with self.database.read() as connection:
            due = connection.scalars(_DUE, {"originals": originals, "limit": limit}).all()
            return list(due[: messages_left(connection)]) if due else []

    def claim(self, request_id: str, *, lease: float) -> tuple[Request, tuple[GenerationView, ...]] | None:
        """Claims a request, and reads its generations; ``None`` when another worker was faster or nothing is behind."""
        with self.database.write(step="requests.claim") as connection:
            row = claim_row(connection, requests, request_id, IS_BEHIND, owner=self.owner, lease=lease)
            return None if row is None else (read_row(Request, row), generations_of(connection, request_id))

    def read(self, request_id: str) -> tuple[Request, tuple[GenerationView, ...]]:
        """A request and its generations, in one consistent state."""
        with self.database.read() as connection:
            row = connection.execute(_REQUEST, {"request_id": request_id}).one()
            return read_row(Request, row), generations_of(connection, request_id)

    def mark_published(
        self,
        request: Request,
        *,
        card_state: str,
        last: bool,
        shown_position: str | None = None,
        answer_id: str | None = None,
    ) -> None:
        """Stores that the chat now shows the request as it was read, and releases it; later changes remain to be shown.

        ``last`` if nothing will change any more; ``answer_id`` is that of the answer if this was the first time.
        """
        values: dict[str, object] = {
            "published_version": request.desired_version,
            "card_state": card_state,
            "shown_position": shown_position,
            **dict.fromkeys(("attempts", "stalled_attempts", "due_at"), 0),
            "owner": None,
        }
        if answer_id is not None:
            values["answer_id"] = answer_id
        if request.answer_id is not None:
            values["patch_count"] = R.patch_count + 1
        if last:
            # What changed since the request was read, such as a recall, is still to be shown.
            unchanged = R.desired_version == request.desired_version
            values |= {"outcome": card_state, "ended_at": sa.case((unchanged, NOW))}
        self._update("mark_published", request, **values)

    def change(self, request: Request, **values: object) -> None:
        """Stores how the request is to be answered from now on; the owner keeps it."""
        self._update("change", request, **values)

    def postpone(self, request: Request, *, seconds: float, refused: bool = True) -> None:
        """Releases the request and makes it due again after ``seconds``; only a rejection counts as an attempt."""
        values = {"due_at": NOW + seconds, "attempts": request.attempts + refused, "stalled_attempts": 0}
        self._update("postpone", request, owner=None, **values)

    def give_up(self, request: Request, *, outcome: str) -> None:
        """Ends a request that cannot be answered; its generations that have not been paid for are cancelled."""
        unpaid = sa.and_(G.request_id == request.request_id, WAITS)
        with self.database.write(step="requests.give_up") as connection:
            change_rows(connection, generations, unpaid, {"state": State.CANCELLED, "ended_at": NOW})
            ended = {"owner": None, "outcome": outcome, "ended_at": NOW}
            update_owned(connection, R.request_id, request.request_id, self.owner, ended)

    def reopen(self, request_id: str) -> None:
        with self.database.write(step="requests.reopen") as connection:
            reopen(connection, request_id)

    def sent(self, request_id: str) -> dict[str, str]:
        """The messages that were sent for a request beside its card, by step."""
        sent = sent_messages.c
        statement = sa.select(sent.step, sent.message_id).where(sent.request_id == request_id)
        with self.database.read() as connection:
            return dict(connection.execute(statement).all())

    def record_send(self, request: Request, step: str, message_id: str) -> None:
        """Stores that a step's message was sent; ``message_id`` is empty where it was rejected for good."""
        with self.database.write(step="requests.record_send") as connection:
            update_owned(connection, R.request_id, request.request_id, self.owner, {"owner": self.owner})
            insert_if_new(connection, sent_messages, request_id=request.request_id, step=step, message_id=message_id)

    def _update(self, step: str, request: Request, **values: object) -> None:
        with self.database.write(step=f"requests.{step}") as connection:
            update_owned(connection, R.request_id, request.request_id, self.owner, values)


def reopen(connection: sa.Connection, request_id: str, *conditions: sa.ColumnElement[bool], **values: object) -> None:
    """Marks that what the chat shows of a request is behind, even where it has ended; see :func:`mark_dirty`."""
    behind = {"desired_version": R.desired_version + 1, "ended_at": None, **values}
    connection.execute(sa.update(requests).where(R.request_id == request_id, *conditions).values(behind))


def mark_dirty(connection: sa.Connection, request_ids: Collection[str], *, unless_state: str | None = None) -> None:
    """Marks that what the chat shows of these requests is behind.

    With ``unless_state`` only those whose card does not have this state, and can be patched for it: one patch an image
    is kept back.
    """
    behind = sa.update(requests).where(R.ended_at.is_(None)).values(desired_version=R.desired_version + 1)
    if unless_state is not None:
        unfinished = sa.select(sa.func.count()).where(G.request_id == R.request_id, UNFINISHED)
        patchable = R.patch_count + unfinished.scalar_subquery() < MOST_PATCHES
        behind = behind.where(R.card_state.is_distinct_from(unless_state), patchable)
    # In the order of their keys; see ``leases``.
    for request_id in sorted(request_ids):
        connection.execute(behind.where(R.request_id == request_id))


def cancel(connection: sa.Connection, request_ids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Cancels the unfinished generations of requests; gives them. A call under way keeps its slot and its charge."""
    go_on = sa.and_(G.request_id.in_(request_ids), UNFINISHED)
    cancelled = change_rows(connection, generations, go_on, {"state": State.CANCELLED, "ended_at": NOW})
    if cancelled:
        mark_dirty(connection, {row.request_id for row in cancelled})
        notify_workers(connection)
    return cancelled


def cancel_recalled(database: Database, message_id: str) -> int:
    """Cancels what a recalled message asked for and erases its text; gives how many generations were cancelled.

    The same goes for what repeats or edits its prompt. An answer that nobody has begun to send is not sent; every
    card that shows the text, or is on its way, is shown again without it. A call under way has been given the prompt.

    Feishu promises no order: a recall that comes first is remembered as a request that has ended, so that its message
    is a repetition.
    """
    recalled = sa.or_(R.dedup_key == message_id, R.source == message_id)
    with database.write(step="cancellation.cancel_recalled") as connection:
        # After any acceptance of this message, or of a copy of its prompt, that is under way.
        at = lock_admissions(connection)
        unknown = NewRequest(dedup_key=message_id, chat_id=None, chat_type="p2p", sender="", content={"name": RECALLED})
        insert_if_new(connection, requests, **vars(unknown), accepted_at=at)
        rows = connection.execute(sa.select(requests).where(recalled)).all()
        ids = [row.request_id for row in rows]
        lock_rows(connection, generations, G.request_id.in_(ids))
        showing = [row for row in rows if _shows_text(row)]
        locked = lock_rows(connection, requests, sa.or_(recalled, _listing(showing, at=at)))
        count = len(cancel(connection, ids))
        if not all(row.hide_prompt and not row.prompt for row in rows):
            for row in locked:
                _erase(connection, row)
        connection.execute(sa.update(requests).where(recalled, _UNSENT).values(ended_at=at, outcome=RECALLED))
    return count


def _command(row: sa.Row[Any]) -> str | None:
    return row.content.get("name") if row.kind == "command" else None


def _shows_text(row: sa.Row[Any]) -> bool:
    """Whether the answer to a request shows text of the message that it is about."""
    return row.kind in ("images", "rejected") or _command(row) in _QUOTES


def _listing(rows: Sequence[sa.Row[Any]], *, at: float) -> sa.ColumnElement[bool]:
    """The condition of answers that may list the prompts of requests: ``/queue``, ``/history`` and ``/cancel``."""
    chats, people = {row.chat_id for row in rows}, {row.sender for row in rows}
    return sa.and_(
        R.kind == "command",
        sa.or_(*(R.content.startswith(f'{{"name": "{name}"') for name in _LISTS)),
        sa.or_(R.chat_id.in_(chats), R.sender.in_(people)),
        R.accepted_at > max(at - PATCHABLE, min((row.accepted_at for row in rows), default=at)),
    )


def _erase(connection: sa.Connection, row: sa.Row[Any]) -> None:
    """Erases a request's text, and has its answer shown again where there is one that shows text."""
    values: dict[str, Any] = {"prompt": "", "raw_prompt": "", "hide_prompt": True, "fingerprint": None}
    if row.kind == "images":
        values["content"] = {name: row.content[name] for name in row.content if name not in ("typed", "recognized")}
    elif _shows_text(row):
        values |= {"kind": "command", "content": {"name": RECALLED}}
    given_up = row.ended_at is not None and row.answer_id is None and row.delivery_mode == "card"
    if (_shows_text(row) or _command(row) in _LISTS) and not given_up:
        values |= {"desired_version": R.desired_version + 1, "ended_at": None}
    connection.execute(sa.update(requests).where(R.request_id == row.request_id).values(values))


def known_messages(connection: sa.Connection, dedup_keys: Collection[str]) -> dict[str, bool]:
    """Which of these are stored, each with whether it was recalled; true until the end of :func:`lock_admissions`."""
    return dict(connection.execute(_KNOWN, {"keys": dedup_keys}).all())


def find_duplicates(connection: sa.Connection, new: Sequence[NewRequest], *, at: float) -> dict[str, str]:
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
    # Those that are accepted together follow each other by a little; a later time is from before the clock was set.
    span = {"since": at - max(DOUBLED.values()), "until": at + 1.0}
    senders = {one.sender for one in new}
    rows = connection.execute(_DUPLICATES, {"senders": senders, "fingerprints": list(seconds), **span}).all()
    return {row.fingerprint: row.request_id for row in rows if at - row.accepted_at < seconds[row.fingerprint]}


def last_prompt(connection: sa.Connection, *, sender: str, chat_id: str | None) -> Request | None:
    """A sender's last request for images in a chat whose message was not recalled."""
    own = sa.select(requests).where(R.chat_id == chat_id, R.sender == sender, _HAS_PROMPT)
    return _first(connection, own.order_by(_NEWEST_FIRST))


def last_language(connection: sa.Connection, *, sender: str) -> Language | None:
    messages = sa.select(R.language).where(R.sender == sender, _IS_MESSAGE)
    return connection.scalar(messages.order_by(_NEWEST_FIRST).limit(1))


def was_answered(database: Database, *, chat_id: str, kind: Kind, seconds: float, sender: str) -> bool:
    own = sa.select(R.request_id).where(R.chat_id == chat_id, R.kind == kind, R.sender == sender)
    # What was accepted before the clock was set back does not count for the length of the step.
    recent = own.where(R.accepted_at > NOW - seconds, R.accepted_at < NOW + seconds)
    with database.read() as connection:
        return connection.scalar(recent.limit(1)) is not None


def unfinished_requests(connection: sa.Connection, *, sender: str) -> Sequence[sa.Row[Any, Any]]:
    """The ids and chats of a sender's requests that have unfinished generations, oldest first."""
    unfinished = sa.select(G.request_id).where(G.sender == sender, UNFINISHED)
    own = sa.select(R.request_id, R.chat_id).where(R.request_id.in_(unfinished))
    return connection.execute(own.order_by(R.accepted_at, R.request_id)).all()


def image_request(connection: sa.Connection, action: CardAction, *, of_image: bool = False) -> Request | None:
    """The request of images that a button in its chat names, by its id or by one of its images that was delivered.

    In their direct chat people reach what they asked for in other chats, too; its answer is for the direct chat.
    """
    which: Any = str(action.value.get("r"))
    if of_image:
        image = G.generation_id == str(action.value.get("g")), G.image_key.is_not(None)
        which = sa.select(G.request_id).where(*image).scalar_subquery()
    request = _first(connection, sa.select(requests).where(R.request_id == which, R.kind == "images"))
    if request is None or request.chat_id == action.chat_id:
        return request
    own = R.chat_id == action.chat_id, R.sender == action.presser, R.chat_type == "p2p"
    if request.sender != action.presser or connection.scalar(sa.select(R.request_id).where(*own).limit(1)) is None:
        return None
    return replace(request, chat_id=action.chat_id, chat_type="p2p", in_topic=False)


class CardChat(NamedTuple):
    """Where a card is; where nothing is known, others are assumed to read along."""

    chat_type: ChatType = "group"
    in_topic: bool = False


def chat_of_card(connection: sa.Connection, action: CardAction) -> CardChat:
    """Chat type and topic of a pressed card, which the press does not tell.

    They are those of the request that the card answers, else those of a message in the chat.
    """
    newest = sa.select(requests).order_by(_NEWEST_FIRST)
    near = sa.or_(R.chat_id == action.chat_id, R.sender == action.presser)
    if card := _first(connection, newest.where(near, R.answer_id == action.message_id)):
        return CardChat(card.chat_type, card.in_topic)
    message = _first(connection, newest.where(R.chat_id == action.chat_id, _IS_MESSAGE))
    return CardChat(message.chat_type) if message else CardChat()


def change_language(connection: sa.Connection, *, sender: str, language: Language) -> None:
    """Changes the language of a sender's requests that have not ended."""
    change_rows(connection, requests, sa.and_(R.sender == sender, R.ended_at.is_(None)), {"language": language})


def settle_offer(database: Database, request_id: str, result: Literal["drawn", "declined"]) -> None:
    """Stores what became of an offer, and has its card shown without buttons; the first result stays."""
    with database.write() as connection:
        request = find_request(connection, request_id)
        # The message may have been recalled meanwhile.
        if request is not None and request.offer and "result" not in request.content:
            reopen(connection, request_id, content={**request.content, "result": result})


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What a message refers to."""

    result: str | None  # a request of images whose message was not recalled
    waiting: bool  # whether images of its sender wait
    unreadable: bool  # whether it replies to an image or a file that a person sent
    unknown: bool  # whether it replies to a message that is neither the bot's nor was meant for it: maybe an image, too


def find_references(database: Database, *, chat_id: str, sender: str, messages: Sequence[str]) -> References:
    """What a message of ``sender`` in a chat refers to that replies to ``messages``, the nearest one first."""
    with database.read() as connection:
        shown_by = {message: _requests_shown_by(connection, message) for message in messages}
        found = [row for rows in shown_by.values() for row in rows]
        results = (
            row.request_id for row in found if row.kind == "images" and row.raw_prompt and row.chat_id == chat_id
        )
        recent, waiting = connection.execute(_SITUATION, {"sender": sender, "chat_id": chat_id}).one()
        return References(
            result=next(results, None) or recent,
            waiting=waiting,
            unreadable=any(row.kind == "unreadable" and row.dedup_key in messages for row in found),
            unknown=bool(messages) and not shown_by[messages[0]],
        )


def _requests_shown_by(connection: sa.Connection, message_id: str) -> Sequence[sa.Row[Any, Any, Any, Any, Any]]:
    """The request that came with a message, or that was answered with it: with a card, an image or a text."""
    sent = sa.select(sent_messages.c.request_id).where(sent_messages.c.message_id == message_id)
    is_its = sa.or_(R.answer_id == message_id, R.dedup_key == message_id, R.request_id.in_(sent))
    columns = sa.select(R.request_id, R.dedup_key, R.kind, R.raw_prompt, R.chat_id)
    return connection.execute(columns.where(is_its)).all()
