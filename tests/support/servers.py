"""A PostgreSQL server of a test's own, made from the installed programs, that can be restarted as a crash would."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_SECONDS = 60


def programs() -> Path | None:
    """The folder of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    known = shutil.which("initdb")
    return Path(known).resolve().parent if known else None


def skip_without_server() -> None:
    """Skips where no server can be started, unless ``REQUIRE_POSTGRES`` is set."""
    reason = ""
    if programs() is None:
        reason = "no PostgreSQL programs (initdb, pg_ctl) are installed"
    elif os.geteuid() == 0 and shutil.which("runuser") is None:
        reason = "PostgreSQL refuses to run as root, and there is no runuser"
    if reason:
        (pytest.fail if os.environ.get("REQUIRE_POSTGRES") else pytest.skip)(reason)


class PostgresServer:
    """One server with an empty database ``bot``; ``url`` leads to it.

    ``folder`` is an empty one that the user ``postgres`` can reach.
    """

    def __init__(self, folder: Path, *, port: int) -> None:
        self._folder = folder
        self._command_prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self._options = f"-p {port} -h 127.0.0.1 -k {folder} -c max_connections=200 -c fsync=off"
        self.port = port
        self.url = f"postgresql://postgres@127.0.0.1:{port}/bot"

    def make(self) -> None:
        """Makes the data folder, starts the server, and adds the database."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "-D", self._data, *options)
        self.start()
        self._run("createdb", "-h", str(self._folder), "-p", str(self.port), "-U", "postgres", "bot")

    def start(self) -> None:
        """Starts the server and waits until it takes connections."""
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-D", self._data, "-l", log, "-o", self._options)

    def crash(self) -> None:
        """Stops the server as a crash would; what was committed is recovered at its next start."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", self._data)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None
        command = [*self._command_prefix, str(folder / program), *arguments]
        with (self._folder.parent / f"{self._folder.name}.out").open("a") as out:
            subprocess.run(command, check=True, cwd="/", stdout=out, stderr=out, timeout=START_SECONDS)


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """A running server that is removed at the end; skips where there can be none."""
    skip_without_server()
    # pytest's own folders are closed to the user postgres.
    with tempfile.TemporaryDirectory(prefix="bot-postgres-") as outer:
        Path(outer).chmod(0o755)
        folder = Path(outer) / "server"
        folder.mkdir()
        server = PostgresServer(folder, port=free_port())
        server.make()
        try:
            yield server
        finally:
            server.crash()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
