"""The commands of production as a platform starts them, from the Procfile's own lines, and what they refuse."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bot.__main__ import main
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import shared_tls
from tests.repo.lock import TOP
from tests.support.databases import postgres_database
from tests.support.dsl import DEADLINE, variables_for, wait_for
from tests.support.forkserver import run_command

PROCFILE = dict(line.split(": ", 1) for line in (TOP / "Procfile").read_text(encoding="utf-8").splitlines())
LISTENING = "started command=serve port="


class Running:
    """A command that runs, with nothing in its environment but the variables that it is given."""

    def __init__(self, line: str, *, variables: dict[str, str], log: Path) -> None:
        program, *arguments = shlex.split(line)
        assert program == "python"
        self._log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(TOP), "PYTHONUTF8": "1", **variables},
                cwd=log.parent,
                stderr=errors,
            )

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(encoding="utf-8")

    @property
    def origin(self) -> str:
        """Where it listens, once it does."""
        wait_for(lambda: LISTENING in self.log)
        return f"http://127.0.0.1:{self.log.partition(LISTENING)[2].split()[0]}"

    def ready(self) -> tuple[int, str]:
        """What ``/readyz`` answers."""
        answer = httpx.get(f"{self.origin}/readyz", timeout=DEADLINE, trust_env=False, verify=shared_tls())
        return answer.status_code, answer.text

    def leave(self) -> int:
        """Sends SIGTERM; gives the exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE)


@contextmanager
def running(line: str, *, variables: dict[str, str], folder: Path) -> Iterator[Running]:
    """A command from its start on; it is killed at the end."""
    started = Running(line, variables=variables, log=folder / f"{len(list(folder.glob('*.log')))}.log")
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def is_answered(feishu: FeishuStandIn, web: Running) -> None:
    """One event, signed and encrypted, has one reply."""
    feishu.webhook_url = f"{web.origin}/webhook/event"
    said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="/help")
    wait_for(lambda: any(attempt.outcome == "acknowledged" for attempt in feishu.attempts))
    wait_for(lambda: len(feishu.replies(said.message_id)) == 1)


def test_the_web_line_alone_is_a_whole_bot(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """On SQLite it becomes ready, answers an event, and ends with 0 at SIGTERM; no other user reads its data."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    variables = variables_for(feishu, folder=data)
    with running(PROCFILE["web"], variables=variables, folder=tmp_path) as web:
        wait_for(lambda: web.ready() == (200, "ready\n"))
        is_answered(feishu, web)
        kept = {path.relative_to(data).as_posix(): path.stat().st_mode for path in (data, *data.rglob("*"))}
        assert {"bot.db", "bot.db-wal", "bot.db-shm", "originals", "workers"} < kept.keys()
        assert [name for name, mode in kept.items() if mode & 0o077] == []
        assert web.leave() == 0, web.log
    assert "shutting down command=serve" in web.log
    secrets = (feishu.app_secret, feishu.encrypt_key, feishu.verification_token, variables["ZHIPU_API_KEY"])
    assert [word for word in (*secrets, "Traceback") if word in web.log] == []


@pytest.mark.postgres
def test_the_worker_line_works_for_a_web(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """A web that leaves the work to others is ready with the first worker, which answers; both end with 0."""
    with postgres_database() as url:
        variables = {**variables_for(feishu, folder=tmp_path / "data"), "DATABASE_URL": url}
        with running(f"{PROCFILE['web']} --no-worker", variables=variables, folder=tmp_path) as web:
            assert web.ready()[0] == 503
            with running(PROCFILE["worker"], variables=variables, folder=tmp_path) as worker:
                wait_for(lambda: web.ready() == (200, "ready\n"))
                is_answered(feishu, web)
                assert (worker.leave(), web.leave()) == (0, 0), worker.log + web.log
    assert ("shutting down command=worker" in worker.log, "shutting down command=serve" in web.log) == (True, True)


def refusal(folder: Path, *arguments: str, **variables: str) -> tuple[int | None, str]:
    """The exit code of a command that does not start, and what it says."""
    given = {
        "FEISHU_APP_ID": "cli_test",
        "FEISHU_APP_SECRET": "not-a-real-secret",
        "FEISHU_ENCRYPT_KEY": "not-a-real-key",
        "BOT_SERVER_HOST": "127.0.0.1",
        "BOT_DATA_DIR": str(folder / "data"),
        "PORT": "0",
        **variables,
    }
    ended = run_command(main, *arguments, variables={"PATH": os.environ["PATH"], **given}, folder=folder)
    assert "Traceback" not in ended.stderr
    assert "not-a-real" not in ended.stderr
    return ended.code, ended.stderr


REFUSED: tuple[tuple[tuple[str, ...], dict[str, str], int, str], ...] = (
    (("serve",), {"FEISHU_APP_ID": ""}, 2, "FEISHU_APP_ID: is not set"),
    (("serve",), {"FEISHU_ENCRYPT_KEY": ""}, 2, "FEISHU_ENCRYPT_KEY: neither it nor FEISHU_VERIFICATION_TOKEN is set"),
    (("serve", "--no-worker"), {}, 2, "DATABASE_URL: --no-worker needs a PostgreSQL"),
    (("worker",), {}, 2, "DATABASE_URL: worker needs a PostgreSQL"),
    (("serve",), {"DATABASE_URL": "notaurl"}, 2, "DATABASE_URL: is the address of neither"),
    (("worker",), {"DATABASE_URL": "mysql://u:not-a-real-password@h/db"}, 2, "DATABASE_URL: is the address of neither"),
    (("migrate",), {"DATABASE_URL": "postgresql://u:not-a-real-password@h:abc/db"}, 2, "DATABASE_URL: has a port"),
    (("serve",), {"DATABASE_URL": "postgresql://127.0.0.1:1/db"}, 1, "The database does not answer"),
    (("migrate",), {"DATABASE_URL": "postgresql://127.0.0.1:1/db?nonsense=1"}, 2, "DATABASE_URL: has a parameter"),
    (("migrate",), {"DATABASE_URL": "sqlite:////dev/null/bot.db"}, 1, "/dev/null cannot be made"),
    (("serve",), {"BOT_DATA_DIR": "/dev/null/data"}, 2, "BOT_DATA_DIR: /dev/null/data cannot be written"),
    (("migrate",), {"BOT_DATA_DIR": "/dev/null/data"}, 2, "BOT_DATA_DIR: /dev/null/data cannot be written"),
    (("serve",), {"PORT": "http"}, 2, "PORT: must be an integer from 0 to 65535"),
    (("serve",), {"BOT_SERVER_HOST": "192.0.2.1"}, 2, "PORT: 0 on 192.0.2.1 cannot be used: "),
    (("connect",), {"BOT_SERVER_HOST": "nobody.invalid"}, 2, "PORT: 0 on nobody.invalid cannot be used: "),
)
"""What cannot be used: the command, the variables, the exit code, and the words (192.0.2.1 is nobody's, RFC 5737)."""


@pytest.mark.parametrize(("arguments", "variables", "code", "words"), REFUSED)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], code: int, words: str
) -> None:
    """A value that is of no use ends the command with one sentence that names it, and with no traceback or secret."""
    ended, said = refusal(tmp_path, *arguments, **variables)
    assert ended == code
    assert words in said


@pytest.mark.parametrize("command", ["serve", "connect"])
def test_a_taken_port_is_named(tmp_path: Path, command: str) -> None:
    """A port on which another program listens is told with its variable and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        code, said = refusal(tmp_path, command, PORT=str(number))
    assert code == 2
    assert f"PORT: {number} on 127.0.0.1 is taken by another program" in said
    assert "set PORT to another number" in said


@pytest.mark.postgres
def test_a_taken_port_of_a_worker_is_named(tmp_path: Path) -> None:
    """The port on which a worker tells its health has a setting of its own."""
    with postgres_database() as url, socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, said = refusal(tmp_path, "worker", DATABASE_URL=url, BOT_SERVER_WORKER_PORT=port)
    assert code == 2
    assert "set BOT_SERVER_WORKER_PORT to another number" in said
