"""The first schema: requests, generations, what was sent, who was served."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TYPES = {"text": sa.Text, "integer": sa.Integer, "double": sa.Double, "boolean": sa.Boolean}

# Columns by table, each with its type where that is not text; "?" is one that may be NULL. The first "key" ones are
# the primary key.
TABLES = {
    "feishu_calls": (1, "month calls:integer"),
    "kept": (1, "name value"),
    "paces": (1, "name next_at:double"),
    "preferences": (1, "subject content"),
    "requests": (
        1,
        """request_id origin kind chat_id? chat_type reply_to? in_topic:boolean sender language prompt asked content
        accepted_at:double answer_id? way face? hide_prompt:boolean told? patches:integer wanted:integer
        shown:integer owner? lease_until:double due_at:double attempts:integer takeups:integer ended_at:double?
        outcome?""",
    ),
    "served": (2, "sender model posted_at:double"),
    "spending": (2, "month model images:integer"),
    "workers": (1, "owner seen_at:double"),
    "generations": (
        1,
        """generation_id request_id place:integer sender model state accepted_at:double owner? lease_until:double
        due_at:double takeups:integer posts:integer charged:integer month posted_at:double? slot_until:double?
        repeated:boolean delayed_since:double? delays:integer seconds:double? url? created:integer?
        link_ends_at:double? findings? original? image_key? shrunk:boolean failure? ended_at:double?
        recorded:boolean?""",
    ),
    "sends": (2, "request_id step message_id"),
}
# Name, table, columns, condition.
INDEXES = (
    ("requests_ended", "requests", "ended_at", "ended_at IS NOT NULL"),
    ("requests_of_chat", "requests", "chat_id accepted_at", None),
    ("requests_of_person", "requests", "sender accepted_at", None),
    ("requests_owned", "requests", "owner", "owner IS NOT NULL"),
    (
        "requests_unanswered",
        "requests",
        "chat_id accepted_at",
        "answer_id IS NULL AND way = 'card' AND ended_at IS NULL",
    ),
    ("requests_unshown", "requests", "due_at", "shown < wanted AND ended_at IS NULL"),
    ("generations_ended", "generations", "ended_at", "ended_at IS NOT NULL"),
    ("generations_of_month", "generations", "month", None),
    ("generations_of_person", "generations", "sender accepted_at", None),
    ("generations_open", "generations", "state model", "ended_at IS NULL"),
    ("generations_owned", "generations", "owner", "owner IS NOT NULL"),
    ("generations_pending", "generations", "sender", "ended_at IS NULL"),
    ("generations_slots", "generations", "model", "slot_until IS NOT NULL"),
    ("generations_timed", "generations", "model ended_at", "seconds IS NOT NULL"),
    ("generations_unrecorded", "generations", "ended_at", "recorded IS NULL AND ended_at IS NOT NULL"),
)


def upgrade() -> None:
    """Creates the tables."""
    for table, (keys, columns) in TABLES.items():
        fields = [(*column.rstrip("?").split(":"), "text")[:2] for column in columns.split()]
        nullable = [column.endswith("?") for column in columns.split()]
        constraints: list[sa.Constraint] = [sa.PrimaryKeyConstraint(*(name for name, _ in fields[:keys]))]
        if table == "requests":
            constraints.append(sa.UniqueConstraint("origin"))
        elif table in {"generations", "sends"}:
            constraints.append(sa.ForeignKeyConstraint(["request_id"], ["requests.request_id"], ondelete="CASCADE"))
        of = [
            sa.Column(name, TYPES[kind](), nullable=null) for (name, kind), null in zip(fields, nullable, strict=True)
        ]
        op.create_table(table, *of, *constraints)
    op.create_index("generations_of_request", "generations", ["request_id", "place"], unique=True)
    for index, table, columns, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(index, table, columns.split(), sqlite_where=condition, postgresql_where=condition)
