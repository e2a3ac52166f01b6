"""A second column in the index of what people have pending, by which SQLite always prefers it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.drop_index("generations_pending")
    where = sa.text("ended_at IS NULL")
    columns = ["sender", "ended_at"]
    op.create_index("generations_pending", "generations", columns, sqlite_where=where, postgresql_where=where)
