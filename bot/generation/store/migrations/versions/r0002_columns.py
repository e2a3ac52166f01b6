"""Columns added since the first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the columns."""
    op.add_column("generations", sa.Column("file_key", sa.Text(), nullable=True))
    op.add_column("generations", sa.Column("platform_request_id", sa.Text(), nullable=True))
