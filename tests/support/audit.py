"""A database that keeps a log of the URLs that were stored, independent of the program that stores them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from bot.db.database import Database, read_url
from bot.db.migrate import migrate

LOG_ON_POSTGRES = """
CREATE FUNCTION note_url() RETURNS trigger AS $$ BEGIN
  IF NEW.url IS DISTINCT FROM OLD.url THEN
    INSERT INTO url_log VALUES (NEW.generation_id, NEW.url, extract(epoch FROM clock_timestamp()));
  END IF;
  RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER note_url AFTER UPDATE ON generations FOR EACH ROW EXECUTE FUNCTION note_url()
"""
LOG_ON_SQLITE = """
CREATE TRIGGER note_url AFTER UPDATE OF url ON generations WHEN NEW.url IS NOT OLD.url BEGIN
  INSERT INTO url_log VALUES (NEW.generation_id, NEW.url, (julianday('now') - 2440587.5) * 86400.0);
END
"""


@contextmanager
def audited(url: str) -> Iterator[Database]:
    """A database with its schema that logs every URL as it is stored."""
    # Its connections are asked each time whether they still stand: a test may have restarted the server just now.
    database = Database(read_url(url), fresh=0.0)
    migrate(database)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE url_log (generation_id TEXT, url TEXT, at DOUBLE PRECISION)"))
        connection.execute(text(LOG_ON_SQLITE if database.is_sqlite else LOG_ON_POSTGRES))
    try:
        yield database
    finally:
        database.close()
