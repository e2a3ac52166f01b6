"""Columns added since the first schema; the chat type of what a button asked for in a group."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("generations", sa.Column("file_key", sa.Text(), nullable=True))
    op.add_column("generations", sa.Column("platform_request_id", sa.Text(), nullable=True))
    # The message_id of the message whose prompt a request repeats or edits.
    op.add_column("requests", sa.Column("source", sa.Text(), nullable=True))
    op.execute("CREATE INDEX requests_of_source ON requests (source) WHERE source IS NOT NULL")
    # Rows that an example's button stored as of a direct chat.
    op.execute(
        "UPDATE requests SET chat_type = 'group' WHERE chat_type = 'p2p' AND chat_id IN"
        " (SELECT chat_id FROM requests WHERE chat_type = 'group')"
    )
