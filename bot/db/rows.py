"""What the workers read of the tables: requests and generations as frozen values."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import RowMapping

from bot.models import ChatType, ContentFinding, Failure, GenerationView, Language, State
from bot.options import Options

Kind = Literal["images", "command", "rejected", "help", "not_allowed", "unreadable", "thanks", "original", "too_fast"]
"""What a request is. The last ones are commands, too: ``not_allowed`` and ``unreadable`` are answered once in a while,
the answer to ``thanks`` is a reaction, and that to ``original`` a file."""
DeliveryMode = Literal["card", "messages"]
"""How a request is answered: by its card; by plain messages since its card was refused; by a new reply since its
card can no longer be changed."""

LINK_SECONDS = 30 * 86_400.0
"""How long an image's link works where it does not say: https://docs.bigmodel.cn/cn/guide/models/image-generation/glm-image"""

RECALLED = "recalled"
"""The outcome of a request whose message was taken back before it was answered."""


def new_request_id() -> str:
    """An id that no request has had."""
    return f"r{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request as it is accepted; until then ``kind`` and what depends on it are not set."""

    dedup_key: str
    """What it is unique by."""
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
    request_id: str = field(default_factory=new_request_id)
    kind: Kind = "command"
    content: Mapping[str, Any] = field(default_factory=dict)
    """The options, the command or the error, by ``kind``."""
    prompt: str = ""
    raw_prompt: str = ""
    options: Options | None = None
    """With them it makes images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that a worker has taken up to show its state in the chat."""

    request_id: str
    dedup_key: str
    kind: Kind
    chat_id: str | None
    chat_type: ChatType
    reply_to: str | None
    in_topic: bool
    sender: str
    language: Language
    prompt: str
    raw_prompt: str
    content: Mapping[str, Any]
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
    def options(self) -> Options:
        """What its images are made with."""
        return options_of(self.content)

    @property
    def recalled(self) -> bool:
        """Whether it showed text of a message that was recalled; that text is not stored any more."""
        return self.hide_prompt and not self.prompt

    @property
    def ids(self) -> dict[str, str | None]:
        """The ids that its lines in the log carry."""
        return log_ids(self.request_id, self.dedup_key)

    @classmethod
    def of_row(cls, row: RowMapping | Mapping[str, Any]) -> Request:
        """Reads a row of the table."""
        values = {name: row[name] for name in cls.__dataclass_fields__}
        values["content"] = json.loads(row["content"])
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A generation that a worker has taken up."""

    generation_id: str
    request_id: str
    index_in_request: int
    sender: str
    model: str
    state: State
    stalled_attempts: int
    calls_made: int
    billing_month: str
    repeated: bool
    backoff_since: float | None
    backoff_count: int
    url: str | None
    findings: tuple[ContentFinding, ...]
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
    def of_row(cls, row: Mapping[str, Any]) -> Generation:
        """Reads a row of the table joined with its request's prompt and content."""
        values = {name: row[name] for name in cls.__dataclass_fields__ if name not in {"findings", "options"}}
        values["state"] = State(row["state"])
        return cls(**values, findings=read_findings(row["findings"]), options=options_of(json.loads(row["content"])))


def log_ids(request_id: str | None, dedup_key: str) -> dict[str, str | None]:
    """The ids of a request as the log names them; the key of one that answers a message is its message id."""
    return {"request": request_id, "dedup_key" if ":" in dedup_key else "message_id": dedup_key}


def source_of(row: RowMapping) -> str | None:
    """The message that the prompt of a stored request comes from; ``None`` for an example's."""
    source: str | None = row["source"] or (None if ":" in row["dedup_key"] else row["dedup_key"])
    return source


def options_of(content: Mapping[str, Any]) -> Options:
    """What the images of a request are made with.

    An option that another version of this program has stored, and this one does not know, is left out: the images are
    made without it, and nobody's are held up.
    """
    return Options.from_stored(content)


def read_options(row: RowMapping) -> dict[str, Any]:
    """The options of a request that makes images, as they were stored."""
    options: dict[str, Any] = json.loads(row["content"])
    return options


def read_findings(stored: str | None) -> tuple[ContentFinding, ...]:
    """The content filter's findings as they were stored."""
    return tuple(ContentFinding(**finding) for finding in json.loads(stored)) if stored else ()


def write_findings(findings: tuple[ContentFinding, ...]) -> str:
    """The content filter's findings as they are stored."""
    return json.dumps([asdict(finding) for finding in findings])


def read_failure(stored: str | None) -> Failure | None:
    """A failure as it was stored."""
    if not stored:
        return None
    values = json.loads(stored)
    values["roles"] = tuple(values["roles"])
    return Failure(**values)


def write_failure(failure: Failure) -> str:
    """A failure as it is stored."""
    return json.dumps(
        {
            "code": failure.code,
            "sentence": failure.sentence,
            "values": dict(failure.values),
            "platform": failure.platform,
            "roles": list(failure.roles),
        },
        ensure_ascii=False,
    )


def is_resumable(row: RowMapping | Mapping[str, Any], *, now: float) -> bool:
    """Whether a generation failed after it was paid for, and its image can still be had: from its link, or a kept copy.

    A link that carries no end is documented to work for 30 days.
    """
    if row["state"] != State.FAILED or not row["url"]:
        return False
    link_expires_at = row["link_expires_at"] or row["accepted_at"] + LINK_SECONDS
    return row["cache_name"] is not None or now < link_expires_at


def view_of_generation(row: RowMapping | Mapping[str, Any], *, now: float) -> GenerationView:
    """A generation as its card shows it at ``now``."""
    return GenerationView(
        generation_id=row["generation_id"],
        state=State(row["state"]),
        image_key=row["image_key"],
        url=row["url"],
        link_expires_at=row["link_expires_at"],
        findings=read_findings(row["findings"]),
        failure=read_failure(row["failure"]),
        seconds=row["call_seconds"],
        repeated=bool(row["repeated"]),
        reencoded=bool(row["reencoded"]),
        resumable=is_resumable(row, now=now),
        calls_billed=row["calls_billed"],
        platform_request_id=row["platform_request_id"],
    )


def language_of(text: str) -> Language:
    """The language of a text by its script: Chinese, else English when it has Latin letters, else Chinese."""
    if any("\u4e00" <= character <= "\u9fff" or "\u3400" <= character <= "\u4dbf" for character in text):
        return "zh"
    return "en" if any(character.isascii() and character.isalpha() for character in text) else "zh"
