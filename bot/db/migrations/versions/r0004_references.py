"""Indexes by which the result that a message replies to is found."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("CREATE INDEX requests_of_answer ON requests (answer_id) WHERE answer_id IS NOT NULL")
    op.create_index("sent_messages_of_message", "sent_messages", ["message_id"])
