"""What the check says of this machine: the database, the data folder, the port."""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import socket
import tempfile
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from bot.addresses import DATABASE_URL_FIX
from bot.cli.check_result import CheckResult
from bot.db.database import Database, read_url
from bot.db.migrate import HEAD, current_revision
from bot.errors import DatabaseUnavailable, SettingsError
from bot.settings import DATA_DIR_FIX, PORT_FIX, PORT_TAKEN_FIX, Settings

MOUNTS = Path("/proc/self/mounts")
"""Where Linux tells which file systems there are; elsewhere there is no such file, and nothing is said."""

LEAST_FREE = 200
"""Megabytes below which the database may soon fail to store what was paid for."""

_MEGABYTE = 1024 * 1024
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.s3fs"}
_MIGRATE = "run: python -m bot migrate (serve and worker do so too when they start)"
_HEALTH_SECONDS = 2.0
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens there
"""Where a server is asked that listens on every address."""


def database(settings: Settings, *, offline: bool) -> CheckResult:
    """Whether the database answers and its schema is this program's; it makes and changes nothing.

    Args:
        settings: the settings.
        offline: leaves a database on another machine alone.
    """
    name = "Database"
    url = read_url(settings.url)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not os.path.isfile(file):
            return _not_yet(file)
    elif offline:
        return CheckResult(name=name, ok=None, detail="not asked (--offline)")
    return _schema(url)


def _not_yet(file: Path) -> CheckResult:
    try:
        _try_to_write(file.absolute().parent)
    except OSError as error:
        detail = f"cannot be made at {file}: {error.strerror}"
        return CheckResult(name="Database", ok=False, detail=detail, fix=f"{DATA_DIR_FIX}; or {DATABASE_URL_FIX}")
    return CheckResult(name="Database", ok=None, detail=f"there is none yet at {file}", fix=_MIGRATE)


def _try_to_write(folder: Path) -> Path:
    """Writes where a folder is, or where it would be made; gives that place."""
    # Permissions alone do not tell: a file system may be read-only or full.
    there = next(one for one in (folder, *folder.parents) if one.exists())
    with tempfile.TemporaryFile(dir=there) as file:
        file.write(b"check")
    return there


def _schema(url: URL) -> CheckResult:
    name = "Database"
    store = Database(url, connections=1)
    try:
        revision = current_revision(store)
    except SettingsError as error:
        detail, _, fix = error.faults[0].partition(": ")[2].partition("; ")
        return CheckResult(name=name, ok=False, detail=detail, fix=fix)
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        fix = "see whether it runs, whether DATABASE_URL is right, and whether this machine may reach it"
        return CheckResult(name=name, ok=False, detail=f"does not answer: {_reason(error)}", fix=fix)
    finally:
        store.close()
    if revision is None:
        return CheckResult(name=name, ok=None, detail="answers, but has no tables yet", fix=_MIGRATE)
    if revision < HEAD:
        return CheckResult(name=name, ok=False, detail=f"its schema is {revision}, this program's {HEAD}", fix=_MIGRATE)
    if revision > HEAD:
        detail = f"its schema is {revision}, newer than this program's {HEAD}"
        return CheckResult(name=name, ok=True, detail=detail, fix="update this program")
    return CheckResult(name=name, ok=True, detail=f"{url.get_backend_name()} answers; its schema {revision} is current")


def _reason(error: BaseException) -> str:
    cause = error.__cause__ or error
    said = str(getattr(cause, "orig", None) or cause).strip()
    return said.splitlines()[0] if said else type(cause).__name__


def data_folder(settings: Settings, *, mounts: Path = MOUNTS) -> CheckResult:
    """Whether the data folder can be written, is on a disk of this machine, and has room."""
    name = "Data folder"
    folder = settings.data_dir.absolute()
    try:
        there = _try_to_write(folder)
        free = shutil.disk_usage(there).free // _MEGABYTE
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror}"
        return CheckResult(name=name, ok=False, detail=detail, fix=DATA_DIR_FIX)
    network = _network_file_system(there, mounts)
    if network and settings.url.startswith("sqlite"):
        fix = "set BOT_DATA_DIR to a local disk, or DATABASE_URL to a PostgreSQL"
        return CheckResult(
            name=name, ok=False, detail=f"{folder} is on {network}, which breaks SQLite's locks", fix=fix
        )
    detail = f"{folder} {'can be written' if there == folder else 'is not there yet and can be made'}; {free:,} MB free"
    if free < LEAST_FREE:
        return CheckResult(name=name, ok=False, detail=detail, fix=f"make room: at least {LEAST_FREE} MB")
    kept = settings.originals.megabytes
    advice = f"pictures may grow to {kept:,} MB: make room, or lower megabytes of [originals]" if free < kept else None
    return CheckResult(name=name, ok=True, detail=detail, fix=advice)


def _network_file_system(folder: Path, mounts: Path) -> str | None:
    """The kind of the network file system that holds ``folder``; ``None`` on a local one, or where nobody tells."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    fields = [line.split(" ") for line in lines]
    kinds = {each[1]: each[2] for each in fields}
    real = folder.resolve()
    nearest = next((kinds[str(one)] for one in (real, *real.parents) if str(one) in kinds), None)
    return nearest if nearest in _NETWORK_FILE_SYSTEMS else None


def port(settings: Settings) -> CheckResult:
    """Whether the port can be listened on, or a bot already does."""
    name, host, number = "Port", settings.server.host, settings.port
    place = f"{number} on {host}"
    if number == 0:
        return CheckResult(name=name, ok=True, detail="0: any free one")
    try:
        socket.create_server((host, number), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _taken(place, host=_LOOPBACK.get(host, host), number=number)
        detail = f"{place} cannot be used: {error.strerror or error}"
        return CheckResult(name=name, ok=False, detail=detail, fix=PORT_FIX.format(variable="PORT"))
    return CheckResult(name=name, ok=True, detail=f"{place} is free")


def _taken(place: str, *, host: str, number: int) -> CheckResult:
    connection = http.client.HTTPConnection(host, number, timeout=_HEALTH_SECONDS)
    try:
        connection.request("GET", "/healthz")
        healthy = connection.getresponse().read(16) == b"ok\n"
    except (OSError, http.client.HTTPException):
        healthy = False
    finally:
        connection.close()
    if healthy:
        return CheckResult(
            name="Port", ok=True, detail=f"{place} is taken by a bot that runs already (/healthz says ok)"
        )
    fix = PORT_TAKEN_FIX.format(variable="PORT")
    return CheckResult(name="Port", ok=False, detail=f"{place} is taken by another program", fix=fix)
