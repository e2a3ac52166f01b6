"""How the bot connects to PostgreSQL, and what it tells when that fails."""

from __future__ import annotations

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from bot.db.database import Database, read_url
from bot.errors import DatabaseUnavailable
from tests.support.databases import postgres_database

PASSWORD = "not-a-password"

POOLERS_TAKE = {"user", "database", "application_name", "client_encoding"}
"""What a connection may ask for when it starts: PgBouncer refuses everything else that it does not know."""


def asked_for_at_the_start(listener: socket.socket) -> set[str]:
    """The names of what a client asks for in its first message, whereupon it is left.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        while True:
            length, code = struct.unpack("!ii", stream.read(8))
            content = stream.read(length - 8)
            if content:
                return {name.decode() for name in content.split(b"\0")[:-2:2]}
            assert code in {80877103, 80877104}, "neither TLS nor GSSAPI is asked for"
            connection.sendall(b"N")


def test_a_pooler_takes_the_connection() -> None:
    """Nothing is asked for at the start that a pooler in session mode refuses."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(asked_for_at_the_start, listener)
        url = f"postgresql://bot:{PASSWORD}@127.0.0.1:{listener.getsockname()[1]}/bot"
        with closing(Database(read_url(url))) as database, pytest.raises(DatabaseUnavailable), database.read():
            pass
        assert asked.result() <= POOLERS_TAKE


@pytest.mark.postgres
def test_a_transaction_that_stands_still_is_ended() -> None:
    """Every connection, also after it has been used, has PostgreSQL end what its process leaves open."""
    with postgres_database() as url, closing(Database(read_url(url), connections=1)) as database:
        for _ in range(2):
            with database.write() as connection:
                assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "5s"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"port": 1}, "port 1 failed: Connection refused"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_what_the_driver_says_is_told(changed: dict[str, int | str], said: str) -> None:
    """The first line of the driver's words says why the database does not answer, and tells no password."""
    with postgres_database() as url:
        wrong = make_url(url).set(password=PASSWORD, **changed)  # type: ignore[arg-type]  # a port or a name
    with closing(Database(read_url(wrong.render_as_string(hide_password=False)))) as database:
        with pytest.raises(DatabaseUnavailable) as caught, database.read():
            pass
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert PASSWORD not in str(caught.value)
