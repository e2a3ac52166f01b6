"""The tables, and their rows as frozen values. Times are seconds since 1970.

Requests and generations, which workers claim, carry an owner, a lease, and a time before which they are not due; every
update names the owner, so that a worker that lost the lease writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    TypeDecorator,
    and_,
    text,
)

from bot.models import ChatType, ContentFinding, Failure, GenerationView, Language, State
from bot.options import Options

T = TypeVar("T")

metadata = MetaData()


class Json(TypeDecorator[Any]):
    """A value that is stored as JSON in a text; ``read`` makes it of what the JSON holds."""

    impl, cache_ok = Text, True

    def __init__(self, read: Callable[[Any], Any] = dict) -> None:
        super().__init__()
        self.read = read

    def process_bind_param(self, value: Any, _: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, default=asdict)

    def process_result_value(self, value: Any, _: Any) -> Any:
        return self.read(json.loads(value)) if value else None

    def coerce_compared_value(self, _op: Any, _value: Any) -> Text:
        return Text()


def _failure(stored: Mapping[str, Any]) -> Failure:
    return Failure(**{**stored, "roles": tuple(stored["roles"])})


def _findings(stored: list[dict[str, Any]]) -> tuple[ContentFinding, ...]:
    return tuple(ContentFinding(**finding) for finding in stored)


def _columns(kind: Any, *names: str, nullable: bool = False, default: Any = None) -> list[Column[Any]]:
    return [Column(name, kind, nullable=nullable, default=default) for name in names]


def _leased() -> list[Column[Any]]:
    """The columns by which workers claim rows."""
    return [
        *_columns(Text, "owner", nullable=True),
        *_columns(Double, "lease_until", "due_at", default=0.0),
        *_columns(Integer, "stalled_attempts", default=0),
    ]


def partial_index(name: str, *columns: ColumnElement[object], where: str) -> Index:
    """An index of the rows for which a condition holds, on both engines."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


requests = Table(
    "requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    # The message_id of a message; a prefix with ":" and an id of anything else that is answered once: "press:" and the
    # event_id, "admin:" and the cause, day and person.
    Column("dedup_key", Text, nullable=False, unique=True),
    # The prompt, and as it was typed, without the words of a style.
    *_columns(Text, "kind", "chat_type", "sender", "language", "prompt", "raw_prompt"),
    *_columns(Json(), "content"),
    *_columns(Text, "chat_id", "reply_to", nullable=True),
    *_columns(Boolean, "in_topic"),
    *_columns(Double, "accepted_at"),
    *_leased(),
    *_columns(Text, "delivery_mode", default="card"),
    *_columns(Text, "answer_id", "card_state", "shown_position", nullable=True),
    *_columns(Boolean, "hide_prompt", default=False),
    *_columns(Integer, "desired_version", default=1),
    *_columns(Integer, "published_version", "patch_count", "attempts", default=0),
    *_columns(Double, "ended_at", nullable=True),
    *_columns(Text, "outcome", nullable=True),
    # The message_id of the message whose prompt this repeats or edits; it is recalled with that message.
    *_columns(Text, "source", nullable=True),
    # What the same text or button of one person has in common, by which a second one is recognized.
    *_columns(Text, "fingerprint", nullable=True),
)
R = requests.c
IS_BEHIND = and_(R.published_version < R.desired_version, R.ended_at.is_(None))
"""The condition that the chat does not show what is stored."""
partial_index("requests_of_source", R.source, where="source IS NOT NULL")
partial_index("requests_due", R.due_at, where="published_version < desired_version AND ended_at IS NULL")
partial_index(
    "requests_unanswered",
    R.chat_id,
    R.accepted_at,
    where="answer_id IS NULL AND delivery_mode = 'card' AND ended_at IS NULL",
)
partial_index("requests_ended", R.ended_at, where="ended_at IS NOT NULL")
partial_index("requests_owned", R.owner, where="owner IS NOT NULL")
Index("requests_of_chat", R.chat_id, R.accepted_at)
Index("requests_of_sender", R.sender, R.accepted_at)
partial_index("requests_of_answer", R.answer_id, where="answer_id IS NOT NULL")

generations = Table(
    "generations",
    metadata,
    Column("generation_id", Text, primary_key=True),
    Column("request_id", Text, ForeignKey("requests.request_id", ondelete="CASCADE"), nullable=False),
    *_columns(Integer, "index_in_request"),
    *_columns(Text, "sender", "model", "billing_month"),
    *_columns(Double, "accepted_at"),
    *_leased(),
    *_columns(Text, "state", default=State.WAITING),
    # How many calls were made, and how many of them may have been billed: not those rejected before any work.
    *_columns(Integer, "calls_made", "calls_billed", "backoff_count", default=0),
    *_columns(Boolean, "repeated", "reencoded", default=False),
    *_columns(Double, "called_at", "slot_until", "backoff_since", "call_seconds", "link_expires_at", nullable=True),
    *_columns(Integer, "platform_created_at", nullable=True),
    # The platform's own id of the paid call, for its support; Feishu's key of the original that was uploaded as a file.
    *_columns(Text, "url", "platform_request_id", "cache_name", "image_key", "file_key", nullable=True),
    *_columns(Json(_findings), "findings", nullable=True),
    *_columns(Json(_failure), "failure", nullable=True),
    *_columns(Double, "ended_at", nullable=True),
    # Whether a batch for the Base log contains it; NULL until then.
    *_columns(Boolean, "exported", nullable=True),
)
G = generations.c
WAITS = and_(G.ended_at.is_(None), G.state == State.WAITING)
# Repeats the condition of its index word for word, by which both engines recognize it.
UNEXPORTED = text("exported IS NULL AND ended_at IS NOT NULL")
Index("generations_of_request", G.request_id, G.index_in_request, unique=True)
Index("generations_of_sender", G.sender, G.accepted_at)
Index("generations_of_month", G.billing_month)
partial_index("generations_open", G.state, G.model, where="ended_at IS NULL")
# What a person has pending is counted at every prompt, and not by reading all that they ever had.
partial_index("generations_pending", G.sender, where="ended_at IS NULL")
partial_index("generations_owned", G.owner, where="owner IS NOT NULL")
partial_index("generations_in_slots", G.model, where="slot_until IS NOT NULL")
partial_index("generations_ended", G.ended_at, where="ended_at IS NOT NULL")
partial_index("generations_unexported", G.ended_at, where=UNEXPORTED.text)
# With the seconds in it, so that the last calls are read without their rows.
partial_index("generations_timed", G.model, G.ended_at, G.call_seconds, where="call_seconds IS NOT NULL")

sent_messages = Table(
    "sent_messages",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("step", Text, primary_key=True),
    *_columns(Text, "message_id"),
)
Index("sent_messages_of_message", sent_messages.c.message_id)


def _table(name: str, *keys: str, **others: Any) -> Table:
    """A table whose primary key are texts; ``others`` are its other columns with their types."""
    key = [Column(one, Text, primary_key=True) for one in keys]
    return Table(name, metadata, *key, *(Column(one, kind, nullable=False) for one, kind in others.items()))


last_served = _table("last_served", "sender", "model", called_at=Double)
# Paid images by model, and under FEISHU_CALLS the calls to Feishu.
monthly_usage = _table("monthly_usage", "month", "name", count=Integer)
FEISHU_CALLS = "feishu_calls"
# The subject is the open_id of a person or the chat_id of a chat.
preferences = _table("preferences", "subject", content=Json())
# When the next message may be sent, to a chat, to a card, and in all; when a model or a kind of refused call may be
# tried again; and when periodic jobs are due.
timers = _table("timers", "name", next_at=Double)
workers = _table("workers", "owner", seen_at=Double)
key_value = _table("key_value", "name", value=Text)

Kind = Literal["images", "command", "rejected", "help", "not_allowed", "unreadable", "thanks", "original", "too_fast"]
"""What a request is. The last ones are commands, too: ``not_allowed`` and ``unreadable`` are answered once in a while,
the answer to ``thanks`` is a reaction, and that to ``original`` a file: an image's, or that of an export."""
DeliveryMode = Literal["card", "messages"]
"""How a request is answered: by its card; by plain messages since its card was refused; by a new reply since its
card can no longer be changed."""

LINK_SECONDS = 30 * 86_400.0
"""How long an image's link works where it does not say: https://docs.bigmodel.cn/cn/guide/models/image-generation/glm-image"""

NOTIFICATION = "notification"
"""The sent message, by its step, that tells a sender who has waited that the card has come to its end."""

KEPT_SECONDS = 86_400.0
"""For how long the image of a call that was under way when it was cancelled can still be asked for."""

RECALLED = "recalled"
"""The outcome of a request whose message was taken back before it was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request as it is accepted; until then ``kind`` and what depends on it are not set."""

    dedup_key: str
    chat_id: str | None  # `None` for the direct chat with the sender
    chat_type: ChatType
    sender: str
    language: Language = "zh"  # the sender's, as far as the message shows it
    reply_to: str | None = None  # the message that the answer quotes
    in_topic: bool = False
    source: str | None = None  # the message whose prompt this repeats or edits, where it is not the one it answers
    fingerprint: str | None = None
    request_id: str = field(default_factory=lambda: f"r{secrets.token_hex(12)}")
    kind: Kind = "command"
    content: Mapping[str, Any] = field(default_factory=dict)
    """The options, the command or the error, by ``kind``."""
    prompt: str = ""
    raw_prompt: str = ""

    @property
    def options(self) -> Options:
        """What its images are made with."""
        return Options.from_stored(self.content)

    @property
    def ids(self) -> dict[str, str | None]:
        """The ids that its lines in the log carry."""
        return log_ids(self.request_id, self.dedup_key)

    @property
    def prompt_source(self) -> str | None:
        """The message that its prompt comes from; ``None`` for an example's."""
        return self.source or (None if ":" in self.dedup_key else self.dedup_key)

    @property
    def offer(self) -> Mapping[str, Any]:
        """The prompt and the options that its card offers to draw; empty where it offers nothing."""
        if self.content.get("name") == "confirm":
            return {"prompt": self.content["argument"], "options": self.content["options"]}
        offer: Mapping[str, Any] = self.content.get("offer", {})
        return offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(NewRequest):
    """A stored request."""

    accepted_at: float
    answer_id: str | None
    delivery_mode: DeliveryMode
    card_state: str | None
    hide_prompt: bool
    desired_version: int
    published_version: int
    attempts: int
    stalled_attempts: int
    ended_at: float | None

    @property
    def recalled(self) -> bool:
        """Whether it showed text of a message that was recalled; that text is not stored any more."""
        return self.hide_prompt and not self.prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A generation that a worker has taken up, with the key, the prompt and the content of its request."""

    generation_id: str
    request_id: str
    sender: str
    model: str
    stalled_attempts: int
    calls_made: int
    billing_month: str
    repeated: bool
    backoff_count: int
    url: str | None
    cache_name: str | None
    image_key: str | None
    dedup_key: str
    prompt: str
    options: Options

    @property
    def ids(self) -> dict[str, str | None]:
        """The ids that its lines in the log carry."""
        return {"generation": self.generation_id, **log_ids(self.request_id, self.dedup_key)}


def read_row(kind: type[T], row: Row[Any], **others: Any) -> T:
    """A dataclass from the columns of a row that have the names of its fields, and ``others``."""
    names: Mapping[str, Any] = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: getattr(row, name) for name in names.keys() - others}, **others)


def log_ids(request_id: str | None, dedup_key: str) -> dict[str, str | None]:
    """The ids of a request as the log names them; the key of one that answers a message is its message id."""
    return {"request": request_id, "dedup_key" if ":" in dedup_key else "message_id": dedup_key}


def fingerprint(*parts: object) -> str:
    """What a text or a press has in common with the same one a moment later; all parts are stored as a hash alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def is_resumable(row: Row[Any], *, now: float) -> bool:
    """Whether a generation failed after it was paid for, and its image can still be had: from its link, or a kept copy.

    A link that carries no end is documented to work for 30 days.
    """
    return row.state == State.FAILED and _has_image(row, now=now)


def is_kept(row: Row[Any], *, now: float) -> bool:
    """Whether a generation was cancelled during its call, and the image that came all the same can still be had."""
    return row.state == State.CANCELLED and now < row.ended_at + KEPT_SECONDS and _has_image(row, now=now)


def _has_image(row: Row[Any], *, now: float) -> bool:
    link_expires_at = row.link_expires_at or row.accepted_at + LINK_SECONDS
    return bool(row.url) and (row.cache_name is not None or now < link_expires_at)


def view_of_generation(row: Row[Any], *, now: float) -> GenerationView:
    """A generation as its card shows it at ``now``."""
    return read_row(
        GenerationView,
        row,
        state=State(row.state),
        findings=row.findings or (),
        seconds=row.call_seconds,
        resumable=is_resumable(row, now=now),
        kept=is_kept(row, now=now),
    )
