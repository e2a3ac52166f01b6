"""Runs the revisions on the connection that the program hands over, inside its transaction and lock."""

from alembic import context

from bot.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
