"""Indexes by which the result that a message replies to is found."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    condition = sa.text("answer_id IS NOT NULL")
    op.create_index("requests_of_answer", "requests", ["answer_id"], sqlite_where=condition, postgresql_where=condition)
    op.create_index("sent_messages_of_message", "sent_messages", ["message_id"])
