"""The tables: requests, their generations, what was sent, who was served when, and a few kept values.

Times are seconds since 1970. Both row kinds that a worker takes up carry an owner, a lease and a time before which
they are not due; every checkpoint names the owner, so that who lost the lease writes nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

metadata = MetaData()

requests = Table(
    "requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    # The message_id of a message; "press:" or "greeting:" and the event_id of anything else that is answered
    # once; "admin:" and the cause, day and person of a message to an admin.
    Column("origin", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("chat_id", Text),
    Column("chat_type", Text, nullable=False),
    Column("reply_to", Text),
    Column("in_topic", Boolean, nullable=False),
    Column("sender", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    # The prompt as it was typed, without the words of a style.
    Column("asked", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("accepted_at", Double, nullable=False),
    Column("answer_id", Text),
    Column("way", Text, nullable=False),
    Column("face", Text),
    Column("hide_prompt", Boolean, nullable=False),
    Column("told", Text),
    Column("patches", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("owner", Text),
    Column("lease_until", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("takeups", Integer, nullable=False),
    Column("ended_at", Double),
    Column("outcome", Text),
    # The message_id of the message whose prompt this repeats or edits; it is recalled with that message.
    Column("source", Text),
)
_SOURCE = text("source IS NOT NULL")
Index("requests_of_source", requests.c.source, sqlite_where=_SOURCE, postgresql_where=_SOURCE)
Index(
    "requests_unshown",
    requests.c.due_at,
    sqlite_where=text("shown < wanted AND ended_at IS NULL"),
    postgresql_where=text("shown < wanted AND ended_at IS NULL"),
)
_UNANSWERED = text("answer_id IS NULL AND way = 'card' AND ended_at IS NULL")
Index(
    "requests_unanswered",
    requests.c.chat_id,
    requests.c.accepted_at,
    sqlite_where=_UNANSWERED,
    postgresql_where=_UNANSWERED,
)
Index(
    "requests_ended",
    requests.c.ended_at,
    sqlite_where=text("ended_at IS NOT NULL"),
    postgresql_where=text("ended_at IS NOT NULL"),
)
Index("requests_of_chat", requests.c.chat_id, requests.c.accepted_at)
Index("requests_of_person", requests.c.sender, requests.c.accepted_at)

generations = Table(
    "generations",
    metadata,
    Column("generation_id", Text, primary_key=True),
    Column("request_id", Text, ForeignKey("requests.request_id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("sender", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("accepted_at", Double, nullable=False),
    Column("owner", Text),
    Column("lease_until", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("takeups", Integer, nullable=False),
    Column("posts", Integer, nullable=False),
    # How many of the posts may have been billed; those that the platform refused before any work are not.
    Column("charged", Integer, nullable=False),
    Column("month", Text, nullable=False),
    Column("posted_at", Double),
    Column("slot_until", Double),
    Column("repeated", Boolean, nullable=False),
    Column("delayed_since", Double),
    Column("delays", Integer, nullable=False),
    Column("seconds", Double),
    Column("url", Text),
    Column("created", Integer),
    Column("link_ends_at", Double),
    Column("findings", Text),
    Column("original", Text),
    Column("image_key", Text),
    # Feishu's key of the original once it was uploaded as a file.
    Column("file_key", Text),
    # The platform's own id of the paid call, for its support.
    Column("platform_request_id", Text),
    Column("shrunk", Boolean, nullable=False),
    Column("failure", Text),
    Column("ended_at", Double),
    # Whether it was taken into a batch for the Base log; NULL until then.
    Column("recorded", Boolean),
)
Index("generations_of_request", generations.c.request_id, generations.c.place, unique=True)
# The conditions of partial indexes stand word for word in the statements that use them: neither engine recognises a
# state among several when it comes as a parameter.
_OPEN = text("ended_at IS NULL")
Index("generations_open", generations.c.state, generations.c.model, sqlite_where=_OPEN, postgresql_where=_OPEN)
# What a person has pending is counted at every prompt, and must not be looked for among all they ever had.
Index("generations_pending", generations.c.sender, sqlite_where=_OPEN, postgresql_where=_OPEN)
_OWNED = text("owner IS NOT NULL")
Index("requests_owned", requests.c.owner, sqlite_where=_OWNED, postgresql_where=_OWNED)
Index("generations_owned", generations.c.owner, sqlite_where=_OWNED, postgresql_where=_OWNED)
_SLOT = text("slot_until IS NOT NULL")
Index("generations_slots", generations.c.model, sqlite_where=_SLOT, postgresql_where=_SLOT)
Index("generations_of_person", generations.c.sender, generations.c.accepted_at)
Index("generations_of_month", generations.c.month)
_ENDED = text("ended_at IS NOT NULL")
Index("generations_ended", generations.c.ended_at, sqlite_where=_ENDED, postgresql_where=_ENDED)
_UNRECORDED = text("recorded IS NULL AND ended_at IS NOT NULL")
Index("generations_unrecorded", generations.c.ended_at, sqlite_where=_UNRECORDED, postgresql_where=_UNRECORDED)
_TIMED = text("seconds IS NOT NULL")
Index("generations_timed", generations.c.model, generations.c.ended_at, sqlite_where=_TIMED, postgresql_where=_TIMED)

sends = Table(
    "sends",
    metadata,
    Column("request_id", Text, ForeignKey("requests.request_id", ondelete="CASCADE"), nullable=False),
    Column("step", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    PrimaryKeyConstraint("request_id", "step"),
)

served = Table(
    "served",
    metadata,
    Column("sender", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("posted_at", Double, nullable=False),
    PrimaryKeyConstraint("sender", "model"),
)

spending = Table(
    "spending",
    metadata,
    Column("month", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("images", Integer, nullable=False),
    PrimaryKeyConstraint("month", "model"),
)

feishu_calls = Table(
    "feishu_calls",
    metadata,
    Column("month", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
)

preferences = Table(
    "preferences",
    metadata,
    # The open_id of a person or the chat_id of a chat.
    Column("subject", Text, primary_key=True),
    Column("content", Text, nullable=False),
)

# When the next message may go out: one row a chat or message of late, and two for all. Beside them when a model may
# be called again, and when the next clean-up and the next look for the Base log are due.
paces = Table(
    "paces",
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

kept = Table(
    "kept",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
