"""The first schema. A new database is made from ``bot.db.tables`` at once, so only its number is left."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    pass
