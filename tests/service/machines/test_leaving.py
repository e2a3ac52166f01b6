"""A process that is told to leave answers what it has read, and leaves the rest to others."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from bot.web.server import DRAIN_SECONDS
from tests.support.bot_process import Cluster
from tests.support.dsl import DEADLINE, wait_for


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port."""
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
    """Each of two processes is replaced in turn under a stream of messages: all are answered, and each is paid once."""
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
