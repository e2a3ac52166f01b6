"""A second column in the index of what people have pending, by which SQLite always prefers it."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.drop_index("generations_pending")
    op.execute("CREATE INDEX generations_pending ON generations (sender, ended_at) WHERE ended_at IS NULL")
