"""Requests: accepted once, found, claimed while what the chat shows is behind what is stored, cancelled, ended."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from bot.db.database import Database
from bot.db.leases import change_rows, claim_row, is_free, lock_rows, update_owned
from bot.db.tables import (
    IS_BEHIND,
    RECALLED,
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
from bot.db.timers import SendRateLimiter, is_held
from bot.models import ChatType, GenerationView, Language, State, fields_of

MOST_PATCHES = 6
"""How often a card is patched in all: a basic Feishu plan allows 10,000 to 50,000 calls a month."""

HELD_UP = 900.0
"""Seconds for which a request that could not be answered keeps the younger ones of its chat waiting."""

BETWEEN = 1e-6
"""Seconds between requests accepted together, as the answers in a chat are sent in the order of acceptance."""

REMEMBERED = 1_000
"""How many recalls of unknown messages are remembered."""

DELIVERED_AGAIN = 8 * 3_600.0
"""Seconds within which Feishu may still deliver a message that was not acknowledged."""

PATCHABLE = 14 * 86_400.0
"""Seconds for which Feishu lets a card be changed."""

RECENT = 1_800.0
"""Seconds after its end for which a result is what its sender talks about without replying to it."""
_LONGEST_WAIT = 86_400.0
"""Seconds before that in which such a result was asked for."""

DOUBLED = {"press": 3.0, "message": 10.0}
"""Seconds within which the same press, and the same text of one person in one chat, count once."""

_OLDER = requests.alias("older")
_NEWEST_FIRST = R.accepted_at.desc()
_HAS_PROMPT = and_(R.kind == "images", R.raw_prompt != "")
"""The condition of a request of images whose message was not recalled."""
_IS_MESSAGE = ~R.dedup_key.contains(":")
_UNSENT = and_(
    R.answer_id.is_(None),
    R.delivery_mode == "card",
    R.owner.is_(None),
    R.ended_at.is_(None),
    # After an attempt the answer may be in the chat; the next one finds it by its uuid and changes it.
    R.attempts == 0,
    R.stalled_attempts == 0,
)
"""The condition that nobody has begun to send an answer."""
_LISTS = ("queue", "history", "cancel")
"""The commands whose answers may list prompts."""
_QUOTES = ("form", "retype", "confirm", "duplicate")
"""The commands whose answers hold words of the message."""


def insert_requests(
    database: Database, connection: Connection, new: Sequence[NewRequest], *, at: float, month: str = ""
) -> None:
    """Inserts requests whose ``dedup_key`` is not known, in their order, and their generations.

    ``at`` is the time of acceptance in seconds since 1970, ``month`` the billing month of the generations.
    """
    rows = [{**fields_of(one), "accepted_at": at + BETWEEN * number} for number, one in enumerate(new)]
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
        connection.execute(database.insert(requests), rows)
    if images:
        connection.execute(database.insert(generations), images)


def find_request(connection: Connection, request_id: str) -> Request | None:
    return _first(connection, select(requests).where(R.request_id == request_id))


def _first(connection: Connection, statement: Select[Any]) -> Request | None:
    row = connection.execute(statement.limit(1)).first()
    return None if row is None else read_row(Request, row)


def generations_of(connection: Connection, request_id: str) -> Sequence[Row[Any]]:
    """The generations of a request, in their order."""
    own = select(generations).where(G.request_id == request_id)
    return connection.execute(own.order_by(G.index_in_request)).all()


@dataclass(frozen=True)
class RequestStore:
    """What a worker reads and writes of requests; each method is one transaction.

    Those that take a claimed request raise ``LeaseLost`` when it is no longer ``owner``'s.
    """

    database: Database
    owner: str

    def due_requests(self, *, limit: int, originals: bool = False) -> list[str]:
        """The ids of requests that are due to be shown, as many as may be sent now.

        First the oldest one of each chat, then the next of each, and so on. In one chat a first answer is due only
        when every older request there has been answered, so that answers keep the order of the messages even after an
        outage. One that Feishu goes on rejecting holds the chat up for :data:`HELD_UP` seconds. While Feishu rejects
        the app itself, none is due between two probes. Originals are files that are uploaded first: nothing else waits
        for them, and they are asked for apart.
        """
        with self.database.read() as connection:
            due = connection.scalars(self._due, {"originals": originals, "limit": limit}).all()
            return list(due[: SendRateLimiter(self.database).messages_left(connection)]) if due else []

    @cached_property
    def _due(self) -> Select[str]:
        # Each poll executes it, which takes less time than to build it.
        now = self.database.now
        blocked = exists().where(
            _OLDER.c.chat_id == R.chat_id,
            _OLDER.c.answer_id.is_(None),
            _OLDER.c.delivery_mode == "card",
            _OLDER.c.kind != "original",
            _OLDER.c.ended_at.is_(None),
            _OLDER.c.accepted_at < R.accepted_at,
            _OLDER.c.accepted_at > now - HELD_UP,
        )
        chat = func.coalesce(R.chat_id, R.sender)
        number_in_chat = func.row_number().over(partition_by=chat, order_by=R.accepted_at)
        statement = select(R.request_id).where(
            IS_BEHIND,
            (R.kind == "original") == bindparam("originals", type_=Boolean),
            R.due_at <= now,
            is_free(self.database, requests),
            ~is_held(self.database),
            or_(R.answer_id.is_not(None), R.delivery_mode != "card", ~blocked),
        )
        return statement.order_by(number_in_chat, R.accepted_at).limit(bindparam("limit", type_=Integer))

    def claim(self, request_id: str, *, lease: float) -> Request | None:
        """Claims a request; ``None`` when another worker was faster or nothing is left to show."""
        with self.database.write(step="requests.claim") as connection:
            row = claim_row(self.database, connection, requests, request_id, IS_BEHIND, owner=self.owner, lease=lease)
        return None if row is None else read_row(Request, row)

    def read(self, request_id: str) -> tuple[Request, tuple[GenerationView, ...]]:
        """A request and its generations, in one consistent state."""
        with self.database.read() as connection:
            row = connection.execute(select(requests).where(R.request_id == request_id)).one()
            images, now = generations_of(connection, request_id), self.database.time(connection)
        return read_row(Request, row), tuple(view_of_generation(image, now=now) for image in images)

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

        It shows ``card_state``, such as ``queued``, and a queue position, if any; ``last`` if nothing will change any
        more. ``answer_id`` is the message id of the answer when this was the first time.
        """
        values: dict[str, object] = {
            "published_version": request.desired_version,
            "card_state": card_state,
            "shown_position": shown_position,
            "patch_count": R.patch_count + int(request.answer_id is not None),
            **dict.fromkeys(("attempts", "stalled_attempts", "due_at"), 0),
            "owner": None,
        }
        if answer_id is not None:
            values["answer_id"] = answer_id
        if last:
            # What changed since the request was read, such as a recall, is still to be shown.
            unchanged = R.desired_version == request.desired_version
            values |= {"outcome": card_state, "ended_at": case((unchanged, self.database.now))}
        self._update("mark_published", request, **values)

    def change(self, request: Request, **values: object) -> None:
        """Stores how the request is to be answered from now on; the owner keeps it."""
        self._update("change", request, **values)

    def postpone(self, request: Request, *, seconds: float, refused: bool = True, stalled_attempts: int = 0) -> None:
        """Releases the request and makes it due again after ``seconds``; only a rejection counts as an attempt."""
        due_at, attempts = self.database.now + seconds, request.attempts + refused
        values = {"due_at": due_at, "attempts": attempts, "stalled_attempts": stalled_attempts}
        self._update("postpone", request, owner=None, **values)

    def give_up(self, request: Request, *, outcome: str) -> None:
        """Ends a request that cannot be answered; generations that have not been paid for are cancelled.

        A card that is in the chat keeps what it says.
        """
        unpaid, now = and_(G.request_id == request.request_id, WAITS), self.database.now
        with self.database.write(step="requests.give_up") as connection:
            change_rows(connection, generations, unpaid, {"state": State.CANCELLED, "ended_at": now})
            ended = {"owner": None, "outcome": outcome, "ended_at": now}
            update_owned(connection, requests, request.request_id, self.owner, ended)

    def reopen(self, request_id: str) -> None:
        """Marks that what the chat shows may be older than what is stored, even where the request has ended."""
        with self.database.write(step="requests.reopen") as connection:
            reopen(connection, request_id)

    def sent(self, request_id: str) -> dict[str, str]:
        """The messages that were sent for a request beside its card, by step."""
        sent = sent_messages.c
        statement = select(sent.step, sent.message_id).where(sent.request_id == request_id)
        with self.database.read() as connection:
            return dict(connection.execute(statement).all())

    def record_send(self, request: Request, step: str, message_id: str) -> None:
        """Stores that a step's message was sent; ``message_id`` is empty where it was rejected for good."""
        row = {"request_id": request.request_id, "step": step, "message_id": message_id}
        with self.database.write(step="requests.record_send") as connection:
            update_owned(connection, requests, request.request_id, self.owner, {"owner": self.owner})
            connection.execute(self.database.insert(sent_messages).values(row).on_conflict_do_nothing())

    def _update(self, step: str, request: Request, **values: object) -> None:
        with self.database.write(step=f"requests.{step}") as connection:
            update_owned(connection, requests, request.request_id, self.owner, values)


def reopen(connection: Connection, request_id: str, *conditions: ColumnElement[bool], **values: object) -> None:
    """Marks that what the chat shows of a request is behind, even where it has ended; see :func:`mark_dirty`."""
    behind = {"desired_version": R.desired_version + 1, "ended_at": None, **values}
    connection.execute(update(requests).where(R.request_id == request_id, *conditions).values(behind))


def mark_dirty(connection: Connection, request_ids: Collection[str], *, unless_state: str | None = None) -> None:
    """Marks that what the chat shows of these requests is behind.

    With ``unless_state`` only those whose card does not have this state, and can be patched for it: one patch an image
    is kept back.
    """
    behind = update(requests).where(R.ended_at.is_(None)).values(desired_version=R.desired_version + 1)
    if unless_state is not None:
        unfinished = select(func.count()).where(G.request_id == R.request_id, G.ended_at.is_(None))
        patchable = R.patch_count + unfinished.scalar_subquery() < MOST_PATCHES
        behind = behind.where(R.card_state.is_distinct_from(unless_state), patchable)
    # In the order of their keys; see ``leases``.
    for request_id in sorted(request_ids):
        connection.execute(behind.where(R.request_id == request_id))


def cancel(database: Database, connection: Connection, request_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Cancels the unfinished generations of requests; gives them.

    A call under way keeps its slot until the platform is done, and stays charged.
    """
    go_on = and_(G.request_id.in_(request_ids), G.ended_at.is_(None))
    cancelled = change_rows(connection, generations, go_on, {"state": State.CANCELLED, "ended_at": database.now})
    if cancelled:
        mark_dirty(connection, {row.request_id for row in cancelled})
        database.notify_workers(connection)
    return cancelled


def cancel_recalled(database: Database, message_id: str, *, remembered: int = REMEMBERED) -> int:
    """Cancels what a recalled message asked for and erases its text; gives how many generations were cancelled.

    The same goes for what repeats or edits its prompt. An answer that nobody has begun to send is not sent; every
    card that shows the text, or is on its way, is shown again without it. A call under way has been given the prompt.

    Feishu promises no order, and delivers again what was not acknowledged: where the recall comes first, it is
    remembered as a request that has ended, so that its message is a repetition and nothing is made or said. In
    a group the recalls of everybody's messages come, and nothing tells which of these were for the bot: so only the
    last ``remembered`` of such recalls are kept, and none for longer than its message may still come.
    """
    recalled = or_(R.dedup_key == message_id, R.source == message_id)
    with database.write(step="cancellation.cancel_recalled") as connection:
        # After any acceptance of this message, or of a copy of its prompt, that is under way.
        at = database.lock_admissions(connection)
        unknown = NewRequest(dedup_key=message_id, chat_id=None, chat_type="p2p", sender="", content={"name": RECALLED})
        insert = database.insert(requests).values(**fields_of(unknown), accepted_at=at).on_conflict_do_nothing()
        is_new = connection.scalar(insert.returning(R.request_id)) is not None
        rows = connection.execute(select(requests).where(recalled)).all()
        ids = [row.request_id for row in rows]
        lock_rows(connection, generations, G.request_id.in_(ids))
        showing = [row for row in rows if _shows_text(row)]
        locked = lock_rows(connection, requests, or_(recalled, _listing(showing, at=at)))
        count = len(cancel(database, connection, ids))
        if not all(row.hide_prompt and not row.prompt for row in rows):
            for row in locked:
                _erase(connection, row)
        connection.execute(update(requests).where(recalled, _UNSENT).values(ended_at=at, outcome=RECALLED))
        if is_new:
            of_unknown = and_(R.sender == "", R.outcome == RECALLED)
            newest_first = select(R.request_id).where(of_unknown).order_by(_NEWEST_FIRST)
            surplus = or_(R.accepted_at < at - DELIVERED_AGAIN, R.request_id.in_(newest_first.offset(remembered)))
            connection.execute(delete(requests).where(of_unknown, surplus))
    return count


def _command(row: Row[Any]) -> str | None:
    return row.content.get("name") if row.kind == "command" else None


def _shows_text(row: Row[Any]) -> bool:
    """Whether the answer to a request shows text of the message that it is about."""
    return row.kind in ("images", "rejected") or _command(row) in _QUOTES


def _listing(rows: Sequence[Row[Any]], *, at: float) -> ColumnElement[bool]:
    """The condition of answers that may list the prompts of requests: ``/queue``, ``/history`` and ``/cancel``."""
    chats, people = {row.chat_id for row in rows}, {row.sender for row in rows}
    return and_(
        R.kind == "command",
        or_(*(R.content.startswith(f'{{"name": "{name}"') for name in _LISTS)),
        or_(R.chat_id.in_(chats), R.sender.in_(people)),
        R.accepted_at > max(at - PATCHABLE, min((row.accepted_at for row in rows), default=at)),
    )


def _erase(connection: Connection, row: Row[Any]) -> None:
    """Erases a request's text, and has its answer shown again where there is one that shows text."""
    values: dict[str, Any] = {"prompt": "", "raw_prompt": "", "hide_prompt": True, "fingerprint": None}
    if row.kind == "images":
        values["content"] = {name: row.content[name] for name in row.content if name not in ("typed", "recognized")}
    elif _shows_text(row):
        values |= {"kind": "command", "content": {"name": RECALLED}}
    given_up = row.ended_at is not None and row.answer_id is None and row.delivery_mode == "card"
    if (_shows_text(row) or _command(row) in _LISTS) and not given_up:
        values |= {"desired_version": R.desired_version + 1, "ended_at": None}
    connection.execute(update(requests).where(R.request_id == row.request_id).values(values))


def known_keys(connection: Connection, dedup_keys: Collection[str]) -> set[str]:
    """Which requests are there; it stays true within a transaction of :meth:`Database.lock_admissions`."""
    return set(connection.scalars(select(R.dedup_key).where(R.dedup_key.in_(dedup_keys))))


def recalled_among(connection: Connection, message_ids: Collection[str]) -> set[str]:
    """Which of some messages were recalled."""
    recalled = R.dedup_key.in_(message_ids), R.hide_prompt, R.prompt == ""
    return set(connection.scalars(select(R.dedup_key).where(*recalled)))


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
    is_drawn = exists().where(G.request_id == R.request_id, G.state.not_in((State.FAILED, State.CANCELLED)))
    statement = select(R.fingerprint, R.accepted_at, R.request_id).where(
        R.sender.in_({one.sender for one in new}),
        # Those that are accepted together follow each other by a little; a later time is from before the clock was set.
        R.accepted_at.between(at - max(DOUBLED.values()), at + 1.0),
        R.fingerprint.in_(seconds),
        case((R.kind == "images", is_drawn), else_=R.ended_at.is_(None)),
    )
    rows = connection.execute(statement.order_by(R.accepted_at)).all()
    return {row.fingerprint: row.request_id for row in rows if at - row.accepted_at < seconds[row.fingerprint]}


def last_prompt(connection: Connection, *, sender: str, chat_id: str | None) -> Request | None:
    """A sender's last request for images in a chat whose message was not recalled."""
    own = select(requests).where(R.chat_id == chat_id, R.sender == sender, _HAS_PROMPT)
    return _first(connection, own.order_by(_NEWEST_FIRST))


def last_language(connection: Connection, *, sender: str) -> Language | None:
    """The language of a sender's last message."""
    messages = select(R.language).where(R.sender == sender, _IS_MESSAGE)
    return connection.scalar(messages.order_by(_NEWEST_FIRST).limit(1))


def was_answered(database: Database, *, chat_id: str, kind: Kind, seconds: float, sender: str) -> bool:
    """Whether a request of this kind came from a sender in a chat in the last ``seconds``."""
    own = select(R.request_id).where(R.chat_id == chat_id, R.kind == kind, R.sender == sender)
    # What was accepted before the clock was set back does not count for the length of the step.
    recent = own.where(R.accepted_at > database.now - seconds, R.accepted_at < database.now + seconds)
    with database.read() as connection:
        return connection.scalar(recent.limit(1)) is not None


def unfinished_requests(connection: Connection, *, sender: str) -> Sequence[Row[Any, Any]]:
    """The ids and chats of a sender's requests that have unfinished generations, oldest first."""
    unfinished = select(G.request_id).where(G.sender == sender, G.ended_at.is_(None))
    own = select(R.request_id, R.chat_id).where(R.request_id.in_(unfinished))
    return connection.execute(own.order_by(R.accepted_at, R.request_id)).all()


def image_request(
    connection: Connection,
    *,
    chat_id: str,
    presser: str,
    request_id: str | None = None,
    generation_id: str | None = None,
) -> Request | None:
    """A request of images in a chat, by its id or by one of its images that was delivered.

    In their direct chat people reach what they asked for in other chats, too; its answer is for the direct chat.
    """
    which: Any = request_id
    if generation_id is not None:
        image = G.generation_id == generation_id, G.image_key.is_not(None)
        which = select(G.request_id).where(*image).scalar_subquery()
    request = _first(connection, select(requests).where(R.request_id == which, R.kind == "images"))
    if request is None or request.chat_id == chat_id:
        return request
    direct = select(R.request_id).where(R.chat_id == chat_id, R.sender == presser, R.chat_type == "p2p").limit(1)
    if request.sender != presser or connection.scalar(direct) is None:
        return None
    return replace(request, chat_id=chat_id, chat_type="p2p", in_topic=False)


class CardChat(NamedTuple):
    """Where a card is; where nothing is known, others are assumed to read along."""

    chat_type: ChatType = "group"
    in_topic: bool = False


def chat_of_card(connection: Connection, *, card_id: str, chat_id: str, sender: str) -> CardChat:
    """Chat type and topic of a card that somebody pressed, which the press does not tell.

    They are those of the request that the card answers, else those of a message in the chat.
    """
    newest, near = select(requests).order_by(_NEWEST_FIRST), or_(R.chat_id == chat_id, R.sender == sender)
    if card := _first(connection, newest.where(near, R.answer_id == card_id)):
        return CardChat(card.chat_type, card.in_topic)
    message = _first(connection, newest.where(R.chat_id == chat_id, _IS_MESSAGE))
    return CardChat(message.chat_type) if message else CardChat()


def store_content(connection: Connection, request_id: str, content: Mapping[str, Any], **values: object) -> None:
    """Replaces the content of a request."""
    connection.execute(update(requests).where(R.request_id == request_id).values(content=content, **values))


def change_language(connection: Connection, *, sender: str, language: Language) -> None:
    """Changes the language of a sender's requests that have not ended."""
    change_rows(connection, requests, and_(R.sender == sender, R.ended_at.is_(None)), {"language": language})


def settle_offer(database: Database, request_id: str, result: Literal["drawn", "declined"]) -> None:
    """Stores what became of an offer, and has its card shown without buttons; the first result stays."""
    with database.write() as connection:
        request = find_request(connection, request_id)
        # The message may have been recalled meanwhile.
        if request is not None and request.offer and "result" not in request.content:
            store_content(connection, request_id, {**request.content, "result": result})
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
    waiting = select(G.generation_id).where(G.sender == sender, G.ended_at.is_(None)).limit(1)
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
    is_its = or_(R.answer_id == message_id, R.dedup_key == message_id, R.request_id.in_(sent))
    columns = select(R.request_id, R.dedup_key, R.kind, R.raw_prompt, R.chat_id)
    return connection.execute(columns.where(is_its)).all()


def _recent_result(database: Database, connection: Connection, chat_id: str, sender: str) -> str | None:
    since = database.time(connection) - RECENT
    done = exists().where(G.request_id == R.request_id, G.state == State.DONE, G.ended_at > since)
    own = R.sender == sender, R.chat_id == chat_id, R.accepted_at > since - _LONGEST_WAIT
    results = select(R.request_id).where(*own, _HAS_PROMPT, done)
    return connection.scalar(results.order_by(_NEWEST_FIRST).limit(1))
