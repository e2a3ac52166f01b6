"""A process that is told to leave answers what it has read, ends what it has begun, and leaves the rest to others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import httpx
import psycopg
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.web.server import DRAIN_SECONDS
from tests.support.bot_process import PACE, Cluster
from tests.support.databases import postgres_database
from tests.support.dsl import DEADLINE, header_color, posts_of, wait_for


def say(cluster: Cluster, text: str) -> ChatMessage:
    """A message that nobody has delivered yet."""
    return cluster.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=text)


def until(cluster: Cluster, *said: ChatMessage, colours: list[str]) -> None:
    """Waits until each message has exactly these cards."""
    for message in said:
        assert cluster.feishu.wait_for(
            lambda feishu, one=message: [header_color(card) for card in feishu.replies(one.message_id)] == colours,  # type: ignore[misc]
            seconds=DEADLINE,
        ), [header_color(card) for card in cluster.feishu.replies(message.message_id)]


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def on_postgres(feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose database tells who waits for it."""
    with (
        postgres_database() as url,
        Cluster(folder=tmp_path, url=url, pace=PACE, glm=glm, feishu=feishu) as cluster,
    ):
        yield cluster


@pytest.mark.postgres
def test_a_web_answers_what_it_has_read_and_leaves(on_postgres: Cluster) -> None:
    """SIGTERM while a prompt and three commands wait to be stored: no new connection, four answers, exit code 0."""
    cluster = on_postgres
    web = cluster.start("web")
    said = [say(cluster, text) for text in ("一只猫", "/help", "/sizes", "/models")]
    with ThreadPoolExecutor(4) as pool, psycopg.connect(cluster.url) as holder:
        holder.execute("LOCK TABLE requests IN SHARE MODE")
        pushed = [pool.submit(cluster.post, message, web=web, seconds=DEADLINE) for message in said]
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
    assert web.wait(seconds=DEADLINE) == 0
    following = cluster.start("web")
    assert all(cluster.push(message, web=following) for message in said)
    cluster.start("worker")
    until(cluster, said[0], colours=["green"])
    until(cluster, *said[1:], colours=["blue"])


def test_a_web_with_nothing_to_answer_leaves_at_once(cluster: Cluster) -> None:
    """Idle connections and a request that was never sent to its end do not keep a leaving web."""
    web = cluster.start("web")
    with httpx.Client(trust_env=False) as kept_alive, socket.create_connection(("127.0.0.1", web.port)) as half:
        half.sendall(b"POST /webhook/event HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert kept_alive.get(f"http://127.0.0.1:{web.port}/healthz").status_code == 200
        web.terminate()
        assert web.wait(seconds=0.8 * DRAIN_SECONDS) == 0


@pytest.mark.parametrize(("role", "fault", "end"), [("worker", None, "green"), ("both", "level_0", "red")])
def test_a_worker_ends_its_paid_call_and_takes_nothing_new(
    cluster: Cluster, role: Literal["worker", "both"], fault: str | None, end: str
) -> None:
    """SIGTERM during a paid call: what comes of it is shown, the next prompt is left, and each is paid for once."""
    cluster.glm.seconds = 1.0
    if fault:
        cluster.glm.arm(fault)
    web = cluster.start("web")
    leaving = cluster.start(role)
    said = [say(cluster, "第一只猫"), say(cluster, "第二只猫")]
    for message in said:
        assert cluster.push(message, web=web)
    wait_for(lambda: cluster.glm.working == 1)
    leaving.terminate()
    assert leaving.wait(seconds=DEADLINE) == 0
    assert len(cluster.glm.calls) == len(cluster.glm.paid) == 1
    until(cluster, said[0], colours=[end])
    cluster.glm.seconds = 0.05
    cluster.start("worker")
    until(cluster, said[1], colours=["green"])
    assert [len(posts_of(cluster.glm, message)) for message in said] == [1, 1]


def test_a_rolling_restart_loses_nothing(cluster: Cluster) -> None:
    """Each of two processes is replaced in turn under a stream of messages: all are answered, and each is paid once."""
    nodes = [cluster.start("both") for _ in range(2)]
    said = []
    for round_ in range(4):
        for number in range(3):
            message = say(cluster, f"第 {round_}·{number} 只猫")
            assert cluster.push(message, web=nodes[(round_ + 1) % 2])
            said.append(message)
        nodes[round_ % 2].terminate()
        assert nodes[round_ % 2].wait(seconds=DEADLINE) == 0
        nodes[round_ % 2].start()
    until(cluster, *said, colours=["green"])
    assert [len(posts_of(cluster.glm, message)) for message in said] == [1] * len(said)
