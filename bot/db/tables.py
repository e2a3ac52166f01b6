"""The tables, and their rows as frozen values. Times are seconds since 1970.

Requests and generations, which workers claim, carry an owner, a lease, and a time before which they are not due; every
update names the owner, so that a worker that lost the lease writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.sql.elements import ColumnElement

from bot.models import ChatType, ContentFinding, Failure, GenerationView, Language, State
from bot.options import Options

metadata = MetaData()

# Repeats the condition of its index word for word, by which both engines recognize it.
UNEXPORTED = text("exported IS NULL AND ended_at IS NOT NULL")


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
    Column("kind", Text, nullable=False),
    Column("chat_id", Text),
    Column("chat_type", Text, nullable=False),
    Column("reply_to", Text),
    Column("in_topic", Boolean, nullable=False),
    Column("sender", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    # The prompt as it was typed, without the words of a style.
    Column("raw_prompt", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("accepted_at", Double, nullable=False),
    Column("answer_id", Text),
    Column("delivery_mode", Text, nullable=False, default="card"),
    Column("card_state", Text),
    Column("hide_prompt", Boolean, nullable=False, default=False),
    Column("shown_position", Text),
    Column("patch_count", Integer, nullable=False, default=0),
    Column("desired_version", Integer, nullable=False, default=1),
    Column("published_version", Integer, nullable=False, default=0),
    Column("owner", Text),
    Column("lease_until", Double, nullable=False, default=0.0),
    Column("due_at", Double, nullable=False, default=0.0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("stalled_attempts", Integer, nullable=False, default=0),
    Column("ended_at", Double),
    Column("outcome", Text),
    # The message_id of the message whose prompt this repeats or edits; it is recalled with that message.
    Column("source", Text),
    # What the same text or button of one person has in common, by which a second one is recognized.
    Column("fingerprint", Text),
)
_R = requests.c
partial_index("requests_of_source", _R.source, where="source IS NOT NULL")
partial_index("requests_due", _R.due_at, where="published_version < desired_version AND ended_at IS NULL")
partial_index(
    "requests_unanswered",
    _R.chat_id,
    _R.accepted_at,
    where="answer_id IS NULL AND delivery_mode = 'card' AND ended_at IS NULL",
)
partial_index("requests_ended", _R.ended_at, where="ended_at IS NOT NULL")
partial_index("requests_owned", _R.owner, where="owner IS NOT NULL")
Index("requests_of_chat", _R.chat_id, _R.accepted_at)
Index("requests_of_sender", _R.sender, _R.accepted_at)
partial_index("requests_of_answer", _R.answer_id, where="answer_id IS NOT NULL")

generations = Table(
    "generations",
    metadata,
    Column("generation_id", Text, primary_key=True),
    Column("request_id", Text, ForeignKey("requests.request_id", ondelete="CASCADE"), nullable=False),
    Column("index_in_request", Integer, nullable=False),
    Column("sender", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False, default=State.WAITING),
    Column("accepted_at", Double, nullable=False),
    Column("owner", Text),
    Column("lease_until", Double, nullable=False, default=0.0),
    Column("due_at", Double, nullable=False, default=0.0),
    Column("stalled_attempts", Integer, nullable=False, default=0),
    Column("calls_made", Integer, nullable=False, default=0),
    # How many of the calls may have been billed; those that the platform rejected before any work are not.
    Column("calls_billed", Integer, nullable=False, default=0),
    Column("billing_month", Text, nullable=False),
    Column("called_at", Double),
    Column("slot_until", Double),
    Column("repeated", Boolean, nullable=False, default=False),
    Column("backoff_since", Double),
    Column("backoff_count", Integer, nullable=False, default=0),
    Column("call_seconds", Double),
    Column("url", Text),
    Column("platform_created_at", Integer),
    Column("link_expires_at", Double),
    Column("findings", Text),
    Column("cache_name", Text),
    Column("image_key", Text),
    # Feishu's key of the original once it was uploaded as a file.
    Column("file_key", Text),
    # The platform's own id of the paid call, for its support.
    Column("platform_request_id", Text),
    Column("reencoded", Boolean, nullable=False, default=False),
    Column("failure", Text),
    Column("ended_at", Double),
    # Whether a batch for the Base log contains it; NULL until then.
    Column("exported", Boolean),
)
_G = generations.c
Index("generations_of_request", _G.request_id, _G.index_in_request, unique=True)
Index("generations_of_sender", _G.sender, _G.accepted_at)
Index("generations_of_month", _G.billing_month)
partial_index("generations_open", _G.state, _G.model, where="ended_at IS NULL")
# What a person has pending is counted at every prompt, and not by reading all that they ever had.
partial_index("generations_pending", _G.sender, where="ended_at IS NULL")
partial_index("generations_owned", _G.owner, where="owner IS NOT NULL")
partial_index("generations_in_slots", _G.model, where="slot_until IS NOT NULL")
partial_index("generations_ended", _G.ended_at, where="ended_at IS NOT NULL")
partial_index("generations_unexported", _G.ended_at, where="exported IS NULL AND ended_at IS NOT NULL")
# With the seconds in it, so that the last calls are read without their rows.
partial_index("generations_timed", _G.model, _G.ended_at, _G.call_seconds, where="call_seconds IS NOT NULL")

sent_messages = Table(
    "sent_messages",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("step", Text, primary_key=True),
    Column("message_id", Text, nullable=False),
)
Index("sent_messages_of_message", sent_messages.c.message_id)

last_served = Table(
    "last_served",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("called_at", Double, nullable=False),
)

# Paid images by model, and under FEISHU_CALLS the calls to Feishu.
monthly_usage = Table(
    "monthly_usage",
    metadata,
    Column("month", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("count", Integer, nullable=False),
)
FEISHU_CALLS = "feishu_calls"

preferences = Table(
    "preferences",
    metadata,
    # The open_id of a person or the chat_id of a chat.
    Column("subject", Text, primary_key=True),
    Column("content", Text, nullable=False),
)

# When the next message may be sent, to a chat, to a card, and in all; when a model or a kind of refused call may be
# tried again; and when periodic jobs are due.
timers = Table(
    "timers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next_at", Double, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("seen_at", Double, nullable=False),
)

key_value = Table(
    "key_value",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

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
    chat_id: str | None
    """``None`` for the direct chat with the sender."""
    chat_type: ChatType
    sender: str
    language: Language = "zh"
    """The sender's, as far as the message shows it."""
    reply_to: str | None = None
    """The message that the answer quotes."""
    in_topic: bool = False
    source: str | None = None
    """The message whose prompt this repeats or edits, where it is not the one it answers."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(NewRequest):
    """A request that a worker has taken up to show its state in the chat."""

    accepted_at: float
    answer_id: str | None
    delivery_mode: DeliveryMode
    card_state: str | None
    hide_prompt: bool
    desired_version: int
    published_version: int
    attempts: int
    stalled_attempts: int

    @property
    def recalled(self) -> bool:
        """Whether it showed text of a message that was recalled; that text is not stored any more."""
        return self.hide_prompt and not self.prompt

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> Self:
        values = {name: row[name] for name in cls.__dataclass_fields__}
        return cls(**{**values, "content": json.loads(row["content"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A generation that a worker has taken up."""

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
    """What its request is unique by."""
    prompt: str
    options: Options

    @property
    def ids(self) -> dict[str, str | None]:
        """The ids that its lines in the log carry."""
        return {"generation": self.generation_id, **log_ids(self.request_id, self.dedup_key)}

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> Self:
        """Reads a row joined with its request's key, prompt and content."""
        values = {name: row[name] for name in cls.__dataclass_fields__ if name != "options"}
        return cls(**values, options=Options.from_stored(json.loads(row["content"])))


def log_ids(request_id: str | None, dedup_key: str) -> dict[str, str | None]:
    """The ids of a request as the log names them; the key of one that answers a message is its message id."""
    return {"request": request_id, "dedup_key" if ":" in dedup_key else "message_id": dedup_key}


def fingerprint(*parts: object) -> str:
    """What a text or a press has in common with the same one a moment later; all parts are stored as a hash alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def source_of(row: Mapping[Any, Any]) -> str | None:
    """The message that the prompt of a stored request comes from; ``None`` for an example's."""
    source: str | None = row["source"] or (None if ":" in row["dedup_key"] else row["dedup_key"])
    return source


def read_content(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The options, the command or the error of a stored request."""
    content: dict[str, Any] = json.loads(row["content"])
    return content


def read_findings(stored: str | None) -> tuple[ContentFinding, ...]:
    return tuple(ContentFinding(**finding) for finding in json.loads(stored)) if stored else ()


def write_findings(findings: tuple[ContentFinding, ...]) -> str:
    return json.dumps([asdict(finding) for finding in findings])


def read_failure(stored: str | None) -> Failure | None:
    if not stored:
        return None
    values = json.loads(stored)
    return Failure(**{**values, "roles": tuple(values["roles"])})


def write_failure(failure: Failure) -> str:
    return json.dumps(asdict(failure), ensure_ascii=False)


def is_resumable(row: Mapping[Any, Any], *, now: float) -> bool:
    """Whether a generation failed after it was paid for, and its image can still be had: from its link, or a kept copy.

    A link that carries no end is documented to work for 30 days.
    """
    return row["state"] == State.FAILED and _has_image(row, now=now)


def is_kept(row: Mapping[Any, Any], *, now: float) -> bool:
    """Whether a generation was cancelled during its call, and the image that came all the same can still be had."""
    return row["state"] == State.CANCELLED and now < row["ended_at"] + KEPT_SECONDS and _has_image(row, now=now)


def _has_image(row: Mapping[Any, Any], *, now: float) -> bool:
    if not row["url"]:
        return False
    link_expires_at = row["link_expires_at"] or row["accepted_at"] + LINK_SECONDS
    return row["cache_name"] is not None or now < link_expires_at


def view_of_generation(row: Mapping[Any, Any], *, now: float) -> GenerationView:
    """A generation as its card shows it at ``now``."""
    same = ("generation_id", "image_key", "url", "link_expires_at", "platform_request_id")
    return GenerationView(
        **{name: row[name] for name in (*same, "repeated", "reencoded", "calls_billed")},
        state=State(row["state"]),
        findings=read_findings(row["findings"]),
        failure=read_failure(row["failure"]),
        seconds=row["call_seconds"],
        resumable=is_resumable(row, now=now),
        kept=is_kept(row, now=now),
    )
