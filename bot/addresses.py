"""The addresses in the settings: Feishu's origin, the URL of the database, the proxy and its certificates."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

DOMAINS = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}

DATABASE_URL_FIX = "set DATABASE_URL to postgresql://user:password@host/name, or leave it empty for SQLite"

_DATABASES = frozenset({"sqlite", "sqlite+pysqlite", "postgres", "postgresql", "postgresql+psycopg"})
_ORIGIN = re.compile(r"https?://([a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/?")
_LARGEST_PORT = 65_535


def parse_origin(given: str) -> str:
    """The origin that ``FEISHU_DOMAIN`` names, without a slash at its end.

    ``ValueError`` if it is neither the name of a platform nor an https origin, which may be http on this machine.
    """
    # Some non-ASCII letters have ASCII letters as their lower case.
    wanted = given.lower() if given.isascii() else ""
    origin = DOMAINS.get(wanted, wanted)
    # What is no address in brackets, or no port, raises when it is read.
    with suppress(ValueError):
        parts = urlsplit(origin)
        may_be_used = parts.scheme == "https" or is_loopback(parts.hostname or "")
        if may_be_used and parts.port != 0 and _ORIGIN.fullmatch(origin):
            return origin.rstrip("/")
    raise ValueError("must be feishu, lark, or an https origin such as https://open.feishu.cn")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where nothing needs to be encrypted."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_proxy(given: str) -> str:
    """The address of an HTTP proxy, empty for none; raises ``ValueError`` for anything else."""
    # A port that is no number raises when it is read.
    with suppress(ValueError):
        parts = urlsplit(given)
        if not given or (
            parts.hostname
            and parts.port != 0
            and parts.scheme in {"http", "https"}
            and not (parts.path.strip("/") or parts.query or parts.fragment)
            and (parts.username is None) == (parts.password is None)
        ):
            return given
    raise ValueError("must be http://host:port or http://name:password@host:port; a SOCKS proxy cannot be used")


def parse_ca_file(given: str) -> str:
    """The file of certificate authorities, empty for none; ``ValueError`` if it holds no PEM certificates."""
    try:
        if given:
            ssl.create_default_context(cafile=given)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"must name a file of PEM certificates, or be empty ({reason})") from None
    return given


def parse_database_url(given: str) -> str:
    """The database URL with its scheme in lower case and ``~`` expanded.

    ``ValueError`` if the bot cannot use it; the message repeats neither the address nor the password.
    """
    # Imported here, as the command line makes an image without a database.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    scheme, colon, rest = given.partition(":")
    given = scheme.lower() + colon + rest
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    except ValueError:
        raise ValueError("has a port that is not a number; write postgresql://user:password@host:5432/name") from None
    if url is None or url.drivername not in _DATABASES:
        raise ValueError(f"is the address of neither a PostgreSQL nor an SQLite database; {DATABASE_URL_FIX}")
    if url.get_backend_name() == "sqlite":
        file = str(_checked_sqlite_file(url))
        return given if file == url.database else f"{url.drivername}:///{quote(file)}"
    _check_postgres(url, ats=given.count("@"))
    return given


def _checked_sqlite_file(url: URL) -> Path:
    if url.host or url.username or url.port:
        raise ValueError("must have a third slash before a relative path and a fourth before an absolute one")
    if url.query:
        raise ValueError("must have no parameters for SQLite; leave out what follows the question mark")
    path = url.database or ""
    if path in {"", ":memory:"} or path.startswith("file:"):
        raise ValueError("must name a file, as a restart would forget what is in memory; write sqlite:////data/bot.db")
    try:
        file = Path(path).expanduser()
    except RuntimeError:
        raise ValueError("must not begin with the home folder of somebody who has none") from None
    # Path's own methods raise where a folder on the way may not be searched.
    if path.endswith("/") or (os.path.exists(file) and not os.path.isfile(file)):
        raise ValueError("names a folder or a device; add the name of a file, such as bot.db")
    return file


def _check_postgres(url: URL, *, ats: int) -> None:
    from psycopg import pq  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    if ats > 1:
        # A part of the password would be taken for the host, and printed as that.
        raise ValueError("holds more than one @; write an @ that belongs to the name or the password as %40")
    if url.port is not None and not 1 <= url.port <= _LARGEST_PORT:
        raise ValueError(f"has a port that is not between 1 and {_LARGEST_PORT}")
    if unknown := url.query.keys() - {option.keyword.decode() for option in pq.Conninfo.get_defaults()}:
        raise ValueError(f"has a parameter that PostgreSQL does not know: {', '.join(sorted(unknown))}")
    if not (url.database or url.query.keys() & {"dbname", "service"}):
        raise ValueError(f"names no database; {DATABASE_URL_FIX}")
    url = url.set(drivername="postgresql+psycopg")
    try:
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise ValueError("has hosts and ports in its parameters that do not go together") from None
