"""Standard names for tables, columns, indexes and stored kinds; one table of monthly usage.

Both engines rename the columns in the conditions of partial indexes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

COLUMNS = {
    "requests": {
        "origin": "dedup_key",
        "asked": "raw_prompt",
        "way": "delivery_mode",
        "face": "card_state",
        "told": "shown_position",
        "patches": "patch_count",
        "wanted": "desired_version",
        "shown": "published_version",
        "takeups": "stalled_attempts",
    },
    "generations": {
        "place": "index_in_request",
        "takeups": "stalled_attempts",
        "posts": "calls_made",
        "charged": "calls_billed",
        "month": "billing_month",
        "posted_at": "called_at",
        "delayed_since": "backoff_since",
        "delays": "backoff_count",
        "seconds": "call_seconds",
        "created": "platform_created_at",
        "link_ends_at": "link_expires_at",
        "original": "cache_name",
        "shrunk": "reencoded",
        "recorded": "exported",
    },
    "served": {"posted_at": "called_at"},
}
TABLES = {"sends": "sent_messages", "served": "last_served", "kept": "key_value", "paces": "timers"}
# The old name of each index, and what it is under the new one.
INDEXES = {
    "requests_unshown": "requests_due ON requests (due_at)"
    " WHERE published_version < desired_version AND ended_at IS NULL",
    "requests_of_person": "requests_of_sender ON requests (sender, accepted_at)",
    "generations_of_person": "generations_of_sender ON generations (sender, accepted_at)",
    "generations_slots": "generations_in_slots ON generations (model) WHERE slot_until IS NOT NULL",
    "generations_unrecorded": "generations_unexported ON generations (ended_at)"
    " WHERE exported IS NULL AND ended_at IS NOT NULL",
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for old, new in columns.items():
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    for old, new in TABLES.items():
        op.rename_table(old, new)
    # A request that was sent again has the id of its old card, one in plain messages has none.
    op.execute("UPDATE requests SET delivery_mode = 'messages' WHERE delivery_mode IN ('new', 'plain')")
    op.execute("UPDATE requests SET kind = 'rejected' WHERE kind = 'misread'")
    op.execute("UPDATE requests SET card_state = 'rejected' WHERE card_state = 'misread'")
    op.execute("UPDATE requests SET outcome = 'rejected' WHERE outcome = 'misread'")
    for old, index in INDEXES.items():
        op.drop_index(old)
        op.execute(f"CREATE INDEX {index}")
    key = sa.Column("month", sa.Text(), primary_key=True), sa.Column("name", sa.Text(), primary_key=True)
    op.create_table("monthly_usage", *key, sa.Column("count", sa.Integer(), nullable=False))
    op.execute("INSERT INTO monthly_usage (month, name, count) SELECT month, model, images FROM spending")
    op.execute("INSERT INTO monthly_usage (month, name, count) SELECT month, 'feishu_calls', calls FROM feishu_calls")
    op.drop_table("spending")
    op.drop_table("feishu_calls")
