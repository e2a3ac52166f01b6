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

import sqlalchemy as sa

from bot.models import ChatType, ContentFinding, Failure, GenerationView, Language, State
from bot.options import Options

T = TypeVar("T")

metadata = sa.MetaData()


class Json(sa.TypeDecorator[Any]):
    """A value that is stored as JSON in a text; ``read`` makes it of what the JSON holds."""

    impl, cache_ok = sa.Text, True

    def __init__(self, read: Callable[[Any], Any] = dict) -> None:
        super().__init__()
        self.read = read

    def process_bind_param(self, value: Any, _: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, default=asdict)

    def process_result_value(self, value: Any, _: Any) -> Any:
        return self.read(json.loads(value)) if value else None

    def coerce_compared_value(self, _op: Any, _value: Any) -> sa.Text:
        return sa.Text()


def _failure(stored: Mapping[str, Any]) -> Failure:
    return Failure(**{**stored, "roles": tuple(stored["roles"])})


def _findings(stored: list[dict[str, Any]]) -> tuple[ContentFinding, ...]:
    return tuple(ContentFinding(**finding) for finding in stored)


def _columns(kind: Any, *names: str, nullable: bool = False, default: Any = None) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=nullable, default=default) for name in names]


def partial_index(name: str, *columns: sa.ColumnElement[object], where: str) -> sa.Index:
    """An index of the rows for which a condition holds, on both engines."""
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


requests = sa.Table(
    "requests",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True),
    # The message_id of a message; a prefix with ":" and an id of anything else that is answered once: "press:" and the
    # event_id, "admin:" and the cause, day and person.
    sa.Column("dedup_key", sa.Text, nullable=False, unique=True),
    # The prompt, and as it was typed, without the words of a style.
    *_columns(sa.Text, "kind", "chat_type", "sender", "language", "prompt", "raw_prompt"),
    *_columns(sa.Text, "chat_id", "reply_to", "answer_id", "card_state", "shown_position", nullable=True),
    # The message_id of the message whose prompt this repeats or edits; it is recalled with that message. What the same
    # text or button of one person has in common, by which a second one is recognized.
    *_columns(sa.Text, "source", "fingerprint", "owner", "outcome", nullable=True),
    *_columns(sa.Text, "delivery_mode", default="card"),
    *_columns(Json(), "content"),
    *_columns(sa.Boolean, "in_topic"),
    *_columns(sa.Boolean, "hide_prompt", default=False),
    *_columns(sa.Integer, "desired_version", default=1),
    *_columns(sa.Integer, "published_version", "patch_count", "attempts", "stalled_attempts", default=0),
    *_columns(sa.Double, "accepted_at"),
    *_columns(sa.Double, "lease_until", "due_at", default=0.0),
    *_columns(sa.Double, "ended_at", nullable=True),
)
R = requests.c
# The chat does not show what is stored.
IS_BEHIND = sa.and_(R.published_version < R.desired_version, R.ended_at.is_(None))
partial_index("requests_of_source", R.source, where="source IS NOT NULL")
partial_index("requests_due", R.due_at, where="published_version < desired_version AND ended_at IS NULL")
_UNANSWERED = "answer_id IS NULL AND delivery_mode = 'card' AND ended_at IS NULL"
partial_index("requests_unanswered", R.chat_id, R.accepted_at, where=_UNANSWERED)
partial_index("requests_ended", R.ended_at, where="ended_at IS NOT NULL")
partial_index("requests_owned", R.owner, where="owner IS NOT NULL")
sa.Index("requests_of_chat", R.chat_id, R.accepted_at)
sa.Index("requests_of_sender", R.sender, R.accepted_at)
partial_index("requests_of_answer", R.answer_id, where="answer_id IS NOT NULL")

generations = sa.Table(
    "generations",
    metadata,
    sa.Column("generation_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, sa.ForeignKey("requests.request_id", ondelete="CASCADE"), nullable=False),
    *_columns(sa.Text, "sender", "model", "billing_month"),
    *_columns(sa.Text, "state", default=State.WAITING),
    # The platform's own id of the paid call, for its support; Feishu's key of the original that was uploaded as a file.
    *_columns(sa.Text, "url", "platform_request_id", "cache_name", "image_key", "file_key", "owner", nullable=True),
    *_columns(Json(_findings), "findings", nullable=True),
    *_columns(Json(_failure), "failure", nullable=True),
    *_columns(sa.Integer, "index_in_request"),
    # How many calls were made, and how many of them may have been billed: not those rejected before any work.
    *_columns(sa.Integer, "calls_made", "calls_billed", "backoff_count", "stalled_attempts", default=0),
    *_columns(sa.Integer, "platform_created_at", nullable=True),
    *_columns(sa.Boolean, "repeated", "reencoded", default=False),
    # Whether a batch for the Base log contains it; NULL until then.
    *_columns(sa.Boolean, "exported", nullable=True),
    *_columns(sa.Double, "accepted_at"),
    *_columns(sa.Double, "lease_until", "due_at", default=0.0),
    *_columns(sa.Double, "called_at", "slot_until", "backoff_since", "call_seconds", nullable=True),
    *_columns(sa.Double, "link_expires_at", "ended_at", nullable=True),
)
G = generations.c
UNFINISHED = G.ended_at.is_(None)
WAITS = sa.and_(UNFINISHED, G.state == State.WAITING)
# Repeats the condition of its index word for word, by which both engines recognize it.
UNEXPORTED = sa.text("exported IS NULL AND ended_at IS NOT NULL")
sa.Index("generations_of_request", G.request_id, G.index_in_request, unique=True)
sa.Index("generations_of_sender", G.sender, G.accepted_at)
sa.Index("generations_of_month", G.billing_month)
partial_index("generations_open", G.state, G.model, where="ended_at IS NULL")
# What a person has pending is counted at every prompt, and not by reading all that they ever had. The second column is
# for SQLite, which would else choose between this index and that of senders by the order in which they were made.
partial_index("generations_pending", G.sender, G.ended_at, where="ended_at IS NULL")
partial_index("generations_owned", G.owner, where="owner IS NOT NULL")
partial_index("generations_in_slots", G.model, where="slot_until IS NOT NULL")
partial_index("generations_ended", G.ended_at, where="ended_at IS NOT NULL")
partial_index("generations_unexported", G.ended_at, where=UNEXPORTED.text)
# With the seconds in it, so that the last calls are read without their rows.
partial_index("generations_timed", G.model, G.ended_at, G.call_seconds, where="call_seconds IS NOT NULL")

sent_messages = sa.Table(
    "sent_messages",
    metadata,
    sa.Column("request_id", sa.Text, sa.ForeignKey("requests.request_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    *_columns(sa.Text, "message_id"),
)
sa.Index("sent_messages_of_message", sent_messages.c.message_id)


def _table(name: str, *keys: str, **others: Any) -> sa.Table:
    """A table whose primary key are texts; ``others`` are its other columns with their types."""
    key = [sa.Column(one, sa.Text, primary_key=True) for one in keys]
    return sa.Table(name, metadata, *key, *(sa.Column(one, kind, nullable=False) for one, kind in others.items()))


last_served = _table("last_served", "sender", "model", called_at=sa.Double)
# Paid images by model, and under FEISHU_CALLS the calls to Feishu.
monthly_usage = _table("monthly_usage", "month", "name", count=sa.Integer)
FEISHU_CALLS = "feishu_calls"
# The subject is the open_id of a person or the chat_id of a chat.
preferences = _table("preferences", "subject", content=Json())
# When the next message may be sent, to a chat, to a card, and in all; when a model or a kind of refused call may be
# tried again; and when periodic jobs are due.
timers = _table("timers", "name", next_at=sa.Double)
workers = _table("workers", "owner", seen_at=sa.Double)
key_value = _table("key_value", "name", value=sa.Text)

# What a request is. The last ones are commands, too: ``not_allowed`` and ``unreadable`` are answered once in a while,
# the answer to ``thanks`` is a reaction, and that to ``original`` a file: an image's, or that of an export.
Kind = Literal["images", "command", "rejected", "help", "not_allowed", "unreadable", "thanks", "original", "too_fast"]
# Answered by its card; by messages since its card was refused, or can no longer be changed.
DeliveryMode = Literal["card", "messages"]

# How long an image's link works where it does not say:
# https://docs.bigmodel.cn/cn/guide/models/image-generation/glm-image
LINK_SECONDS = 30 * 86_400.0
KEPT_SECONDS = 86_400.0  # for which the image of a call that was cancelled under way can still be asked for
NOTIFICATION = "notification"  # the step that tells a sender who has waited that the card has come to its end
RECALLED = "recalled"  # the outcome of a request whose message was taken back before it was answered


@dataclass(frozen=True, kw_only=True)
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
    content: Mapping[str, Any] = field(default_factory=dict)  # the options, the command or the error, by `kind`
    prompt: str = ""
    raw_prompt: str = ""

    @property
    def options(self) -> Options:
        return Options.from_stored(self.content)

    @property
    def ids(self) -> dict[str, str | None]:
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
    accepted_at: float
    answer_id: str | None
    delivery_mode: DeliveryMode
    card_state: str | None
    hide_prompt: bool
    desired_version: int
    attempts: int
    stalled_attempts: int

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
    delayed_for: float  # seconds, at the claim, since its present step was first put off
    link_age: float  # seconds, at the claim, since the platform answered with its link
    dedup_key: str
    prompt: str
    options: Options

    @property
    def ids(self) -> dict[str, str | None]:
        return {"generation": self.generation_id, **log_ids(self.request_id, self.dedup_key)}


def read_row(kind: type[T], row: sa.Row[Any], **others: Any) -> T:
    """A dataclass from the columns of a row that have the names of its fields, and ``others``."""
    names: Mapping[str, Any] = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: getattr(row, name) for name in names.keys() - others}, **others)


def log_ids(request_id: str | None, dedup_key: str) -> dict[str, str | None]:
    """The ids of a request as the log names them; the key of one that answers a message is its message id."""
    return {"request": request_id, "dedup_key" if ":" in dedup_key else "message_id": dedup_key}


def fingerprint(*parts: object) -> str:
    """What a text or a press has in common with the same one a moment later; all parts are stored as a hash alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def view_of_generation(row: sa.Row[Any], *, now: float) -> GenerationView:
    """A generation as its card shows it at ``now``."""
    link_expires_at = row.link_expires_at or row.accepted_at + LINK_SECONDS
    available = bool(row.url) and (row.cache_name is not None or now < link_expires_at)
    return read_row(
        GenerationView,
        row,
        state=State(row.state),
        findings=row.findings or (),
        seconds=row.call_seconds,
        resumable=available and row.state == State.FAILED,
        kept=available and row.state == State.CANCELLED and now < row.ended_at + KEPT_SECONDS,
    )
