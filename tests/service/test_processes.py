"""The commands of production as processes: what they refuse, and how they leave at every step of their life.

Systemd and Docker send SIGTERM, a terminal sends SIGINT, and an impatient operator sends SIGTERM twice. SIGHUP, after
which secrets are reread, is tested with the long connection.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals

import httpx
import psycopg
import pytest

from bot.__main__ import main
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import shared_tls
from bot.web.server import DRAIN_SECONDS
from tests.repo.lock import TOP
from tests.support.bot_process import BotProcess, Cluster, Role
from tests.support.databases import sqlite_database
from tests.support.dsl import DEADLINE, is_final, posts_of, variables_for, wait_for
from tests.support.forkserver import run_command, running_command
from tests.support.servers import free_port

PROCFILE = dict(line.split(": ", 1) for line in (TOP / "Procfile").read_text(encoding="utf-8").splitlines())
CONNECT = "python -m bot connect"
LISTENING = "started command=serve port="
TOKEN = "not-a-real-metrics-token"


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
        return self._log.read_text(encoding="utf-8")

    @property
    def origin(self) -> str:
        """Where it listens, once it does."""
        wait_for(lambda: LISTENING in self.log)
        return f"http://127.0.0.1:{self.log.partition(LISTENING)[2].split()[0]}"

    def leave(self, number: Signals = SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def is_blocked(self, number: Signals) -> bool:
        """Whether the kernel keeps a signal for the process instead of ending it."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        blocked = next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:"))
        return bool(blocked & 1 << number - 1)


@contextmanager
def running(line: str, *, variables: dict[str, str], folder: Path) -> Iterator[Running]:
    """A command from its start on; it is killed at the end."""
    started = Running(line, variables=variables, log=folder / f"{len(list(folder.glob('*.log')))}.log")
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def status(address: str, **headers: str) -> int:
    """The status with which an address answers; 0 where nobody does."""
    try:
        return httpx.get(address, headers=headers, trust_env=False, verify=shared_tls(), timeout=DEADLINE).status_code
    except httpx.TransportError:
        return 0


def assert_answered(feishu: FeishuStandIn, web: Running) -> None:
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
        wait_for(lambda: status(f"{web.origin}/readyz") == 200)
        assert_answered(feishu, web)
        kept = {path.relative_to(data).as_posix(): path.stat().st_mode for path in (data, *data.rglob("*"))}
        assert {"bot.db", "bot.db-wal", "bot.db-shm", "originals", "workers"} < kept.keys()
        assert [name for name, mode in kept.items() if mode & 0o077] == []
        assert web.leave() == 0, web.log
    assert "shutting down command=serve" in web.log
    secrets = (feishu.app_secret, feishu.encrypt_key, feishu.verification_token, variables["ZHIPU_API_KEY"])
    assert [word for word in (*secrets, "Traceback") if word in web.log] == []


@pytest.mark.postgres
def test_the_worker_line_works_for_a_web(feishu: FeishuStandIn, tmp_path: Path, postgres_url: str) -> None:
    """A web that leaves the work to others is ready with the first worker, which serves its health and metrics."""
    worker_origin = f"http://127.0.0.1:{(port := free_port())}"
    variables = {
        **variables_for(feishu, folder=tmp_path / "data"),
        "DATABASE_URL": postgres_url,
        "METRICS_TOKEN": TOKEN,
        "BOT_SERVER_WORKER_PORT": str(port),
    }
    with running(f"{PROCFILE['web']} --no-worker", variables=variables, folder=tmp_path) as web:
        assert status(f"{web.origin}/readyz") == 503
        with running(PROCFILE["worker"], variables=variables, folder=tmp_path) as worker:
            wait_for(lambda: status(f"{web.origin}/readyz") == 200)
            assert_answered(feishu, web)
            wait_for(lambda: status(f"{worker_origin}/readyz") == 200)
            assert status(f"{worker_origin}/metrics", Authorization=f"Bearer {TOKEN}") == 200
            assert httpx.post(f"{worker_origin}/webhook/event", trust_env=False).status_code == 404
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
    (("migrate",), {"DATABASE_URL": "postgresql://a:not-a-real@db:not-a-real-port/b"}, 2, "DATABASE_URL: has a port"),
    (
        ("serve",),
        {"DATABASE_URL": "postgresql://bot:pa@not-a-real@db.example/b"},
        2,
        "DATABASE_URL: holds more than one @",
    ),
    (("worker",), {"DATABASE_URL": "mysql://u:not-a-real-password@h/db"}, 2, "DATABASE_URL: is the address of neither"),
    (("serve",), {"DATABASE_URL": "postgresql://127.0.0.1:1/db"}, 1, "The database does not answer"),
    (("migrate",), {"DATABASE_URL": "sqlite:////dev/null/bot.db"}, 1, "/dev/null cannot be made"),
    (("serve",), {"BOT_DATA_DIR": "/dev/null/data"}, 2, "BOT_DATA_DIR: /dev/null/data cannot be written"),
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


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        ("serve", "PORT"),
        ("connect", "PORT"),
        pytest.param("worker", "BOT_SERVER_WORKER_PORT", marks=pytest.mark.postgres),
    ],
)
def test_a_taken_port_is_named(tmp_path: Path, postgres_url: str, command: str, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        code, said = refusal(tmp_path, command, DATABASE_URL=postgres_url, **{variable: str(number)})
    assert code == 2
    assert f"{variable}: {number} on 127.0.0.1 is taken by another program" in said
    assert f"set {variable} to another number" in said


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("line", "number"), [(PROCFILE["web"], SIGTERM), (CONNECT, SIGINT), (PROCFILE["worker"], SIGTERM)]
)
def test_a_signal_before_the_first_migration(
    feishu: FeishuStandIn, tmp_path: Path, empty_postgres_url: str, line: str, number: Signals
) -> None:
    """A process that is stopped while it still imports exits with 0 and says no more than that."""
    variables = {**variables_for(feishu, folder=tmp_path / "data"), "DATABASE_URL": empty_postgres_url}
    with (
        psycopg.connect(empty_postgres_url) as database,
        running(line, variables=variables, folder=tmp_path) as command,
    ):
        wait_for(lambda: command.is_blocked(number))
        assert database.execute("SELECT to_regclass('requests')").fetchone() == (None,)
        assert command.leave(number) == 0, command.log
        assert [word for word in ("Traceback", "started") if word in command.log] == []


def test_a_signal_while_the_database_is_locked_or_away(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """A start that waits for a migration of another process, or for a database that is not there, exits with 0."""
    variables = variables_for(feishu, folder=tmp_path)
    with (
        closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as other,
        running(PROCFILE["web"], variables=variables, folder=tmp_path) as locked_out,
    ):
        other.execute("BEGIN EXCLUSIVE")
        wait_for(lambda: locked_out.is_blocked(SIGTERM))
        locked_out.process.terminate()
        other.execute("ROLLBACK")
        assert locked_out.process.wait(DEADLINE) == 0, locked_out.log
        assert "Traceback" not in locked_out.log
    away = {**variables, "DATABASE_URL": "postgresql://127.0.0.1:1/db"}
    with running(PROCFILE["web"], variables=away, folder=tmp_path) as command:
        wait_for(lambda: command.is_blocked(SIGTERM))
        assert command.leave() == 0, command.log


ROLES: dict[str, Role] = {"serve": "both", "connect": "connected", "worker": "worker"}

STAGES: dict[str, Callable[[Path, str, FeishuStandIn], bool]] = {
    "folder made": lambda folder, _log, _feishu: folder.exists(),
    "first log line": lambda _folder, log, _feishu: "\n" in log,
    "identity asked": lambda _folder, _log, feishu: bool(feishu.calls_named("token")),
    "started": lambda _folder, log, _feishu: "started" in log,
}
"""What can be seen of a start from outside, in the order in which it happens."""

STARTS = [
    (command, stage, (SIGTERM, SIGINT)[(row + column) % 2])
    for row, command in enumerate(ROLES)
    for column, stage in enumerate(STAGES)
]


@contextmanager
def feishu_for(command: str) -> Iterator[FeishuStandIn]:
    """Feishu, which delivers as a command needs it, again and again for as long as a test may take."""
    stand_in = ConnectedStandIn if command == "connect" else FeishuStandIn
    with stand_in(delivery=RetrySchedule(ladder=(0.2,) * 150, answer_seconds=DEADLINE)) as feishu:
        yield feishu


@pytest.mark.postgres
@pytest.mark.parametrize(("command", "stage", "number"), STARTS)
def test_a_signal_during_the_start(
    command: str, stage: str, number: Signals, postgres_url: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with feishu_for(command) as feishu:
        variables = {**variables_for(feishu, folder=data), "DATABASE_URL": postgres_url, "BOT_SERVER_WORKER_PORT": "0"}
        with running_command(main, command, variables=variables, folder=tmp_path) as running:
            wait_for(lambda: STAGES[stage](data, running.log, feishu) or not running.process.is_alive())
            assert running.leave(number) == 0, running.log
            assert "Traceback" not in running.log


def begin(cluster: Cluster, command: str) -> BotProcess:
    """Starts a process that does the work, and, where it takes no events itself, another that does."""
    node = cluster.start(ROLES[command])
    if isinstance(cluster.feishu, ConnectedStandIn):
        line = cluster.feishu.line
        wait_for(lambda: line.open > 0)
    else:
        cluster.feishu.webhook_url = (cluster.start("web") if command == "worker" else node).webhook
    return node


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("command", "signals", "fault"),
    [
        ("serve", (SIGINT, SIGTERM), None),
        ("serve", (SIGTERM,), "level_0"),
        ("connect", (SIGINT,), None),
        ("worker", (SIGTERM, SIGTERM), None),
    ],
)
def test_a_signal_during_a_paid_call(
    command: str, signals: tuple[Signals, ...], fault: str | None, postgres_url: str, tmp_path: Path
) -> None:
    """The paid call is brought to its card, the next prompt is left to the next process, and each is paid for once."""
    with (
        feishu_for(command) as feishu,
        GlmStandIn(seconds=1.5) as glm,
        Cluster(folder=tmp_path, url=postgres_url, feishu=feishu, glm=glm) as cluster,
    ):
        if fault:
            glm.arm(fault)
        node = begin(cluster, command)
        said = [cluster.say("第一只猫"), cluster.say("第二只猫")]
        with psycopg.connect(postgres_url, autocommit=True) as database:
            accepted = "SELECT count(*) FROM generations"
            wait_for(lambda: glm.working == 1 and database.execute(accepted).fetchone() == (2,))
        node.send(*signals)
        assert node.wait() == 0
        assert len(glm.paid) == 1
        glm.seconds = 0.05
        begin(cluster, "serve" if command == "worker" else command)
        colors = [["green"], ["red" if fault else "green"]]
        wait_for(lambda: sorted(cluster.colors(one) for one in said) == colors)
        assert cluster.calls(*said) == [1, 1]


def test_a_paid_call_right_after_the_start_is_finished(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Stopped while the first call of a restarted process is open, it stores the image and exits with 0."""
    with (
        GlmStandIn(seconds=1.0) as glm,
        Cluster(folder=tmp_path, url=sqlite_database(tmp_path), glm=glm, feishu=feishu) as cluster,
    ):
        node = cluster.start("both")
        said = [cluster.say(text) for text in ("一只橘猫", "一只白猫")]
        assert all(cluster.push(message, web=node) for message in said)
        for message in said:
            wait_for(lambda message=message: posts_of(glm, message))  # type: ignore[misc]
            node.terminate()
            assert node.wait() == 0
            assert cluster.calls(*said) == [1, int(message is said[1])]
            if message is said[0]:
                node.start()
        assert all(is_final(feishu, message) for message in said)


def test_an_ignored_signal_stays_ignored(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Started with ``nohup``, the bot outlives the terminal: SIGHUP changes nothing, SIGTERM still ends it."""
    variables = {**variables_for(feishu, folder=tmp_path / "data"), "PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)}
    arguments = ["nohup", sys.executable, "-m", "bot", "serve"]
    with subprocess.Popen(arguments, env=variables, cwd=tmp_path, stdin=-3, stdout=-3, stderr=-1, text=True) as process:
        assert process.stderr is not None
        assert any("started" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(SIGHUP)
        ignored = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        assert int(re.findall(r"SigIgn:\s+(\w+)", ignored)[0], 16) & 1
        process.terminate()
        _, log = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, log


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.postgres
def test_a_web_answers_what_it_has_read_and_leaves(postgres_cluster: Cluster) -> None:
    """SIGTERM while a prompt and three commands wait to be stored: no new connection, four answers, exit code 0."""
    cluster = postgres_cluster
    web = cluster.start("web")
    said = [cluster.say(text) for text in ("一只猫", "/help", "/sizes", "/models")]
    with ThreadPoolExecutor(4) as pool, psycopg.connect(cluster.url) as holder:
        holder.execute("LOCK TABLE requests IN SHARE MODE")
        pushed = [pool.submit(cluster.push, message, web=web, seconds=DEADLINE) for message in said]
        # One holds the lock round acceptances and waits for the table, three wait for that one.
        waiting = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE NOT granted AND datname = %s"
        name = holder.info.dbname
        wait_for(lambda: holder.execute(waiting, (name,)).fetchone() == (4,))
        web.terminate()
        wait_for(lambda: not listens(web.port))
        holder.commit()
        statuses = [one.result() for one in pushed]
    # A lock is waited for no longer than an acknowledgement may take, and this machine may have been slow.
    assert set(statuses) <= {200, 503}
    assert web.wait() == 0
    following = cluster.start("web")
    assert [cluster.push(message, web=following) for message in said] == [200] * 4
    cluster.start("worker")
    cluster.wait_for_answers(said[0])
    cluster.wait_for_answers(*said[1:], color="blue")


@pytest.mark.postgres
def test_a_web_with_nothing_to_answer_leaves_at_once(postgres_cluster: Cluster) -> None:
    """Idle connections and a request that was never sent to its end do not keep a leaving web."""
    web = postgres_cluster.start("web")
    with httpx.Client(trust_env=False) as kept_alive, socket.create_connection(("127.0.0.1", web.port)) as half:
        half.sendall(b"POST /webhook/event HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert kept_alive.get(f"{web.address}/healthz").status_code == 200
        web.terminate()
        assert web.wait(seconds=0.8 * DRAIN_SECONDS) == 0


def test_a_rolling_restart_loses_nothing(cluster: Cluster) -> None:
    nodes = [cluster.start("both") for _ in range(2)]
    said = []
    for turn in range(4):
        for number in range(3):
            said.append(cluster.say(f"第 {turn}·{number} 只猫"))
            assert cluster.push(said[-1], web=nodes[(turn + 1) % 2]) == 200
        nodes[turn % 2].terminate()
        assert nodes[turn % 2].wait() == 0
        nodes[turn % 2].start()
    cluster.wait_for_answers(*said)
    assert cluster.calls(*said) == [1] * len(said)
