"""When the disk is full nothing is half written: events are refused until there is room, and what is paid is kept."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import BotProcess, Cluster
from tests.support.databases import sqlite_database
from tests.support.dsl import wait_for
from tests.support.waiting import wait_until


@pytest.fixture
def cluster(feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A bot on SQLite in a process of its own; GLM is slow enough for the disk to fill up meanwhile."""
    glm.seconds = 0.4
    with Cluster(folder=tmp_path, url=sqlite_database(tmp_path), feishu=feishu, glm=glm) as cluster:
        process = cluster.serve()
        # A process that finds no room while it starts ends, and its supervisor starts it again.
        wait_for(lambda: httpx.get(f"{process.address}/readyz").is_success)
        yield cluster


def room(cluster: Cluster, *, left: bool) -> BotProcess:
    """Lets no file of the process be written any more, or lets all; the kernel refuses it as on a full disk."""
    (process,) = cluster.processes
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard if left else 0, hard))
    return process


def test_an_event_that_finds_no_room_comes_again(cluster: Cluster) -> None:
    """Without room the webhook does not acknowledge, so Feishu delivers the message again, and it is answered once."""
    room(cluster, left=False)
    said = cluster.say()
    wait_for(lambda: len(cluster.feishu.attempts) >= 2)
    assert {(attempt.outcome, attempt.status) for attempt in cluster.feishu.attempts} == {("refused", 503)}
    assert cluster.glm.calls == []
    room(cluster, left=True)
    cluster.wait_for_answers(said)
    assert cluster.calls(said) == [1]


def test_a_paid_image_outlives_a_full_disk(cluster: Cluster) -> None:
    """A disk that fills up during the paid call costs no second one: its outcome is held until it can be written."""
    said = cluster.say()
    wait_for(lambda: cluster.glm.working == 1)
    room(cluster, left=False)
    wait_for(lambda: len(cluster.glm.paid) == 1)
    room(cluster, left=True)
    cluster.wait_for_answers(said)
    assert cluster.calls(said) == [1]


def test_a_full_disk_is_no_reason_to_spin(cluster: Cluster) -> None:
    """While due work cannot be claimed the worker looks for it at its own pace and burns no processor."""
    cluster.feishu.faults.arm("rate_chat", on="reply", times=None)
    cluster.say()
    wait_for(lambda: len(cluster.feishu.calls_named("reply")) >= 2)
    process = room(cluster, left=False)
    before = seconds_used(process)
    wait_until(lambda: False, seconds=1.0)
    used = seconds_used(process) - before
    assert used < 0.3, used
    room(cluster, left=True)


def seconds_used(process: BotProcess) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
