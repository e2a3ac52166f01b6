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


def _programs() -> Path:
    """The folder of the newest installed server's programs; skips where no server can be started."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found += [Path(path).resolve() for path in [shutil.which("initdb")] if path and not found]
    if not found:
        say = pytest.fail if os.environ.get("REQUIRE_POSTGRES") else pytest.skip
        say("no PostgreSQL programs (initdb, pg_ctl) are installed")
    return found[-1].parent


class PostgresServer:
    """One server with an empty database ``bot``, in a folder that is empty; ``url`` leads to it."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self._folder, self._programs = folder, _programs()
        self._command_prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self._options = f"-p {port} -h 127.0.0.1 -k {folder} -c max_connections=200 -c fsync=off"
        self._data = str(folder / "data")
        self.url = f"postgresql://postgres@127.0.0.1:{port}/bot"
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "-D", self._data, *options)
        self.start()
        self._run("createdb", "-h", str(folder), "-p", str(port), "-U", "postgres", "bot")

    def start(self) -> None:
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-D", self._data, "-l", log, "-o", self._options)

    def crash(self) -> None:
        """Stops the server as a crash would; what was committed is recovered at its next start."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", self._data)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._command_prefix, str(self._programs / program), *arguments]
        with (self._folder / "out").open("a") as out:
            subprocess.run(command, check=True, cwd="/", stdout=out, stderr=out, timeout=START_SECONDS)


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """A running server that is removed at the end; skips where there can be none."""
    # pytest's own folders are closed to the user postgres.
    with tempfile.TemporaryDirectory(prefix="bot-postgres-") as folder:
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            server.crash()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
