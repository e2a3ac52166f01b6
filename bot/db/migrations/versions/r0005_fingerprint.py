"""The column by which a second press or message is recognized; the seconds of calls in their index."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("requests", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.drop_index("generations_timed")
    op.execute(
        "CREATE INDEX generations_timed ON generations (model, ended_at, call_seconds) WHERE call_seconds IS NOT NULL"
    )
