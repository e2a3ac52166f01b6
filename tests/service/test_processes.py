"""The commands of production as processes: what they refuse, and how they leave at every step of their life.

Systemd and Docker send SIGTERM, a terminal sends SIGINT, and an impatient operator sends SIGTERM twice. SIGHUP, after
which secrets are reread, is tested with the long connection.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals
from threading import Semaphore

import httpx
import psycopg
import pytest
from sqlalchemy import update

from bot.__main__ import main
from bot.db.tables import requests
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import shared_tls
from bot.web.server import DRAIN_SECONDS
from tests.repo.lock import TOP
from tests.support.bot_process import BotProcess, Cluster, Role
from tests.support.builders import change
from tests.support.dsl import DEADLINE, BotUnderTest, Gate, around, variables_for, wait_for
from tests.support.forkserver import RunningCommand, run_command, running_command
from tests.support.servers import free_port

PROCFILE = dict(line.split(": python -m bot ") for line in (TOP / "Procfile").read_text("utf-8").splitlines())
LISTENING = "started command=serve port="
TOKEN = "not-a-real-metrics-token"


def origin(web: RunningCommand) -> str:
    """Where a web listens, once it does."""
    wait_for(lambda: LISTENING in web.log)
    return f"http://127.0.0.1:{web.log.partition(LISTENING)[2].split()[0]}"


def status(address: str, **headers: str) -> int:
    """The status with which an address answers; 0 where nobody does."""
    try:
        return httpx.get(address, headers=headers, trust_env=False, verify=shared_tls(), timeout=DEADLINE).status_code
    except httpx.TransportError:
        return 0


def assert_answered(feishu: FeishuStandIn, web: RunningCommand) -> None:
    """One event, signed and encrypted, has one reply."""
    feishu.webhook_url = f"{origin(web)}/webhook/event"
    said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="/help")
    wait_for(lambda: any(attempt.outcome == "acknowledged" for attempt in feishu.attempts))
    wait_for(lambda: len(feishu.replies(said.message_id)) == 1)


def test_the_web_line_alone_is_a_whole_bot(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """On SQLite it becomes ready, answers an event, and ends with 0 at SIGTERM; no other user reads its data."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    variables = variables_for(feishu, folder=data)
    with running_command(main, PROCFILE["web"], variables=variables, folder=tmp_path) as web:
        wait_for(lambda: status(f"{origin(web)}/readyz") == 200)
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
    (beside := tmp_path / "worker").mkdir()
    with running_command(main, PROCFILE["web"], "--no-worker", variables=variables, folder=tmp_path) as web:
        assert status(f"{origin(web)}/readyz") == 503
        with running_command(main, PROCFILE["worker"], variables=variables, folder=beside) as worker:
            wait_for(lambda: status(f"{origin(web)}/readyz") == 200)
            assert_answered(feishu, web)
            wait_for(lambda: status(f"{worker_origin}/readyz") == 200)
            assert status(f"{worker_origin}/metrics", Authorization=f"Bearer {TOKEN}") == 200
            assert httpx.post(f"{worker_origin}/webhook/event", trust_env=False).status_code == 404
            assert (worker.leave(), web.leave()) == (0, 0), worker.log + web.log
    assert ("shutting down command=worker" in worker.log, "shutting down command=serve" in web.log) == (True, True)


REFUSED: tuple[tuple[str, dict[str, str], int, str], ...] = (
    ("serve", {"FEISHU_APP_ID": ""}, 2, "FEISHU_APP_ID: is not set"),
    ("serve --no-worker", {}, 2, "DATABASE_URL: --no-worker needs a PostgreSQL"),
    ("worker", {}, 2, "DATABASE_URL: worker needs a PostgreSQL"),
    ("migrate", {"DATABASE_URL": "postgresql://a:not-a-real@db:not-a-real-port/b"}, 2, "DATABASE_URL: has a port"),
    ("serve", {"DATABASE_URL": "postgresql://127.0.0.1:1/db"}, 1, "The database does not answer"),
    ("migrate", {"DATABASE_URL": "sqlite:////dev/null/bot.db"}, 1, "/dev/null cannot be made"),
    ("serve", {"BOT_DATA_DIR": "/dev/null/data"}, 2, "BOT_DATA_DIR: /dev/null/data cannot be written"),
    ("serve", {"BOT_SERVER_HOST": "192.0.2.1"}, 2, "PORT: 0 on 192.0.2.1 cannot be used: "),
    ("connect", {"BOT_SERVER_HOST": "nobody.invalid"}, 2, "PORT: 0 on nobody.invalid cannot be used: "),
)
"""What cannot be used: the command, the variables, the exit code, and the words (192.0.2.1 is nobody's, RFC 5737)."""


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A value that is of no use ends the command with one sentence that names it, and with no traceback or secret."""
    given = {
        "FEISHU_APP_ID": "cli_test",
        "FEISHU_APP_SECRET": "not-a-real-secret",
        "FEISHU_ENCRYPT_KEY": "not-a-real-key",
        "BOT_SERVER_HOST": "127.0.0.1",
        "BOT_DATA_DIR": str(tmp_path / "data"),
        "PORT": "0",
    }
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        taken = ("serve", {"PORT": str(number)}, 2, f"PORT: {number} on 127.0.0.1 is taken by another program")
        for command, variables, code, words in (*REFUSED, taken):
            ended = run_command(main, *command.split(), variables={**given, **variables}, folder=tmp_path)
            assert (ended.code, words in ended.stderr) == (code, True), (command, ended.stderr)
            assert re.search("Traceback|not-a-real", ended.stderr) is None, ended.stderr


def started(feishu: FeishuStandIn, folder: Path, *prefix: str) -> subprocess.Popen[str]:
    """``serve`` in a Python of its own, after what stands before it on the line."""
    variables = {**variables_for(feishu, folder=folder / "data"), "PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)}
    line = [*prefix, sys.executable, "-m", "bot", "serve"]
    return subprocess.Popen(line, env=variables, cwd=folder, stdin=-3, stdout=-3, stderr=-1, text=True)


def has_signal(process: subprocess.Popen[str], number: Signals, *, mask: str) -> bool:
    """Whether a signal is in one of the kernel's masks of a process, as ``SigBlk`` for those that are blocked."""
    found = re.findall(rf"{mask}:\s+(\w+)", Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"))
    return bool(int(found[0], 16) & 1 << number - 1)


def test_a_signal_during_the_imports(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """A process that is stopped before it has imported the bot exits with 0 and says no more than that."""
    with started(feishu, tmp_path) as process:
        wait_for(lambda: has_signal(process, SIGTERM, mask="SigBlk"))
        process.terminate()
        _, log = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, log
    assert [word for word in ("Traceback", "started") if word in log] == []


def test_an_ignored_signal_stays_ignored(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """Started with ``nohup``, the bot outlives the terminal: SIGHUP changes nothing, SIGTERM still ends it."""
    with started(feishu, tmp_path, "nohup") as process:
        assert process.stderr is not None
        assert any("started" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(SIGHUP)
        assert has_signal(process, SIGHUP, mask="SigIgn")
        process.terminate()
        _, log = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, log


def test_a_signal_while_the_database_is_away(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """A process that is stopped while it waits for a database, which then does not answer, exits with 0."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE)
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db"
        variables = {**variables_for(feishu, folder=tmp_path / "data"), "DATABASE_URL": url}
        with (
            running_command(main, PROCFILE["web"], variables=variables, folder=tmp_path) as command,
            silent.accept()[0],
        ):
            assert command.leave() == 0, command.log


ROLES: dict[str, Role] = {"serve": "both", "connect": "connected", "worker": "worker"}

STAGES: dict[str, Callable[[str, FeishuStandIn], bool]] = {
    "identity asked": lambda _log, feishu: bool(feishu.calls_named("token")),
    "started": lambda log, _feishu: "started" in log,
}
"""What can be seen of a start from outside, once the database has answered."""


@contextmanager
def feishu_for(command: str) -> Iterator[FeishuStandIn]:
    """Feishu, which delivers as a command needs it, again and again for as long as a test may take."""
    stand_in = ConnectedStandIn if command == "connect" else FeishuStandIn
    with stand_in(delivery=RetrySchedule(ladder=(0.2,) * 150, answer_seconds=DEADLINE)) as feishu:
        yield feishu


@pytest.mark.postgres
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("command", ROLES)
def test_a_signal_during_the_start(command: str, stage: str, postgres_url: str, tmp_path: Path) -> None:
    with feishu_for(command) as feishu:
        own = {"DATABASE_URL": postgres_url, "BOT_SERVER_WORKER_PORT": "0"}
        variables = {**variables_for(feishu, folder=tmp_path / "data"), **own}
        with running_command(main, command, variables=variables, folder=tmp_path) as running:
            wait_for(lambda: STAGES[stage](running.log, feishu) or not running.process.is_alive())
            assert running.leave(SIGINT if command == "connect" else SIGTERM) == 0, running.log
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
    """The paid call is brought to its card, the next prompt is left to the next process, and each is paid for once.

    The next process is stopped, too, during its first call right after its start.
    """
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
        node = begin(cluster, "serve" if command == "worker" else command)
        wait_for(lambda: len(glm.calls) == 2)
        node.send(*signals)
        assert node.wait() == 0
        assert sorted(map(cluster.colors, said)) == [["green"], ["red" if fault else "green"]]
        assert cluster.calls(*said) == [1, 1]


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
        wait_for(lambda: status(f"{web.address}/healthz") == 0)
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


def test_a_worker_that_leaves_shows_what_it_has_paid_for(tmp_path: Path) -> None:
    """Also where that card was to be shown again for another reason, and waits behind those of others."""
    paid, sent = Gate(), Semaphore(1)

    def hold(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/reply"):
            sent.acquire()
        return inner.handle_request(request)

    with BotUnderTest(folder=tmp_path, wrap_glm=paid.around, wrap_feishu=around(hold)) as bot:
        worker, card = bot.app.worker, bot.new_user().ask_without_waiting()
        card.wait_to_show("state.generating")
        assert worker is not None
        for _ in range(worker.threads):
            bot.new_user().send("/help")
        wait_for(lambda: len(worker.steps.leases.held) == 1 + worker.threads)
        change(bot.app.database, update(requests).values(desired_version=requests.c.desired_version + 1))
        wait_for(lambda: len(worker.steps.leases.held) == 1 + worker.threads + 1)
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(bot.stop)
            wait_for(worker.background.stopping.is_set)
            paid.release()
            wait_for(lambda: "image" in [call.name for call in bot.feishu.calls])
            sent.release(1_000)
            stopped.result()
    assert card.reload().color == "green"
